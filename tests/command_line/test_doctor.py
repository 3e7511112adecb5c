"""`disc doctor`: what is whole in a run, and what is not."""

import json
import shutil

import pytest

from disc import cli
from disc.files import write_json
from disc.records.lock import NAME, hold_folder
from disc.records.markers import marked
from tests.damage.run_folder import AT_WORK, write_run


@pytest.fixture(scope="module")
def written(tmp_path_factory):
    return write_run(tmp_path_factory.mktemp("run"), is_recorded=True)


@pytest.fixture
def run(written, tmp_path):
    return shutil.copytree(written, tmp_path / "run")


def call(run, capsys):
    code = cli.main(["doctor", str(run)])
    return code, capsys.readouterr().out


def test_a_whole_run_is_said_to_be_whole(run, capsys):
    code, said = call(run, capsys)
    assert code == 0 and said.splitlines()[-1].endswith("files whole, 0 damaged or missing")
    counts = {line.split()[0]: " ".join(line.split()[1:]) for line in said.splitlines()}
    assert counts["denoiser/sd"] == "done 7 whole"
    assert counts[AT_WORK] == "begun 1 whole, 1 not recorded"
    assert "extra" not in said


def test_what_is_damaged_missing_and_extra_is_named_with_what_to_do(run, capsys):
    weights = run / "denoiser" / "sd" / "condition.safetensors"
    data = bytearray(weights.read_bytes())
    data[-1] ^= 1
    weights.write_bytes(bytes(data))
    (run / "pixels.parquet").unlink()
    (run / "denoiser" / "sd" / "log.jsonl").write_text("")
    (run / "bank" / "notes.txt").write_text("mine")
    (run / "thesis.tex").write_text("mine")
    code, said = call(run, capsys)
    assert code == 1
    lines = said.splitlines()
    assert lines[-1].endswith("files whole, 3 damaged or missing")
    (told,) = [line for line in lines if "condition.safetensors" in line]
    assert told.startswith("damaged: denoiser/sd/condition.safetensors: another hash than when")
    assert f"delete the folder {run / 'denoiser' / 'sd'}" in told
    assert any(line.startswith("damaged: pixels.parquet: missing; ") for line in lines)
    assert any("log.jsonl: 0 bytes" in line and "no later stage reads it" in line for line in lines)
    assert sum(line.startswith("extra: ") for line in lines) == 2


def test_a_checkpoint_of_a_stopped_training_is_looked_at(run, capsys):
    path = run / AT_WORK / "checkpoint.safetensors"
    path.write_bytes(path.read_bytes()[:-1])
    code, said = call(run, capsys)
    assert code == 1 and f"damaged: {AT_WORK}/checkpoint.safetensors" in said
    assert "delete it: the same command begins that training anew" in said


@pytest.mark.parametrize("text", ["", "[]", "null", '{"config": 1}'])
def test_damaged_markers_are_told(run, capsys, text):
    (run / "bank" / "done.json").write_text(text)
    code, said = call(run, capsys)
    assert code == 1 and "damaged: bank/done.json: " in said


def test_an_older_run_is_not_recorded(run, capsys):
    for path in run.rglob("done.json"):
        facts = json.loads(path.read_text())
        del facts["files"], facts["check"]
        path.write_text(json.dumps(facts))
    code, said = call(run, capsys)
    assert code == 0 and "files were not recorded when they were written" in said
    (run / "agreement" / "spreads.json").write_text("{")
    code, said = call(run, capsys)
    assert code == 1 and "damaged: agreement/spreads.json" in said


def test_a_run_in_use_is_told(run, capsys):
    with hold_folder(run, print):
        assert "in use by process" in call(run, capsys)[1]
    (run / NAME).unlink()


def test_what_is_no_run_is_one_line(tmp_path, capsys):
    assert cli.main(["doctor", str(tmp_path)]) == 2
    assert capsys.readouterr().err.startswith(f"disc: {tmp_path}: no run (no config.json, no stage")


def test_graded_slides_are_no_run(tmp_path):
    with marked(tmp_path / "slide", "key"):
        write_json(tmp_path / "slide" / "grade.json", {})
    assert cli.main(["doctor", str(tmp_path)]) == 2
