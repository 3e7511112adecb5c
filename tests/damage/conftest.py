"""A sound set and a sound table, written without the program's writers, to be damaged."""

import shutil
from pathlib import Path

import pytest

from tests.test_cli import write_set

TILE = "A_Block_Region_0_0_0_xini_0_yini_0"


@pytest.fixture(scope="session")
def sound(tmp_path_factory: pytest.TempPathFactory) -> Path:
    root = write_set(tmp_path_factory.mktemp("sound") / "set")
    (root / "set.json").write_text('{"is_split_by_position": false}\n')
    (root / "train.csv").write_text(
        "image_id,data_provider,isup_grade,gleason_score\none,radboud,1,3+3\ntwo,radboud,2,3+4\n"
    )
    (root / "slides").mkdir()
    (root / "slides" / "one.tiff").write_bytes(b"opened after the table is read")
    return root


@pytest.fixture
def root(sound: Path, tmp_path: Path) -> Path:
    return Path(shutil.copytree(sound, tmp_path / "set"))


def words_for(root: Path, file: str) -> list[str]:
    """The command that reads a file of a set."""
    out = str(root.parent / "out")
    if file.endswith(".csv"):
        return ["tile", "--slides", f"{root}/slides", "--labels", f"{root}/{file}", "--out", out]
    return ["run", "smoke", "--out", out, "--data.root", str(root), "--until", "data"]
