"""What no run can be made of is refused where it is written, by its name."""

from typing import Any

import pytest

from disc.settings.autoencoder import Autoencoder
from disc.settings.denoiser import Denoiser
from disc.settings.distillation import Distil
from disc.settings.evaluation import Evaluate
from disc.settings.grading import CarcinoNet, Grade, TransMIL
from disc.settings.synthesis import Synthesis
from disc.settings.training import Optim

COUNTS = {
    Autoencoder: ("layers", "groups", "num_codes"),
    Denoiser: ("layers", "head_channels"),
    CarcinoNet: ("width",),
    TransMIL: ("width", "heads"),
    Grade: ("seeds",),
    Distil: ("num_bundles",),
    Evaluate: ("num_bootstrap",),
}


@pytest.mark.parametrize("value", [0, -1])
@pytest.mark.parametrize(
    ("room", "name"), [(room, name) for room, names in COUNTS.items() for name in names]
)
def test_counts_of_nothing_are_refused(room: type, name: str, value: int) -> None:
    with pytest.raises(ValueError, match=rf"\.{name} {value}: must be 1 or more"):
        room(**{name: value})


@pytest.mark.parametrize(
    ("room", "settings", "words"),
    [
        (Denoiser, {"channels": (), "attention": ()}, "denoiser.channels"),
        (CarcinoNet, {"blocks": (1, 0)}, "carcino.blocks"),
        (TransMIL, {"width": 32, "heads": 3}, "transmil.width 32: no multiple of transmil.heads 3"),
        (
            Distil,
            {"optim": Optim(steps=1, batch=33)},
            "distil.optim.batch 33: sd-disc-cotrain takes half",
        ),
        (Evaluate, {"num_uniform": 0, "num_mixed": 0}, "num_uniform or num_mixed must be above 0"),
        (Evaluate, {"num_synthesis": -1}, "num_synthesis -1: must be 0 or more"),
        (Synthesis, {"weights": (1.5, -0.5, 0.0, 0.0)}, "synthesis.weights .*: none below 0"),
        (Synthesis, {"variants": ("sd", "sd")}, "synthesis.variants: one comes twice"),
    ],
)
def test_what_cannot_go_together_is_refused(
    room: type, settings: dict[str, Any], words: str
) -> None:
    with pytest.raises(ValueError, match=words):
        room(**settings)


def test_an_odd_batch_is_no_matter_without_cotrain() -> None:
    assert Distil(variants=("sd-disc",), optim=Optim(steps=1, batch=33))
