"""Parts of work, cores that a process may use, and batches that processes cannot share."""

import os
from dataclasses import replace
from pathlib import Path

import pytest

from disc import processes
from disc.files import BadInput
from disc.pipeline import run as pipeline
from disc.pipeline.context import Context
from disc.pipeline.run import list_trainings, refuse_uneven
from disc.pipeline.stage_list import all_stages
from disc.presets import PRESETS, paper, smoke
from disc.processes import Share, allowed_cores, gather, num_cores, write_once
from disc.settings.training import Speed

NAMES = ["data", "referee", "autoencoder", "denoiser/sd", "denoiser/sd-disc", "features/carcino"]


@pytest.mark.parametrize(("num", "count"), [(0, 2), (5, 2), (8, 3), (3, 8)])
def test_cut_parts_are_all_pieces_in_order(num: int, count: int) -> None:
    cut = [list(Share(rank, count).cut(num)) for rank in range(count)]
    assert [piece for part in cut for piece in part] == list(range(num))
    assert max(map(len, cut)) - min(map(len, cut)) <= 1


@pytest.mark.parametrize(
    ("files", "cores"),
    [
        ({"cpu.max": "150000 100000"}, 2),
        ({"cpu.max": "10000 100000"}, 1),
        ({"cpu.max": "max 100000"}, processes._NO_QUOTA),
        ({"cpu/cpu.cfs_quota_us": "300000\n", "cpu/cpu.cfs_period_us": "100000\n"}, 3),
        ({"cpu/cpu.cfs_quota_us": "-1", "cpu/cpu.cfs_period_us": "100000"}, processes._NO_QUOTA),
        ({}, processes._NO_QUOTA),
        ({"cpu.max": "?"}, processes._NO_QUOTA),
    ],
)
def test_a_containers_quota(tmp_path: Path, files: dict[str, str], cores: int) -> None:
    for name, text in files.items():
        (tmp_path / name).parent.mkdir(exist_ok=True)
        (tmp_path / name).write_text(text)
    assert processes._quota(tmp_path) == cores


def test_cores_are_this_process_share(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(os, "sched_getaffinity", lambda _: set(range(8)), raising=False)
    monkeypatch.setattr(processes, "_quota", lambda _: 6)
    assert allowed_cores() == 6
    monkeypatch.setenv("LOCAL_WORLD_SIZE", "3")
    assert num_cores() == 2


def test_one_process_has_all(tmp_path: Path) -> None:
    write_once(lambda: (tmp_path / "once").write_text("1"))
    assert (tmp_path / "once").exists()
    assert gather([1, 2]) == [1, 2]


@pytest.mark.parametrize(
    ("run", "count", "message"),
    [
        (smoke(), 32, r"^referee: a batch of 16 .* 32 processes; give --evaluate.referee.optim"),
        (paper(), 32, r"^denoiser/sd: a batch of 16 .*; give --denoiser.optim.batch a multiple"),
        (
            replace(
                smoke(),
                grade=replace(
                    smoke().grade,
                    carcino=replace(
                        smoke().grade.carcino,
                        optim=replace(smoke().grade.carcino.optim, speed=Speed(accumulate=4)),
                    ),
                ),
            ),
            8,
            r"^features/carcino: a batch of 16 .*8 processes in 4 pieces; .*a multiple of 32",
        ),
    ],
)
def test_what_cannot_be_shared_is_known_before_the_first_stage(run, count, message) -> None:
    refuse_uneven(run, NAMES, 1)
    with pytest.raises(BadInput, match=message):
        refuse_uneven(run, NAMES, count)
    refuse_uneven(run, NAMES[:1], count)


def test_every_stage_that_processes_train_together_is_looked_at(tmp_path: Path) -> None:
    """With another encoder than the embedded one, pixel graders ended a run after days."""
    own = smoke()
    for encoders in (("carcino",), ("files",)):
        files = tmp_path if encoders == ("files",) else None
        grade = replace(own.grade, encoders=encoders, feature_files=files)
        run = replace(own, grade=grade)
        names = {stage.name for stage in all_stages(Context(run, tmp_path)) if stage.is_trained}
        whole = {"graders/slides"}  # each is trained by one process
        assert names - whole <= {stage for stage, _, _ in list_trainings(run)}


def test_what_comes_after_the_last_wanted_stage_need_not_be_shared(tmp_path, monkeypatch) -> None:
    monkeypatch.setattr(pipeline, "own_share", lambda: Share(0, 32))
    monkeypatch.setattr(pipeline, "run_stages", lambda *_, **__: [])
    run = replace(smoke(), out=tmp_path, until="data")
    pipeline.execute(run)
    with pytest.raises(BadInput, match=r"^referee: a batch of 16 .* 32 processes"):
        pipeline.execute(replace(run, until="referee"))


@pytest.mark.parametrize("name", ["gpu", "paper", "fold-safe"])
def test_eight_processes_share_the_presets_for_gpus(name: str) -> None:
    """Slide graders, in batches of 2, are shared out whole."""
    run = PRESETS[name]()
    refuse_uneven(run, [stage for stage, _, _ in list_trainings(run)], 8)
