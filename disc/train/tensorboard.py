"""The log as TensorBoard events, for those who ask for them."""

from __future__ import annotations

from collections.abc import Mapping
from importlib.util import find_spec
from pathlib import Path

import numpy as np
import numpy.typing as npt

from disc.files import BadInput

Measurements = Mapping[str, float | npt.NDArray[np.uint8]]
"""Numbers, and images uint8 [H, W, 3], by name."""


def require_tensorboard() -> None:
    """Refuse to write events without the package that writes them.

    Raises:
        BadInput: if TensorBoard is not installed.
    """
    if find_spec("tensorboard") is None:
        raise BadInput(
            "validation.tensorboard: the package tensorboard is not installed; "
            "pip install tensorboard, or leave the option out (log.jsonl holds the same numbers)"
        )


class EventWriter:
    """TensorBoard events of one training, in `board/`; after a resume each step is shown once."""

    def __init__(self, folder: Path, start: int) -> None:
        """Open the events at step `start`; later ones, of a killed process, are hidden."""
        require_tensorboard()
        from torch.utils.tensorboard import SummaryWriter

        # "purge_step: events at it or later are hidden"
        self._writer = SummaryWriter(str(folder / "board"), purge_step=start + 1)

    def add(self, step: int, values: Measurements) -> None:
        """Add the numbers and images of a step."""
        for name, value in values.items():
            if isinstance(value, np.ndarray):
                self._writer.add_image(name, value, step, dataformats="HWC")
            else:
                self._writer.add_scalar(name, value, step)

    def close(self) -> None:
        """Flush and close."""
        self._writer.close()
