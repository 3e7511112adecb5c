"""Validation while a denoiser is trained: loss, generated tiles, mask agreement."""

from __future__ import annotations

import io
from collections.abc import Callable
from dataclasses import dataclass, fields, replace
from functools import cached_property
from pathlib import Path

import numpy as np
import numpy.typing as npt
from PIL import Image
from torch import nn

from disc.data.tiles.split import Split
from disc.evaluate.agreement import primary_measure
from disc.evaluate.referee import read_tiles
from disc.files import require, write_bytes, write_json
from disc.pipeline.context import Context
from disc.pipeline.evaluation_masks import choose_tiles, draw_targets
from disc.pipeline.stages.referee import load_referee
from disc.processes import own_share
from disc.records.typed import Finite, read_record, stands
from disc.report.figures import as_png
from disc.report.pictures import sheet_cells
from disc.report.run_summary import SheetRow
from disc.report.sheet_figure import draw_sheet
from disc.sample.sampler import Sampler
from disc.sample.synthesis import collect_shapes
from disc.seeds import derive
from disc.train.hooks import VALIDATION, Hook, Hooks
from disc.train.validation import ValidationTiles, encode_validation, measure_bands

VALIDATION_FILE = "validation.json"
PREVIEW_DPI = 130


@dataclass(frozen=True, kw_only=True)
class Seen:
    """One validation."""

    step: int
    loss: Finite
    """Mean over the bands."""
    bands: tuple[Finite, ...]
    """Loss of each band of noise, from low to high."""


@dataclass(frozen=True, kw_only=True)
class Validated(Seen):
    """All validations so far; first the one whose weights are kept."""

    val_is_seen: bool
    """Whether the training learned from the tiles."""
    history: tuple[Seen, ...]


def denoiser_hooks(context: Context, folder: Path, split: Split | None = None) -> Hooks:
    """The validations that the settings ask for; only the first process runs them.

    Args:
        context: the run.
        folder: of the denoiser.
        split: the fold whose validation tiles are used; None: the run's.

    Raises:
        BadInput: if the best weights are to be kept and there is nothing to tell them by.
    """
    settings, hooks, split = context.run.validation, list[Hook](), split or context.split
    has_tiles = len(split.val) > 0
    require(
        settings.keep == "last" or has_tiles,
        "validation.keep best: there are no validation tiles; give another data.fold, or keep last",
    )
    if own_share().is_first and has_tiles:
        makers: list[tuple[int, Callable[[Context, Path, Split], Hook]]] = [
            (settings.num_tiles, ValidationHook),
            (settings.num_rows, PreviewHook),
            (settings.num_masks, AgreementHook),
        ]
        hooks = [make(context, folder, split) for num, make in makers if num]
    return Hooks(settings, hooks)


def describe_validation(folder: Path) -> str:
    """The validation loss of a trained denoiser in a few words; nothing where there is none."""
    if not stands(folder / VALIDATION_FILE):
        return ""
    found = read_validation(folder)
    seen = " on tiles that it learned from" if found.val_is_seen else ""
    return f"; validation loss {found.loss:.4f} at step {found.step}{seen}"


def read_validation(folder: Path) -> Validated:
    """What the validations of a denoiser measured.

    Raises:
        FileNotFoundError: if there were none.
        BadInput: if the file is damaged.
    """
    return read_record(folder / VALIDATION_FILE, Validated, f"delete the folder {folder}")


_SEEN = tuple(field.name for field in fields(Seen))


@dataclass
class ValidationHook:
    """Validation loss by noise band, on the fold's validation tiles."""

    context: Context
    folder: Path
    split: Split

    @cached_property
    def _tiles(self) -> ValidationTiles:
        run, val = self.context.run, self.split.val
        return encode_validation(self.context.autoencoder, val, run.validation.num_tiles, run.seed)

    def __call__(self, network: nn.Module, step: int) -> dict[str, float]:
        """The mean loss, and that of each band; `validation.json` holds all validations so far."""
        run = self.context.run
        bands = measure_bands(network, self._tiles, run.validation.num_bands, run.seed)  # type: ignore[arg-type]
        loss = float(np.mean(bands))
        if np.isfinite(loss):
            self._record(Seen(step=step, loss=loss, bands=tuple(bands)))
        named = {f"{VALIDATION}_{band}": loss for band, loss in enumerate(bands)}
        return {VALIDATION: loss, **named}

    def _record(self, seen: Seen) -> None:
        path = self.folder / VALIDATION_FILE
        before = read_validation(self.folder).history if stands(path) else ()
        # a killed training may have looked further than its checkpoint
        history = [one for one in before if one.step < seen.step] + [seen]
        is_best_kept = self.context.run.validation.keep == "best"
        kept = min(history, key=lambda one: one.loss) if is_best_kept else seen
        facts = {
            "num_tiles": len(self._tiles.names),
            "val_is_seen": self.split.val_is_seen,
            "kept": self.context.run.validation.keep,
        }
        told = [{name: getattr(one, name) for name in _SEEN} for one in (kept, *history)]
        write_json(path, {**told[0], "history": told[1:], **facts})


@dataclass
class PreviewHook:
    """A sheet of validation tiles, their masks, and what is generated from these."""

    context: Context
    folder: Path
    split: Split

    @cached_property
    def _rows(self) -> list[int]:
        num = self.context.run.validation.num_rows
        num_one = num // 4
        return choose_tiles(self.split.val, num_one, num - num_one, self.context.run.seed)

    def __call__(self, network: nn.Module, step: int) -> dict[str, npt.NDArray[np.uint8]]:
        """The sheet as a picture, also written to `previews/<step>.png`."""
        if not self._rows:
            return {}
        tiles = self.split.val
        masks = np.stack([tiles.mask(i) for i in self._rows])
        generated = _generate(self.context, network, masks, "preview")
        rows = [
            SheetRow(mask=mask, images={"real": tiles.image(i), "generated": image})
            for i, mask, image in zip(self._rows, masks, generated, strict=True)
        ]
        sheet = as_png(draw_sheet(sheet_cells(rows)), PREVIEW_DPI)
        write_bytes(self.folder / "previews" / f"{step:06d}.png", sheet)
        return {"preview": np.asarray(Image.open(io.BytesIO(sheet)).convert("RGB"))}


@dataclass
class AgreementHook:
    """Mask agreement as the referee reads it, on shapes of the validation tiles.

    The referee is trained before any denoiser is, so that no stage needs to wait for it.
    """

    context: Context
    folder: Path
    split: Split

    @cached_property
    def _targets(self) -> npt.NDArray[np.uint8]:
        run = self.context.run
        num_uniform = run.validation.num_masks // 2
        num_mixed = run.validation.num_masks - num_uniform
        settings = replace(run.evaluate, num_uniform=num_uniform, num_mixed=num_mixed)
        book, known = collect_shapes(self.split.val), self.context.latents.known()
        return draw_targets(book, known, settings, run.seed, run.data.tile_px)[0]

    def __call__(self, network: nn.Module, step: int) -> dict[str, float]:
        """Mean agreement of single-class and of multi-class masks."""
        targets = self._targets
        if not len(targets):
            return {}
        generated = _generate(self.context, network, targets, "agreement")
        agreement = primary_measure(targets, read_tiles(load_referee(self.context), generated))
        is_one = np.array([len(np.unique(mask)) == 1 for mask in targets])
        parts = {"one_label": agreement[is_one], "several_labels": agreement[~is_one]}
        return {f"agreement_{k}": float(v.mean()) for k, v in parts.items() if len(v)}


def _generate(
    context: Context, network: nn.Module, masks: npt.NDArray[np.uint8], purpose: str
) -> npt.NDArray[np.uint8]:
    """Tiles of a denoiser in training, from the same noise at every validation."""
    seeds = [derive(context.run.seed, purpose, i) for i in range(len(masks))]
    # the averaged network is a new copy every time: compiling it would cost more than it saves
    sample = replace(context.run.sample, compile=False)
    sampler = Sampler(context.autoencoder, {"sd": network}, sample)  # type: ignore[dict-item]
    return sampler.generate("sd", masks, seeds)
