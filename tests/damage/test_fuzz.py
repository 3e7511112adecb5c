"""Random damage to every kind of file, for every reader, for two minutes: `make test-slow`.

Whatever is done to a file, it is read, or refused in one line that names it. A signal, a traceback,
a hang or more than 2 GiB of memory fails, and says how to do the same again:
`DISC_FUZZ_SEED=... DISC_FUZZ_CASE=... pytest -m slow tests/damage/test_fuzz.py`.
"""

import io
import json
import os
import resource
import select
import subprocess
import sys
import time
from collections import Counter
from pathlib import Path
from typing import Self

import h5py
import numpy as np
import pandas as pd
import pytest
import tifffile
from PIL import Image

from tests.damage.corrupt import corrupt
from tests.damage.fuzz_reader import SIDE, SLIDE

pytestmark = pytest.mark.slow

SECONDS = float(os.environ.get("DISC_FUZZ_SECONDS", "120"))
SEED = int(os.environ.get("DISC_FUZZ_SEED", time.time_ns() % 10**9))
PATIENCE_S = 20
MEMORY = 2 * 2**30
ROOT = Path(__file__).parents[2]


def sound_files(folder: Path) -> list[Path]:
    """Files of every kind for every reader, `<reader>-<number>.<suffix>`."""
    rng = np.random.default_rng(0)
    steps = rng.integers(0, 256, (8, 8, 3), dtype=np.uint8)
    picture = Image.fromarray(steps).resize((SIDE, SIDE), Image.Resampling.BICUBIC)
    mask = Image.fromarray(rng.choice([0, 3, 4, 5], (8, 8)).astype(np.uint8))
    picture.save(folder / "tile-one.jpg", quality=95, subsampling=0)
    picture.save(folder / "tile-two.jpg", quality=75, progressive=True)
    tifffile.imwrite(folder / "tile-one.tif", np.asarray(picture), compression="lzw")
    mask.resize((SIDE, SIDE), Image.Resampling.NEAREST).save(folder / "mask-one.png")
    flat = np.full((SIDE, SIDE), 4, np.uint8)
    Image.fromarray(flat).convert("P").save(folder / "mask-two.png")
    scan = np.asarray(picture.resize((600, 500)))
    save_scan(folder / SLIDE, scan, "jpeg")
    save_scan(folder / "slide-two.tiff", scan, "lzw")
    drawn = np.asarray(mask.resize((600, 500), Image.Resampling.NEAREST))
    save_scan(folder / "drawing-one.tiff", np.stack([drawn] * 3, -1), "lzw")
    save_tables(folder)
    save_features(folder / "features-one.h5", rng)
    save_features(folder / "features-two.h5", rng, compression="gzip", chunks=(8, 16))
    save_places(folder / "places-one.h5", rng, patch_size_level0=512)
    save_places(folder / "places-two.h5", rng, patch_size=256, patch_level=1, downsample=[4.0, 4.0])
    return sorted(folder.iterdir())


def save_tables(folder: Path) -> None:
    rows = [{"slide_id": f"s{i}", "patient_id": i, "Gleason_primary": 3} for i in range(30)]
    table = pd.DataFrame(rows).assign(Gleason_secondary=4)
    table.to_excel(folder / "scores-one.xlsx", index=False)
    table.head(2).to_csv(folder / "scores-two.csv", index=False)
    names = [f"A_Block_Region_0_0_{i}_xini_{i}_yini_0.jpg" for i in range(20)]
    labels = pd.DataFrame({"image_name": names, "NC": 0, "G3": 1, "G4": 0, "G5": 0})
    labels.to_excel(folder / "labels-one.xlsx", index=False)
    cases = pd.DataFrame({"image_id": [f"s{i}" for i in range(30)], "gleason_score": "3+4"})
    cases.to_csv(folder / "cases-one.csv", index=False)
    cases.assign(data_provider="radboud").to_csv(folder / "cases-two.csv", index=False)
    cases.rename(columns={"image_id": "slide_id"}).to_csv(folder / "table-one.csv", index=False)
    cases.assign(split="test").to_excel(folder / "table-two.xlsx", index=False)


def save_scan(path: Path, pixels: np.ndarray, compression: str) -> None:
    with tifffile.TiffWriter(path) as writer:
        for level in (pixels, np.ascontiguousarray(pixels[::4, ::4])):
            writer.write(
                level,
                photometric="rgb",
                compression=compression,
                tile=(128, 128),
                resolution=(20_000, 20_000),
                resolutionunit="CENTIMETER",
            )


def save_features(path: Path, rng: np.random.Generator, **options: object) -> None:
    with h5py.File(path, "w") as file:
        features = rng.normal(size=(20, 16)).astype(np.float32)
        file.create_dataset("features", data=features, **options)
        file.create_dataset("coords", data=rng.integers(0, 9999, (20, 2)))


def save_places(path: Path, rng: np.random.Generator, **attributes: object) -> None:
    with h5py.File(path, "w") as file:
        placed = file.create_dataset("coords", data=rng.integers(0, 9999, (20, 2)))
        placed.attrs.update(attributes)


def reader_of(path: Path) -> str:
    return path.name.partition("-")[0]


class Reader:
    """A process that reads files in 2 GiB; it is started again where one has killed it."""

    def __init__(self, log: Path) -> None:
        self._log = log
        self._start()

    def _start(self) -> None:
        with self._log.open("ab") as log:
            self._process = subprocess.Popen(
                [sys.executable, "-m", "tests.damage.fuzz_reader"],
                stdin=subprocess.PIPE,
                stdout=subprocess.PIPE,
                stderr=log,
                text=True,
                cwd=ROOT,
                preexec_fn=lambda: resource.setrlimit(resource.RLIMIT_AS, (MEMORY, MEMORY)),
            )

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self._stop()

    def _stop(self) -> int:
        self._process.kill()
        for stream in (self._process.stdin, self._process.stdout):
            if stream is not None:
                stream.close()
        return self._process.wait()

    def read(self, path: Path, patience_s: float = PATIENCE_S) -> tuple[str, str]:
        """What becomes of a file: `read`, `refused` or `failed`, and what was read or said."""
        stdin, stdout = self._process.stdin, self._process.stdout
        assert isinstance(stdin, io.TextIOBase) and isinstance(stdout, io.TextIOBase)
        stdin.write(f"{reader_of(path)}\t{path}\n")
        stdin.flush()
        if not select.select([stdout], [], [], patience_s)[0]:
            self._stop()
            self._start()
            return "failed", f"no answer in {patience_s} s"
        answer = stdout.readline()
        if answer:
            outcome, text = json.loads(answer)
            return outcome, text
        code = self._process.wait()
        self._stop()
        self._start()
        return "failed", f"the process ended with {code}: {self._log.read_text()[-2000:]}"


def test_damaged_files_are_read_or_refused(tmp_path: Path) -> None:
    (tmp_path / "sound").mkdir()
    files, counts, failures = sound_files(tmp_path / "sound"), Counter[tuple[str, str]](), []
    only = os.environ.get("DISC_FUZZ_CASE")
    with Reader(tmp_path / "log") as reader:
        right = {path: reader.read(path, 120) for path in files}
        assert {outcome for outcome, _ in right.values()} == {"read"}, right
        number, end = int(only or 0), time.monotonic() + SECONDS
        while time.monotonic() < end and (only is None or number == int(only)):
            path, rng = files[number % len(files)], np.random.default_rng([SEED, number])
            data, edit = corrupt(path.suffix, path.read_bytes(), rng)
            corrupted = tmp_path / f"{reader_of(path)}-damaged{path.suffix}"
            corrupted.write_bytes(data)
            outcome, text = reader.read(corrupted)
            if outcome == "failed":
                failures.append(f"SEED={SEED} CASE={number} {path.name}, {edit}: {text}")
            is_same = outcome == "read" and text == right[path][1]
            counts[kind_of(path), "as before" if is_same else outcome] += 1
            number += 1
    print(describe(counts))
    assert not failures, "\n".join([f"{len(failures)} failures", *failures[:5]])
    assert only or all(counts[kind, "refused"] for kind in map(kind_of, files))


def kind_of(path: Path) -> str:
    return f"{reader_of(path)}{path.suffix}"


def describe(counts: Counter[tuple[str, str]]) -> str:
    """How much of the damage that changed anything was detected."""
    lines = [
        f"seed {SEED}",
        f"{'kind':14}{'cases':>8}{'harmless':>10}{'read':>8}{'refused':>9}  fraction",
    ]
    for kind in sorted({kind for kind, _ in counts}):
        same, read, refused = (counts[kind, key] for key in ("as before", "read", "refused"))
        fraction = refused / max(1, read + refused)
        lines.append(
            f"{kind:14}{same + read + refused:8}{same:10}{read:8}{refused:9}  {fraction:.2f}"
        )
    return "\n".join(lines)
