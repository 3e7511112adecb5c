"""Two sets are compared where their scales are one; where nobody knows, it is said."""

from dataclasses import replace
from pathlib import Path

import pytest

from disc.audit.audit import Questions, audit
from disc.audit.request import AuditRequest
from disc.audit.sets import hold_arrays, read_sets
from disc.audit.together import find_scale, refuse_apart
from disc.data.readers.sicapv2 import read_sicapv2
from disc.data.readers.source import Source
from disc.files import BadInput
from tests.audit.made_tiles import make_tiles, write_set

ROOTS = Path("real"), Path("made")


def draw(patients, start=0):
    """Tiles of 32 px with a dark spot of three pixels."""
    images, masks, owners = make_tiles(patients, start, side=96, px=32)
    images[:, 14:17, 14:17] = 60
    return images, masks, owners


def test_tiles_of_two_scales_in_one_set_are_refused(tmp_path):
    """The first tile's scale was taken for that of all."""
    tiles = read_sicapv2(Source(root=write_set(tmp_path / "made", *draw(1))))
    last = replace(tiles.tiles[-1], um_per_px=2.0)
    mixed = replace(tiles, tiles=(*tiles.tiles[:-1], last))
    request = AuditRequest(real=ROOTS[0], synthetic=ROOTS[1])
    refuse_apart(ROOTS, (tiles, tiles), request)
    with pytest.raises(BadInput, match=rf"made: 2 µm per pixel \({last.name}\) beside 4 "):
        refuse_apart(ROOTS, (tiles, mixed), request)
    unsaid = replace(tiles, tiles=(*tiles.tiles[:-1], replace(last, um_per_px=None)))
    assert find_scale(tiles) == 4 and find_scale(unsaid) is None


@pytest.mark.parametrize("scales", [(4.0, None), (None, 4.0), (4.0, 4.0), (None, None)])
def test_where_one_scale_is_not_known_nuclei_are_refused_and_it_is_said(scales):
    """They were counted with another radius than the other set's."""
    real = hold_arrays("real", *draw(4), scales[0])
    made = hold_arrays("made", *draw(3, start=60), scales[1])
    found = audit(real, made, Questions(parts=("look",), encoders=()))
    nuclei, notes = found.of("nuclei.GG4"), " ".join(found.notes)
    assert ("Nobody says how wide a pixel of " in notes) == (scales[0] != scales[1])
    assert ("are found by their size" in nuclei.refused) == (scales[0] != scales[1])
    assert nuclei.refused or nuclei.value > 0


def test_the_option_is_for_the_set_that_does_not_say_its_scale(tmp_path):
    roots = [
        write_set(tmp_path / "real", *draw(2), um_per_px=4.05),
        write_set(tmp_path / "made", *draw(1, start=60), um_per_px=None),
    ]
    request = AuditRequest(real=roots[0], synthetic=roots[1], um_per_px=4.0)
    assert [held.um_per_px for held in read_sets(request)] == [4.05, 4.0]
