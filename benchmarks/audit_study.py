"""Audits of every variant and plan beside each other; canaries; and annotators' errors.

Takes finished runs on the same data, one a training (`disc run laptop --seed 1 --name laptop-1
--until agreement` makes another), and has three parts, which write a JSON and a picture each and
can be started apart from each other (`--part`); without, they run side by side.

- `audit`: all ways are asked for the same masks from the same noise; the audit holds their tiles
  beside the test slides, and looks for copies of the training tiles.
- `canary`: tiles of other patients, repeated 1, 10 and 100 times among the training tiles of a new
  `sd`, are asked for by their own masks (`--canary-labels one`: tiles of one label, looked for in
  tiles of several).
- `annotation`: the phantom is drawn again with 0, 1/2, 1 and 2 times the annotators' errors, all is
  trained on the first run's autoencoder with a share of the steps, and audited.

Intervals are 95 %, t over trainings; of one training there is none. Uses a GPU where there is one.
Stopped, the same command goes on.

    python benchmarks/audit_study.py runs/laptop runs/laptop-1 runs/laptop-2 [--part canary]
"""

from __future__ import annotations

import json
import os
import subprocess
import sys
import time
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Annotated, Literal

os.environ.setdefault("OMP_NUM_THREADS", "1")

import numpy as np
import pandas as pd
import scipy.stats
import tyro
from audit_canaries import find_canaries
from audit_errors import ErrorJob, tell_gains, train_levels
from audit_ways import Sizes, audit_runs, draw_asked, join_pictures
from canary_tiles import Labels
from side_by_side import open_run, open_runs

from disc.audit.copies.detector import rate_of
from disc.cli import prepare_process
from disc.files import BadInput, write_json
from disc.processes import num_cores

SHOWN = (
    *("agreement", "recall.GG5", "kid.embedded", "kid.texture", "probe", "gradient.GG4"),
    *("seam", "seam.beyond-real", "lattice.4", "copies", "false-alarms", "power.flipped"),
)
"""Figures of the table."""
PARTS = ("audit", "canary", "annotation")


@dataclass(frozen=True)
class Options:
    """What to run."""

    runs: Annotated[tuple[Path, ...], tyro.conf.Positional]
    """Folders of finished runs on the same data, each with other weights."""
    out: Path = Path("runs/audits")
    """Folder of figures."""
    part: Literal["all", "audit", "canary", "annotation"] = "all"
    """All side by side, or one."""
    sizes: Annotated[Sizes, tyro.conf.arg(name="")] = field(default_factory=Sizes)
    """How much of everything."""
    workers: int = 0
    """Processes of a part; 0: one for two cores."""
    canaries: int = 2
    """For each number of repetitions, in each training."""
    canary_tiles: int = 64
    """That are asked for of each canary, way and network."""
    canary_share: float = 1.0
    """Of the run's steps, for the training with canaries."""
    canary_labels: Labels = "several"
    """Of each canary; of `one`, it is looked for in tiles of masks that hold its label too."""
    noises: tuple[float, ...] = (0.0, 0.5, 1.0, 2.0)
    """Annotation errors, as multiples of the standard level."""
    noise_share: float = 0.5
    """Of the run's steps, for trainings at other errors."""
    noise_trainings: int = 1
    """At each level of errors, each under a seed of its own."""

    def __post_init__(self) -> None:
        if self.noise_trainings < 1:
            raise BadInput(f"--noise-trainings {self.noise_trainings}: must be 1 or more")

    @property
    def processes(self) -> int:
        """Of a part."""
        return self.workers or max(1, num_cores() // 2)


def run_audit(options: Options) -> None:
    """Every way of every run."""
    opened = list(
        open_runs(options.runs, lambda c: draw_asked(c, options.sizes), options.sizes.needs)
    )
    runs = [(context.folder, asked) for context, asked in opened]
    table = audit_runs(runs, options.out, options.sizes, options.processes, apart=False)
    found = summarise(table, ["way", "name"])
    show(found)
    write(options, "audit", {"figures": to_rows(found), "runs": to_rows(shorten(table))})
    join_pictures(opened[0][0], options.out, options.sizes, "audit")


def run_canary(options: Options) -> None:
    """Canaries in a training of every run."""
    contexts = [open_run(folder, ("sd",)) for folder in options.runs]
    table = find_canaries(
        contexts,
        options.out,
        options.sizes,
        num=options.canaries,
        tiles=options.canary_tiles,
        share=options.canary_share,
        labels=options.canary_labels,
    )
    found = summarise_canaries(table, "whole" if options.canary_labels == "several" else "window")
    print(found.to_string(index=False, float_format=lambda number: f"{number:.3f}"))
    by_canary = table.groupby(["run", "canary", "times", "way", "model"])
    means = by_canary[["copy", "whole", "window"]].mean().reset_index()
    name = "canary" if options.canary_labels == "several" else "canary-one-label"
    write(options, name, {"canaries": to_rows(found), "each": to_rows(means)})


def run_annotation(options: Options) -> None:
    """Every way at every level of annotators' errors."""
    sizes, place = options.sizes, options.out / "annotation"
    variants = open_run(options.runs[0], ()).run.distil.variants
    if lacking := [name for name in sizes.needs if name not in ("sd", *variants)]:
        said = f"{options.runs[0]} trains no {', '.join(lacking)}"
        raise BadInput(f"--ways: {said}; leave it out")
    last = [name for name in ("sd", *variants) if name in sizes.needs][-1]
    job = ErrorJob(options.runs[0], place, options.noise_share, last)
    noise_of = train_levels(job, options.noises, options.noise_trainings, options.processes)
    contexts = [open_run(folder, sizes.needs) for folder in noise_of]
    runs = [(context.folder, draw_asked(context, sizes)) for context in contexts]
    table = audit_runs(runs, place, sizes, options.processes, apart=True)
    table = table.assign(noise=table["run"].map({str(key): one for key, one in noise_of.items()}))
    for context in contexts[:: options.noise_trainings]:
        noise = context.run.phantom.annotation_noise
        join_pictures(context, place, sizes, f"annotation {noise:g}")
    found = summarise(table, ["way", "noise", "name"])
    show(found)
    gains = summarise(tell_gains(table), ["way", "noise", "name"])
    shown = gains[gains["name"].isin([f"{name} beyond sd" for name in SHOWN])]
    print(
        shown[["way", "noise", "name", "value", "low", "high", "trainings"]].to_string(index=False)
    )
    write(options, "annotation", {"figures": to_rows(found), "gains": to_rows(gains)})


def summarise(table: pd.DataFrame, keys: Sequence[str]) -> pd.DataFrame:
    """Means over seeds, then over trainings with t intervals."""
    rows = []
    for names, part in table.groupby(list(keys), sort=False):
        by_run = part.groupby("run")["value"].mean().dropna()
        if by_run.empty:
            continue
        half = float("nan")
        if len(by_run) > 1:
            quantile = scipy.stats.t.ppf(0.975, len(by_run) - 1)
            half = float(quantile * by_run.std(ddof=1) / np.sqrt(len(by_run)))
        value = float(by_run.mean())
        beside = {key: float(part[key].mean()) for key in ("floor", "ceiling", "chance")}
        ends = {"value": value, "low": value - half, "high": value + half}
        # of one training: the audit's own, over patients and masks
        own = {"own_low": float(part["low"].mean()), "own_high": float(part["high"].mean())}
        named = dict(zip(keys, names, strict=True))
        rows.append({**named, **ends, **own, "trainings": len(by_run), **beside})
    return pd.DataFrame(rows)


def summarise_canaries(table: pd.DataFrame, likeness: str) -> pd.DataFrame:
    """Copies among what is asked for, and how much likelier the canary is than without it.

    Args:
        table: a row a tile.
        likeness: "whole" or "window".
    """
    rows = []
    for (way, times), part in table[table["way"] != ""].groupby(["way", "times"], sort=False):
        both = dict(list(part.groupby("model")))
        rate, base = (rate_of(both[name]["copy"].to_numpy(bool)) for name in ("with", "without"))
        means = part.groupby(["run", "model"])[likeness].mean().unstack("model")
        gain = (means["with"] - means["without"]).to_numpy()
        half = float("nan")
        if len(gain) > 1:
            quantile = scipy.stats.t.ppf(0.975, len(gain) - 1)
            half = float(quantile * gain.std(ddof=1) / np.sqrt(len(gain)))
        rows.append(
            {
                **{"way": way, "times": times, "trainings": len(gain), "tiles": rate.of},
                **{"copies": rate.found, "low": rate.low, "high": rate.high},
                **{"copies without": base.found, "likeness": means["with"].mean()},
                **{"likeness without": means["without"].mean(), "gain": gain.mean()},
                **{"gain low": gain.mean() - half, "gain high": gain.mean() + half},
            }
        )
    return pd.DataFrame(rows)


def shorten(table: pd.DataFrame) -> pd.DataFrame:
    """The figures of the table of each run."""
    columns = ["run", "way", "seed", "name", "value", "low", "high", "refused"]
    return table[table["name"].isin(SHOWN)][columns]


def show(found: pd.DataFrame) -> None:
    """The main figures for people, a row a way; what real tiles give in the last row."""
    cells: dict[str, dict[str, str]] = {}
    for row in found[found["name"].isin(SHOWN)].to_dict("records"):
        way = row["way"] + (f", errors {row['noise']:g}" if "noise" in row else "")
        is_one = np.isnan(row["low"])
        ends = [row[f"own_{end}" if is_one else end] for end in ("low", "high")]
        span = "" if np.isnan(ends[0]) else f" [{ends[0]:.2f}, {ends[1]:.2f}]"
        cells.setdefault(way, {})[row["name"]] = f"{row['value']:.3f}{span}"
        real = row["floor"] if np.isnan(row["ceiling"]) else row["ceiling"]
        cells.setdefault("real tiles", {})[row["name"]] = "" if np.isnan(real) else f"{real:.3f}"
    last = cells.pop("real tiles", {})
    table = pd.DataFrame({**cells, "real tiles": last}).T
    print(table[[name for name in SHOWN if name in table]].fillna("refused").to_string())


def to_rows(table: pd.DataFrame) -> list[dict[str, object]]:
    """Rows for JSON; what is not a number is null."""
    rows: list[dict[str, object]] = json.loads(table.to_json(orient="records"))
    return rows


def write(options: Options, part: str, found: dict[str, object]) -> None:
    """A part's JSON."""
    facts = {"runs": [str(run) for run in options.runs], "masks": options.sizes.masks}
    path = options.out / f"{part}.json"
    path.parent.mkdir(parents=True, exist_ok=True)
    write_json(path, {**facts, "real": options.sizes.real, **found})
    print(f"{path}", flush=True)


def run_all() -> int:
    """Every part as a process of its own, with the same options."""
    started, begun = {}, time.perf_counter()
    for part in PARTS:
        command = [sys.executable, *sys.argv, "--part", part]
        started[part] = subprocess.Popen(command)
    worst = 0
    for part, process in started.items():
        code = process.wait()
        worst = max(worst, abs(code))
        print(f"{part}: exit code {code} after {time.perf_counter() - begun:.0f} s", flush=True)
    return worst


def main() -> int:
    """Do what is missing of a part, and print its table."""
    options = tyro.cli(Options, description=__doc__)
    prepare_process()
    if options.part == "all":
        return run_all()
    parts = {"audit": run_audit, "canary": run_canary, "annotation": run_annotation}
    begun = time.perf_counter()
    parts[options.part](options)
    print(f"{options.part}: {time.perf_counter() - begun:.0f} s", flush=True)
    return 0


if __name__ == "__main__":
    sys.exit(main())
