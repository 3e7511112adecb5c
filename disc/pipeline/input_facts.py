"""What stages depend on outside the run: settings of the data, and files of others."""

from __future__ import annotations

import hashlib
from pathlib import Path
from typing import Any

from disc.files import MAX_WEIGHTS, digest, open_file
from disc.pipeline.context import Context
from disc.pipeline.renamed import as_json
from disc.settings.autoencoder import Autoencoder


def list_features(folder: Path | None) -> list[Any]:
    """Feature files of another program; name, size and time of each."""
    paths = sorted(folder.rglob("*.h5")) if folder is not None else []
    return [(str(path), path.stat().st_size, path.stat().st_mtime_ns) for path in paths]


def data_settings(context: Context) -> Any:
    """What the data are read or drawn with, and files of given sets."""
    run = context.run
    # The number of workers changes speed only: another one leaves the stage done.
    data = {name: value for name, value in as_json(run.data).items() if name != "workers"}
    if context.is_simulated:
        return [data, as_json(run.phantom)]
    roots = [root for root in (context.root, context.external_root) if root is not None]
    files = [path for root in roots for path in sorted(root.rglob("*")) if path.is_file()]
    listing = [(str(path), path.stat().st_size, path.stat().st_mtime_ns) for path in files]
    return [data, digest(listing)]


def source_hash(settings: Autoencoder) -> str:
    """What the given autoencoder holds, so that another one under its name is noticed."""
    paths = sorted(settings.source.glob("*")) if settings.source is not None else []
    return digest([_digest_file(path) for path in paths if path.is_file()])


def _digest_file(path: Path) -> str:
    """`digest` of a file's bytes, of which few are held at a time."""
    found = hashlib.sha256()
    with open_file(path, MAX_WEIGHTS) as file:
        while part := file.read(2**20):
            found.update(part)
    return found.hexdigest()[:16]
