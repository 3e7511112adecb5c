"""Tiles a second of every way to sample, and whether they are as good as the paper's.

Takes finished runs, one a training of everything. The baselines are plain diffusers: A, the paper's
recipe (DDIM of 200 steps, float32, one tile at a time, all four labels, fused); B, what a careful
user would write today (DPM-Solver++ 2M, 20 steps, diffusers' spacing, batches of 32, four labels);
C, `sd-disc` by DDIM of 200 steps, one tile at a time. Ours: `sd`, `sd-sc` under several plans,
`sd-disc` and `sd-disc-fast`, in several numbers of steps, and fused from a bank.

First the referee reads tiles of the same masks from the same noise: the primary measure and kernel
distance with paired 95 % intervals over slides (of several runs: and trainings). Equal is what is
not a point worse at the interval's lower end, and in kernel distance not worse beyond its interval.
Then the first run is timed, one thread, in interleaved rounds; ratios with 95 % intervals over
these; where time goes; two processes against one. Prints tables, then one JSON line.

On one quiet thread, --masks 320 takes about 45 minutes and --masks 1500 (default) about 2 1/2
hours, of which A alone is 46 minutes; `torchrun --nproc_per_node 2` before it shares the reading.
A GPU reads in minutes: --rounds 0 --table readings.parquet ends after the reading, and the same
--table on the machine that is to be timed begins there. Stopped, the same command goes on.

    python benchmarks/sampling.py runs/demo [--masks 320] [--figure front.png]
"""

from __future__ import annotations

import json
import os
import time
from collections.abc import Iterator
from dataclasses import dataclass, replace
from functools import partial
from pathlib import Path
from typing import Annotated, Literal

os.environ["OMP_NUM_THREADS"] = "1"

import numpy as np
import pandas as pd
import torch
import tyro
from front import BANK, ONE, SEVERAL, draw_front, judge, print_goals, print_parts, print_table
from plain_diffusers import load_plain
from side_by_side import (
    Asked,
    Reading,
    draw_masks,
    is_trained,
    measure,
    open_run,
    open_runs,
    read,
    read_real,
    summarise,
)
from timing import Seconds, Way, time_processes, time_rounds
from ways import bank_way, our_way, plain_way

from disc.cli import prepare_process
from disc.files import BadInput, digest, write_parquet
from disc.labels import NUM_LABELS
from disc.model.denoiser import Denoiser
from disc.model.store import hash_weights
from disc.pipeline.context import Context
from disc.processes import own_share, wait_for_all
from disc.sample.sampler import Sampler
from disc.sample.solver import draw_noise, name_solver
from disc.settings.sampling import Solver
from disc.settings.synthesis import STUDENT

PAPER = Solver(name="ddim", steps=200, spacing="leading")
PAPER_PLAIN = f"{PAPER.name} {PAPER.steps}"
TODAY = "dpmpp-2m 20"
PLAIN_B = f"plain diffusers, {TODAY}"
BASES = {
    "B": PLAIN_B,
    "C": f"sd-disc, {name_solver(PAPER)}",
    "A": f"sd-sc end, {name_solver(PAPER)}",
}
"""Titles by what columns call them; marks are to the last."""
MANY = 3.0
"""Evaluations a tile, up to which four times as many tiles are timed."""


@dataclass(frozen=True)
class Options:
    """What to run."""

    runs: Annotated[tuple[Path, ...], tyro.conf.Positional]
    """Folders of finished runs on the same data, each with other weights."""
    out: Path = Path("runs/sampling")
    """Folder of readings and rounds."""
    masks: int = 1500
    """Masks in all: an eighth of them of one label, at most half of the others from synthesis."""
    steps: tuple[int, ...] = (6, 8, 10, 15)
    """Of DPM-Solver++ in even strides of the log signal-to-noise ratio."""
    plans: tuple[str, ...] = ("end", "step", "switch@0.75")
    """Of `sd-sc`, with each number of steps."""
    others: tuple[str, ...] = ("step-null", "late@0.5", "guide@1.5", "heal@250")
    """Further plans, with the default number of steps."""
    evaluations: tuple[int, ...] = (1, 2)
    """Of `sd-disc-fast`."""
    rounds: int = 5
    """Of timing; 0: none."""
    tiles: int = 64
    """Of each of our ways in a round."""
    clock: Literal["wall", "cpu"] = "wall"
    """wall; cpu on a machine with other work, where two processes are then not measured."""
    table: Path | None = None
    """Table of the readings: taken from there if it stands, else written there."""
    figure: Path | None = None
    """Write a plot of primary measure and kernel distance over evaluations a tile."""


def choose_masks(context: Context, num: int) -> Asked:
    """Masks of several labels, of test slides and as synthesis asks, and of one label."""
    drawn, one = draw_masks(context, num), num // 8
    numbers = dict.fromkeys(drawn.names, one)
    numbers["synthesis"] = min(int((drawn.sets == "synthesis").sum()), (num - one) // 2)
    numbers["test slides"] = num - one - numbers["synthesis"]
    chosen = np.concatenate([np.flatnonzero(drawn.sets == k)[:n] for k, n in numbers.items()])
    sets = np.where(drawn.sets[chosen] == ONE, ONE, SEVERAL)
    return Asked(drawn.masks[chosen], [drawn.slides[i] for i in chosen], sets)


def list_readings(context: Context, options: Options) -> Iterator[Reading]:
    """Baselines A and C, as our sampler makes the same pixels, then everything of ours."""
    folder = context.folder / "denoiser"
    yield Reading("sd-sc", folder / "sd", PAPER, "sd-sc")
    yield Reading("sd-disc", folder / "sd-disc", PAPER)
    solvers = [Solver(steps=steps) for steps in options.steps]
    for solver in solvers:
        yield Reading("sd", folder / "sd", solver)
        for plan in options.plans:
            yield Reading("sd-sc", folder / "sd", solver, "sd-sc", plan)
    for plan in options.others:
        yield Reading("sd-sc", folder / "sd", Solver(), "sd-sc", plan)
    yield Reading("sd-sc", folder / "sd", Solver(name="unipc"), "sd-sc")
    yield Reading("sd-sc", folder / "sd", replace(PAPER, steps=15, spacing="trailing"), "sd-sc")
    for solver in [Solver(steps=4), *solvers]:
        yield Reading("sd-disc", folder / "sd-disc", solver)
    if is_trained(context.folder, STUDENT):
        for num in options.evaluations:
            few = replace(context.run.solver_of(STUDENT), steps=num)
            yield Reading(STUDENT, folder / STUDENT, few)


def read_plain(context: Context, asked: Asked, path: Path) -> pd.DataFrame:
    """What the referee reads in tiles of baseline B."""
    if path.exists():
        return pd.read_parquet(path)
    plain, latents = load_plain(context, "sd", TODAY), []
    start, px = time.perf_counter(), asked.masks.shape[-1] // 4
    for first in range(0, len(asked.masks), 32):
        chosen = slice(first, first + 32)
        noise = draw_noise(asked.seeds[chosen], px)
        latents.append(plain.fuse_labels(noise, torch.from_numpy(asked.masks[chosen])))
    images = np.concatenate([plain.decode(part) for part in latents])
    columns = measure(context, torch.cat(latents).cpu(), images, asked)
    seconds = (time.perf_counter() - start) / len(images)
    found = {"seconds": seconds, "steps": plain.steps, "evaluations": NUM_LABELS * plain.steps}
    table = pd.DataFrame(columns).assign(**found)
    write_parquet(path, table)
    return table


def check_baseline(context: Context, asked: Asked) -> None:
    """That A's agreement is A's: plain diffusers and our sampler paint one tile alike.

    Raises:
        BadInput: if they do not.
    """
    several = int(np.flatnonzero(asked.sets == SEVERAL)[0])
    mask, seeds = asked.masks[several][None], asked.seeds[several : several + 1]
    plain = load_plain(context, "sd", PAPER_PLAIN)
    noise = draw_noise(seeds, mask.shape[-1] // 4)
    theirs = plain.decode(plain.fuse_labels(noise, torch.from_numpy(mask)))
    sampler = Sampler(
        context.autoencoder,
        {"sd": context.denoiser("sd")},
        replace(context.run.sample, solver=PAPER, plan="end"),
    )
    ours = sampler.generate("sd-sc", mask, seeds)
    differ = float((np.abs(theirs.astype(int) - ours) > 1).mean())
    if differ > 0.001:
        raise BadInput(f"{context.folder}: plain diffusers paints {100 * differ:.2f} % otherwise")
    print(
        f"plain diffusers and ours: {100 * differ:.3f} % of a tile's values differ by more than 1"
    )


def read_all(options: Options) -> pd.DataFrame | None:
    """Every reading of every run, a row a set of masks and reading; None: not the first process."""
    if options.table is not None and options.table.exists():
        return pd.read_parquet(options.table)
    share, real = own_share(), []
    tables: dict[str, list[pd.DataFrame]] = {}
    for context, asked in open_runs(options.runs, partial(choose_masks, num=options.masks)):
        out = place(context, options) / f"masks {options.masks}"
        # an option may name once more what is read in any case
        readings = list({one.title: one for one in list_readings(context, options)}.values())
        for number, reading in enumerate(readings):
            if share.has(number):
                read(context, reading, asked, out / f"{reading.title}.parquet")
        if share.has(len(readings)):
            read_plain(context, asked, out / f"{PLAIN_B}.parquet")
        wait_for_all()
        if share.is_first:
            for title in [PLAIN_B, *(reading.title for reading in readings)]:
                tables.setdefault(title, []).append(pd.read_parquet(out / f"{title}.parquet"))
            real.append(read_real(context, asked, out))
    if not share.is_first:
        return None
    table = summarise(tables, real, asked, BASES)
    # A asks for all four labels, though two or three are in a tile
    table.loc[table["name"] == BASES["A"], "evaluations"] = float(NUM_LABELS * PAPER.steps)
    if options.table is not None:
        write_parquet(options.table, table)
    return table


def place(context: Context, options: Options) -> Path:
    """Folder of a run's readings, of its weights."""
    trained = ("sd", "sd-disc", *((STUDENT,) if is_trained(context.folder, STUDENT) else ()))
    hashes = [hash_weights(context.denoiser(name)) for name in trained]
    return options.out / f"{context.folder.name} {digest(hashes)[:8]}"


def list_ways(context: Context, table: pd.DataFrame, options: Options) -> dict[str, Way]:
    """Everything to be timed, by the names of the table."""
    plain = {
        BASES["A"]: load_plain(context, "sd", PAPER_PLAIN),
        f"{BASES['A']}, labels in one batch": load_plain(
            context, "sd", PAPER_PLAIN, shares_batch=True
        ),
        BASES["B"]: load_plain(context, "sd", TODAY),
        BASES["C"]: load_plain(context, "sd-disc", PAPER_PLAIN),
    }
    ways = {}
    for (name, one), num, batch in zip(plain.items(), (2, 4, 32, 4), (1, 1, 32, 1), strict=True):
        ways[name] = plain_way(one, num, batch, is_fused=name != BASES["C"])
    evaluations = table[table["masks"] == SEVERAL].set_index("name")["evaluations"]
    nets: dict[Path, Denoiser] = {}
    for reading in list_readings(context, options):
        if reading.title in ways:
            continue
        if reading.folder not in nets:
            nets[reading.folder] = Denoiser.load(reading.folder, context.run.denoiser)
        num = options.tiles * (4 if evaluations[reading.title] <= MANY else 1)
        ways[reading.title] = our_way(context, reading, nets[reading.folder], num)
    ways[BANK] = bank_way(context, 4 * options.tiles)
    return ways


def time_run(context: Context, table: pd.DataFrame, options: Options) -> list[Seconds]:
    """Rounds of all ways, on masks of several labels."""
    asked = choose_masks(context, options.masks)
    check_baseline(context, asked)
    masks = asked.masks[asked.sets == SEVERAL]
    num = min(64, len(context.judged), len(masks))
    tiles = np.stack([context.judged.image(i) for i in range(num)])
    ways = list_ways(context, table, options)
    folder = place(context, options) / f"rounds of {options.tiles}, masks {options.masks}"
    return time_rounds(ways, tiles, masks, folder, num=options.rounds, clock=options.clock)


def main() -> None:
    """Read, time, print, draw."""
    prepare_process()
    torch.set_num_threads(1)
    options = tyro.cli(Options)
    table = read_all(options)
    if table is None or not options.rounds:
        return
    context = open_run(options.runs[0])
    rounds = time_run(context, table, options)
    table = judge(table, rounds, BASES)
    processes = None
    if options.clock == "wall":
        processes = time_processes(options.runs[0], 4 * options.tiles, 3)
    print_table(table, BASES)
    print_parts(rounds)
    goals = print_goals(table, rounds, BASES, processes)
    if options.figure is not None:
        draw_front(table, BASES, options.figure)
    rows = table.astype(object).where(table.notna(), None).to_dict("records")
    facts = {"goals": goals, "rounds": rounds, "two_processes": processes}
    print(json.dumps({"sampling": rows, **facts}))


if __name__ == "__main__":
    main()
