"""What the page is told of the weights."""

from __future__ import annotations

from typing import Any

from disc.api import SHIPPED, Model
from disc.data.pixels.mask_colours import name_colours
from disc.labels import GRADES, IGNORE, Label
from disc.studio.pictures import MAX_COLUMNS, MAX_SEEDS

TITLES = {
    "sd": "diffusion, plain: the whole mask at once",
    "sd-sc": "the same network, separated conditions: each label alone, then joined by a plan",
    "sd-disc": "a network taught by tiles whose labels were denoised apart",
    "sd-disc-cotrain": "as sd-disc, taught by real tiles beside them",
    "sd-disc-fast": "a student of few steps, taught by tiles whose labels were denoised apart",
}
PLANS = (
    {"value": "end", "title": "end: joined once, at the end (the paper's)"},
    {"value": "step", "title": "step: joined at every step"},
    {"value": "step-null", "title": "step-null: the same, the rest unknown"},
    {"value": "switch@0.75", "title": "switch@0.75: apart for three quarters, then as one"},
    {"value": "late@0.5", "title": "late@0.5: as one for half, then apart"},
    {"value": "guide@1.5", "title": "guide@1.5: the joined prediction as a guide"},
    {"value": "heal@250", "title": "heal@250: end, then noise and plain from there"},
    {"value": "plain", "title": "plain: as sd"},
)
"""What can be chosen; their numbers can be changed in a permalink."""


def describe(model: Model, deadline_s: float) -> dict[str, Any]:
    """What the weights are, and what can be done with them; no path of the machine."""
    folder, values = model.weights.folder, [*map(int, Label), IGNORE]
    return {
        "name": "shipped with disc" if folder == SHIPPED else folder.resolve().name,
        "is_simulated": model.weights.is_simulated,
        "tile_px": model.tile_px,
        "um_per_px": model.um_per_px,
        "labels": [
            {
                "value": value,
                "name": name,
                "colour": list(colour),
                "grade": GRADES.get(Label(value)) if value != IGNORE else None,
            }
            for value, (name, colour) in zip(values, name_colours(), strict=True)
        ],
        "variants": [
            {
                "name": name,
                "title": TITLES.get(name, name),
                "steps": model.weights.solver_of(name).steps,
            }
            for name in model.variants
        ],
        "plans": list(PLANS),
        "lacking": dict(model.lacking),
        "deadline_s": deadline_s,
        "max_columns": MAX_COLUMNS,
        "max_seeds": MAX_SEEDS,
    }
