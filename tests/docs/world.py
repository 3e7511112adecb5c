"""What the pages of the documentation speak of, in small: sets of several layouts, a run, and
presets whose trainings are a few steps long.
"""

import json
import shutil
from collections.abc import Callable, Iterator
from dataclasses import fields, is_dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import tifffile
import torch
from PIL import Image

from disc import cli
from disc.data.readers.read import read_source
from disc.data.readers.source import Source
from disc.grade.encoder import encode_slides
from disc.phantom.layouts import draw_set
from disc.phantom.request import PhantomRequest
from disc.pipeline.config_file import read_config
from disc.pipeline.context import Context
from disc.presets import PRESETS, smoke
from disc.settings.run import Run
from disc.settings.training import Optim
from tests.data.scans import save_slide
from tests.model.compvis_reference import as_checkpoint, draw_network
from tests.model.small_vq import build_small_vq

CORE_UM = (400.0, 500.0)
CLASSES = ("Stroma", "Normal", "G3", "G4", "G5")
SIDE = 64


def hurry(settings: Any, steps: int = 3) -> Any:
    """Settings in which every training is so many steps long."""
    if isinstance(settings, Optim):
        return replace(settings, steps=min(steps, settings.steps), warmup=0)
    if not is_dataclass(settings):
        return settings
    parts = {field.name: hurry(getattr(settings, field.name)) for field in fields(settings)}
    return replace(settings, **parts)


def shorten(name: str) -> Callable[[], Run]:
    """A preset with its place, data and protocol, and networks and lengths of a test."""
    given, tiny = PRESETS[name](), hurry(smoke())
    one = {f"{part}_slides": (1, 1, 1, 1) for part in ("test", "external", "referee")}
    goal = given.synthesis.slides_per_grade and 4
    few = {"num_uniform": 4, "num_mixed": 6, "num_synthesis": 4, "num_bootstrap": 20}
    short = replace(
        tiny,
        name=given.name,
        folds=given.folds,
        data=replace(tiny.data, root=given.data.root, fold=given.data.fold),
        phantom=replace(tiny.phantom, slides=(3, 3, 3, 3), core_um=(600.0, 900.0), **one),
        autoencoder=replace(tiny.autoencoder, source=given.autoencoder.source),
        denoiser=replace(tiny.denoiser, protocol=given.denoiser.protocol, final_epochs=1),
        distil=replace(tiny.distil, num_bundles=4),
        synthesis=replace(tiny.synthesis, tiles=(2, 3), slides_per_grade=goal),
        evaluate=replace(tiny.evaluate, **few),
        report=replace(tiny.report, num_grader_bootstrap=50),
    )
    return lambda: short


def write_world(folder: Path) -> None:
    """Sets, slides, drawn areas, public weights, and a run that was trained by the presets."""
    draw_sets(folder)
    write_slides(folder)
    write_folders(folder)
    torch.save(as_checkpoint(draw_network()), folder / "model.ckpt")
    build_small_vq().save_pretrained(folder / "vq-f4")
    assert cli.main(["run", "demo"]) == 0
    for name in ("mine", "simulated", "fold-safe/Val1"):
        shutil.copytree(folder / "runs" / "demo", folder / "runs" / name)
    shutil.copytree(folder / "runs" / "demo" / "synthetic" / "sd-sc", folder / "made")
    shutil.copytree(folder / "runs" / "demo" / "features" / "carcino" / "real", folder / "features")
    for path, name in zip(sorted((folder / "features").glob("*.h5")), "12", strict=False):
        path.rename(path.with_name(f"slide{name}.h5"))


def draw_sets(folder: Path) -> None:
    """SICAPv2, of two sides that are one here, LAPC and PANDA."""
    sets = {"SICAPv2": ("sicapv2", SIDE), "lapc": ("lapc", 960), "panda": ("panda", None)}
    for name, (kind, side) in sets.items():
        slides = (0, 1, 1, 0) if kind == "lapc" else (3, 3, 3, 3)
        out = folder / name
        draw_set(PhantomRequest(out=out, kind=kind, slides=slides, tile_px=side, core_um=CORE_UM))
    for name in ("SICAPv2-64px", "real", "tiles"):
        shutil.copytree(folder / "SICAPv2", folder / name)
    (folder / "tile-masks").mkdir()
    shutil.copy(next((folder / "SICAPv2" / "masks").iterdir()), folder / "tile-masks")


def write_slides(folder: Path) -> None:
    """One slide in all places where pages have one, its score, and an area drawn on it."""
    for name in ("biopsies", "drawn"):
        (folder / name).mkdir()
    save_slide(folder, "a")
    pd.DataFrame({"slide_id": ["a"], "gleason_score": ["3+4"]}).to_csv(folder / "scores.csv")
    for name in ("biopsy.tiff", "other.svs", "biopsies/a.tiff"):
        shutil.copy(folder / "slides" / "a.tiff", folder / name)
    ring = [[600, 1000], [1000, 1000], [1000, 1800], [600, 1800], [600, 1000]]
    kind = {"classification": {"name": "Tumor", "color": [200, 0, 0]}}
    area = {"type": "Polygon", "coordinates": [ring]}
    feature = {"type": "Feature", "geometry": area, "properties": kind}
    text = json.dumps({"type": "FeatureCollection", "features": [feature]})
    (folder / "drawn" / "a.geojson").write_text(text)


def write_folders(folder: Path) -> None:
    """Layouts of others: Gleason 2019, a tissue microarray, AGGC22, SICAP-MIL."""
    rng = np.random.default_rng(0)

    def save(path: str, side: int, values: list[int] | None = None) -> None:
        shape = (side, side, 3) if values is None else (side, side)
        drawn = rng.integers(90, 256, shape) if values is None else rng.choice(values, shape)
        (folder / path).parent.mkdir(parents=True, exist_ok=True)
        Image.fromarray(drawn.astype(np.uint8)).save(folder / path)

    for core in ("slide001_core003", "slide002_core010"):
        save(f"gleason2019/Train Imgs/{core}.jpg", 1100)
        for rater in range(1, 7):
            save(f"gleason2019/Maps{rater}_T/{core}_classimg_nonconvex.png", 1100, [0, 1, 3, 4, 6])
    for core in ("ZT111_4_A_1_1", "ZT199_1_B_2_2"):
        save(f"tma/TMA_images/{core}.jpg", 600)
        save(f"tma/Gleason_masks_train/mask_{core}.png", 600, [0, 1, 2, 3, 4])
    for core in ("one", "two"):
        save(f"cores/Train Imgs/{core}.png", SIDE)
        for rater in (1, 2):
            save(f"cores/Maps{rater}_T/{core}.png", SIDE, [0, 3, 4, 5])
    for row, slide in enumerate(("16B0001851", "16B0003388")):
        for column in range(2):
            place = f"{slide}_Block_Region_0_{row}_{column}_xini_{column * 512}_yini_0"
            save(f"SICAP_MIL/patches/{place}.jpg", 512)
    tables = folder / "SICAP_MIL" / "dataframes"
    tables.mkdir()
    scores = {"slide_id": ["16B0001851", "16B0003388"], "patient_id": ["P1", "P2"]}
    scores |= {"Gleason_primary": [3, 4], "Gleason_secondary": [4, 4]}
    pd.DataFrame(scores).to_excel(tables / "gt_global_slides.xlsx", index=False)
    write_aggc(folder, rng)
    write_lists(folder)


def write_aggc(folder: Path, rng: np.random.Generator) -> None:
    """PANDA's slides, with a binary file a class, and places of tiles as TRIDENT writes them."""
    words = "tile --slides panda/train_images --masks panda/train_label_masks --labels"
    words += " panda/train.csv --out cut --tile-px 512 --um-per-px .5"
    assert cli.main([*words.split(), "--min-tissue", ".1"]) == 0
    shutil.move(folder / "cut" / "patches", folder / "trident" / "patches")
    shutil.rmtree(folder / "cut")
    shutil.copytree(folder / "panda" / "train_images", folder / "aggc" / "Subset1_Train_image")
    for slide in (folder / "aggc" / "Subset1_Train_image").iterdir():
        with tifffile.TiffFile(slide) as file:
            height, width = file.pages[0].shape[:2]
        drawn = rng.integers(0, len(CLASSES), (height, width))
        masks = folder / "aggc" / "Subset1_Train_annotations" / slide.stem
        masks.mkdir(parents=True)
        for index, name in enumerate(CLASSES):
            tifffile.imwrite(masks / f"{name}_Mask.tif", (drawn == index).astype(np.uint8) * 255)


def write_lists(folder: Path) -> None:
    """PANDA's lists of noise and of slides that are the same, as people shared them."""
    ids = pd.read_csv(folder / "panda" / "train.csv")["image_id"]
    pd.DataFrame({"image_id": ids, "noise_ratio_10": 1}).to_csv(folder / "noise.csv", index=False)
    groups = {"image_id": ids[:2], "group_id": [0, 0]}
    name = "duplicate_imgids_imghash_thres_090.csv"
    pd.DataFrame(groups).to_csv(folder / name, index=False)


class MeanColour:
    """The encoder of docs/howto/encoder.md."""

    def read(self, slide_id: str, images: Iterator[np.ndarray]) -> np.ndarray:
        return np.stack([image.mean((0, 1)) for image in images]).astype(np.float32)


def encode_run(run: Path, out: Path) -> None:
    """Write features of every slide that a run asks for, in the folders that it asks for."""
    context = Context(read_config(run / "config.json"), run)
    sets = {"real": context.root, "shifted": context.external_root}
    sets |= {path.name: path for path in (run / "synthetic").iterdir()}
    for name, root in sets.items():
        if root is not None:
            encode_slides(MeanColour(), read_source(Source(root=root, kind="sicapv2")), out / name)
