"""Our attention beside the package nystrom-attention itself, where one is installed.

pip install nystrom-attention==0.0.9      # or the present one: 0.0.14
pytest tests/grade/mil/test_package.py
"""

from importlib.metadata import version

import pytest
import torch

from disc.grade.mil.nystrom import NystromAttention
from disc.settings.grading import TransMIL as Settings

package = pytest.importorskip("nystrom_attention", reason="no nystrom-attention is installed")
WIDTH = 512
NAMES = {"to_qkv": "split", "to_out.0": "join.0", "res_conv": "near"}
"""The package's names, and ours."""


@pytest.mark.parametrize("size", [1, 5, 37, 81, 256, 257, 600])
def test_it_gives_what_the_package_gives(size: int) -> None:
    """At the official size, of a bag that the layer before has normalised."""
    torch.manual_seed(0)
    theirs = package.NystromAttention(
        dim=WIDTH, dim_head=WIDTH // 8, heads=8, num_landmarks=WIDTH // 2, dropout=0.1
    ).eval()
    mode = "nystrom-0.0.9" if version("nystrom-attention") == "0.0.9" else "nystrom"
    ours = NystromAttention(Settings(width=WIDTH, heads=8), mode).eval()
    renamed = {}
    for name, value in theirs.state_dict().items():
        place, _, kind = name.rpartition(".")
        renamed[f"{NAMES[place]}.{kind}"] = value
    ours.load_state_dict({**ours.state_dict(), **renamed})
    tokens = torch.randn(size, WIDTH)
    with torch.no_grad():
        expected = theirs(ours.norm(tokens)[None])[0]
        # rounding alone: the products are taken in another order
        torch.testing.assert_close(ours.change(tokens), expected, rtol=0, atol=1e-6)
