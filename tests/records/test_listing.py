import json

import pytest

from disc.files import BadInput, write_json
from disc.pipeline.stage import Stage, run_stages
from disc.records.listing import Listed, list_files
from disc.records.markers import Done, read_begun, read_done, write_begun, write_done
from disc.records.typed import read_record, read_table


def stages(root, done):
    def work(name):
        def write(folder):
            done.append(name)
            (folder / "own").mkdir(exist_ok=True)
            (folder / "own" / "weights").write_bytes(b"0123456789")
            (folder / "log.jsonl").write_text("{}\n")
            (root / f"{name}.table").write_bytes(b"rows")
            return f"did {name}"

        return write

    table = {name: (root / f"{name}.table",) for name in ("first", "second")}
    return [
        Stage(name="first", needs=(), settings=1, work=work("first"), outputs=table["first"]),
        Stage(name="second", needs=("first",), settings=1, work=work("second")),
    ]


def run(root, until="second"):
    done = []
    run_stages(stages(root, done), root, until=until, say=lambda text: None)
    return done


def test_a_stage_notes_every_file_that_it_leaves(tmp_path):
    run(tmp_path, "first")
    files = read_done(tmp_path / "first").files
    assert set(files) == {"own/weights", "log.jsonl", "../first.table"}
    assert Listed.parse(files["own/weights"]).size == 10


@pytest.mark.parametrize(
    ("name", "data", "said"),
    [
        ("first/own/weights", b"0123456780", "another hash than when it was written"),
        ("first/own/weights", b"01234", "5 bytes; 10 when it was written"),
        ("first/own/weights", None, "missing"),
        ("first.table", b"ROWS", "another hash"),
    ],
)
def test_a_later_stage_refuses_what_was_changed(tmp_path, name, data, said):
    run(tmp_path, "first")
    path = tmp_path / name
    path.unlink() if data is None else path.write_bytes(data)
    if name == "first.table" and data is None:
        return
    with pytest.raises(BadInput, match=rf"{name}: damaged \({said}.*delete the folder .*first:"):
        run(tmp_path)
    assert not (tmp_path / "second").exists()


def test_logs_may_be_deleted(tmp_path):
    run(tmp_path, "first")
    (tmp_path / "first" / "log.jsonl").unlink()
    assert run(tmp_path) == ["second"]


def test_runs_from_before_files_were_noted_go_on(tmp_path):
    run(tmp_path, "first")
    path = tmp_path / "first" / "done.json"
    facts = json.loads(path.read_text())
    write_json(path, {name: facts[name] for name in ("config", "inputs", "seconds", "what")})
    (tmp_path / "first" / "own" / "weights").write_bytes(b"other")
    assert run(tmp_path) == ["second"]


def test_a_changed_marker_is_no_reason_to_train_again(tmp_path):
    run(tmp_path)
    path = tmp_path / "first" / "done.json"
    path.write_text(path.read_text().replace("did first", "did forst"))
    with pytest.raises(BadInput, match=r"first/done\.json: damaged \(another hash"):
        run(tmp_path)


def test_a_changed_marker_clears_nothing(tmp_path):
    write_begun(tmp_path, {"config": "c", "inputs": {"a": "b"}})
    assert read_begun(tmp_path).inputs == {"a": "b"}
    path = tmp_path / "begun.json"
    path.write_text(path.read_text().replace('"b"', '"d"'))
    with pytest.raises(BadInput, match=r"begun\.json: damaged"):
        read_begun(tmp_path)


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("[]", "Input should be an object"),
        ("null", "Input should be an object"),
        ("{}", "config: Field required"),
        ('{"config": "c", "inputs": {}, "seconds": NaN, "what": "w"}', "seconds: .*finite"),
        ('{"config": "c", "inputs": {}, "seconds": 1, "what": "w", "files": {"a": "b"}}', "files"),
        ("{", "Invalid JSON"),
    ],
)
def test_a_marker_of_another_shape_is_named(tmp_path, text, said):
    (tmp_path / "done.json").write_text(text)
    with pytest.raises(BadInput, match=rf"done\.json: damaged \(.*{said}.*delete the folder"):
        read_done(tmp_path)


def test_what_is_read_is_compared_with_what_was_noted(tmp_path):
    (tmp_path / "part").mkdir()
    write_json(tmp_path / "part" / "facts.json", {"a": 1})
    done = Done(config="c", inputs={}, seconds=1.0, what="w", files=list_files(tmp_path))
    write_done(tmp_path, done)
    path = tmp_path / "part" / "facts.json"
    assert read_record(path, dict[str, int], "delete it") == {"a": 1}
    write_json(path, {"a": 2})
    with pytest.raises(BadInput, match=r"facts\.json: damaged \(another hash"):
        read_record(path, dict[str, int], "delete it")


def test_a_table_without_its_columns_is_named(tmp_path):
    path = tmp_path / "t.parquet"
    path.write_bytes(b"PAR1")
    with pytest.raises(BadInput, match=r"t\.parquet: damaged \(.*delete it"):
        read_table(path, ["a"], "delete it")
