"""latent-diffusion's names for an autoencoder's tensors, and its architecture from their shapes."""

from __future__ import annotations

import re
from collections.abc import Mapping
from pathlib import Path

from disc.files import BadInput
from disc.model.latent_shape import LATENT_CHANNELS, LATENT_FACTOR
from disc.settings.autoencoder import Autoencoder

Shape = tuple[int, ...]
GROUPS = 32
"""Groups of latent-diffusion's normalisation."""
LEVELS = 3
"""Resolutions of such a network: f = 2 ** (LEVELS - 1)."""
EXPECTED = (
    "expected latent-diffusion's vq-f4 or vq-f4-noattn "
    f"(f = {LATENT_FACTOR}, {LATENT_CHANNELS} channels, a codebook)"
)

_RULES = (
    (r"conv_norm_out", "norm_out"),
    (r"down_blocks\.(\d+)\.resnets", r"down.\1.block"),
    (r"up_blocks\.(\d+)\.resnets", r"up.\1.block"),
    (r"down_blocks\.(\d+)\.downsamplers\.0", r"down.\1.downsample"),
    (r"up_blocks\.(\d+)\.upsamplers\.0", r"up.\1.upsample"),
    (r"mid_block\.resnets\.0", "mid.block_1"),
    (r"mid_block\.resnets\.1", "mid.block_2"),
    (r"mid_block\.attentions\.0", "mid.attn_1"),
    (r"attn_1\.group_norm", "attn_1.norm"),
    (r"attn_1\.to_([qkv])", r"attn_1.\1"),
    (r"attn_1\.to_out\.0", "attn_1.proj_out"),
    (r"conv_shortcut", "nin_shortcut"),
)


def compvis_name(name: str) -> str:
    """latent-diffusion's name of a tensor of diffusers' VQModel; the map is one to one."""
    for pattern, there in _RULES:
        name = re.sub(pattern, there, name)
    # its up.0 is the finest resolution, diffusers' up_blocks.0 the coarsest
    return re.sub(r"\.up\.(\d+)", lambda found: f".up.{LEVELS - 1 - int(found[1])}", name)


def compvis_shape(name: str, shape: Shape) -> Shape:
    """Shape of a tensor there, by its name there: attention is made of 1 x 1 convolutions."""
    is_matrix = re.search(r"attn_1\.(q|k|v|proj_out)\.weight$", name)
    return (*shape, 1, 1) if is_matrix else shape


def read_architecture(shapes: Mapping[str, Shape], path: Path) -> Autoencoder:
    """Sizes of an autoencoder: widths, layers, codes, and whether it attends in the middle.

    Args:
        shapes: of all tensors, by latent-diffusion's names.
        path: of the checkpoint, for messages.

    Raises:
        BadInput: if it is no vector-quantised autoencoder with f = 4 and 3 channels.
    """
    if "quantize.embedding.weight" not in shapes:
        kind = "an autoencoder without a codebook (KL)" if "quant_conv.weight" in shapes else ""
        first = ", ".join(sorted(shapes)[:3]) or "no tensors"
        raise BadInput(f"{path}: holds {kind or first}; {EXPECTED}")
    levels = _count(r"encoder\.down\.(\d+)\.", shapes)
    if levels != LEVELS:
        raise BadInput(f"{path}: has {levels} resolutions, f = {2 ** (levels - 1)}; {EXPECTED}")
    codes, latent = _axes(shapes, path, "quantize.embedding.weight", 2)
    image = _axes(shapes, path, "encoder.conv_in.weight", 4)[1]
    inner = _axes(shapes, path, "decoder.conv_in.weight", 4)[1]
    if (image, latent, inner) != (3, LATENT_CHANNELS, LATENT_CHANNELS):
        raise BadInput(
            f"{path}: has {image} colours, {inner} latent channels, codes of {latent}; {EXPECTED}"
        )
    names = [f"encoder.down.{level}.block.0.conv1.weight" for level in range(LEVELS)]
    fine, middle, coarse = (_axes(shapes, path, name, 4)[0] for name in names)
    if fine % GROUPS or middle % GROUPS or coarse % GROUPS:
        raise BadInput(f"{path}: widths {fine}, {middle}, {coarse} are not multiples of {GROUPS}")
    layers = _count(r"encoder\.down\.0\.block\.(\d+)\.", shapes)
    return Autoencoder(
        channels=(fine, middle, coarse),
        layers=layers,
        num_codes=codes,
        groups=GROUPS,
        mid_attention=any(name.startswith("encoder.mid.attn_1.") for name in shapes),
    )


def _count(pattern: str, names: Mapping[str, Shape]) -> int:
    """Number of different numbers that the pattern's group takes in the names."""
    return len({found[1] for name in names if (found := re.match(pattern, name))})


def _axes(shapes: Mapping[str, Shape], path: Path, name: str, num: int) -> Shape:
    shape = shapes.get(name)
    if shape is None or len(shape) != num or not all(shape):
        found = "is missing" if shape is None else f"has shape {shape}"
        raise BadInput(f"{path}: '{name}' {found}; {EXPECTED}")
    return shape
