"""Which tiles look most like which others: exact search in blocks, then correlation of pixels."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
import torch
import torch.nn.functional as F

from disc.audit.copies.pictures import (
    COARSE,
    CORNERS,
    HALF,
    NUM_PLACES,
    NUM_VERSIONS,
    SMALL,
    Pictures,
    query_wholes,
    query_windows,
    turn,
)
from disc.progress import Bar

REACH = 5
"""Pixels by which a candidate is moved about to find where it fits best."""
CANDIDATES = 5
"""Windows a tile that are compared pixel by pixel, of the best of each of its 40."""
_BLOCK = {"cpu": (32, 15), "cuda": (128, 160)}
"""Pictures of a block, looked for and looked in; its scores stay in the cache of a core."""
_FLAT = 0.03
"""Mean deviation of a picture, in optical density, below which there is nothing to compare."""
Ints = npt.NDArray[np.int64]
Floats = npt.NDArray[np.float64]


@dataclass(frozen=True, kw_only=True, eq=False)
class Matches:
    """For every tile that was looked for, what it looks most like; arrays are [N].

    Attributes:
        whole: best correlation of the whole tile with a whole tile, -1..1.
        window: best correlation of a window of half its side with any place of a tile.
        whole_of: index of that tile; -1 where there is none.
        window_of: index of the tile that the window fits.
    """

    whole: Floats
    window: Floats
    whole_of: Ints
    window_of: Ints


def find_matches(
    queries: Pictures,
    book: Pictures,
    *,
    owners: Sequence[str] = (),
    holders: Sequence[str] = (),
    shown: str = "",
) -> Matches:
    """The best match of every query, in all 8 positions, whole and by windows.

    Every window of every query is compared with every window of the book, so nothing is missed by
    an index; only the best of each are compared pixel by pixel.

    Args:
        queries: N pictures.
        book: M pictures to look in.
        owners: patient of each query; with `holders`, a query is not compared with its own patient.
        holders: patient of each picture of the book.
        shown: name of the progress bar; "": none.
    """
    found = _search(queries, book, owners, holders, shown)
    whole, whole_of = _verify_wholes(queries, book, *found[:2])
    window, window_of = _verify_windows(queries, book, *found[2:])
    return Matches(whole=whole, window=window, whole_of=whole_of, window_of=window_of)


def _search(
    queries: Pictures,
    book: Pictures,
    owners: Sequence[str],
    holders: Sequence[str],
    shown: str,
) -> tuple[torch.Tensor, torch.Tensor, torch.Tensor, torch.Tensor]:
    """Scores and places: [N, 8] of wholes, [N, 40] of windows; a place is -1 where none is."""
    wholes, windows = book.wholes(), book.windows().flatten(0, 1)
    num, rows = len(queries), len(CORNERS) * NUM_VERSIONS
    scores = torch.full((num, NUM_VERSIONS), -1.0), torch.full((num, rows), -1.0)
    places = tuple(torch.full(part.shape, -1) for part in scores)
    bar = Bar(shown or "copies", total=num, unit="tile", shown=bool(shown))
    for chosen, spans in _blocks(
        num, len(book), _BLOCK[book.pixels.device.type][0], owners, holders
    ):
        part = queries.take(chosen)
        own = query_wholes(part).flatten(0, 1), query_windows(part).flatten(0, 2)
        index = torch.from_numpy(chosen)
        for mine, theirs, score, place, size in zip(
            own, (wholes, windows), scores, places, (1, NUM_PLACES), strict=True
        ):
            best, at = _scan(mine, theirs, spans, size)
            score[index] = best.view(len(part), -1).cpu()
            place[index] = at.view(len(part), -1).cpu()
        bar.advance(len(part))
    bar.close()
    return scores[0], places[0], scores[1], places[1]


def _scan(
    mine: torch.Tensor, theirs: torch.Tensor, spans: Sequence[tuple[int, int]], size: int
) -> tuple[torch.Tensor, torch.Tensor]:
    """Best score of each row [R, D] over spans of pictures of `size` columns each, and where."""
    best, place = (mine.new_full((len(mine),), -1.0, dtype=t) for t in (mine.dtype, torch.int64))
    for start, end in spans:
        step = _BLOCK[mine.device.type][1] * (NUM_PLACES // size)
        for first in range(start, end, step):
            last = min(first + step, end)
            products = mine @ theirs[first * size : last * size].T
            # torch finds a maximum fast, and where it is slowly: that is asked of few rows
            value = products.amax(dim=1)
            better = torch.nonzero(value > best)[:, 0]
            best[better] = value[better]
            place[better] = products[better].argmax(dim=1) + first * size
    return best, place


def _blocks(
    num: int, size: int, rows: int, owners: Sequence[str], holders: Sequence[str]
) -> Iterator[tuple[Ints, list[tuple[int, int]]]]:
    """Queries of a block, and the spans of the book that they are compared with."""
    if not len(owners):
        for start in range(0, num, rows):
            yield np.arange(start, min(start + rows, num)), [(0, size)]
        return
    mine, theirs = np.asarray(owners), np.asarray(holders)
    for owner in np.unique(mine):
        spans = _spans(np.flatnonzero(theirs != owner))
        indices = np.flatnonzero(mine == owner)
        for start in range(0, len(indices), rows):
            yield indices[start : start + rows], spans


def _spans(indices: Ints) -> list[tuple[int, int]]:
    """Runs of neighbouring indices, each as start and end."""
    if not len(indices):
        return []
    ends = np.flatnonzero(np.diff(indices) > 1)
    starts = indices[np.concatenate([[0], ends + 1])]
    stops = indices[np.concatenate([ends, [len(indices) - 1]])] + 1
    return list(zip(starts.tolist(), stops.tolist(), strict=True))


def _verify_wholes(
    queries: Pictures, book: Pictures, scores: torch.Tensor, places: torch.Tensor
) -> tuple[Floats, Ints]:
    """Correlation of each query, in its best version, with its best tile, moved a little."""
    score, version = scores.max(dim=1)
    tiles = places.gather(1, version[:, None])[:, 0]
    value = np.full(len(queries), -1.0)
    for start in range(0, len(queries), 256):
        chosen = slice(start, start + 256)
        cut = _turned(queries.pixels[chosen], version[chosen])[:, REACH:-REACH, REACH:-REACH]
        fit = _fit(cut, book.pixels[tiles[chosen].clamp(min=0)])
        value[chosen] = torch.where(tiles[chosen] >= 0, fit, -1.0).numpy()
    return value, np.where(score.numpy() > -1, tiles.numpy(), -1)


def _verify_windows(
    queries: Pictures, book: Pictures, scores: torch.Tensor, places: torch.Tensor
) -> tuple[Floats, Ints]:
    """The best of the most promising windows of each query, and the tile that it fits."""
    top = scores.topk(CANDIDATES, dim=1).indices
    values, tiles = [], []
    for start in range(0, len(queries), 64):
        rows = top[start : start + 64]
        chosen = places[start : start + 64].gather(1, rows)
        pixels = queries.pixels[start : start + 64].repeat_interleave(CANDIDATES, dim=0)
        cut = _cut(pixels, rows.flatten() // NUM_VERSIONS)
        cut = _turned(cut, rows.flatten() % NUM_VERSIONS)
        tile, place = chosen.flatten() // NUM_PLACES, chosen.flatten() % NUM_PLACES
        fit = _fit(cut, _surrounding(book.pixels[tile.clamp(min=0)], place))
        fit = torch.where(chosen.flatten() >= 0, fit, -1.0).view(-1, CANDIDATES)
        best, at = fit.max(dim=1)
        values.append(best)
        tiles.append(tile.view(-1, CANDIDATES).gather(1, at[:, None])[:, 0])
    return torch.cat(values).double().numpy(), torch.cat(tiles).numpy()


def _turned(pixels: torch.Tensor, versions: torch.Tensor) -> torch.Tensor:
    result = torch.empty_like(pixels)
    for version in range(NUM_VERSIONS):
        result[versions == version] = turn(pixels[versions == version], version)
    return result


def _cut(pixels: torch.Tensor, corners: torch.Tensor) -> torch.Tensor:
    """Windows [n, 32, 32] of pictures at some of the five places."""
    result = pixels.new_empty(len(pixels), HALF, HALF)
    for number, place in enumerate(CORNERS):
        y, x = (COARSE * part for part in place)
        is_here = corners == number
        result[is_here] = pixels[is_here, y : y + HALF, x : x + HALF]
    return result


def _surrounding(pixels: torch.Tensor, places: torch.Tensor) -> torch.Tensor:
    """What lies around windows, [n, 42, 42]; beyond the tile it is flat, and fits nothing."""
    padded, side = F.pad(pixels, (REACH,) * 4), HALF + 2 * REACH
    width = SMALL - SMALL // 2 + 1
    result = pixels.new_empty(len(pixels), side, side)
    for place in range(NUM_PLACES):
        y, x = (COARSE * part for part in divmod(place, width))
        is_here = places == place
        result[is_here] = padded[is_here, y : y + side, x : x + side]
    return result


def _fit(cut: torch.Tensor, around: torch.Tensor) -> torch.Tensor:
    """Best normalised correlation [n], on the CPU, of windows [n, h, h] in pictures [n, H, H]."""
    num, size = len(cut), cut.shape[-1] ** 2
    centred = cut - cut.mean(dim=(1, 2), keepdim=True)
    length = centred.square().sum(dim=(1, 2))
    products = F.conv2d(around[None], centred[:, None], groups=num)[0]
    total = F.avg_pool2d(around[:, None], cut.shape[-1], stride=1)[:, 0]
    square = F.avg_pool2d(around[:, None].square(), cut.shape[-1], stride=1)[:, 0]
    theirs = size * (square - total.square()).clamp(min=_FLAT**2)
    values = products / (theirs * length.clamp(min=size * _FLAT**2)[:, None, None]).sqrt()
    return values.amax(dim=(1, 2)).cpu()
