"""What strangers give is bounded: one line, exit code 2, little memory, whatever a file claims."""

import contextlib
import io
import json
import resource
import zlib
from pathlib import Path

import numpy as np
import pytest
import safetensors.torch
import torch

from disc.cli import main
from disc.files import BadInput, open_file, read_bytes, read_json
from disc.model.store import open_tensors
from disc.train.latents.shards import Shard, write_shard
from tests.apart import call_apart
from tests.damage import bombs

MEMORY = 600 * 2**20
"""Beyond what all modules take."""


def peak(who: int = resource.RUSAGE_SELF) -> int:
    """Most bytes that a process had."""
    return resource.getrusage(who).ru_maxrss * 1024


def run_all(commands: list[list[str]]) -> tuple[list[tuple[int, str, int]], int]:
    """Code, error and memory of each command, all in one process, and memory of its children."""

    def act() -> tuple[list[tuple[int, str, int]], int]:
        start, found = peak(), []
        for words in commands:
            with contextlib.redirect_stderr(io.StringIO()) as error:
                code = main(words)
            found.append((code, error.getvalue(), peak() - start))
        return found, peak(resource.RUSAGE_CHILDREN)

    return call_apart(act, 500, resource.RLIMIT_DATA, 8 * 2**30)


def tables(folder: Path) -> dict[str, tuple[Path, str]]:
    return {
        "pipe": (bombs.pipe(folder / "pipe.csv"), "not a file"),
        "endless": (bombs.endless(folder / "endless.csv"), "not a file"),
        "sparse": (bombs.sparse(folder / "sparse.csv", 3 * bombs.GIB), "expected at most"),
        "300 MB": (bombs.sparse(folder / "zeros.csv", 300 * 2**20), "expected at most 67,108,864"),
        "wide": (bombs.wide_table(folder / "wide.csv", 500_000), "500,000 columns; expected"),
        "XFD": (bombs.far_cells(folder / "far.xlsx", "XFD", 20_000, "1"), "16,384 columns"),
        "empty XFD": (bombs.far_cells(folder / "blank.xlsx", "XFD", 20_000, ""), "spans more than"),
        "styles": (bombs.many_styles(folder / "styles.xlsx", 12_000_000), "tags and attributes"),
    }


def read_tables(folder: Path) -> tuple[dict[str, tuple[Path, str]], list[list[str]]]:
    """Tables, and the commands that read them."""
    slides = folder / "slides"
    slides.mkdir(parents=True)
    (slides / "one.tiff").write_bytes(b"never opened")
    found = tables(folder)
    words = ["tile", "--slides", str(slides), "--out", str(folder / "out"), "--labels"]
    return found, [[*words, str(path)] for path, _ in found.values()]


def vq_folder(folder: Path, gib: float, **wrong: int) -> Path:
    config = {
        **{"_class_name": "VQModel", "block_out_channels": [32, 32, 32], "latent_channels": 3},
        "down_block_types": ["DownEncoderBlock2D"] * 3,
        "up_block_types": ["UpDecoderBlock2D"] * 3,
        **wrong,
    }
    folder.mkdir()
    (folder / "config.json").write_text(json.dumps(config))
    bombs.sparse_weights(folder / "diffusion_pytorch_model.safetensors", gib)
    return folder


def import_checkpoints(folder: Path) -> tuple[dict[Path, str], list[list[str]]]:
    """Checkpoints with what is said of them, and the commands that read them."""
    folder.mkdir()
    found = {
        bombs.checkpoint_of_zeros(folder / "model.ckpt", 3): "unpack to 3,221,225,474",
        bombs.sparse_weights(folder / "five.safetensors", 5): "expected latent-diffusion's",
        bombs.sparse_weights(folder / "many.safetensors", 100): "expected at most",
        bombs.pipe(folder / "pipe.safetensors"): "not a file",
        vq_folder(folder / "five", 5): "tensors are missing",
        vq_folder(folder / "deep", 1, layers_per_block=10**6): "layers_per_block is 1000000",
        vq_folder(folder / "wide", 1, num_vq_embeddings=2**40): "num_vq_embeddings is",
    }
    commands = [["import", "--source", str(path), "--out", str(folder / "out")] for path in found]
    # Of a source, all bytes are hashed, which takes as long as they are many.
    source = ["--autoencoder.source", str(vq_folder(folder / "one", 0.0625)), "--until", "data"]
    found[folder / "one"] = "weights of another network"
    commands.append(["run", "smoke", "--out", str(folder / "runs"), *source])
    return found, commands


def test_tables_and_checkpoints_of_strangers(tmp_path: Path) -> None:
    listed, first = read_tables(tmp_path / "tables")
    found, second = import_checkpoints(tmp_path / "checkpoints")
    results, children = run_all(first + second)
    for path, expected in listed.values():
        code, error, memory = results.pop(0)
        assert code == 2, error
        assert error.count("\n") == 1 and path.name in error and expected in error, error[:300]
        assert len(error) < 600
        assert memory < MEMORY, path.name
    assert not (tmp_path / "tables" / "out").exists()
    for (path, expected), (code, error, memory) in zip(found.items(), results, strict=True):
        assert code == 2, error
        assert error.count("\n") == 1 and expected in error, (path.name, error[:300])
        assert memory < MEMORY, path.name
    assert children < 3 * 2**30


def test_weights_that_memory_has_no_room_for_are_one_line(tmp_path: Path) -> None:
    path = tmp_path / "five.safetensors"
    bombs.sparse_weights(path, 5)

    def act() -> str:
        try:
            open_tensors(path)
        except BadInput as error:
            return str(error)
        return "read"

    said = call_apart(act, 60, resource.RLIMIT_DATA, 2**30)
    assert said.startswith(f"{path}: no room for it in memory (")


def test_a_mask_of_a_shard_that_unpacks_to_gigabytes(tmp_path: Path) -> None:
    path = tmp_path / "latents_000000.safetensors"
    write_shard(path, torch.zeros(1, 1, 3, 16, 16), [np.zeros((64, 64), np.uint8)], "key")
    with safetensors.safe_open(path, "pt") as file:
        tensors = {name: file.get_tensor(name) for name in ("latents", "checks", "masks", "ends")}
        facts = file.metadata()
    packed = b"\x78\xda" + bombs.packed_zeros(6)
    tensors["masks"] = torch.frombuffer(bytearray(packed), dtype=torch.uint8)
    tensors["ends"] = torch.tensor([len(packed)])
    safetensors.torch.save_file(tensors, path, facts)
    with pytest.raises(BadInput, match="the mask of tile 0"):
        Shard(path).mask(0)
    asked = json.loads(facts["facts"]) | {"tile_px": 80_000}
    safetensors.torch.save_file(tensors, path, {"facts": json.dumps(asked)})
    with pytest.raises(BadInput, match="tile_px 80000"):
        Shard(path)


def test_the_size_is_known_before_anything_is_read(tmp_path: Path) -> None:
    big = bombs.sparse(tmp_path / "big.json", 2**27)
    with pytest.raises(BadInput, match="134,217,728 bytes; expected at most 67,108,864"):
        read_json(big)
    with pytest.raises(BadInput, match="expected at most 5"):
        read_bytes(big, 5)
    with pytest.raises(BadInput, match="not a file"), open_file(tmp_path):
        pass
    assert zlib.crc32(read_bytes(big, 2**27)) == zlib.crc32(bytes(2**27))
