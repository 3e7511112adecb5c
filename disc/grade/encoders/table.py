"""Public encoders of tiles: who made them, under which licence, and how they are built."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from importlib.util import find_spec
from pathlib import Path
from typing import Any, Literal

from disc.files import BadInput

Rgb = tuple[float, float, float]
IMAGENET: tuple[Rgb, Rgb] = (0.485, 0.456, 0.406), (0.229, 0.224, 0.225)
"""Mean and standard deviation of ImageNet."""
LUNIT: tuple[Rgb, Rgb] = (
    (0.70322989, 0.53606487, 0.66096631),
    (0.21716536, 0.26081574, 0.20723464),
)
"""The same of Lunit's pathology tiles, as its authors give them with the weights."""
H_OPTIMUS: tuple[Rgb, Rgb] = (0.707223, 0.578729, 0.703617), (0.211883, 0.230117, 0.177517)
SUFFIXES = (".safetensors", ".bin", ".pth", ".pt", ".torch", ".ckpt")
"""Of the weight files that are looked for, in this order."""
NAMED = "name the folder with --encoder-weights"
"""What else `disc study` and `disc audit` offer where a weight file is missing."""
FETCHED = "give --grade.download to fetch it under these terms"
"""What else `disc run` offers."""
_LUNIT_AT = (
    "https://github.com/lunit-io/benchmark-ssl-pathology/releases/download/pretrained-weights/"
)
_NON_COMMERCIAL = "CC BY-NC-ND 4.0: research, no commercial use, nothing derived passed on"
_LUNIT_LICENCE = "Lunit's public licence: research, no commercial use"


@dataclass(frozen=True, kw_only=True)
class PublicEncoder:
    """One public encoder.

    Attributes:
        title: as people call it.
        width: length of a feature vector.
        parameters: weights of the whole network.
        architecture: name in timm.
        arguments: of the architecture; "swiglu" as `mlp_layer` stands for the packed one.
        reading: `pooled`, what the network gives; `third`, mean of a ResNet's third stage;
            `token+mean`, the class token beside the mean of patches.
        prefix: tokens before those of patches.
        classes: of the head that the file holds and nobody reads.
        stats: mean and standard deviation that colours are standardised by.
        licence: in a few words; what its page says decides.
        is_gated: whether its page asks for an account and consent before it gives the file.
        page: where licence and file are.
        file: an address, or a file of the page on the Hugging Face hub.
    """

    title: str
    width: int
    parameters: int
    architecture: str
    arguments: Mapping[str, Any] = field(default_factory=dict)
    reading: Literal["pooled", "third", "token+mean"] = "pooled"
    prefix: int = 1
    classes: int = 0
    stats: tuple[Rgb, Rgb] = IMAGENET
    licence: str
    is_gated: bool
    page: str
    file: str


PUBLIC: Mapping[str, PublicEncoder] = {
    "resnet50-imagenet": PublicEncoder(
        title="ResNet50, ImageNet, up to its third stage (as CLAM)",
        width=1024,
        parameters=25_557_032,
        architecture="resnet50",
        reading="third",
        classes=1000,
        licence="BSD 3-clause; trained on ImageNet, whose pictures are for research",
        is_gated=False,
        page="https://huggingface.co/timm/resnet50.tv_in1k",
        file="model.safetensors",
    ),
    "lunit-mocov2": PublicEncoder(
        title="Lunit ResNet50, MoCo v2",
        width=2048,
        parameters=23_508_032,
        architecture="resnet50",
        stats=LUNIT,
        licence=_LUNIT_LICENCE,
        is_gated=False,
        page="https://github.com/lunit-io/benchmark-ssl-pathology",
        file=_LUNIT_AT + "mocov2_rn50_ep200.torch",
    ),
    "lunit-dino": PublicEncoder(
        title="Lunit ViT-S/16, DINO",
        width=384,
        parameters=21_665_664,
        architecture="vit_small_patch16_224",
        stats=LUNIT,
        licence=_LUNIT_LICENCE,
        is_gated=False,
        page="https://github.com/lunit-io/benchmark-ssl-pathology",
        file=_LUNIT_AT + "dino_vit_small_patch16_ep200.torch",
    ),
    "uni": PublicEncoder(
        title="UNI",
        width=1024,
        parameters=303_350_784,
        architecture="vit_large_patch16_224",
        arguments={"init_values": 1e-5, "dynamic_img_size": True},
        licence=_NON_COMMERCIAL,
        is_gated=True,
        page="https://huggingface.co/MahmoodLab/UNI",
        file="pytorch_model.bin",
    ),
    "uni2-h": PublicEncoder(
        title="UNI2-h",
        width=1536,
        parameters=681_394_176,
        architecture="vit_giant_patch14_224",
        arguments={
            **{"img_size": 224, "patch_size": 14, "depth": 24, "num_heads": 24},
            **{"embed_dim": 1536, "mlp_ratio": 2.66667 * 2, "mlp_layer": "swiglu"},
            **{"init_values": 1e-5, "no_embed_class": True, "reg_tokens": 8},
            "dynamic_img_size": True,
        },
        licence=_NON_COMMERCIAL,
        is_gated=True,
        page="https://huggingface.co/MahmoodLab/UNI2-h",
        file="pytorch_model.bin",
    ),
    "virchow2": PublicEncoder(
        title="Virchow2",
        width=2560,
        parameters=631_239_424,
        architecture="vit_huge_patch14_224",
        arguments={
            **{"img_size": 224, "init_values": 1e-5, "mlp_ratio": 5.3375},
            **{"mlp_layer": "swiglu", "reg_tokens": 4, "dynamic_img_size": True},
            "global_pool": "",
        },
        reading="token+mean",
        prefix=5,
        licence=_NON_COMMERCIAL,
        is_gated=True,
        page="https://huggingface.co/paige-ai/Virchow2",
        file="model.safetensors",
    ),
    "h-optimus-0": PublicEncoder(
        title="H-optimus-0",
        width=1536,
        parameters=1_134_774_272,
        architecture="vit_giant_patch14_reg4_dinov2",
        arguments={"img_size": 224, "init_values": 1e-5, "dynamic_img_size": False},
        stats=H_OPTIMUS,
        licence="Apache 2.0",
        is_gated=True,
        page="https://huggingface.co/bioptimus/H-optimus-0",
        file="model.safetensors",
    ),
    "gigapath": PublicEncoder(
        title="Prov-GigaPath, its tile encoder",
        width=1536,
        parameters=1_134_953_984,
        architecture="vit_giant_patch14_dinov2",
        arguments={
            **{"img_size": 224, "patch_size": 16, "embed_dim": 1536, "depth": 40},
            **{"num_heads": 24, "init_values": 1e-5, "mlp_ratio": 5.33334},
        },
        licence="Apache 2.0 with conditions: research, no clinical use",
        is_gated=True,
        page="https://huggingface.co/prov-gigapath/prov-gigapath",
        file="pytorch_model.bin",
    ),
}
"""By name; the first three are the paper's.

Paper: Sec. 3 (features of TransMIL, refs. 7, 9, 20), Fig. 6.
"""


def find_weights(folder: Path, name: str) -> Path | None:
    """The weight file of an encoder in a folder, `<name>` with any of `SUFFIXES`."""
    found = (folder / f"{name}{suffix}" for suffix in SUFFIXES)
    return next((path for path in found if path.is_file()), None)


def require_weights(folder: Path, name: str, advice: str) -> Path:
    """The weight file of an encoder.

    Args:
        folder: where weight files lie.
        name: of the encoder.
        advice: what else may be done than to put the file there, which depends on the command.

    Raises:
        BadInput: if it is missing.
    """
    path = find_weights(folder, name)
    if path is None:
        file = Path(PUBLIC[name].file)
        raise BadInput(
            f"{folder}: no weights of {tell_terms(name)}. Put {file.name} there as "
            f"{name}{file.suffix}, or {advice}"
        )
    return path


def require_encoder(folder: Path, name: str, advice: str) -> None:
    """See before any work that an encoder can be read: `require_weights`, and what builds it.

    Raises:
        BadInput: if its weight file is missing, or timm or torchvision is not installed.
    """
    require_weights(folder, name, advice)
    require_extra(PUBLIC[name])


def require_extra(encoder: PublicEncoder) -> None:
    """See that what builds the network of an encoder is installed.

    Raises:
        BadInput: if it is not.
    """
    if missing := [package for package in ("timm", "torchvision") if find_spec(package) is None]:
        raise BadInput(
            f"{encoder.title} needs {' and '.join(missing)}; pip install timm torchvision"
        )


def tell_terms(name: str) -> str:
    """Licence and gate of an encoder, in one line."""
    encoder = PUBLIC[name]
    gate = "its page asks for an account and consent" if encoder.is_gated else "not gated"
    return f"{name} ({encoder.title}): {encoder.licence}; {gate}; {encoder.page}"
