"""Units of length, as files of slides name them."""

from __future__ import annotations

import unicodedata

from disc.files import BadInput

_PREFIXES = {
    **{"Y": 24, "Z": 21, "E": 18, "P": 15, "T": 12, "G": 9, "M": 6, "k": 3, "h": 2, "da": 1},
    **{"": 0, "d": -1, "c": -2, "m": -3, "n": -9, "p": -12, "f": -15, "a": -18, "z": -21, "y": -24},
}
_UM = {
    **{f"{prefix}m": 10.0 ** (power + 6) for prefix, power in _PREFIXES.items()},
    **dict.fromkeys(("\u03bcm", "um", "micron", "microns", "micrometer", "micrometre"), 1.0),
    **{"\u00c5": 1e-4, "thou": 25.4, "li": 25400 / 12, "in": 25400.0, "inch": 25400.0},
    **{"ft": 304_800.0, "yd": 914_400.0, "mi": 1.609344e9, "pt": 25400 / 72},
    **{"ua": 1.495978707e17, "ly": 9.4607304725808e21, "pc": 3.0856775814913673e22},
}
"""Micrometres in a unit: those of OME's schema, and what other programs call them."""
_NO_LENGTHS = {"", "pixel", "pixels", "reference frame"}
"""Units of images that nobody measured."""


def read_width(size: str, unit: str, where: str) -> float:
    """Micrometres that a file says; 0: in a unit that is no length, so they are not said.

    Args:
        size: a number.
        unit: of length; µ comes as two characters, and escaped.
        where: which file says so and what it calls it, to be named in errors.

    Raises:
        BadInput: if the size is no number, or the unit is unknown.
    """
    # NFKC makes one character of the two of µ and of Å.
    name = unicodedata.normalize("NFKC", unit.replace("\\u00B5", "µ").strip())
    if name in _NO_LENGTHS:
        return 0.0
    if name not in _UM:
        raise BadInput(
            f"{where} in '{unit}'; expected a unit of length that is known (µm, nm, mm, in, ...); "
            "correct the file"
        )
    try:
        return float(size) * _UM[name]
    except ValueError as error:
        raise BadInput(f"{where} '{size}'; expected a number; correct the file") from error
