"""The VQ autoencoder between tiles and latents: a diffusers VQModel with a measured scale."""

from __future__ import annotations

import math
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import torch
from diffusers.models.autoencoders.vq_model import VQModel
from torch import nn

from disc.files import BadInput, reason
from disc.model.latent_shape import LATENT_CHANNELS
from disc.model.quantiser import lighten
from disc.model.store import DIFFUSERS_WEIGHTS, REMEDY, load_weights, save_folder
from disc.records.typed import read_record
from disc.settings.autoencoder import Autoencoder as AutoencoderSettings


def build_vq(settings: AutoencoderSettings) -> Any:
    """An untrained VQModel, f = 4, 3 latent channels; its scaling_factor is 1 until measured."""
    vq = VQModel(
        down_block_types=("DownEncoderBlock2D",) * 3,
        up_block_types=("UpDecoderBlock2D",) * 3,
        block_out_channels=settings.channels,
        layers_per_block=settings.layers,
        latent_channels=LATENT_CHANNELS,
        num_vq_embeddings=settings.num_codes,
        vq_embed_dim=LATENT_CHANNELS,
        norm_num_groups=settings.groups,
        scaling_factor=1.0,
        mid_block_add_attention=settings.mid_attention,
    )
    return lighten(vq)


def build_described(folder: Path) -> Any:
    """An untrained VQModel as the config.json of a diffusers folder describes it.

    Raises:
        FileNotFoundError: if there is no config.json.
        BadInput: if it describes anything but a VQModel with f = 4 and 3 latent channels.
    """
    if not (folder / "config.json").is_file():
        raise FileNotFoundError(
            f"{folder}: no config.json; expected a diffusers VQModel folder (of a pipeline, its "
            "folder vqvae or vae); disc import makes one of the file model.ckpt"
        )
    config = read_record(folder / "config.json", dict[str, Any], REMEDY)
    _check_config(config, folder)
    try:
        return lighten(VQModel.from_config(config))
    except Exception as error:
        # diffusers' constructor raises many kinds of errors on values that it does not check
        raise BadInput(
            f"{folder}/config.json: no VQModel can be built of it ({reason(error)})"
        ) from error


def _check_config(found: dict[str, Any], folder: Path) -> None:
    kind, widths = found.get("_class_name"), found.get("block_out_channels") or ()
    widths = widths if isinstance(widths, list) else ()
    channels, factor = found.get("latent_channels"), found.get("scaling_factor", 1.0)
    if not isinstance(factor, float | int) or not 0 < factor < math.inf:
        raise BadInput(f"{folder}/config.json: scaling_factor {factor}; expected a number above 0")
    codes = found.get("vq_embed_dim") or channels
    if (kind, len(widths), channels, codes) == ("VQModel", 3, LATENT_CHANNELS, LATENT_CHANNELS):
        return
    why = " (it has no codebook)" if kind == "AutoencoderKL" else ""
    raise BadInput(
        f"{folder}/config.json: {kind}{why} with {len(widths)} resolutions, {channels} channels, "
        f"codes of {codes}; expected a VQModel with 3, {LATENT_CHANNELS} and {LATENT_CHANNELS}, "
        "as vq-f4"
    )


def to_unit(tiles: torch.Tensor) -> torch.Tensor:
    """Tiles uint8 [B, H, W, 3] as float [B, 3, H, W] in -1..1."""
    return tiles.movedim(-1, 1).float() / 127.5 - 1


def to_pixels(images: torch.Tensor) -> npt.NDArray[np.uint8]:
    """Images float [B, 3, H, W] in -1..1 as uint8 [B, H, W, 3]."""
    pixels = ((images.float().clamp(-1, 1) + 1) * 127.5).round().to(torch.uint8)
    # of one tile alone channels lie apart, and encoders of JPEG refuse that
    array: npt.NDArray[np.uint8] = pixels.movedim(1, -1).contiguous().cpu().numpy()
    return array


class Autoencoder(nn.Module):
    """E and D of the paper, with latents divided by their measured standard deviation.

    Latents are taken before quantisation, which is part of the decoder.

    Paper: Sec. 2.1.
    """

    def __init__(self, vq: Any) -> None:
        """Wrap a VQModel."""
        super().__init__()
        self.vq = vq

    @property
    def scale(self) -> float:
        """Latents are divided by it; diffusers stores its inverse as scaling_factor."""
        return 1.0 / float(self.vq.config.scaling_factor)

    @property
    def num_codes(self) -> int:
        """Size of the codebook."""
        return int(self.vq.quantize.embedding.num_embeddings)

    def set_scale(self, scale: float) -> None:
        """Store a measured scale."""
        self.vq.register_to_config(scaling_factor=1.0 / scale)

    @torch.no_grad()
    def centre(self, mean: torch.Tensor) -> None:
        """Subtract the mean [3] of latents, so that they are centred as the noise is.

        The shift is folded into the convolutions on both sides of the codebook: tiles are decoded
        as before, and the folder stays a plain VQModel.
        """
        # E'(x) = E(x) - mean; W (z - mean) + (b + W mean) = W z + b, with W [3, 3], b [3]
        mean = mean * self.scale
        self.vq.post_quant_conv.bias += self.vq.post_quant_conv.weight[:, :, 0, 0] @ mean
        self.vq.quant_conv.bias -= mean
        self.vq.quantize.embedding.weight -= mean

    @torch.no_grad()
    def encode(self, tiles: torch.Tensor) -> torch.Tensor:
        """Tiles uint8 [B, H, W, 3] to latents [B, 3, H/4, W/4]."""
        latents: torch.Tensor = self.vq.encode(to_unit(tiles)).latents
        return latents / self.scale

    @torch.no_grad()
    def decode(self, latents: torch.Tensor) -> npt.NDArray[np.uint8]:
        """Latents [B, 3, h, w] to tiles uint8 [B, 4h, 4w, 3]."""
        return to_pixels(self.vq.decode(latents * self.scale).sample)

    @torch.no_grad()
    def codes(self, latents: torch.Tensor) -> torch.Tensor:
        """Indices of the codes that latents [B, 3, h, w] are quantised to, int [B, h, w]."""
        vectors = (latents * self.scale).movedim(1, -1)
        nearest: torch.Tensor = self.vq.quantize.nearest(vectors.reshape(-1, LATENT_CHANNELS))
        return nearest.reshape(vectors.shape[:-1])

    def save(self, folder: Path) -> None:
        """Write a folder that diffusers' VQModel.from_pretrained reads."""
        save_folder(folder, self.vq)

    @classmethod
    def load(cls, folder: Path) -> Autoencoder:
        """Read a diffusers VQModel folder.

        Raises:
            FileNotFoundError: if the folder or a file of it is missing.
            BadInput: if it is no VQModel with f = 4 and 3 latent channels, or is damaged.
        """
        vq = build_described(folder)
        load_weights(folder / DIFFUSERS_WEIGHTS, vq)
        return cls(vq).eval()
