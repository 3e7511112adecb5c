import json
import os

import pytest

from disc.files import BadInput
from disc.pipeline.stage import Stage, find_lost, run_stages, why_stale
from disc.records.listing import _hash_once


class Counter:
    """Stages that write a file and count how often they were done."""

    def __init__(self, root):
        self.root = root
        self.done = []
        self.settings = {"first": 1, "second": 1}

    def stages(self):
        return [self.stage("first"), self.stage("second", "first"), self.stage("third", "second")]

    def stage(self, name, *needs):
        def work(folder):
            self.done.append(name)
            (folder / "result.txt").write_text(name)
            return f"did {name}"

        return Stage(name=name, needs=needs, settings=self.settings.get(name), work=work)

    def run(self, until="third"):
        self.done.clear()
        run_stages(self.stages(), self.root, until=until, say=lambda text: None)
        return self.done


def test_everything_is_done_once(tmp_path):
    counter = Counter(tmp_path)
    assert counter.run() == ["first", "second", "third"]
    assert counter.run() == []


def test_finished_stages_are_told_in_one_line(tmp_path):
    counter, said = Counter(tmp_path), []
    counter.run(until="second")
    run_stages(counter.stages(), tmp_path, until="third", say=said.append)
    assert said[0] == "2 of 3 stages were done before: first, second"
    assert said[1] == "stage 3 of 3, third: starting"
    assert said[2].startswith("stage 3 of 3, third: did third (0 s)")
    said.clear()
    run_stages(counter.stages(), tmp_path, until="third", say=said.append)
    assert said == ["all 3 stages, first to third, were done before: nothing to do"]


def test_a_deleted_folder_is_done_again_with_what_follows(tmp_path):
    counter = Counter(tmp_path)
    counter.run()
    (tmp_path / "second" / "result.txt").unlink()
    (tmp_path / "second" / "done.json").unlink()
    assert counter.run() == ["second", "third"]


def test_a_changed_configuration_redoes_its_stage_and_what_follows(tmp_path):
    counter = Counter(tmp_path)
    counter.run()
    counter.settings["second"] = 2
    assert "configuration" in str(why_stale(counter.stages()[1], tmp_path))
    (tmp_path / "second" / "leftover.txt").write_text("of the old configuration")
    assert counter.run() == ["second", "third"]
    assert not (tmp_path / "second" / "leftover.txt").exists()


def test_until_stops_there(tmp_path):
    counter = Counter(tmp_path)
    assert counter.run(until="second") == ["first", "second"]
    with pytest.raises(BadInput, match=r"no stage 'sekond'.*first, second, third"):
        counter.run(until="sekond")


def test_a_stopped_stage_keeps_what_it_has(tmp_path):
    seen = []

    def work(folder):
        seen.append((folder / "half.txt").exists())
        (folder / "half.txt").write_text("half")
        if len(seen) == 1:
            raise KeyboardInterrupt
        return "done"

    stage = Stage(name="long", needs=(), settings=1, work=work)
    with pytest.raises(KeyboardInterrupt):
        run_stages([stage], tmp_path, until="long", say=lambda text: None)
    assert why_stale(stage, tmp_path) == "resuming"
    run_stages([stage], tmp_path, until="long", say=lambda text: None)
    assert seen == [False, True]


def test_what_was_begun_for_another_configuration_is_cleared(tmp_path):
    def work(folder):
        assert not (folder / "half.txt").exists()
        (folder / "half.txt").write_text("half")
        raise KeyboardInterrupt

    for settings in (1, 2):
        stage = Stage(name="long", needs=(), settings=settings, work=work)
        with pytest.raises(KeyboardInterrupt):
            run_stages([stage], tmp_path, until="long", say=lambda text: None)


def test_files_of_others_are_never_cleared(tmp_path):
    (tmp_path / "first").mkdir()
    (tmp_path / "first" / "thesis.tex").write_text("years of work")
    with pytest.raises(BadInput, match="no stage wrote"):
        Counter(tmp_path).run()
    assert (tmp_path / "first" / "thesis.tex").exists()


def test_a_missing_output_is_made_again(tmp_path):
    table = tmp_path / "table.parquet"

    def work(folder):
        table.write_bytes(b"rows")
        return "done"

    stage = Stage(name="table", needs=(), settings=1, work=work, outputs=(table,))
    run_stages([stage], tmp_path, until="table", say=lambda text: None)
    table.unlink()
    assert "table.parquet is missing" in str(why_stale(stage, tmp_path))
    run_stages([stage], tmp_path, until="table", say=lambda text: None)
    assert table.exists()


def test_a_damaged_marker_is_named(tmp_path):
    counter = Counter(tmp_path)
    counter.run()
    (tmp_path / "first" / "done.json").write_text("{")
    with pytest.raises(BadInput, match=r"first/done\.json"):
        counter.run()


def test_the_marker_says_what_was_done(tmp_path):
    Counter(tmp_path).run()
    facts = json.loads((tmp_path / "first" / "done.json").read_text())
    assert facts["what"] == "did first"


def with_result(settings, made, cleared=()):
    """A stage that makes one thing, and one that follows it."""

    def work(folder):
        assert not any((folder / name).exists() for name in cleared)
        (folder / "own").mkdir(exist_ok=True)
        with (folder / "own" / "kept.txt").open("a") as file:
            file.write(made)
        (folder / "leftover.txt").write_text(made)
        (folder / "result.json").write_text(made)
        return made

    first = Stage(
        name="first", needs=(), settings=settings, work=work, kept=("own",), result="result.json"
    )
    return [first, Stage(name="second", needs=("first",), settings=0, work=lambda folder: "done")]


def test_the_same_result_leaves_what_follows_done(tmp_path):
    said = []
    run_stages(with_result(1, "a"), tmp_path, until="second", say=said.append)
    before = (tmp_path / "second" / "done.json").read_bytes()
    run_stages(with_result(2, "a"), tmp_path, until="second", say=said.append)
    assert "stage 1 of 2, first: again, its configuration changed" in said
    assert (tmp_path / "second" / "done.json").read_bytes() == before
    run_stages(with_result(2, "b"), tmp_path, until="second", say=said.append)
    assert (tmp_path / "second" / "done.json").read_bytes() == before
    run_stages(with_result(3, "b"), tmp_path, until="second", say=said.append)
    assert "stage 2 of 2, second: again, first was redone" in said


def test_a_kept_folder_outlives_another_configuration(tmp_path):
    run_stages(with_result(1, "a"), tmp_path, until="second", say=str)
    stages = with_result(2, "b", cleared=["leftover.txt", "result.json"])
    run_stages(stages, tmp_path, until="second", say=str)
    assert (tmp_path / "first" / "own" / "kept.txt").read_text() == "ab"


def test_how_a_marker_is_laid_out_redoes_nothing(tmp_path):
    counter = Counter(tmp_path)
    counter.run()
    marker = tmp_path / "first" / "done.json"
    marker.write_text(json.dumps(json.loads(marker.read_text())))
    assert counter.run() == []


def given_stage(root, paths, work=lambda folder: "done", **options):
    there = lambda: [path for path in paths if path.is_file()]  # noqa: E731
    return Stage(name="features", needs=(), settings=0, work=work, given=there, **options)


def test_another_file_under_the_same_name_makes_a_stage_stale(tmp_path):
    weights, run = tmp_path / "uni.bin", tmp_path / "run"
    weights.write_bytes(b"first")
    stage = given_stage(run, [weights], is_trained=True)
    run_stages([stage], run, until="features", say=lambda text: None)
    weights.touch()
    assert why_stale(stage, run) is None
    # as long, and of the same time: another process notices it
    times = weights.stat()
    weights.write_bytes(b"other")
    os.utime(weights, ns=(times.st_atime_ns, times.st_mtime_ns))
    _hash_once.cache_clear()
    assert why_stale(stage, run) == "again, uni.bin is not the file that it was"
    (run / "features" / "net.safetensors").write_bytes(b"trained")
    assert find_lost([stage], run) == ["features"]
    weights.unlink()
    assert why_stale(stage, run) is None


def test_what_was_begun_is_kept_without_a_file_and_asked_about_with_another(tmp_path):
    weights, run, found = tmp_path / "first.pth", tmp_path / "run", []
    weights.write_bytes(b"first")

    def work(folder):
        found.append((folder / "checkpoint.safetensors").exists())
        (folder / "checkpoint.safetensors").write_bytes(b"half trained")
        raise KeyboardInterrupt

    stage = given_stage(run, [weights], work, is_trained=True)
    for is_there in (True, False):
        if not is_there:
            weights.unlink()
        with pytest.raises(KeyboardInterrupt):
            run_stages([stage], run, until="features", say=lambda text: None)
    assert found == [False, True]
    weights.write_bytes(b"another")
    assert find_lost([stage], run) == ["features"]


def test_a_file_that_the_work_fetched_leaves_the_stage_done(tmp_path):
    weights, run, calls = tmp_path / "uni.bin", tmp_path / "run", []

    def work(folder):
        weights.write_bytes(b"fetched")
        calls.append((folder / "part").exists())
        (folder / "part").write_bytes(b"")
        if len(calls) == 1:
            raise KeyboardInterrupt
        return "done"

    stage = given_stage(run, [weights], work)
    with pytest.raises(KeyboardInterrupt):
        run_stages([stage], run, until="features", say=lambda text: None)
    run_stages([stage], run, until="features", say=lambda text: None)
    assert calls == [False, True]
    assert why_stale(stage, run) is None


def test_a_run_of_before_files_were_noted_stays_done(tmp_path):
    weights = tmp_path / "uni.bin"
    weights.write_bytes(b"first")
    stage = given_stage(tmp_path, [weights])
    run_stages([stage], tmp_path, until="features", say=lambda text: None)
    marker = tmp_path / "features" / "done.json"
    facts = json.loads(marker.read_text())
    del facts["given"], facts["check"]
    marker.write_text(json.dumps(facts))
    assert why_stale(stage, tmp_path) is None
