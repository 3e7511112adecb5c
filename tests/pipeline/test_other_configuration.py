"""A run's folder is not trained anew for another configuration unless that is requested."""

import json
from dataclasses import replace

import pytest

from disc import cli
from disc.files import BadInput
from disc.pipeline import run as runs
from disc.pipeline.config_file import list_differences, to_json
from disc.pipeline.stage import Stage
from disc.presets import smoke


@pytest.fixture(autouse=True)
def done(monkeypatch):
    """Stages like a run's, that write a file each; the list of those that were done."""
    seen = []

    def stages(context):
        run = context.run

        def stage(name, settings, *needs, is_trained=False):
            def work(folder):
                seen.append(name)
                (folder / "x.safetensors").write_text(str(settings))
                return "done"

            return Stage(
                name=name, needs=needs, settings=settings, work=work, is_trained=is_trained
            )

        return [
            stage("data", run.data.tile_px),
            stage("denoiser", str(run.denoiser), "data", is_trained=True),
            stage("agreement", run.evaluate.num_mixed, "denoiser"),
            stage("report", run.evaluate.num_bootstrap, "agreement"),
        ]

    monkeypatch.setattr(runs, "all_stages", stages)
    return seen


def files_of(folder):
    return {path: path.read_bytes() for path in folder.rglob("*") if path.is_file()}


def run_with(tmp_path, **changes):
    run = replace(smoke(), out=tmp_path)
    for name, fields in changes.items():
        value = replace(getattr(run, name), **fields) if isinstance(fields, dict) else fields
        run = replace(run, **{name: value})
    runs.execute(run)


def test_a_change_that_costs_weights_is_refused_with_the_difference(tmp_path, done):
    run_with(tmp_path)
    before = files_of(tmp_path)
    with pytest.raises(BadInput) as caught:
        run_with(tmp_path, denoiser={"channels": (48, 64), "layers": 2})
    assert str(caught.value) == (
        f"{tmp_path}/smoke: denoiser: trained with another configuration "
        "(denoiser.channels: [32, 48] -> [48, 64], denoiser.layers: 1 -> 2); "
        "give another --name, or --redo to train anew here"
    )
    assert files_of(tmp_path) == before
    done.clear()
    run_with(tmp_path)
    assert done == []


def test_a_change_of_the_data_costs_the_weights_too(tmp_path):
    run_with(tmp_path)
    with pytest.raises(BadInput, match=r"denoiser: trained .*data\.tile_px: 64 -> 96"):
        run_with(tmp_path, data={"tile_px": 96})


def test_it_is_done_where_it_is_asked_for(tmp_path, done):
    run_with(tmp_path)
    done.clear()
    run_with(tmp_path, denoiser={"layers": 2}, redo=True)
    assert done == ["denoiser", "agreement", "report"]
    done.clear()
    run_with(tmp_path, denoiser={"layers": 2})
    assert done == []


def test_what_costs_no_weights_goes_on(tmp_path, done):
    run_with(tmp_path, until="denoiser")
    done.clear()
    run_with(tmp_path, data={"workers": 2})
    assert done == ["agreement", "report"]
    done.clear()
    run_with(tmp_path, evaluate={"num_bootstrap": 7})
    assert done == ["report"]
    done.clear()
    run_with(tmp_path, evaluate={"num_mixed": 7})
    assert done == ["agreement", "report"]


def test_before_anything_is_trained_all_may_change(tmp_path, done):
    run_with(tmp_path, until="data")
    done.clear()
    run_with(tmp_path, data={"tile_px": 96})
    assert done == ["data", "denoiser", "agreement", "report"]


def test_half_a_training_is_kept_too(tmp_path):
    run_with(tmp_path)
    (tmp_path / "smoke" / "denoiser" / "done.json").unlink()
    with pytest.raises(BadInput, match=r"denoiser\.layers: 1 -> 2"):
        run_with(tmp_path, denoiser={"layers": 2})


def test_a_deleted_folder_is_no_other_configuration(tmp_path, done):
    run_with(tmp_path)
    done.clear()
    for path in (tmp_path / "smoke" / "data").iterdir():
        path.unlink()
    run_with(tmp_path)
    assert done == ["data", "denoiser", "agreement", "report"]


def test_a_stopped_redo_is_told(tmp_path):
    run_with(tmp_path)
    run_with(tmp_path, denoiser={"layers": 2}, redo=True, until="data")
    with pytest.raises(BadInput, match="or a --redo was stopped"):
        run_with(tmp_path, denoiser={"layers": 2})
    run_with(tmp_path, denoiser={"layers": 2}, redo=True)


def test_many_differences_are_counted(tmp_path, capsys):
    words = ["run", "laptop", "--name", "smoke", "--out", str(tmp_path)]
    run_with(tmp_path)
    assert cli.main(words) == 2
    error = capsys.readouterr().err
    assert error.count("\n") == 1
    assert error.count(" -> ") == 6
    assert " more); give another --name" in error
    assert cli.main([*words, "--redo"]) == 0


def test_differences_are_those_that_matter(tmp_path):
    old = json.loads(to_json(smoke()))
    old["denoiser"].pop("layers")
    old["gone"] = {"a": 1}
    old["data"]["workers"] = 5
    old["denoiser"]["optim"]["speed"]["accumulate"] = 2
    (tmp_path / "config.json").write_text(json.dumps(old))
    now = replace(smoke(), name="other", until="data", redo=True)
    found = list_differences(tmp_path / "config.json", now)
    assert found == ["denoiser.layers: absent -> 1", "gone.a: 1 -> absent"]


def test_a_folder_that_is_no_run_is_left_as_it_is(tmp_path, done):
    (tmp_path / "run").mkdir()
    for name in ("notes", ".x.tmp"):
        (tmp_path / "run" / name).touch()
    before = files_of(tmp_path)
    with pytest.raises(BadInput, match=r"run: holds files but no config\.json of a run"):
        run_with(tmp_path, name="run")
    assert files_of(tmp_path) == before and not done
