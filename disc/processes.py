"""Which of several processes this is: one machine or many, started by torchrun or not at all."""

from __future__ import annotations

import os
import signal
import threading
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import timedelta
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from concurrent.futures import ProcessPoolExecutor
    from multiprocessing.context import BaseContext

    import torch

PATIENCE = timedelta(hours=12)
"""How long processes wait for work that only the first one does."""


_NO_QUOTA = 2**20
_LAUNCHED = ("WORLD_SIZE", "PMI_SIZE", "OMPI_COMM_WORLD_SIZE", "MV2_COMM_WORLD_SIZE")
"""Where Accelerate learns how many processes a launcher started."""


@dataclass(frozen=True)
class Share:
    """Which part of the work is this process's."""

    rank: int = 0
    count: int = 1

    def take(self, tensor: torch.Tensor) -> torch.Tensor:
        """This process's part of a tensor whose first axis is the whole batch."""
        size = len(tensor) // self.count
        return tensor[self.rank * size : (self.rank + 1) * size]

    def cut(self, num: int) -> range:
        """This process's part of `num` pieces, which may not divide evenly."""
        return range(self.rank * num // self.count, (self.rank + 1) * num // self.count)

    def has(self, number: int) -> bool:
        """Whether piece `number` of a list of pieces is this process's."""
        return number % self.count == self.rank

    @property
    def is_first(self) -> bool:
        """Whether this process writes what is written once."""
        return self.rank == 0


def own_share() -> Share:
    """This process's share of the work; Accelerate finds out about the others."""
    if not _is_launched():
        return Share()
    state = _state()
    return Share(state.process_index, state.num_processes)


def num_cores() -> int:
    """Cores of this machine for this process, where others of the launcher's take theirs."""
    others = max(1, int(os.environ.get("LOCAL_WORLD_SIZE", "1")))
    return max(1, allowed_cores() // others)


def share_threads(count: int) -> None:
    """Let torch take this process's part of the cores where so many work side by side."""
    import torch

    if count > 1:
        torch.set_num_threads(max(1, num_cores() // count))


def allowed_cores() -> int:
    """Cores that this process may use: those of its affinity, or fewer by its group's quota."""
    # Linux alone tells which cores a process may use; elsewhere it may use all.
    is_told = hasattr(os, "sched_getaffinity")
    cores = len(os.sched_getaffinity(0)) if is_told else os.cpu_count() or 1
    return max(1, min(cores, _quota(Path("/sys/fs/cgroup"))))


def _quota(groups: Path) -> int:
    """Cores that a container may use at a time, as Linux's control groups (2 and 1) say."""
    try:
        if (groups / "cpu.max").exists():
            quota, period = (groups / "cpu.max").read_text().split()
        else:
            names = ("cpu.cfs_quota_us", "cpu.cfs_period_us")
            quota, period = ((groups / "cpu" / name).read_text().strip() for name in names)
        return max(1, round(int(quota) / int(period))) if int(quota) > 0 else _NO_QUOTA
    except (OSError, ValueError, ZeroDivisionError):  # "max", or another system
        return _NO_QUOTA


@contextmanager
def spread(
    count: int, chunk: int = 1, *, on_cpu: bool = False
) -> Iterator[Callable[..., Iterator[Any]]]:
    """A `map` whose calls several processes of this machine share; the order of results stays.

    Args:
        count: of processes; one or less: this one does all.
        chunk: calls that a process takes at a time.
        on_cpu: whether the several leave a GPU alone.

    Raises:
        BrokenProcessPool: in what uses it, if a process is killed.
    """
    if count <= 1:
        yield map
        return
    import multiprocessing

    # Spawned: a forked child of a process with threads may hang.
    with open_pool(count, multiprocessing.get_context("spawn"), on_cpu=on_cpu) as pool:
        yield partial(pool.map, chunksize=chunk)


@contextmanager
def open_pool(
    count: int, context: BaseContext, *, on_cpu: bool = False
) -> Iterator[ProcessPoolExecutor]:
    """Processes that end with this one, and at once where what uses them is stopped.

    Args:
        count: of processes.
        context: how they are started.
        on_cpu: whether they leave a GPU alone.
    """
    import multiprocessing
    from concurrent.futures import ProcessPoolExecutor

    before = set(multiprocessing.active_children())
    with ProcessPoolExecutor(count, context, initializer=partial(follow_parent, on_cpu)) as pool:
        try:
            yield pool
        except BaseException:
            # Else all that was handed out would be worked off first.
            pool.shutdown(wait=False, cancel_futures=True)
            for child in set(multiprocessing.active_children()) - before:
                child.kill()
            raise


def follow_parent(on_cpu: bool = False) -> None:
    """In a worker: die with the command that started it, at once or when that is killed alone."""
    import multiprocessing

    if on_cpu:
        os.environ["CUDA_VISIBLE_DEVICES"] = ""

    signal.signal(signal.SIGINT, signal.SIG_DFL)
    signal.signal(signal.SIGTERM, signal.SIG_DFL)
    parent = multiprocessing.parent_process()

    def follow() -> None:
        if parent is not None:
            parent.join()
        os._exit(1)

    threading.Thread(target=follow, daemon=True).start()


def _is_launched() -> bool:
    """Whether a launcher started this process; if none did, torch need not be loaded."""
    return any(name in os.environ for name in _LAUNCHED)


def own_device() -> torch.device:
    """The device of this process."""
    device: torch.device = _state().device
    return device


def wait_for_all() -> None:
    """Wait until every process has come here."""
    if not _is_launched():
        return
    _state().wait_for_everyone()


def write_once(write: Callable[[], object]) -> None:
    """Let the first process write what is written once; then it stands for all of them."""
    if own_share().is_first:
        write()
    wait_for_all()


def gather(part: Sequence[Any]) -> list[Any]:
    """The parts of all processes in one list, in the order of `Share.cut`; each has all of it."""
    share = own_share()
    if share.count == 1:
        return list(part)
    from accelerate.utils import gather_object

    return list(gather_object(list(part)))


def accelerate_on_cpu() -> bool:
    """Whether to tell Accelerate to stay on the CPU; it then finds torchrun's other processes."""
    import torch

    return not torch.cuda.is_available()


def _state() -> Any:
    from accelerate import PartialState

    if PartialState._shared_state:
        return PartialState()
    return PartialState(cpu=accelerate_on_cpu(), timeout=PATIENCE)
