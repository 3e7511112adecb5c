"""The log as TensorBoard events, where they are asked for."""

from __future__ import annotations

from collections.abc import Mapping
from importlib.util import find_spec
from pathlib import Path

import numpy as np
import numpy.typing as npt

from disc.files import BadInput


def require_tensorboard() -> None:
    """Refuse to write events without the package that writes them.

    Raises:
        BadInput: if TensorBoard is not installed.
    """
    if find_spec("tensorboard") is None:
        raise BadInput(
            "validation.tensorboard: the package tensorboard is not installed; "
            "pip install 'disc-gleason[tensorboard]', or leave it out (log.jsonl says the same)"
        )


class Board:
    """Events of one training in `board/`; of a resumed one, each step is shown once."""

    def __init__(self, folder: Path, start: int) -> None:
        """Open the events at step `start`; those after it, of a killed training, are hidden."""
        require_tensorboard()
        from torch.utils.tensorboard import SummaryWriter

        # "purge_step: events at it or later are hidden"
        self._writer = SummaryWriter(str(folder / "board"), purge_step=start + 1)

    def add(self, step: int, values: Mapping[str, float | npt.NDArray[np.uint8]]) -> None:
        """Add numbers and pictures uint8 [H, W, 3] of a step."""
        for name, value in values.items():
            if isinstance(value, np.ndarray):
                self._writer.add_image(name, value, step, dataformats="HWC")
            else:
                self._writer.add_scalar(name, value, step)

    def close(self) -> None:
        """Write what is left."""
        self._writer.close()
