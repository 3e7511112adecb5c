"""The command `disc import`: a public autoencoder to a folder of ours, and its check on tiles."""

from __future__ import annotations

from dataclasses import asdict
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from disc.data.readers.read import read_source, recognise
from disc.data.readers.source import Source
from disc.data.tiles.tile_set import TileSet
from disc.evaluate.reconstruction import Fidelity, mean_and_low, measure_fidelity, reconstruct
from disc.files import BadInput, holds_files, write_bytes, write_json
from disc.model.autoencoder import Autoencoder
from disc.model.foreign import read_foreign
from disc.model.latent_shape import LATENT_FACTOR
from disc.model.request import ImportRequest
from disc.processes import own_device
from disc.report.figures import as_png
from disc.report.pictures import Cell
from disc.report.sheet_figure import draw_sheet

NUM_SHOWN = 2
"""Worst, median and best tiles in the picture, each."""
NUM_LISTED = 10
"""Worst tiles that are named."""


def import_autoencoder(request: ImportRequest) -> str:
    """Import a checkpoint, check it on tiles, or both; what was done, for people.

    Raises:
        FileNotFoundError: if the checkpoint or the tiles are missing.
        BadInput: if one of them is not what it should be, or the folder is taken.
    """
    if request.out is not None and holds_files(request.out):
        raise BadInput(f"{request.out}: holds files already; give a new folder, or check it alone")
    # wrong tiles are found before minutes of work, and before anything is written
    tiles = None if request.check is None else read_tiles(request, request.check)
    autoencoder = read_foreign(request.source)
    lines = [describe(autoencoder)]
    if request.out is not None:
        autoencoder.save(request.out)
        lines.append(f"written to {request.out}; use it with --autoencoder.source {request.out}")
    if tiles is not None:
        beside = (request.out or request.source).resolve()
        lines += check_autoencoder(autoencoder, tiles, beside, request.num_check)
    return "\n".join(lines)


def read_tiles(request: ImportRequest, root: Path) -> TileSet:
    """The tiles to check on: a set in the SICAPv2 layout, or all images of a folder.

    Raises:
        FileNotFoundError: if there is no such folder.
        BadInput: if there are no tiles, or their side is no multiple of 4 px.
    """
    try:
        is_set = recognise(root) == "sicapv2"
    except BadInput:
        is_set = False
    source = Source(
        root=root,
        kind="sicapv2" if is_set else "folder",
        images="" if is_set else ".",
        tile_px=request.tile_px,
        fit=request.fit,
    )
    tiles = read_source(source)
    if tiles.tile_px % LATENT_FACTOR or tiles.tile_px < 16:
        multiple = f"a multiple of {LATENT_FACTOR}, 16 or more"
        side = f"tiles of {tiles.tile_px} px; expected {multiple}"
        raise BadInput(f"{root}: {side}: give --tile-px and --fit resize or crop")
    return tiles


def describe(autoencoder: Autoencoder) -> str:
    """What an autoencoder is, in one line."""
    config = autoencoder.vq.config
    attention = "with" if config.mid_block_add_attention else "without"
    size = sum(value.numel() for value in autoencoder.parameters()) / 1e6
    widths = ", ".join(str(width) for width in config.block_out_channels)
    return (
        f"VQ autoencoder, f = {LATENT_FACTOR}: widths {widths}, {config.layers_per_block} layers, "
        f"{attention} attention, {autoencoder.num_codes} codes, {size:.1f} million weights"
    )


def check_autoencoder(
    autoencoder: Autoencoder, tiles: TileSet, beside: Path, max_tiles: int
) -> list[str]:
    """Reconstruct tiles; write `<beside>-check.json` and `.png`; what was found, for people."""
    num = min(len(tiles), max_tiles)
    chosen = tiles.only(np.linspace(0, len(tiles) - 1, num).round().astype(int).tolist())
    autoencoder = autoencoder.to(own_device())
    fidelity = measure_fidelity(autoencoder, chosen)
    facts: dict[str, Any] = {
        "autoencoder": str(beside),
        "tiles": num,
        "of": len(tiles),
        "tile_px": tiles.tile_px,
        "notes": list(tiles.notes),
        **collect(fidelity, chosen),
    }
    # beside the folder and not in it: what is in it is the identity of the autoencoder in a run
    table = beside.with_name(f"{beside.name}-check.json")
    picture = table.with_suffix(".png")
    write_json(table, facts)
    write_bytes(picture, draw_extremes(autoencoder, chosen, fidelity))
    psnr, ssim, worst = facts["psnr"], facts["ssim"], facts["worst"][0]
    return [
        *tiles.notes,
        f"checked on {num} of {len(tiles)} tiles of {tiles.tile_px} px",
        f"PSNR {psnr['mean']:.2f} dB, 5th percentile {psnr['p5']:.2f}",
        f"SSIM {ssim['mean']:.4f}, 5th percentile {ssim['p5']:.4f}",
        f"worst: {worst['tile']} ({worst['psnr']:.2f} dB)",
        f"codebook: {fidelity.use}",
        f"numbers in {table}, tiles in {picture}",
    ]


def collect(fidelity: Fidelity, tiles: TileSet) -> dict[str, Any]:
    """The numbers of a check, ready for JSON."""
    order = np.argsort(fidelity.psnr, kind="stable")
    worst = [
        {"tile": tiles.tiles[i].name, "psnr": fidelity.psnr[i], "ssim": fidelity.ssim[i]}
        for i in order[:NUM_LISTED]
    ]
    return {
        "psnr": mean_and_low(fidelity.psnr),
        "ssim": mean_and_low(fidelity.ssim),
        "worst": worst,
        "codebook": asdict(fidelity.use),
    }


def draw_extremes(autoencoder: Autoencoder, tiles: TileSet, fidelity: Fidelity) -> bytes:
    """The worst, median and best tiles beside their reconstructions, as PNG."""
    lines = []
    for word, index in pick_extremes(fidelity.psnr):
        tile = tiles.image(index)
        decoded, _ = reconstruct(autoencoder, tile)
        lines.append(
            [
                Cell(heading=f"{word}: {fidelity.psnr[index]:.1f} dB", pixels=tile),
                Cell(heading=f"again, SSIM {fidelity.ssim[index]:.3f}", pixels=decoded),
            ]
        )
    # a tile is 1.3 inches wide on a sheet: about one pixel of the picture for one of the tile
    return as_png(draw_sheet(lines), max(120, tiles.tile_px / 1.3))


def pick_extremes(psnr: npt.NDArray[np.float64]) -> list[tuple[str, int]]:
    """Which tiles are shown, worst first, none twice."""
    order = np.argsort(psnr, kind="stable").tolist()
    if len(order) < 3 * NUM_SHOWN:
        return [("tile", index) for index in order]
    middle = (len(order) - NUM_SHOWN) // 2
    parts = {"worst": 0, "median": middle, "best": len(order) - NUM_SHOWN}
    return [(word, i) for word, at in parts.items() for i in order[at : at + NUM_SHOWN]]
