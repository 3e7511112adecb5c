"""A slide as DICOM whole-slide microscopy, written by hand: one level of JPEG tiles."""

import struct
from pathlib import Path

import numpy as np

from disc.data.pixels.images import encode_jpeg

TILE = 256
MICROSCOPY, JPEG_BASELINE = "1.2.840.10008.5.1.4.1.1.77.1.6", "1.2.840.10008.1.2.4.50"
_LONG = {"OB", "SQ", "UN"}


def element(group: int, number: int, kind: str, value: bytes | str | int) -> bytes:
    if isinstance(value, int):
        value = struct.pack("<H" if kind == "US" else "<I", value)
    if isinstance(value, str):
        value = value.encode() + (b"\0" if kind == "UI" else b" ") * (len(value) % 2)
    head = struct.pack("<HH", group, number) + kind.encode()
    if kind in _LONG:
        return head + struct.pack("<HI", 0, len(value)) + value
    return head + struct.pack("<H", len(value)) + value


def item(value: bytes) -> bytes:
    return struct.pack("<HHI", 0xFFFE, 0xE000, len(value)) + value


def cut(image: np.ndarray) -> list[bytes]:
    """Tiles of an image as JPEG, row by row."""
    height, width = image.shape[:2]
    down, across = -(-height // TILE), -(-width // TILE)
    padded = np.full((down * TILE, across * TILE, 3), 255, np.uint8)
    padded[:height, :width] = image
    frames = [
        encode_jpeg(np.ascontiguousarray(padded[y : y + TILE, x : x + TILE]))
        for y in range(0, down * TILE, TILE)
        for x in range(0, across * TILE, TILE)
    ]
    return [frame + b"\0" * (len(frame) % 2) for frame in frames]


def save_dicom(path: Path, image: np.ndarray, um: float, uid: str = "1.2.3.4") -> None:
    """Write pixels uint8 [H, W, 3] as one instance."""
    height, width = image.shape[:2]
    frames = cut(image)
    meta = element(2, 1, "OB", b"\0\1") + element(2, 2, "UI", MICROSCOPY)
    meta += element(2, 3, "UI", f"{uid}.1") + element(2, 16, "UI", JPEG_BASELINE)
    meta += element(2, 18, "UI", "1.2.3")
    spacing = element(0x28, 0x30, "DS", f"{um / 1000:.6f}\\{um / 1000:.6f}")
    measures = element(0x28, 0x9110, "SQ", item(spacing))
    data = [
        element(8, 8, "CS", "ORIGINAL\\PRIMARY\\VOLUME\\NONE"),
        element(8, 0x16, "UI", MICROSCOPY),
        element(8, 0x18, "UI", f"{uid}.1"),
        element(8, 0x60, "CS", "SM"),
        element(0x20, 0xD, "UI", f"{uid}.2"),
        element(0x20, 0xE, "UI", f"{uid}.3"),
        element(0x20, 0x9311, "CS", "TILED_FULL"),
        element(0x28, 2, "US", 3),
        element(0x28, 4, "CS", "YBR_FULL_422"),
        element(0x28, 6, "US", 0),
        element(0x28, 8, "IS", str(len(frames))),
        element(0x28, 0x10, "US", TILE),
        element(0x28, 0x11, "US", TILE),
        element(0x28, 0x100, "US", 8),
        element(0x28, 0x101, "US", 8),
        element(0x28, 0x102, "US", 7),
        element(0x28, 0x103, "US", 0),
        element(0x48, 6, "UL", width),
        element(0x48, 7, "UL", height),
        element(0x48, 0x303, "UL", 1),
        element(0x5200, 0x9229, "SQ", item(measures)),
        struct.pack("<HH", 0x7FE0, 0x10) + b"OB" + struct.pack("<HI", 0, 0xFFFFFFFF),
        item(b""),
        *[item(frame) for frame in frames],
        struct.pack("<HHI", 0xFFFE, 0xE0DD, 0),
    ]
    path.parent.mkdir(parents=True, exist_ok=True)
    start = b"\0" * 128 + b"DICM" + element(2, 0, "UL", len(meta)) + meta
    path.write_bytes(start + b"".join(data))
