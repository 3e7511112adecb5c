"""Shape maps on disk are those of memory, and are mapped, not copied."""

import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

from disc.files import BadInput, read_json
from disc.sample import shape_store
from disc.sample.shape_store import INDEX, read_shapes, write_shapes
from disc.sample.synthesis import collect_shapes


class Drawn:
    """Tiles whose masks are drawn; the second has no label."""

    def __init__(self, num, side):
        self.tiles, self.side = tuple(f"tile {i}" for i in range(num)), side

    def __len__(self):
        return len(self.tiles)

    def mask(self, index):
        mask = np.full((self.side, self.side), 255 if index == 1 else index % 4, np.uint8)
        if index != 1:
            mask[: self.side // 4] = (index + 1) % 4
        return mask


def test_shapes_come_back_with_the_tiles_that_they_are_of(tmp_path, monkeypatch):
    monkeypatch.setattr(shape_store, "CHUNK", 3)
    tiles = Drawn(8, 32)
    write_shapes(tmp_path, tiles)
    book, own = read_shapes(tmp_path, tiles, read_json(tmp_path / INDEX)), collect_shapes(tiles)
    assert len(list(tmp_path.glob("*.safetensors"))) == 3
    assert book.sources == own.sources == [tile for tile in tiles.tiles if tile != "tile 1"]
    assert book.regions == own.regions
    np.testing.assert_array_equal(np.stack(list(book.shapes)), np.stack(own.shapes))
    np.testing.assert_array_equal(book.shapes[-1], own.shapes[-1])


@pytest.mark.parametrize("facts", [[], {"sources": "no"}, {"sources": [0], "tiles": 9}])
def test_shapes_of_another_set_are_refused_in_one_line(tmp_path, facts):
    write_shapes(tmp_path, Drawn(8, 32))
    with pytest.raises(BadInput, match=r"shape maps cannot be used .*delete .*done\.json"):
        read_shapes(tmp_path, Drawn(8, 32), facts)


MEASURE = """
import re, sys, json
from pathlib import Path
from disc.sample.shape_store import read_shapes
from tests.sample.test_shape_store import Drawn

def anonymous():
    return int(re.search(r"RssAnon:\\s+(\\d+)", Path("/proc/self/status").read_text())[1]) // 1024

folder = Path(sys.argv[1])
facts = json.loads((folder / "shapes.json").read_text())
before = anonymous()
book = read_shapes(folder, Drawn(200, 512), facts)
total = sum(int(shape.sum()) for shape in book.shapes)
print(anonymous() - before, total)
"""


@pytest.mark.slow
@pytest.mark.skipif(not sys.platform.startswith("linux"), reason="/proc tells what is mapped")
def test_a_process_that_reads_all_shapes_holds_none_of_its_own(tmp_path):
    write_shapes(tmp_path, Drawn(200, 512))
    size = sum(path.stat().st_size for path in tmp_path.glob("*.safetensors"))
    command = [sys.executable, "-c", MEASURE, str(tmp_path)]
    root = Path(__file__).parents[2]
    done = subprocess.run(command, capture_output=True, text=True, check=True, cwd=root)
    grown, total = (int(number) for number in done.stdout.split())
    assert size > 40 * 2**20
    assert total > 0
    assert grown < 20
