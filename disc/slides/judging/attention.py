"""Where the slide graders look."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import numpy.typing as npt
import torch
import torch.nn.functional as F

from disc.grade.bags import lay_out
from disc.grade.transmil import TransMIL
from disc.slides.judging.calibrate import make_bag


@torch.no_grad()
def attend(heads: Sequence[TransMIL], features: npt.NDArray[np.float32]) -> npt.NDArray[np.float64]:
    """How much of the last layer's attention each window has, [n], as a mean over graders.

    The attention of the token that the labels are read from, over the windows alone, adding up
    to 1.
    """
    grids = lay_out([make_bag("slide", features)])
    found = [_attend(net, grids["features"], grids["is_tile"]) for net in heads]
    mean: npt.NDArray[np.float64] = np.mean([each / each.sum() for each in found], axis=0)
    return mean


def _attend(
    net: TransMIL, features: torch.Tensor, is_tile: torch.Tensor
) -> npt.NDArray[np.float64]:
    device = next(net.parameters()).device
    tiles = net.enter((features.to(device) - net.mean) / net.std)
    tokens = torch.cat([net.slide_token.expand(len(tiles), 1, -1), tiles], 1)
    is_tile = is_tile.to(device)
    is_token = F.pad(is_tile, (1, 0), value=True)
    tokens = net.first(tokens, is_token)
    tokens = torch.cat([tokens[:, :1], net.positions(tokens[:, 1:], is_tile)], 1)
    layer = net.second
    split = layer.split(layer.norm(tokens))
    query, key, _ = split.view(1, tokens.shape[1], 3, layer.heads, -1).unbind(2)
    asked = torch.einsum("bhc,blhc->bhl", query[:, 0], key) / query.shape[-1] ** 0.5
    weights = asked.masked_fill(~is_token[:, None], -torch.inf).softmax(-1).mean(1)[0, 1:]
    on_tiles: npt.NDArray[np.float64] = weights[is_tile[0]].double().cpu().numpy()
    return on_tiles
