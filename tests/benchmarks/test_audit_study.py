"""The audit study's tables: intervals over trainings, and canaries with and without."""

from dataclasses import replace

import numpy as np
import pandas as pd
import pytest

from disc.presets import laptop


@pytest.fixture
def study(load):
    return load("audit_study")


@pytest.fixture
def errors(load):
    return load("audit_errors")


def test_intervals_are_over_trainings(study):
    values = {"a": (1.0, 3.0), "b": (4.0, 4.0), "c": (6.0, 6.0)}
    facts = {"way": "sd", "name": "agreement", "low": 0.0, "high": 9.0, "refused": ""}
    facts |= dict.fromkeys(("floor", "ceiling", "chance"), np.nan)
    rows = [{"run": run, "value": v, **facts} for run, pair in values.items() for v in pair]
    (row,) = study.summarise(pd.DataFrame(rows), ["way", "name"]).to_dict("records")
    # means of the trainings 2, 4, 6: deviation 2, t of two degrees of freedom 4.303
    assert row["value"] == 4 and row["trainings"] == 3
    assert row["high"] - 4 == pytest.approx(4.303 * 2 / np.sqrt(3), rel=1e-3)
    (one,) = study.summarise(pd.DataFrame(rows[:2]), ["way", "name"]).to_dict("records")
    assert np.isnan(one["low"]) and one["own_high"] == 9


def test_canaries_are_counted_with_and_without(study):
    rows = [
        {
            **{"run": run, "canary": canary, "times": 100, "way": "sd", "model": model},
            **{"copy": model == "with" and tile < 3, "whole": likeness + gain * canary},
        }
        for run, gain in (("a", 0.1), ("b", 0.3))
        for canary in (0, 1)
        for model, likeness in (("with", 0.7 + gain), ("without", 0.2))
        for tile in range(10)
    ]
    (row,) = study.summarise_canaries(pd.DataFrame(rows), "whole").to_dict("records")
    assert (row["copies"], row["copies without"], row["tiles"]) == (12, 0, 40)
    assert row["low"] < 0.3 < row["high"] and row["trainings"] == 2
    assert row["gain"] == pytest.approx(0.7) and row["likeness"] == pytest.approx(1)
    # trainings gain .6 and .8, whatever their canaries: deviation .141, t of one degree 12.706
    assert row["gain high"] - 0.7 == pytest.approx(12.706 * 0.1, rel=1e-3)


def test_a_share_of_the_steps_is_trained(errors):
    run = errors.shorten_run(laptop(), 0.5)
    assert run.denoiser.optim.steps == laptop().denoiser.optim.steps // 2
    assert run.distil.student.optim.steps == laptop().distil.student.optim.steps // 2
    assert run.evaluate.referee.optim.steps == 20


def test_trainings_of_a_level_share_its_slides(errors, tmp_path):
    first, other = tmp_path / "noise-2", tmp_path / "noise-2 seed 1"
    (first / "data").mkdir(parents=True)
    for name in ("config.json", "data/done.json"):
        (first / name).write_text("{}")
    for _ in range(2):
        errors.share_data(first, other)
    assert (other / "data").resolve() == first / "data" and (other / "config.json").exists()
    job = errors.ErrorJob(first, tmp_path, 0.5, "sd", noise=2.0)
    assert replace(job, seed=1).name == f"{job.name} seed 1" == "noise-2 0.5 seed 1"


def test_gains_are_over_plain_sampling_of_the_same_training(study, errors):
    facts = dict.fromkeys(("low", "high", "floor", "ceiling", "chance"), 0.5)
    rows = [
        {"run": run, "seed": 0, "name": "agreement", "way": way, "value": value + gain, **facts}
        for run, value, by in (("a", 0.5, 0.1), ("b", 0.9, 0.3))
        for way, gain in (("sd", 0.0), ("sd-sc end", by))
    ]
    (gain,) = study.summarise(errors.tell_gains(pd.DataFrame(rows)), ["way", "name"]).to_dict(
        "records"
    )
    assert gain["way"] == "sd-sc end" and gain["name"] == "agreement beyond sd"
    # gains .1 and .3: deviation .141, t of one degree 12.706
    assert gain["value"] == pytest.approx(0.2) and gain["trainings"] == 2
    assert gain["high"] - 0.2 == pytest.approx(12.706 * 0.1, rel=1e-3)


def test_ways_that_do_not_exist_are_refused(load):
    ways = load("audit_ways")
    assert ways.Sizes(ways=("sd", "sd-sc step")).needs == ["sd"]
    for wrong in (("sd", "sd-sc"), ("sd-sc end",)):
        with pytest.raises(ValueError, match="expected sd, and any of sd-sc end, sd-sc step"):
            ways.Sizes(ways=wrong)
