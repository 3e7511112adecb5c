"""Score tables of simulated studies whose true AUROC is known."""

from collections.abc import Mapping

import numpy as np
import pandas as pd
from scipy.stats import norm

LABELS = ("NC", "GG3", "GG4", "GG5")
PATIENT, SLIDE, RUN = 0.6, 0.8, 0.3
"""Standard deviations of a score's errors: of a patient, of a slide, of a slide in one training."""
OF_SEED = 0.05
"""Standard deviation of a training's skill, of the generator seed and of the grader seed each."""


def true_auroc(skill: float, *, has_seeds: bool = False) -> float:
    """The expected AUROC over slides of other patients and, with seeds, over trainings."""
    spread = 2 * (PATIENT**2 + SLIDE**2 + RUN**2) + has_seeds * 2 * OF_SEED**2
    return float(norm.cdf(skill / np.sqrt(spread)))


def simulate_scores(
    skills: Mapping[str, float],
    seed: int,
    *,
    slides: int = 400,
    positives: float = 0.3,
    per_patient: int = 2,
    seeds: int = 1,
    labels: tuple[str, ...] = LABELS,
) -> pd.DataFrame:
    """Scores of real tiles only ("real") and of variants, by their skills, on one test set.

    Slides of a patient share their truth by half and an error; all graders share the errors of
    patients and slides.
    """
    rng = np.random.default_rng(seed)
    owner = np.arange(slides) // per_patient
    shape = (slides, len(labels))
    of_patient = rng.random((owner[-1] + 1, len(labels))) < positives
    truth = np.where(rng.random(shape) < 0.5, of_patient[owner], rng.random(shape) < positives)
    noise = PATIENT * rng.normal(size=of_patient.shape)[owner] + SLIDE * rng.normal(size=shape)
    of_graders = OF_SEED * rng.normal(size=seeds) if seeds > 1 else np.zeros(1)
    names = {
        "patient": np.repeat(owner, len(labels)),
        "slide": np.repeat(np.arange(slides), len(labels)),
        "label": np.tile(labels, slides),
        "truth": truth.astype(int).ravel(),
    }
    parts = []
    for variant, skill in skills.items():
        num_generators = 1 if variant == "real" else seeds
        for generator in range(num_generators):
            shift = OF_SEED * rng.normal() if seeds > 1 else 0.0
            for grader in range(seeds):
                level = skill + shift + of_graders[grader]
                score = level * truth + noise + RUN * rng.normal(size=shape)
                run = {"variant": variant, "generator_seed": generator, "grader_seed": grader}
                parts.append(pd.DataFrame({**names, **run, "score": score.ravel()}))
    table = pd.concat(parts, ignore_index=True)
    return table.assign(
        grader="transmil",
        encoder="embedded",
        balance_weight=np.where(table["variant"] == "real", 0.0, 0.3),
        fold="All",
        split="test",
        data_set="in",
    )
