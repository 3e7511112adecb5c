"""`disc synthesize --drop-copies`: what copies a training tile is taken out, and said."""

import numpy as np
import pandas as pd
import pytest

import disc
from disc import cli
from disc.audit.copies import detector, screen
from disc.command_line import synthesize
from tests.folders import contents
from tests.tiny_run import write_tiny_data, write_tiny_run

COUNTS = ("--counts", "NC=1,GG4=2", "--tiles", "3", "4", "--seed", "5")


@pytest.fixture(scope="module")
def run(tmp_path_factory):
    return write_tiny_data(write_tiny_run(tmp_path_factory.mktemp("runs") / "tiny"))


def call(command, run, out, *words):
    return cli.main([command, "--run", str(run), "--out", str(out), *words])


def test_a_set_of_which_every_tile_is_a_copy_is_refused(run, tmp_path, monkeypatch, capsys):
    out = tmp_path / "out"
    monkeypatch.setattr(
        synthesize, "drop_copies", lambda *_, **__: {p.stem for p in (out / "images").iterdir()}
    )
    assert call("synthesize", run, out, *COUNTS, "--steps", "1", "--drop-copies") == 2
    assert "every tile is a copy of a training tile" in capsys.readouterr().err
    assert not (out / "wsi_labels.xlsx").exists() and not (out / "manifest.parquet").exists()


def test_a_slide_that_loses_all_of_its_tiles_is_named_and_not_listed(
    run, tmp_path, monkeypatch, capsys
):
    out = tmp_path / "out"

    def drop_first(root, *_, **__):
        names = sorted(path.stem for path in (root / "images").iterdir())
        slide = names[0].partition("_Block_")[0]
        chosen = [name for name in names if name.startswith(slide)]
        for name in chosen:
            (root / "images" / f"{name}.jpg").unlink()
            (root / "masks" / f"{name}.png").unlink()
        pd.DataFrame({"tile": chosen}).to_csv(root / "copies.csv", index=False)
        return chosen

    monkeypatch.setattr(synthesize, "drop_copies", drop_first)
    assert call("synthesize", run, out, *COUNTS, "--steps", "1", "--drop-copies") == 0
    said, listed = capsys.readouterr().out, pd.read_excel(out / "wsi_labels.xlsx")
    lost = pd.read_csv(out / "copies.csv")["tile"][0].partition("_Block_")[0]
    assert f"with all of their tiles these slides: {lost}" in said
    assert len(listed) == 2 and lost not in set(listed["slide_id"])


def test_copies_are_dropped_and_counted(run, tmp_path, monkeypatch, capsys):
    """One generated tile is exchanged for a training tile before the set is finished."""
    out, context = tmp_path / "out", disc.load(run).weights.context
    words = (*COUNTS, "--steps", "1", "--drop-copies")
    monkeypatch.setattr(detector, "NUM_PLANTED", 40)
    monkeypatch.setattr(screen, "MIN_NULL", 1)
    planted, real = [], screen.calibrate

    def calibrate(images, patients, made, *, seed):
        planted.append(sorted((out / "images").iterdir())[1].stem)
        made[1] = np.rot90(images[5])
        return real(images, patients, made, seed=seed)

    monkeypatch.setattr(screen, "calibrate", calibrate)
    assert call("synthesize", run, out, *words) == 0
    assert "; 1 of these tiles were copies and are dropped" in capsys.readouterr().out
    record = pd.read_csv(out / "copies.csv")
    assert record["tile"].tolist() == planted
    assert record["like"].tolist() == [context.split.train.tiles[5].name]
    manifest = pd.read_parquet(out / "manifest.parquet")
    names = {path.stem for path in (out / "images").iterdir()}
    assert set(manifest["tile"]) == names == {path.stem for path in (out / "masks").iterdir()}
    assert planted[0] not in names
    before = contents(out)
    assert call("synthesize", run, out, *words) == 0
    assert contents(out) == before and len(planted) == 1
    assert call("synthesize", run, out, *words[:-1]) == 2
    assert "holds tiles of another request" in capsys.readouterr().err
    exported = tmp_path / "weights"
    assert cli.main(["export", "--run", str(run), "--out", str(exported)]) == 0
    assert call("synthesize", exported, tmp_path / "set", *words) == 2
    assert "exported weights hold no training tiles" in capsys.readouterr().err
