"""The study on the phantom: three generators, graders with all variants and controls, one command.

Draws 124 training slides (as many of each grade as SICAPv2 has) and 400 test slides each in and out
of distribution, biopsies like PANDA's, cut into tiles, and patches like LAPC's; trains three
generators side by side; then `disc study`.
Every step is skipped that is done: the same command resumes. Made for one GPU and 16 cores; on two
cores, `--slides-per-grade 40 --processes 2` and either `--pixel-seeds 0`, slide graders alone, or
`--grader-seeds 0 --pixel-seeds 2 --pixel-batch 8 --variants sd sd-sc sd-disc`, pixel graders alone,
take two hours.
"""

from __future__ import annotations

import argparse
import json
import os
import shutil
import subprocess
import sys
import time
from collections.abc import Sequence
from pathlib import Path

VARIANTS = ("sd", "sd-sc", "sd-disc", "sd-disc-cotrain", "sd-disc-fast")
WEIGHTS = ("0.05", "0.1", "0.3", "0.5")
SMALL = (
    *("--autoencoder.optim.steps", "20", "--autoencoder.decoder.optim.steps", "4"),
    *("--denoiser.optim.steps", "10", "--distil.optim.steps", "4", "--distil.num-bundles", "24"),
    *("--distil.student.optim.steps", "4", "--evaluate.referee.optim.steps", "10"),
    *("--grade.carcino.optim.steps", "20", "--grade.transmil.optim.steps", "20"),
    *("--phantom.referee-slides", "1", "1", "1", "1", "--synthesis.tiles", "2", "3"),
)
"""Trainings that show only that the way is whole."""


def main() -> None:
    """Data, generators, study; what comes back are its tables and its page."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--out", type=Path, default=Path("runs/phantom-study"))
    parser.add_argument("--processes", type=int, default=os.cpu_count() or 1)
    parser.add_argument("--pixel-processes", type=int, help="of them; default: three in eight")
    parser.add_argument("--seeds", type=int, nargs="+", default=[0, 1, 2], help="of generators")
    parser.add_argument("--slides-per-grade", type=int, default=92, help="real and synthetic ones")
    parser.add_argument("--slides", type=int, default=100, help="test slides a grade")
    parser.add_argument(
        "--biopsies", type=int, default=25, help="a grade, PANDA-like; 0: no such set"
    )
    parser.add_argument("--patches", type=int, default=15, help="slides a grade of the LAPC-like")
    parser.add_argument("--grader-seeds", type=int, default=3)
    parser.add_argument("--pixel-seeds", type=int, default=3)
    parser.add_argument("--pixel-weights", nargs="+", default=["0.3"], help="of pixel graders")
    parser.add_argument("--graders", nargs="+", default=["transmil"], help="of slides")
    parser.add_argument("--weights", nargs="+", default=WEIGHTS, help="of slide graders; small: .5")
    parser.add_argument("--pixel-batch", type=int, default=16, help="real tiles a step")
    parser.add_argument("--pixel-steps", type=int, default=900, help="of pixel graders, at most")
    parser.add_argument(
        "--pixel-patience",
        type=int,
        default=0,
        help="validations (every 100 steps) without a better one that end their training; 0: none",
    )
    parser.add_argument("--variants", choices=VARIANTS, nargs="+", default=VARIANTS)
    parser.add_argument("--draws", type=int, default=20_000)
    parser.add_argument("--small", action="store_true", help="trainings of a few steps")
    parser.add_argument("--until", choices=("data", "generators", "study"), default="study")
    parser.add_argument("--page-of", type=Path, help="folder of the tables: the page alone, anew")
    args = parser.parse_args()
    if args.page_of:
        print(write_page(args.page_of, args.draws))
        return
    args.out.mkdir(parents=True, exist_ok=True)
    seconds = {"data": timed(draw_data, args)}
    if args.until != "data":
        seconds["generators"] = timed(train_generators, args)
    if args.until == "study":
        seconds["study"] = timed(study, args)
    print(json.dumps({"seconds": seconds}))


def timed(work: object, args: argparse.Namespace) -> float:
    """Seconds of one part."""
    since = time.monotonic()
    work(args)  # type: ignore[operator]
    return round(time.monotonic() - since, 1)


def draw_data(args: argparse.Namespace) -> None:
    """Simulate tissue once, for all generators."""
    call(run_words(args, args.seeds[0], "data"))
    first = args.out / "runs" / f"seed-{args.seeds[0]}" / "data"
    for seed in args.seeds[1:]:
        place = args.out / "runs" / f"seed-{seed}" / "data"
        if not place.exists():
            place.parent.mkdir(parents=True, exist_ok=True)
            shutil.copy2(first.parent / "config.json", place.parent / "config.json")
            place.symlink_to(first.resolve(), target_is_directory=True)


def train_generators(args: argparse.Namespace) -> None:
    """One of each seed, side by side; meanwhile the external sets are drawn."""
    last = max(args.variants, key=VARIANTS.index).replace("sd-sc", "sd")
    work = [run_words(args, seed, f"denoiser/{last}") for seed in args.seeds]
    threads = str(max(1, args.processes // 4))
    started = [start(words, {"OMP_NUM_THREADS": threads}) for words in work]
    try:
        draw_external(args)
    finally:
        codes = [process.wait() for process in started]
    if any(codes):
        sys.exit(f"exit codes {codes}")


def draw_external(args: argparse.Namespace) -> None:
    """Patches like LAPC's, and biopsies like PANDA's, which are cut into tiles."""
    many, out = ("--processes", str(max(1, args.processes - 4))), args.out
    for kind, num in (("lapc", args.patches), ("panda", args.biopsies)):
        slides = min(1, num) if args.small else num
        grades = ("--slides", *[str(slides)] * 4)
        if slides:
            make(out / kind, ["phantom", "--kind", kind, *grades, *many])
    if not args.biopsies:
        return
    drawn = out / "panda"
    tile = ["tile", "--slides", str(drawn / "train_images"), "--tile-px", "64", "--um-per-px", "6"]
    tile += ["--masks", str(drawn / "train_label_masks"), "--labels", str(drawn / "train.csv")]
    make(out / "panda-tiles", tile)


def make(folder: Path, words: Sequence[str]) -> None:
    """A set; one that was begun looks like one that is whole, so it gets its name at the end."""
    begun = folder.with_name(f"{folder.name}, begun")
    shutil.rmtree(begun, ignore_errors=True)
    if not folder.exists():
        call([*words, "--out", str(begun)])
        begun.rename(folder)


def study(args: argparse.Namespace) -> None:
    """Every grader, and what they tell."""
    pixels = args.processes * 3 // 8 if args.pixel_processes is None else args.pixel_processes
    call(
        [
            "study",
            *[str(args.out / "runs" / f"seed-{seed}") for seed in args.seeds],
            *("--out", str(args.out / "study")),
            *("--variants", *args.variants),
            *("--graders", *args.graders),
            *("--balance-weights", *(WEIGHTS[-1:] if args.small else args.weights)),
            *("--pixel-weights", *args.pixel_weights),
            *("--grader-seeds", str(args.grader_seeds), "--pixel-seeds", str(args.pixel_seeds)),
            *("--external", "lapc", str(args.out / "lapc")),
            *(("panda", str(args.out / "panda-tiles")) if args.biopsies else ()),
            *("--external-um-per-px", "lapc", "0.5"),
            *("--processes", str(args.processes)),
            *("--pixel-processes", str(pixels if pixels > 1 else 0)),
            *("--draws", str(args.draws)),
        ],
    )


def write_page(folder: Path, draws: int) -> Path:
    """The page from the tables alone, without pictures of tiles."""
    import pandas as pd

    from disc.report.study.page import write_study_page
    from disc.report.study.summary import StudySummary
    from disc.study.page import ABOUT

    names = ("scores", "pixels", "probe", "recipe_weights")
    tables = {name: pd.read_parquet(folder / f"{name}.parquet") for name in names}
    summary = StudySummary(
        title="disc study: the phantom",
        facts={"Made of": "the tables alone, so without pictures of tiles"},
        is_simulated=True,
        draws=draws,
        controls=ABOUT,
        **tables,
    )
    return write_study_page(folder / "report", summary)


def run_words(args: argparse.Namespace, seed: int, until: str) -> list[str]:
    """`disc run` of a generator."""
    many = [str(args.slides)] * 4
    return [
        *("run", "laptop", "--out", str(args.out / "runs"), "--name", f"seed-{seed}"),
        *("--seed", str(seed), "--until", until),
        *("--phantom.slides", *("3333" if args.small else ("30", "31", "54", "9"))),
        *("--phantom.core-um", "900", "1500"),
        *("--phantom.test-slides", *many, "--phantom.external-slides", *many),
        # beside the 93 slides that a fold trains on, 92: 275 synthetic ones; the paper has 276
        *("--synthesis.slides-per-grade", "4" if args.small else str(args.slides_per_grade)),
        *("--synthesis.sizes", "range" if args.small else "real"),
        *("--synthesis.variants", *VARIANTS, "--sample.batch", "256"),
        *("--grade.carcino.optim.batch", str(args.pixel_batch)),
        *("--grade.carcino.optim.steps", str(args.pixel_steps)),
        *("--grade.carcino.patience", str(args.pixel_patience)),
        *("--grade.transmil.optim.steps", "200"),
        *(SMALL if args.small else ()),
    ]


def call(words: Sequence[str]) -> None:
    """A command, waited for."""
    if code := start(words, {}).wait():
        sys.exit(f"disc {words[0]}: exit code {code}")


def start(words: Sequence[str], settings: dict[str, str]) -> subprocess.Popen[bytes]:
    """A command of its own."""
    return subprocess.Popen([sys.executable, "-m", "disc", *words], env={**os.environ, **settings})


if __name__ == "__main__":
    main()
