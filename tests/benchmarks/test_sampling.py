"""The benchmark of sampling: its baselines paint our tiles; only what is equal meets a goal."""

import json

import numpy as np
import pandas as pd
import pytest
import torch

from disc.pipeline.config_file import read_config
from disc.pipeline.context import Context
from disc.sample.sampler import Sampler
from disc.sample.solver import draw_noise
from disc.settings.sampling import Sample, Solver
from tests.tiny_run import write_tiny_run

BASES = {"B": "plain", "C": "sd-disc, ddim 200 leading", "A": "sd-sc end, ddim 200 leading"}
SECONDS = {"plain": 0.5, BASES["C"]: 3.0, BASES["A"]: 10.0, "sd-sc end, dpmpp-2m 10 logsnr": 0.1}


@pytest.mark.parametrize("shares_batch", [False, pytest.param(True, marks=pytest.mark.slow)])
def test_plain_diffusers_paints_the_tiles_of_our_sampler(load, tmp_path, shares_batch):
    folder = write_tiny_run(tmp_path)
    context = Context(read_config(folder / "config.json"), folder)
    masks, seeds = np.zeros((2, 64, 64), np.uint8), [3, 4]
    masks[0, :, 40:], masks[1, 30:] = 2, 3
    make = load("plain_diffusers").load_plain
    plain = make(context, "sd", "ddim 10", shares_batch=shares_batch)
    latents = plain.fuse_labels(draw_noise(seeds, 16), torch.from_numpy(masks))
    sample = Sample(solver=Solver(name="ddim", steps=10, spacing="leading"))
    ours = Sampler(context.autoencoder, {"sd": context.denoiser("sd")}, sample)
    expected = ours.draw_latents("sd-sc", masks, seeds)
    torch.testing.assert_close(latents, expected, atol=1e-4, rtol=1e-4)
    tiles = plain.decode(latents), ours.decode(expected)
    assert (np.abs(tiles[0].astype(int) - tiles[1]) > 1).mean() < 0.001
    assert len(make(context, "sd", "dpmpp-2m 20").denoise(latents, torch.from_numpy(masks))) == 2


def test_rounds_tell_the_network_from_the_rest_and_are_kept(load, tmp_path):
    timing = load("timing")
    network, made = torch.nn.Linear(2, 2), []

    def make(masks, seeds):
        made.append((len(masks), seeds))
        return network(torch.zeros(len(masks), 2))

    masks = np.zeros((3, 16, 16), np.uint8)
    tiles = np.zeros((3, 16, 16, 3), np.uint8)
    ways = {"one": timing.Way(make, lambda latents: latents, 4, 2, network)}
    first = timing.time_rounds(ways, tiles, masks, tmp_path, num=1, clock="wall")
    assert made == [(2, [0, 1]), (2, [2, 3])]
    assert "forward" not in vars(network)
    parts = first[0]["one"]
    assert set(parts) == set(timing.PARTS)
    assert min(parts.values()) > 0
    assert timing.made(parts) == pytest.approx(sum(parts.values()) - parts["writing"])
    again = timing.time_rounds(ways, tiles, masks, tmp_path, num=2, clock="wall")
    assert again[0] == first[0]
    assert len(made) == 4
    timing.time_rounds({"other": ways["one"]}, tiles, masks, tmp_path, num=1, clock="wall")
    assert set(json.loads((tmp_path / "round 0 wall.json").read_bytes())) == {"other"}


def test_ratios_have_intervals_over_rounds(load):
    ratio = load("timing").ratio
    found = ratio([10.0, 11.0, 9.0], [1.0, 1.0, 1.0])
    assert found["low"] < found["value"] < found["high"]
    assert found["value"] == pytest.approx(990 ** (1 / 3))
    assert np.isnan(ratio([10.0], [5.0])["low"])


def readings(sc_low):
    """A table as of `summarise`: what is cheaper reads nearly as well."""
    rows = []
    for masks in ("several labels", "one label"):
        for name in SECONDS:
            low = sc_low if name.endswith("logsnr") else 0.0
            row = {"name": name, "masks": masks, "evaluations": 800 * SECONDS[name]}
            row |= {f"to_{base}": 0.0 for base in BASES}
            row |= {f"{key}_{base}_low": low for base in BASES for key in ("to", "kid_to")}
            row |= {f"{key}_{base}_high": 0.01 for base in BASES for key in ("to", "kid_to")}
            row |= {f"kid_to_{base}": 0.0 for base in BASES}
            for column in ("primary", "kid", "deviation"):
                row |= {column: 0.6, f"{column}_low": 0.5, f"{column}_high": 0.7}
            rows.append(row)
    return pd.DataFrame(rows)


def make_rounds(front):
    parts = {name: {"network": s, "around it": 0.0, "decoder": 0.0} for name, s in SECONDS.items()}
    parts[front.BANK] = {"network": 0.0, "around it": 0.001, "decoder": 0.009}
    return [{name: {**one, "writing": 0.002} for name, one in parts.items()}] * 2


@pytest.mark.parametrize(("sc_low", "is_met"), [(-0.004, True), (-0.02, False)])
def test_only_what_is_equal_meets_a_goal(load, monkeypatch, tmp_path, sc_low, is_met):
    front = load("front")
    monkeypatch.setattr(front, "DEFAULT", "dpmpp-2m 10 logsnr")
    rounds = make_rounds(front)
    table = front.judge(readings(sc_low), rounds, BASES)
    front.print_table(table, BASES)
    front.print_parts(rounds)
    goals = {goal["what"]: goal for goal in front.print_goals(table, rounds, BASES, None)}
    first = goals["sd-sc, equal to A's, over A"]
    assert first["met"] is is_met
    if is_met:
        assert first["found"]["value"] == pytest.approx(100)
    bank = goals["time from the bank over that of decoding"]
    assert bank["met"]
    assert bank["found"]["value"] == pytest.approx(0.01 / 0.009)
    if not is_met:
        return
    front.draw_front(table, BASES, tmp_path / "front.png")
    assert (tmp_path / "front.png").read_bytes().startswith(b"\x89PNG")


def test_a_reading_of_other_steps_is_of_the_same_line(load):
    front = load("front")
    assert front._series("sd-sc end, dpmpp-2m 6 logsnr") == "sd-sc end, dpmpp-2m logsnr"
    assert front.own_base("sd-disc, dpmpp-2m 6 logsnr") == "C"
    assert front.own_base("sd-disc-fast, dpmpp-2m 1 trailing") == "A"
