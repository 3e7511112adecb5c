"""Synthetic slides: recipes for every primary grade that lacks slides, painted by a variant."""

from __future__ import annotations

import io
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path

import numpy as np
import numpy.typing as npt
import pandas as pd

from disc.data.tiles.labels import count_labels, most_frequent_grade
from disc.data.tiles.records import Slide, Tile
from disc.data.tiles.tile_set import TileSet
from disc.data.writing.set_writer import SetWriter
from disc.files import read_json, sync_all, write_bytes, write_json
from disc.labels import GRADES, Label, label_of_grade, slide_label
from disc.masks.recipes import TileRecipe, draw_recipe, fill_counts, label_weights
from disc.masks.shapes import count_regions, label_shape, shape_map
from disc.processes import own_share, wait_for_all
from disc.progress import Bar
from disc.sample.sampler import Sampler
from disc.seeds import derive, numpy_generator
from disc.settings.synthesis import Synthesis, Variant

Masks = npt.NDArray[np.uint8]


@dataclass(frozen=True)
class ShapeBook:
    """Shape maps to draw from, and the tiles that they were drawn on."""

    shapes: list[Masks]
    sources: list[Tile]

    @cached_property
    def regions(self) -> list[int]:
        """Number of regions of each shape map."""
        return [count_regions(shape) for shape in self.shapes]


@dataclass(frozen=True)
class SlideRecipe:
    """A synthetic slide before it is painted."""

    slide: Slide
    tiles: list[TileRecipe]
    seeds: list[int]


@dataclass(frozen=True)
class VariantSampler:
    """A sampler, and which of its variants generates."""

    sampler: Sampler
    variant: Variant


def collect_shapes(tiles: TileSet) -> ShapeBook:
    """The shape maps of all tiles that have a labelled pixel."""
    masks = [(tile, tiles.mask(i)) for i, tile in enumerate(tiles.tiles)]
    kept = [(tile, shape_map(mask)) for tile, mask in masks if (mask < len(Label)).any()]
    return ShapeBook([shape for _, shape in kept], [tile for tile, _ in kept])


def plan_slides(
    slides: Collection[Slide],
    book: ShapeBook,
    known: Collection[int],
    settings: Synthesis,
) -> list[SlideRecipe]:
    """Recipes that fill every primary grade to the same number of slides.

    Secondary grades are drawn as often as the real slides of that primary grade have them, and
    evenly among the known grades where there are none. Grades absent from the training tiles are
    never asked for. The same seed gives all variants the same slides.

    Paper: Sec. 2.2 and 3 (276 sets).
    """
    scored = [slide for slide in slides if slide.primary is not None]
    real = [sum(slide.primary == grade for slide in scored) for grade in GRADES.values()]
    wanted = fill_counts(real, settings.slides_per_grade)
    plans = []
    for grade, count in zip(GRADES.values(), wanted, strict=True):
        if label_of_grade(grade) not in known:
            continue
        for number in range(count):
            rng = numpy_generator(settings.seed, "slide", grade, number)
            secondary = _draw_secondary(grade, scored, known, rng)
            name = f"S{grade}{secondary}N{number:04d}"
            weights = label_weights(grade, secondary, settings.weights, known=known)
            tiles = draw_recipe(book.regions, weights, tiles=settings.tiles, rng=rng)
            seeds = [derive(settings.seed, "tile", name, i) for i in range(len(tiles))]
            slide = Slide(slide_id=name, patient_id=name, primary=grade, secondary=secondary)
            plans.append(SlideRecipe(slide, tiles, seeds))
    return plans


def generate_slides(
    plans: Sequence[SlideRecipe],
    book: ShapeBook,
    variant_sampler: VariantSampler,
    root: Path,
    facts: Mapping[str, object],
) -> float:
    """Write the slides as a data set in the SICAPv2 layout with `manifest.parquet`.

    A slide is a chunk: stopped, it is painted again whole; finished ones are kept.

    Args:
        plans: what to paint.
        book: the shape maps that the plans name.
        variant_sampler: turns masks into tiles.
        root: folder of the set.
        facts: columns of the manifest that are equal for all tiles (checkpoint, solver, ...).

    Returns:
        Spread of the latents (the data's is 1).
    """
    share, writer = own_share(), SetWriter(root)
    bar = Bar(
        f"synthesis {variant_sampler.variant}", total=len(plans), unit="slide", shown=share.is_first
    )
    for number, plan in enumerate(plans):
        if share.has(number) and not _marker(root, plan).exists():
            _generate_slide(plan, book, variant_sampler, writer)
        bar.advance()
    bar.close()
    wait_for_all()
    if share.is_first:
        _finish_set(plans, book, writer, root, {"variant": variant_sampler.variant, **facts})
    wait_for_all()
    parts = [read_json(_marker(root, plan)) for plan in plans]
    weights = np.array([part["num"] for part in parts], float)
    mean, mean_square = (
        np.average([part[name] for part in parts], weights=weights)
        for name in ("mean", "mean_square")
    )
    return float(np.sqrt(mean_square - mean**2))


def _generate_slide(
    plan: SlideRecipe, book: ShapeBook, variant_sampler: VariantSampler, writer: SetWriter
) -> None:
    masks = np.stack(_masks_of(plan, book))
    bits = slide_label(plan.slide.primary or 0, plan.slide.secondary or 0)
    latents = variant_sampler.sampler.draw_latents(variant_sampler.variant, masks, plan.seeds, bits)
    names = _tile_names(plan, masks.shape[-1])
    for name, image, mask in zip(
        names, variant_sampler.sampler.decode(latents), masks, strict=True
    ):
        writer.add(name, image, mask)
    facts = {
        "num": len(masks),
        "mean": float(latents.mean()),
        "mean_square": float(latents.square().mean()),
    }
    sync_all()
    write_json(_marker(writer.root, plan), facts)


def _finish_set(
    plans: Sequence[SlideRecipe],
    book: ShapeBook,
    writer: SetWriter,
    root: Path,
    facts: Mapping[str, object],
) -> None:
    rows, labels = [], {}
    for plan in plans:
        masks = _masks_of(plan, book)
        names = _tile_names(plan, masks[0].shape[-1])
        for name, mask, tile, seed in zip(names, masks, plan.tiles, plan.seeds, strict=True):
            labels[name] = most_frequent_grade(count_labels(mask)) or Label.NC
            source = book.sources[tile.shape].name
            rows.append({"tile": name, "seed": seed, "shape_source": source, **facts})
    slides = [plan.slide for plan in plans]
    writer.finish(slides, {"Test/Train": [slide.slide_id for slide in slides]}, labels)
    buffer = io.BytesIO()
    pd.DataFrame(rows).to_parquet(buffer, index=False)
    write_bytes(root / "manifest.parquet", buffer.getvalue())


def _masks_of(plan: SlideRecipe, book: ShapeBook) -> list[Masks]:
    return [label_shape(book.shapes[tile.shape], tile.labels) for tile in plan.tiles]


def _marker(root: Path, plan: SlideRecipe) -> Path:
    return root / "chunks" / f"{plan.slide.slide_id}.json"


def _draw_secondary(
    primary: int, slides: Sequence[Slide], known: Collection[int], rng: np.random.Generator
) -> int:
    if primary == 0:
        return 0
    grades = [GRADES[label] for label in Label if label != Label.NC and label in known]
    seen = [s.secondary for s in slides if s.primary == primary and s.secondary in grades]
    return int(rng.choice(seen or grades))


def _tile_names(plan: SlideRecipe, tile_px: int) -> list[str]:
    step = 4 * tile_px
    places = [divmod(i, 10) for i in range(len(plan.tiles))]
    start = f"{plan.slide.slide_id}_Block_Region_0"
    return [f"{start}_{row}_{col}_xini_{col * step}_yini_{row * step}" for row, col in places]
