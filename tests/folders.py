"""What a folder holds, to compare it byte by byte."""

from pathlib import Path


def contents(folder: Path) -> dict[str, bytes]:
    """Bytes of every file below a folder, by its path within it."""
    return {
        str(path.relative_to(folder)): path.read_bytes()
        for path in sorted(folder.rglob("*"))
        if path.is_file()
    }
