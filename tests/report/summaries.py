"""Stories with tables whose answers are known, for the tests of the page."""

import json
from collections.abc import Sequence
from functools import cache

import numpy as np
import pandas as pd

from disc.evaluate.agreement import ACCURACY, FRACTIONS, RECALLS, SYNTHESIS, TEST
from disc.evaluate.quality import ENERGIES
from disc.grade.confusion import COUNTS
from disc.labels import Label
from disc.pipeline.config_file import to_json
from disc.pipeline.stage import StageRecord
from disc.presets import smoke
from disc.report.graders.attention import AttentionSheet
from disc.report.run_summary import PixelRow, RunSummary, SheetRow
from disc.settings.synthesis import STUDENT, VARIANTS

LEVELS = {"real": 0.90, "reconstruction": 0.86, "sd": 0.65, "sd-sc": 0.71, "sd-disc": 0.69}
LEVELS["sd-disc-cotrain"] = 0.66
LEVELS[STUDENT] = 0.69
GENERATED = (*VARIANTS, STUDENT)


def make_agreement(rng: np.random.Generator, num_tiles: int = 60) -> pd.DataFrame:
    """Recalls about known levels; variants share the variability of the mask.

    A third of the masks has one label, a third several, and synthesis asks for a third; where GG5
    is asked for, it covers 2 % of the tile and is never found.
    """
    noise = rng.normal(0, 0.1, (num_tiles, 4))
    targets = rng.random((num_tiles, 4)) < 0.5
    targets[:, 0] = True
    targets[: num_tiles // 3, 1:] = False
    targets[num_tiles // 3 :, 1] = True
    parts = []
    for variant, level in LEVELS.items():
        recall = np.clip(level + noise + rng.normal(0, 0.03, noise.shape), 0, 1)
        recall[:, 3] = 0
        values = np.where(targets, recall, np.nan)
        fractions = np.where(targets[:, :3], 1.0, 0.0)
        small = np.where(targets[:, 3], 0.02, 0.0)[:, None]
        fractions *= (1 - small) / fractions.sum(axis=1, keepdims=True)
        fractions = np.hstack([fractions, small])
        names = {"variant": variant, "plan": "end", "solver": "dpmpp-2m 15", "seed": 0}
        places = {
            "tile": [f"asked {i}" for i in range(num_tiles)],
            "source_slide": [f"slide {i % 24}" for i in range(num_tiles)],
            "masks": [SYNTHESIS if 3 * i >= 2 * num_tiles else TEST for i in range(num_tiles)],
        }
        columns = dict(zip((*RECALLS, *FRACTIONS), (*values.T, *fractions.T), strict=True))
        columns[ACCURACY] = np.nansum(values * fractions, axis=1)
        parts.append(pd.DataFrame(names | places | columns))
    return pd.concat(parts, ignore_index=True)


def make_quality() -> pd.DataFrame:
    """All alike, but the student: fewer steps, less deviation of latents, farther from real."""
    kinds = ("multi-class", "synthesis", "single-class")
    return pd.DataFrame(
        [
            {"kind": kind, "variant": variant, **_looks(variant)}
            for kind in kinds
            for variant in (*GENERATED, "real", "reconstruction")
        ]
    )


def _looks(variant: str) -> dict[str, float]:
    row = dict.fromkeys(ENERGIES, 40.0 if variant == "real" else 20.0) | {"seam": 1.13}
    if variant not in GENERATED:
        return row
    is_fast = variant == STUDENT
    gain = 0.2 if is_fast else -0.01
    facts = {"": 0.3 + gain, "_low": 0.2, "_high": 0.6, "_gain": gain}
    facts |= {"_gain_low": gain - 0.05, "_gain_high": gain + 0.05}
    for view in ("real", "reconstruction"):
        row |= {f"kid_{view}{end}": value for end, value in facts.items()}
    row["standard_deviation"], row["steps"] = (0.7, 1) if is_fast else (0.9, 10)
    return row | {"evaluations": {STUDENT: 1.0, "sd-sc": 22.25}.get(variant, 10.0)}


def make_scores(
    rng: np.random.Generator, weights: Sequence[float] = (0.1, 0.4), num_slides: int = 30
) -> pd.DataFrame:
    """Slide scores on validation and two test sets; GG5 is rare in distribution."""
    rows = []
    for data_set, split in (("in", "val"), ("in", "test"), ("shifted", "test")):
        truth = rng.random((num_slides, 4)) < (0.4, 0.5, 0.5, 0.2)
        truth[:3] = [[1, 0, 0, 1], [0, 1, 1, 0], [0, 1, 0, 1]]
        noise = rng.normal(0, 1, truth.shape)
        for variant, weight in [("real", 0.0), *((v, w) for v in VARIANTS for w in weights)]:
            for grader_seed in range(2):
                score = 1.5 * truth + noise + rng.normal(0, 0.3 + weight / 2, truth.shape)
                rows += [
                    {
                        **{"grader": "transmil", "encoder": "embedded", "variant": variant},
                        **{"balance_weight": weight, "generator_seed": 0, "fold": "Val1"},
                        **{"grader_seed": grader_seed, "split": split, "data_set": data_set},
                        **{"patient": f"{split} {i}", "slide": f"{split} {i}"},
                        **{"label": label.name, "truth": int(truth[i, label])},
                        "score": 1 / (1 + np.exp(-score[i, label])),
                    }
                    for i in range(num_slides)
                    for label in Label
                ]
    return pd.DataFrame(rows)


def make_pixels(rng: np.random.Generator, num_tiles: int = 40) -> pd.DataFrame:
    """Confusion counts of tiles, mostly right."""
    rows = []
    for data_set in ("in", "shifted"):
        for variant in ("real", *VARIANTS):
            fraction = np.full((4, 4), 0.08) + 0.68 * np.eye(4)
            for i in range(num_tiles):
                counts = rng.poisson(1000 * fraction).ravel()
                facts = {"grader": "carcino", "variant": variant, "grader_seed": 0}
                facts |= {"balance_weight": 0.0 if variant == "real" else 0.3, "split": "test"}
                facts |= {"data_set": data_set, "truth_kind": "exact", "tile": f"tile {i}"}
                facts |= {"patient": f"patient {i % 12}", "slide": f"slide {i % 12}"}
                rows.append(facts | dict(zip(COUNTS, counts, strict=True)))
    return pd.DataFrame(rows)


def make_attention(image: np.ndarray) -> AttentionSheet:
    """Of one slide of two tiles."""
    table = pd.DataFrame({"slide": "s", "tile": [0, 1], "attention": [0.3, 0.7]})
    return AttentionSheet(
        name="transmil_embedded_real", slides=[("s", [image, image])], table=table
    )


def make_audit() -> pd.DataFrame:
    """As `disc.audit.brief` makes it; of sd-sc, copies could not be told."""
    names = (
        "kid.texture",
        "copies",
        "seam.beyond-real",
        *(f"gradient.{label.name}" for label in Label),
        "coherence.NC",
    )
    rows = [
        {
            **{"variant": variant, "name": name, "value": 0.25 + place, "low": 0.125 + place},
            **{"high": 0.5 + place, "floor": 0.0625, "refused": ""},
        }
        for variant in ("sd", "sd-sc")
        for place, name in enumerate(names)
    ]
    rows[len(names) + 1] |= {"value": np.nan, "refused": "80 tiles; 200 would do"}
    return pd.DataFrame(rows)


def make_summary(*, tile_px: int = 32, **changes: object) -> RunSummary:
    """A whole summary; `changes` replace parts of it, the others are made once."""
    return RunSummary(**(_parts(tile_px) | changes))  # type: ignore[arg-type]


@cache
def _parts(tile_px: int) -> dict[str, object]:
    rng = np.random.default_rng(0)
    image = rng.integers(0, 256, (tile_px, tile_px, 3), dtype=np.uint8)
    mask = np.repeat(np.array([[0, 1, 2, 3]], np.uint8), tile_px, 0).repeat(tile_px // 4, 1)
    mask[:4, :4] = 255
    images = dict.fromkeys(("real", "reconstruction", *GENERATED), image)
    return {
        "title": "disc: a run <of tests>",
        "config": json.loads(to_json(smoke())),
        "machine": "2 processors",
        "data_note": "Tiles simulated for a test.",
        "is_simulated": True,
        "stages": [
            StageRecord(name="data", seconds=4.21, what="60 tiles"),
            StageRecord(name="denoiser/sd", seconds=200.0, what="10 steps of 4"),
        ],
        "notes": ["GG5 is absent from the training tiles: it is never a target."],
        "sheet": [SheetRow(mask=mask, images=images, readings=dict.fromkeys(images, mask))] * 2,
        "made_by": {"Program": "disc 1.2.3", "Commit": "0123abcdef", "Command": "disc run test"},
        "um_per_px": 6.0,
        "standard_deviations": pd.DataFrame(
            {"set": ["sd", "bank"], "standard_deviation": [1.10, 1.25], "num": [352, 600]}
        ),
        "agreement": make_agreement(rng),
        "quality": make_quality(),
        "audit": make_audit(),
        "scores": make_scores(rng),
        "pixels": make_pixels(rng),
        "pixel_pictures": [
            PixelRow(
                image=image, truth=mask, annotation=mask, predictions={"real": mask, "sd": mask}
            )
        ],
        "attention": [make_attention(image)],
        "draws": 100,
        "grader_draws": 400,
    }
