"""`disc run PRESET --dry-run`: what a run will take, from a few real steps on this machine."""

from __future__ import annotations

import platform
from collections.abc import Mapping, Sequence
from dataclasses import replace

import torch
from torch import nn

from disc.busy import tell_busy
from disc.files import require
from disc.pipeline.context import Context
from disc.pipeline.dry_run.networks import Passing, Training, list_probes
from disc.pipeline.dry_run.timing import (
    Measured,
    count_operations,
    count_step,
    measure_calls,
    measure_fitting,
    measure_training,
)
from disc.pipeline.dry_run.workload import LABELS_A_MASK, Work, find_sizes, list_work
from disc.pipeline.run import split_folds
from disc.pipeline.stage import list_wanted
from disc.pipeline.stage_list import all_stages
from disc.processes import allowed_cores, own_device, own_share
from disc.report.estimate import Estimate, NetworkRow, StageRow
from disc.settings.run import Run

MEASURED_BESIDE = (
    ", and times are measured beside them; a quiet machine may be several times as fast: stop "
    "them, or measure again later"
)


def estimate_run(run: Run) -> Estimate:
    """Build the networks of a run, measure a few steps of each, and add up; nothing is written.

    Raises:
        BadInput: if there is data, and it cannot be used, or there are several processes.
    """
    require(own_share().count == 1, "--dry-run measures one process: start it without torchrun")
    one, *others = split_folds(run)
    busy = tell_busy(MEASURED_BESIDE)
    sizes = find_sizes(one)
    works = {work.stage: work for work in list_work(one, sizes)}
    wanted = list_wanted(all_stages(Context(one, one.out / one.name)), one.until)
    kept = [works[stage.name] for stage in wanted if stage.name in works]
    needed = {unit for work in kept for unit in work.units}
    rows = {name: price(name, probe) for name, probe in list_probes(one).items() if name in needed}
    return Estimate(
        title=run.name,
        machine=_name_machine(),
        networks=list(rows.values()),
        stages=[_sum_up(work, rows) for work in kept],
        notes=[*busy, sizes.source, *_notes(one, list(rows.values()))],
        times=1 + len(others),
    )


def _sum_up(work: Work, rows: Mapping[str, NetworkRow]) -> StageRow:
    return StageRow(
        name=work.stage,
        what=work.what,
        flops=sum(num * rows[unit].flops / rows[unit].unit for unit, num in work.units.items()),
        seconds=sum(num * rows[unit].seconds / rows[unit].unit for unit, num in work.units.items()),
    )


def price(name: str, probe: Training | Passing) -> NetworkRow:
    """Count the operations of one unit, and measure it."""
    abstract = probe.build().to("meta")
    parameters = sum(value.numel() for value in abstract.parameters())
    if isinstance(probe, Training):
        batch, flops, measured = _price_step(abstract, probe)
        # weights, gradients, two moments of Adam, and the moving average
        fixed = 4 * parameters * (5 if probe.optim.ema else 4)
        varying = max(0, measured.memory - fixed)
    else:
        batch, flops, measured = _price_pass(abstract, probe)
        fixed, varying = 4 * parameters, measured.memory
    share = batch / measured.batch
    return NetworkRow(
        name=name,
        parameters=parameters,
        batch=batch,
        unit=1 if isinstance(probe, Training) else batch,
        measured=measured.batch,
        flops=flops * batch,
        seconds=measured.seconds * share,
        memory=fixed + varying * share,
    )


def _price_step(abstract: nn.Module, probe: Training) -> tuple[int, float, Measured]:
    alike = {key: value.to("meta") for key, value in probe.draw(1).items()}
    flops = count_step(abstract, probe.step, alike)

    def measure(num: int) -> Measured:
        optim = replace(probe.optim, batch=num)
        return measure_training(probe.build, probe.step, probe.draw(num), optim)

    return probe.optim.batch, flops, measure_fitting(probe.optim.batch, flops, measure)


def _price_pass(abstract: nn.Module, probe: Passing) -> tuple[int, float, Measured]:
    call, device = probe.call, own_device()
    flops = count_operations(lambda: call(abstract, 1, torch.device("meta"))) / probe.repeats
    net = probe.build().to(device).eval()

    def measure(num: int) -> Measured:
        found = measure_calls(lambda: call(net, num, device), num)
        return replace(found, seconds=found.seconds / probe.repeats)

    return probe.batch, flops, measure_fitting(probe.batch, probe.repeats * flops, measure)


def _name_machine() -> str:
    device = own_device()
    if device.type == "cuda":
        return torch.cuda.get_device_name(device)
    cores = f"{torch.get_num_threads()} threads on {allowed_cores()} CPU core(s)"
    return f"{cores} ({platform.machine()})"


def _notes(run: Run, rows: Sequence[NetworkRow]) -> list[str]:
    source = run.autoencoder.source
    notes = [
        "GFLOP: convolutions and matrix products, a multiplication and an addition being two",
        f"sd-sc: multi-class masks are assumed to have {LABELS_A_MASK:g}",
        "not counted: drawing or reading tiles, features, what graders read, the report",
    ]
    if any(row.measured < row.batch for row in rows):
        notes.insert(0, "~: measured with fewer samples than the run's, and taken in proportion")
    if source is not None and not source.exists():
        notes.insert(0, f"{source} is not there: an autoencoder of the sizes in the settings")
    if own_device().type == "cpu":
        notes.insert(0, "a CPU: on a GPU the same command measures the GPU")
    return notes
