"""timm needs torchvision, whose operators need the very PyTorch that it was built for."""

import importlib
import importlib.util

import pytest
import torch

_KEPT: list[torch.library.Library] = []


def load_torchvision() -> None:
    """Import torchvision; two operators that cannot be loaded are declared, and never called."""
    try:
        importlib.import_module("torchvision")
    except RuntimeError:
        library = torch.library.Library("torchvision", "DEF")
        for name in ("nms", "qnms"):
            library.define(f"{name}(Tensor dets, Tensor scores, float iou_threshold) -> Tensor")
        _KEPT.append(library)
        importlib.import_module("torchvision")


# diffusers imports it too, so this comes before anything of ours
if importlib.util.find_spec("torchvision") is not None:
    load_torchvision()


@pytest.fixture(scope="session")
def timm():
    """The package timm, or the test is skipped."""
    if importlib.util.find_spec("timm") is None or importlib.util.find_spec("torchvision") is None:
        pytest.skip("needs the extra encoders")
    return importlib.import_module("timm")
