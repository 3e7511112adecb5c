"""The state of a training on disk: one safetensors file, whole or absent, never a pickle."""

from __future__ import annotations

import copy
from dataclasses import dataclass, field
from pathlib import Path

import safetensors.torch
import torch
from torch import nn

from disc.files import BadInput, write_bytes
from disc.model.store import find_not_finite, read_tensors
from disc.processes import Share
from disc.records.seal import seal
from disc.records.typed import stands
from disc.train.batch_sums import BatchSums
from disc.train.ema import Ema

NAME = "checkpoint.safetensors"
_SLOTS = ("exp_avg", "exp_avg_sq", "step")
"""What AdamW keeps of every weight."""


@dataclass(frozen=True)
class Best:
    """The averaged weights (EMA) of the lowest validation loss so far, on the CPU."""

    step: int
    loss: float
    weights: dict[str, torch.Tensor]


@dataclass
class State:
    """All that changes during training.

    Attributes:
        model: what a step calls: the network, wrapped for data-parallel training if need be.
        network: the network itself, which owns the weights.
        best: the best weights so far, where they are kept; part of the checkpoint.
        sum_all: sums over the parts of a batch that processes and pieces share.
    """

    model: nn.Module
    network: nn.Module
    optimizer: torch.optim.Optimizer
    ema: Ema | None
    share: Share
    step: int = 0
    best: Best | None = None
    sum_all: BatchSums = field(default_factory=lambda: BatchSums(Share(), 1))

    def averaged(self) -> nn.Module:
        """A copy of the network with the averaged weights, in evaluation mode."""
        network = copy.deepcopy(self.network)
        if self.ema is not None:
            network.load_state_dict(self.ema.weights)
        return network.eval()


def save_checkpoint(folder: Path, state: State) -> None:
    """Replace the folder's checkpoint by the present state.

    Raises:
        FloatingPointError: if a number in it is NaN or infinite; what stood before is kept.
    """
    tensors = {f"network.{key}": value for key, value in state.network.state_dict().items()}
    if state.ema is not None:
        tensors |= {f"ema.{key}": value for key, value in state.ema.weights.items()}
    for index, slots in state.optimizer.state_dict()["state"].items():
        tensors |= {f"optimizer.{index}.{slot}": value for slot, value in slots.items()}
    if state.best is not None:
        tensors |= {f"best.{key}": value for key, value in state.best.weights.items()}
        step_and_loss = [state.best.step, state.best.loss]
        tensors["best"] = torch.tensor(step_and_loss, dtype=torch.float64)
    tensors["step"] = torch.tensor(state.step)
    tensors = {key: value.detach().cpu().contiguous() for key, value in tensors.items()}
    if name := find_not_finite(tensors):
        raise FloatingPointError(
            f"'{name}' is not finite at step {state.step}; the checkpoint before is kept: lower "
            "the learning rate"
        )
    write_bytes(folder / NAME, seal(safetensors.torch.save(tensors)))


def restore_checkpoint(folder: Path, state: State, steps: int) -> None:
    """Bring the state back to the folder's checkpoint, if there is one.

    Args:
        folder: of the training.
        state: of a training that has taken no step.
        steps: that the training takes; a checkpoint of a later step is none of it.

    Raises:
        BadInput: if the checkpoint is damaged, or belongs to another training.
    """
    path = folder / NAME
    if state.share.is_first:
        # half-written checkpoints of killed processes: a few of them would fill a disk
        for rest in folder.glob(f".{NAME}.*.tmp"):
            rest.unlink()
    if not stands(path):
        return
    _refuse_larger(path, state.network)
    tensors = read_tensors(path)
    _check(path, tensors, state, steps)
    state.step = int(tensors.pop("step"))
    state.network.load_state_dict(_part(tensors, "network."))
    if state.ema is not None:
        state.ema.weights = {
            key: value.to(state.ema.weights[key].device)
            for key, value in _part(tensors, "ema.").items()
        }
    state.best = _best(tensors)
    slots: dict[int, dict[str, torch.Tensor]] = {}
    for name, value in _part(tensors, "optimizer.").items():
        index, slot = name.split(".", 1)
        slots.setdefault(int(index), {})[slot] = value
    saved = state.optimizer.state_dict()
    state.optimizer.load_state_dict({**saved, "state": slots})


def _refuse_larger(path: Path, network: nn.Module) -> None:
    """Refuse what holds more than weights, their averages, the best, and two moments of each."""
    own = sum(value.numel() * 8 for value in network.state_dict().values())
    if (size := path.stat().st_size) > 5 * own + 2**24:
        raise BadInput(
            f"{path}: {size:,} bytes, more than a checkpoint of this network has; delete it"
        )


def _check(path: Path, tensors: dict[str, torch.Tensor], state: State, steps: int) -> None:
    """Refuse a checkpoint that is not of this training, or whose numbers cannot be."""
    step = tensors.get("step", torch.tensor(-1))
    if step.numel() != 1 or not 0 <= int(step) <= steps or step.is_floating_point():
        raise _unfit(path, f"of step {step.tolist()}, where training takes {steps}")
    weights = {name: value.shape for name, value in state.network.state_dict().items()}
    parts = ["network", *["ema"] * (state.ema is not None), *["best"] * ("best" in tensors)]
    expected = {f"{part}.{name}": shape for part in parts for name, shape in weights.items()}
    given = [value for group in state.optimizer.param_groups for value in group["params"]]
    has_slots = {name.split(".")[1] for name in tensors if name.startswith("optimizer.")}
    for index, value in enumerate(given):
        # a weight that no loss has reached has none
        if str(index) in has_slots or (int(step) and not has_slots):
            names = (f"optimizer.{index}.{slot}" for slot in _SLOTS)
            expected |= dict(zip(names, (value.shape, value.shape, torch.Size()), strict=True))
    expected |= {"step": torch.Size()}
    if "best" in tensors:
        expected["best"] = torch.Size([2])
    found = {name: value.shape for name, value in tensors.items()}
    for name in sorted(found.keys() ^ expected.keys()):
        raise _unfit(path, f"'{name}' is {'unknown' if name in found else 'missing'}")
    for name in found:
        if found[name] != expected[name]:
            raise _unfit(path, f"'{name}' is {[*found[name]]}, expected {[*expected[name]]}")
    if bad := find_not_finite(tensors):
        raise _unfit(path, f"'{bad}' is not finite")


def _unfit(path: Path, why: str) -> BadInput:
    return BadInput(
        f"{path}: a checkpoint of another network or training ({why}); delete it, and the same "
        "command begins that training anew"
    )


def read_best(folder: Path) -> Best | None:
    """The best weights in a folder's checkpoint, for the processes that ran no hooks.

    None if there is no checkpoint, as after a training of no steps.
    """
    path = folder / NAME
    return _best(read_tensors(path)) if path.exists() else None


def _best(tensors: dict[str, torch.Tensor]) -> Best | None:
    if "best" not in tensors:
        return None
    step, loss = tensors["best"].tolist()
    return Best(int(step), loss, _part(tensors, "best."))


def _part(tensors: dict[str, torch.Tensor], prefix: str) -> dict[str, torch.Tensor]:
    return {key[len(prefix) :]: value for key, value in tensors.items() if key.startswith(prefix)}
