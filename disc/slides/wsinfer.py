"""A pixel grader as a tile classifier in TorchScript, for QuPath's WSInfer extension."""

from __future__ import annotations

import io
import warnings
from pathlib import Path
from typing import Any

import torch
from torch import Tensor, nn

from disc.files import whole_folder, write_bytes, write_json
from disc.labels import Label
from disc.slides.graders import Graders

MODEL, CONFIG = "torchscript_model.pt", "config.json"
"""Names that the extension looks for."""
SMALLEST = 1e-6


class TileClassifier(nn.Module):
    """Tiles [B, 3, P, P] in 0..1 to logits [B, 4]: logarithms of mean calibrated probabilities.

    The extension applies a softmax, which gives these probabilities back.
    """

    def __init__(self, graders: Graders, temperature: float) -> None:
        """Take the pixel graders of all seeds."""
        super().__init__()
        self.nets = nn.ModuleList(graders.pixel)
        self.temperature = temperature

    def forward(self, tiles: Tensor) -> Tensor:
        """Logits [B, 4]."""
        logits = torch.stack([net(tiles) for net in self.nets]).mean(0)
        means = (logits / self.temperature).softmax(1).mean((2, 3))
        return means.clamp(min=SMALLEST).log()


def export_wsinfer(graders: Graders, temperature: float, out: Path) -> str:
    """Write TorchScript and `config.json` to a new folder.

    Returns:
        What was written, in a line.

    Raises:
        BadInput: if the folder holds files.
    """
    side = graders.tile_px
    example = torch.zeros(2, 3, side, side)
    with warnings.catch_warnings():
        # The extension reads TorchScript alone, whatever torch would rather export.
        warnings.simplefilter("ignore")
        with torch.no_grad():
            classifier = TileClassifier(graders, temperature).cpu().eval()
            traced: Any = torch.jit.trace(  # type: ignore[no-untyped-call]
                classifier, example, check_trace=False
            )
            buffer = io.BytesIO()
            torch.jit.save(traced, buffer)
    config = {
        "spec_version": "1.0",
        "architecture": "carcino-net",
        "num_classes": len(Label),
        "class_names": [label.name for label in Label],
        "patch_size_pixels": side,
        "spacing_um_px": graders.um_per_px,
        "transform": [
            {"name": "Resize", "arguments": {"size": side}},
            {"name": "ToTensor"},
            {"name": "Normalize", "arguments": {"mean": [0.0] * 3, "std": [1.0] * 3}},
        ],
    }
    with whole_folder(out) as folder:
        write_bytes(folder / MODEL, buffer.getvalue())
        write_json(folder / CONFIG, config)
    return (
        f"{out}: {MODEL}, {CONFIG}; put the folder into QuPath's folder of WSInfer models, under "
        "local. Research use only"
    )
