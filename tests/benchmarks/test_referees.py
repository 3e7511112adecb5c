"""Ways of training referees are read as they are written."""

import pytest

from disc.presets import demo


def test_a_way_says_width_steps_tiles_and_rate(load):
    referees, plain = load("referees"), demo().evaluate
    found = referees.parse("12x800x16@3e-3", plain).referee
    assert (found.width, found.optim.steps, found.optim.batch, found.optim.lr) == (
        12,
        800,
        16,
        3e-3,
    )
    same = referees.parse("8x5x4", plain).referee.optim
    assert same.lr == plain.referee.optim.lr and same.decay == plain.referee.optim.decay
    with pytest.raises(ValueError, match="--ways 12x800: expected width x steps x tiles"):
        referees.parse("12x800", plain)
