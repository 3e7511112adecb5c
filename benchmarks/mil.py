"""Slide graders: training in batches against a loop over bags, and what the padding bug costs.

Bags are planted: a slide's labels show in some of its tiles, each as a step along a direction.
Prints tables, and as its last line one JSON object.
"""

from __future__ import annotations

import argparse
import json
import time
from collections.abc import Sequence
from dataclasses import dataclass, field

import numpy as np
import scipy.stats
import torch
from torch import Tensor

from disc.evaluate.auroc import auroc
from disc.grade.bags import Bag, lay_out
from disc.grade.mil.bag_grader import BagGrader
from disc.grade.mil.build import build_grader
from disc.grade.mil.heads import slide_loss
from disc.grade.mil.scoring import read_logits
from disc.labels import NUM_LABELS
from disc.seeds import numpy_generator
from disc.settings.grading import SlideGrader, TransMIL

REAL, SYNTHETIC = (30, 31, 54, 9), (70, 69, 46, 91)
"""Slides of each primary grade: SICAPv2's training partition, and what fills it up to 100."""
BALANCE_WEIGHT = 0.3
FEATURES = 64
GRADES = (0, 3, 4, 5)
PATIENCE = 2
"""Epochs in a row without a lower loss of validation bags after which a training ends."""


@dataclass
class Lookahead:
    """RAdam whose weights are drawn half the way to slow ones every six steps."""

    inner: torch.optim.Optimizer
    steps: int = 0
    slow: dict[Tensor, Tensor] = field(default_factory=dict)

    def step(self) -> None:
        """One step; slow weights begin at the first of their own."""
        self.inner.step()
        self.inner.zero_grad()
        self.steps += 1
        if self.steps % 6:
            return
        for weight in (w for group in self.inner.param_groups for w in group["params"]):
            slow = self.slow.setdefault(weight, weight.detach().clone())
            slow += 0.5 * (weight.detach() - slow)
            weight.data.copy_(slow)


def plant_bags(
    counts: Sequence[int], sizes: tuple[int, int], seed: int, *, step: float, shift: float = 0.0
) -> list[Bag]:
    """Bags of slides by primary grade; a label shows in a tenth of the tiles, one at least.

    Args:
        counts: slides of each primary grade.
        sizes: fewest and most tiles.
        seed: of everything.
        step: how far a label moves the tiles in which it shows.
        shift: of all features, as generated tiles have.
    """
    rng = numpy_generator(seed, "planted bags")
    bags = []
    for label, count in enumerate(counts):
        for number in range(count):
            other = int(rng.integers(1, NUM_LABELS)) if label else 0
            labels = sorted({label, other})
            features = rng.normal(shift, 1, (int(rng.integers(*sizes)), FEATURES))
            shown = max(1, len(features) // 10)
            for k in labels:
                features[rng.choice(len(features), shown, replace=False), k] += step
            name = f"{label}-{number}"
            truth = tuple(int(k in labels) for k in range(NUM_LABELS))
            kept = features.astype(np.float32)
            bag = {"slide_id": name, "patient_id": name, "features": kept, "truth": truth}
            bags.append(Bag(**bag, primary=GRADES[label]))
    return bags


def measure(net: BagGrader, bags: Sequence[Bag]) -> tuple[float, float]:
    """Mean AUROC over labels, and the loss, of validation bags."""
    logits, grids = read_logits(net, bags), lay_out(bags)
    areas = [auroc(grids["truth"][:, k].numpy(), logits[:, k])[0] for k in range(NUM_LABELS)]
    loss = slide_loss(torch.from_numpy(logits), grids["truth"].double(), grids["grades"])
    return float(np.mean(areas)), float(loss)


class Official:
    """As the official code trains: a bag at a time, two before each step of Lookahead on RAdam."""

    def __init__(self, settings: TransMIL, grader: SlideGrader, seed: int) -> None:
        """Build grader and optimiser."""
        torch.manual_seed(seed)
        self.net = build_grader(grader, settings, FEATURES)
        weights = self.net.parameters()
        radam = torch.optim.RAdam(weights, 2e-4, weight_decay=1e-5, decoupled_weight_decay=True)
        self.optim = Lookahead(radam)

    def run_epoch(self, bags: Sequence[Bag], weights: Sequence[float], order: np.ndarray) -> None:
        """Every bag once."""
        self.net.train()
        for number, index in enumerate(order, 1):
            grids = lay_out([bags[index]])
            logits = self.net(grids["features"], grids["is_tile"])
            loss = weights[index] * slide_loss(logits, grids["truth"], grids["grades"])
            (loss / 2).backward()
            if number % 2 == 0:
                self.optim.step()


class Batched:
    """As here: bags of any size together, padding masked, AdamW."""

    def __init__(
        self, settings: TransMIL, grader: SlideGrader, seed: int, bags: Sequence[Bag], batch: int
    ) -> None:
        """Build grader and optimiser."""
        torch.manual_seed(seed)
        self.batch = batch
        self.net = build_grader(grader, settings, FEATURES)
        self.net.standardise_by(torch.from_numpy(np.concatenate([b.features for b in bags])))
        self.optim = torch.optim.AdamW(self.net.parameters(), 1e-3, weight_decay=1e-5)

    def run_epoch(self, bags: Sequence[Bag], weights: Sequence[float], order: np.ndarray) -> None:
        """Every bag once."""
        self.net.train()
        for start in range(0, len(order), self.batch):
            some = order[start : start + self.batch]
            grids = lay_out([bags[index] for index in some])
            logits = self.net(grids["features"], grids["is_tile"])
            # Eq. (4), bag by bag
            losses = torch.nn.functional.binary_cross_entropy_with_logits(
                logits, grids["truth"], reduction="none"
            ).mean(1)
            (losses * torch.tensor([weights[index] for index in some])).mean().backward()
            torch.nn.utils.clip_grad_norm_(self.net.parameters(), 1.0)
            self.optim.step()
            self.optim.zero_grad()


def compare_speed(
    width: int, epochs: int, sizes: tuple[int, int], step: float, seeds: int
) -> dict[str, float]:
    """Seconds of processor time an epoch of both, epochs taken in turn, and what they learn.

    Each stops where the loss of validation bags has not fallen for `PATIENCE` epochs, and is read
    at its best epoch.
    """
    ratios, ends, areas = list[float](), list[list[int]](), list[list[float]]()
    for seed in range(seeds):
        pair = _train_pair(TransMIL(width=width, heads=8), epochs, sizes, step, seed)
        both = zip(pair["official"].seconds, pair["ours"].seconds, strict=False)
        ratios += [float(np.log(slow / fast)) for slow, fast in both]
        ends.append([len(way.losses) for way in pair.values()])
        areas.append([way.areas[int(np.argmin(way.losses))] for way in pair.values()])
    middle, low, high = np.exp(interval(np.array(ratios)))
    gain, worst, best = interval(np.array([ours - official for official, ours in areas]))
    stops, means = np.mean(ends, axis=0), np.mean(areas, axis=0)
    return {
        **{"speed_ratio": middle, "speed_low": low, "speed_high": high},
        **{"epochs_official": stops[0], "epochs_ours": stops[1]},
        **{"auroc_official": means[0], "auroc_ours": means[1]},
        **{"auroc_gain": gain, "auroc_gain_low": worst, "auroc_gain_high": best},
    }


@dataclass
class Course:
    """What is noted of a training, epoch by epoch."""

    way: Official | Batched
    seconds: list[float] = field(default_factory=list)
    areas: list[float] = field(default_factory=list)
    losses: list[float] = field(default_factory=list)

    @property
    def has_stopped(self) -> bool:
        """Whether the loss of validation bags falls no more."""
        return len(self.losses) - 1 - int(np.argmin(self.losses or [0])) >= PATIENCE


def _train_pair(
    settings: TransMIL, epochs: int, sizes: tuple[int, int], step: float, seed: int
) -> dict[str, Course]:
    bags = plant_bags(REAL, sizes, 3 * seed, step=step)
    bags += plant_bags(SYNTHETIC, sizes, 3 * seed + 1, step=step, shift=0.1)
    held_out = plant_bags((30, 30, 30, 30), sizes, 3 * seed + 2, step=step)
    parts = [1 - BALANCE_WEIGHT] * sum(REAL) + [BALANCE_WEIGHT] * sum(SYNTHETIC)
    weights = [part / np.mean(parts) for part in parts]
    courses = {
        "official": Course(Official(settings, "nystrom-0.0.9", seed)),
        "ours": Course(Batched(settings, "transmil", seed, bags, batch=16)),
    }
    for epoch in range(epochs):
        order = numpy_generator(seed, "order", epoch).permutation(len(bags))
        for name, course in courses.items():
            if course.has_stopped:
                continue
            start = time.process_time()
            course.way.run_epoch(bags, weights, order)
            course.seconds.append(time.process_time() - start)
            area, loss = measure(course.way.net, held_out)
            course.areas.append(area)
            course.losses.append(loss)
            told = f"{course.seconds[-1]:.2f} s, AUROC {area:.4f}, loss {loss:.4f}"
            print(f"seed {seed}, epoch {epoch + 1}, {name}: {told}", flush=True)
    return courses


def price_bug(
    width: int, epochs: int, sizes: tuple[int, int], step: float, seeds: int
) -> dict[str, float]:
    """Validation AUROC of three attentions on the same bags, seed by seed."""
    graders: tuple[SlideGrader, ...] = ("transmil", "nystrom", "nystrom-0.0.9")
    settings = TransMIL(width=width, heads=8)
    found = np.zeros((seeds, len(graders)))
    for seed in range(seeds):
        bags = plant_bags((24, 24, 24, 24), sizes, 10 + seed, step=step)
        held_out = plant_bags((30, 30, 30, 30), sizes, 100 + seed, step=step)
        for place, grader in enumerate(graders):
            way = Batched(settings, grader, seed, bags, batch=4)
            for epoch in range(epochs):
                order = numpy_generator(seed, "order", epoch).permutation(len(bags))
                way.run_epoch(bags, [1.0] * len(bags), order)
            found[seed, place] = measure(way.net, held_out)[0]
        told = "  ".join(f"{n} {v:.4f}" for n, v in zip(graders, found[seed], strict=True))
        print(f"seed {seed}: AUROC {told}", flush=True)
    result = {f"auroc_{n}": float(v) for n, v in zip(graders, found.mean(0), strict=True)}
    for name, other in (("bug", 1), ("exact", 0)):
        middle, low, high = interval(found[:, other] - found[:, 2])
        result |= {f"{name}_costs": middle, f"{name}_low": low, f"{name}_high": high}
    return result


def interval(values: np.ndarray) -> tuple[float, float, float]:
    """Mean, and its 95 % interval by Student's t."""
    half = scipy.stats.sem(values) * scipy.stats.t.ppf(0.975, len(values) - 1)
    return float(values.mean()), float(values.mean() - half), float(values.mean() + half)


def main() -> None:
    """Run both parts."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--part", choices=("speed", "bug", "both"), default="both")
    parser.add_argument("--width", type=int, default=512, help="channels of a token")
    parser.add_argument("--epochs", type=int, default=12)
    parser.add_argument(
        "--tiles", type=int, nargs=2, default=(20, 101), help="of a bag: from, below"
    )
    parser.add_argument("--step", type=float, default=3.0, help="how clearly a label shows")
    parser.add_argument("--seeds", type=int, default=5)
    parser.add_argument("--bug-width", type=int, default=512)
    parser.add_argument("--bug-tiles", type=int, nargs=2, default=(20, 101))
    parser.add_argument("--bug-epochs", type=int, default=12)
    options = parser.parse_args()
    torch.set_num_threads(1)
    facts: dict[str, float] = {}
    if options.part != "bug":
        low, high = options.tiles
        facts |= compare_speed(
            options.width, options.epochs, (low, high), options.step, options.seeds
        )
    if options.part != "speed":
        low, high = options.bug_tiles
        facts |= price_bug(
            options.bug_width, options.bug_epochs, (low, high), options.step, options.seeds
        )
    for name, value in facts.items():
        print(f"{name:>24} {value:.4g}")
    print(json.dumps(facts))


if __name__ == "__main__":
    main()
