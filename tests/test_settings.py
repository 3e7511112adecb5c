"""What no run can be made of is refused where it is written, by its name."""

from typing import Any

import pytest

from disc.grade.carcino import CarcinoNet as Net
from disc.settings.autoencoder import Autoencoder
from disc.settings.data import Data
from disc.settings.denoiser import Denoiser
from disc.settings.distillation import Distil
from disc.settings.evaluation import Evaluate
from disc.settings.grading import CarcinoNet, Grade, TransMIL
from disc.settings.phantom import Phantom
from disc.settings.report import Report
from disc.settings.run import Run
from disc.settings.sampling import Solver
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
        (
            Grade,
            {"transmil": TransMIL(width=32, heads=3)},
            "transmil.width 32: no multiple of transmil.heads 3",
        ),
        (Grade, {"balance_weights": (0.3, 0.3)}, "grade.balance_weights: one comes twice"),
        (Grade, {"pixel_variants": ("sd", "sd")}, "grade.pixel_variants: one comes twice"),
        (Phantom, {"slides": (0, 0, 0, 0)}, "phantom.slides .*: no slide at all"),
        (Phantom, {"test_slides": (-1, 1, 1, 1)}, "phantom.test_slides .*: must be 0 or more"),
        (Run, {"name": "r", "folds": ("Val1", "Val1")}, "folds: one comes twice"),
        (
            Distil,
            {"optim": Optim(steps=1, batch=33)},
            "distil.optim.batch 33: sd-disc-cotrain takes half",
        ),
        (Evaluate, {"num_uniform": 0, "num_mixed": 0}, "num_uniform or num_mixed must be above 0"),
        (Optim, {"steps": 1, "weight_decay": -1.0}, "optim.weight_decay must be >= 0"),
        (Optim, {"steps": 1, "lr": float("inf")}, "optim.lr must be >= 0, and finite"),
        (Optim, {"steps": 1, "warmup": -1}, "optim.warmup must be >= 0"),
        (Report, {"num_grader_bootstrap": 0}, "num_grader_bootstrap 0: must be 2 or more"),
        (Data, {"workers": -1}, "data.workers -1: must be 0 or more"),
        (Data, {"um_per_px": float("inf")}, "data.um_per_px is inf"),
        (Phantom, {"core_um": (float("nan"), 1.0)}, "phantom.core_um .*: must be 100 µm or more"),
        (Solver, {"guidance": float("inf")}, "solver.guidance must be >= 0"),
        (Autoencoder, {"latent_noise": float("inf")}, "autoencoder.latent_noise must be >= 0"),
        (Solver, {"steps": 6, "spacing": "leading"}, "starts at t = 831"),
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


def test_what_is_not_used_may_be_anything() -> None:
    assert Distil(variants=("sd-disc",), optim=Optim(steps=1, batch=33))
    assert Grade(slide_graders=("abmil",), transmil=TransMIL(width=30))


@pytest.mark.parametrize("width", [1, 7, 11, 13, 16])
def test_a_carcino_net_is_of_any_width(width: int) -> None:
    assert CarcinoNet(width=width) and Net(CarcinoNet(width=width))
