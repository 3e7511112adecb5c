"""The pixel grader: training on real and synthetic tiles, and reading of tiles."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path

import numpy as np
import numpy.typing as npt
import pandas as pd
import torch
from torch import Tensor

from disc.data.tiles.tile_set import TileSet
from disc.files import BadInput
from disc.grade.augment import Augment
from disc.grade.carcino import CarcinoNet, PixelNet, build_carcino
from disc.grade.confusion import COUNTS, count_confusion
from disc.grade.focal import balance_labels, merge_grades, pixel_loss
from disc.grade.mixing import check_balance_weight, mix_losses
from disc.grade.pool import TilePool, Tiles, as_pool, list_tiles, to_channels_first
from disc.grade.public_carcino import PublicCarcinoNet
from disc.labels import NUM_LABELS
from disc.seeds import derive
from disc.settings.grading import CarcinoNet as CarcinoNetSettings
from disc.settings.training import Validation
from disc.train.batch_sums import WithSums
from disc.train.checkpoint import State
from disc.train.diagnose import NamedBatches
from disc.train.hooks import VALIDATION, Hook, Hooks
from disc.train.loop import Batch, Step, train

CHUNK = 32
"""Tiles read together: always as many, so that no result depends on its neighbours."""


def train_pixel_grader(
    *,
    net: CarcinoNetSettings,
    real: Tiles,
    synthetic: Tiles | None,
    balance_weight: float,
    folder: Path,
    seed: int,
    augment: Augment | None = None,
    validation: TileSet | None = None,
) -> PixelNet:
    """Train a Carcino-Net on real tiles, or on real and as many synthetic tiles a step.

    The real tiles of a step are the same for every balance weight; with 0, synthetic tiles are
    not looked at, with 1, real tiles give no gradient.

    Args:
        net: sizes and optimisation; `optim.batch` counts the real tiles of a step.
        real: with masks.
        synthetic: with masks; None where the balance weight is 0.
        balance_weight: lambda of Eq. 4.
        folder: of checkpoint and log.
        seed: of weights and batches.
        augment: changes of stain and sharpness; None: the usual ones.
        validation: tiles with masks that nothing is trained on, where `net.patience` asks for
            them: training ends when their mean Dice rises no more, with the best weights.

    Raises:
        ValueError: if the balance weight is not in [0, 1], or needs synthetic data and has none,
            or patience has no validation tiles.

    Paper: Eq. (4), Sec. 2.4 (at pixel level).
    """
    check_balance_weight(balance_weight, has_synthetic=synthetic is not None)
    pools = {"real": as_pool(real)}
    if synthetic is not None and balance_weight > 0:
        pools["synthetic"] = as_pool(synthetic)
    torch.manual_seed(derive(seed, "carcino"))
    network = build_carcino(net)
    weights = {name: _weigh_labels(pool, net.classes) for name, pool in pools.items()}
    trained = train(
        model=network,
        step=WithSums(_mixed_step(weights, balance_weight, augment or Augment())),
        batch_at=NamedBatches.by_rows(
            lambda step, rows: _draw(pools, net.optim.batch, step, seed, rows),
            net.optim.batch,
            lambda step: _names(pools, net.optim.batch, step, seed),
        ),
        optim=net.optim,
        folder=folder,
        seed=seed,
        hooks=_validate(net, validation),
    )
    assert isinstance(trained, CarcinoNet | PublicCarcinoNet)
    return trained


def _weigh_labels(pool: TilePool, num_labels: int) -> Tensor:
    fractions = pool.label_fractions.tolist()
    merged = [*fractions[: num_labels - 1], sum(fractions[num_labels - 1 :])]
    return balance_labels(merged)


def _validate(net: CarcinoNetSettings, tiles: TileSet | None) -> Hooks:
    """Validation every so many steps, until it gets no better; none where no patience is set."""
    if not net.patience:
        return Hooks()
    if tiles is None or not len(tiles):
        raise BadInput("carcino.patience asks for validation tiles; there are none")
    settings = Validation(every=net.validate_every, keep="best")
    return Hooks(settings, [_dice_hook(tiles)], net.patience)


def _dice_hook(tiles: TileSet) -> Hook:
    """1 - the mean Dice over the labels that the tiles have: the lower, the better."""

    def measure(network: torch.nn.Module, step: int) -> dict[str, float | npt.NDArray[np.uint8]]:
        assert isinstance(network, CarcinoNet | PublicCarcinoNet)
        rows = confusion_rows(network, {"annotation": tiles})[COUNTS]
        counts = rows.to_numpy(np.float64).sum(axis=0).reshape(NUM_LABELS, NUM_LABELS)
        has_label = counts.sum(axis=1) > 0
        both = counts.sum(axis=1) + counts.sum(axis=0)
        dice = (2 * counts.diagonal() / both.clip(min=1))[has_label]
        return {VALIDATION: 1 - float(dice.mean())}

    return measure


def predict_pixels(
    net: PixelNet, tiles: Tiles, indices: Sequence[int] | None = None
) -> npt.NDArray[np.float32]:
    """Probabilities of the labels, float [N, L, H, W], of all tiles or of some."""
    chosen = range(len(tiles)) if indices is None else indices
    pool = as_pool(tiles)
    return np.concatenate(list(read_chunks(net, (pool.tiles.image(i) for i in chosen))))


def read_chunks(
    net: PixelNet, images: Iterator[npt.NDArray[np.uint8]]
) -> Iterator[npt.NDArray[np.float32]]:
    """Probabilities of tiles uint8 [H, W, 3], chunk by chunk, float [n, L, H, W]."""
    waiting: list[npt.NDArray[np.uint8]] = []
    for image in images:
        waiting.append(image)
        if len(waiting) == CHUNK:
            yield _read(net, waiting)
            waiting = []
    if waiting:
        yield _read(net, waiting)


def confusion_rows(
    net: PixelNet, truths: Mapping[str, Tiles], chosen: Sequence[int] | None = None
) -> pd.DataFrame:
    """Pixels of every tile by true and predicted label; unknown pixels do not count.

    Args:
        net: reads the tiles, each once.
        truths: the same tiles with each kind of mask ("annotation", "exact"); of pools, the images
            of the first and the masks of all are decoded once for many calls.
        chosen: which of the tiles; None: all.

    Returns:
        One row per (truth_kind, tile): truth_kind, patient, slide, tile and 16 counts such as
        "n_NC_GG3". Of a net of three labels, GG4 stands for GG4 and GG5.
    """
    first, num_labels = next(iter(truths.values())), net.head.out_channels
    listed = {kind: list_tiles(truth) for kind, truth in truths.items()}
    tiles = list_tiles(first)
    chosen = range(len(tiles)) if chosen is None else chosen
    predicted = (
        reading
        for chunk in read_chunks(net, (first.image(i) for i in chosen))
        for reading in chunk.argmax(axis=1)
    )
    rows = []
    for index, reading in zip(chosen, predicted, strict=True):
        tile = tiles.tiles[index]
        patient = tiles.slides[tile.slide_id].patient_id
        names = {"patient": patient, "slide": tile.slide_id, "tile": tile.name}
        for kind, truth in truths.items():
            if (other := listed[kind].tiles[index].name) != tile.name:
                raise ValueError(f"'{kind}' holds other tiles at {index}: {other}")
            mask = merge_grades(torch.from_numpy(truth.mask(index).copy()), num_labels).numpy()
            counts = count_confusion(mask, reading)
            rows.append({"truth_kind": kind, **names, **dict(zip(COUNTS, counts, strict=True))})
    return pd.DataFrame(rows, columns=["truth_kind", "patient", "slide", "tile", *COUNTS])


def _draw(pools: Mapping[str, TilePool], size: int, step: int, seed: int, rows: range) -> Batch:
    batch: dict[str, Tensor] = {}
    for name, pool in pools.items():
        drawn = pool.draw_batch(size, step=step, seed=seed, purpose=f"{name} pixels", rows=rows)
        batch |= {f"{name}_{key}": value for key, value in drawn.items()}
    return batch


def _names(pools: Mapping[str, TilePool], size: int, step: int, seed: int) -> list[str]:
    """One name a sample: a real tile, and the synthetic one beside it."""
    names = [
        pool.batch_names(size, step=step, seed=seed, purpose=f"{name} pixels")
        for name, pool in pools.items()
    ]
    return [" or ".join(pair) for pair in zip(*names, strict=True)]


def _mixed_step(weights: Mapping[str, Tensor], balance_weight: float, augment: Augment) -> Step:
    def step(state: State, batch: Batch, generator: torch.Generator) -> Mapping[str, Tensor]:
        images = {
            name: augment.change(batch[f"{name}_images"] / 255, generator, state.share)
            for name in weights
        }
        logits = state.model(torch.cat(list(images.values()))).chunk(len(images))
        losses = {
            name: pixel_loss(
                part, batch[f"{name}_masks"], weights[name].to(part), sum_all=state.sum_all
            )
            for name, part in zip(images, logits, strict=True)
        }
        if "synthetic" not in losses:
            return {"loss": losses["real"]}
        return {"loss": mix_losses(losses["real"], losses["synthetic"], balance_weight), **losses}

    return step


def stack_chunk(images: Sequence[npt.NDArray[np.uint8]], device: torch.device) -> Tensor:
    """At most `CHUNK` tiles uint8 [H, W, 3] as float [CHUNK, 3, H, W] in 0..1."""
    padded = [*images, *[images[-1]] * (CHUNK - len(images))]
    return to_channels_first(padded).to(device) / 255


@torch.no_grad()
def _read(net: PixelNet, images: Sequence[npt.NDArray[np.uint8]]) -> npt.NDArray[np.float32]:
    logits = net.eval()(stack_chunk(images, next(net.parameters()).device))
    probabilities: npt.NDArray[np.float32] = logits.softmax(1).cpu().numpy()
    return probabilities[: len(images)]
