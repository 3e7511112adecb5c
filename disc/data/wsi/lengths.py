"""Units of length, as files of slides name them."""

from __future__ import annotations

import math
import unicodedata

from disc.files import BadInput

_PREFIXES = {
    **{"Y": 24, "Z": 21, "E": 18, "P": 15, "T": 12, "G": 9, "M": 6, "k": 3, "h": 2, "da": 1},
    **{"": 0, "d": -1, "c": -2, "m": -3, "n": -9, "p": -12, "f": -15, "a": -18, "z": -21, "y": -24},
}
_UM = {
    **{f"{prefix}m": 10.0 ** (power + 6) for prefix, power in _PREFIXES.items()},
    **{"\u03bcm": 1.0, "\u00c5": 1e-4, "thou": 25.4, "li": 25400 / 12, "in": 25400.0},
    **{"ft": 304_800.0, "yd": 914_400.0, "mi": 1.609344e9, "pt": 25400 / 72},
    **{"ua": 1.495978707e17, "ly": 9.4607304725808e21, "pc": 3.0856775814913673e22},
}
"""Micrometres in a unit, by the symbols of OME's schema: mm is not Mm."""
_LONG = {
    **{"kilo": 9, "": 6, "deci": 5, "centi": 4, "milli": 3, "micro": 0, "nano": -3, "pico": -6},
    **{"femto": -9},
}
_WORDS = {
    **{
        f"{prefix}{metre}{end}": 10.0**power
        for prefix, power in _LONG.items()
        for metre in ("meter", "metre")
        for end in ("", "s")
    },
    **dict.fromkeys(("\u03bcm", "um", "micron", "microns"), 1.0),
    **dict.fromkeys(("angstrom", "angstroms", "\u00e5ngstr\u00f6m", "\u00e5ngstr\u00f6ms"), 1e-4),
    **dict.fromkeys(("inch", "inches"), 25400.0),
    **dict.fromkeys(("foot", "feet"), 304_800.0),
    **dict.fromkeys(("yard", "yards"), 914_400.0),
    **dict.fromkeys(("mile", "miles"), 1.609344e9),
}
"""The same by what other programs and people call units, in any case."""
_NO_LENGTHS = {"", "pixel", "pixels", "reference frame"}
"""Units of images that nobody measured, in any case."""


def is_known(unit: str) -> bool:
    """Whether a unit is one of length, or one that says that nothing was measured."""
    return _find_um(unit) is not None


def read_width(size: str, unit: str, where: str) -> float:
    """Micrometres that a file says; 0: in a unit that is no length, so they are not said.

    Args:
        size: a number.
        unit: of length; µ comes as two characters, and escaped.
        where: which file says so and what it calls it, to be named in errors.

    Raises:
        BadInput: if the size is no number, or one that no pixel has, or the unit is unknown.
    """
    um = _find_um(unit)
    if um is None:
        raise BadInput(
            f"{where} in '{unit}'; expected a unit of length that is known (µm, nm, mm, in, ...); "
            "correct the file"
        )
    if not um:
        return 0.0
    try:
        width = float(size) * um
    except ValueError as error:
        raise BadInput(f"{where} '{size}'; expected a number; correct the file") from error
    if not 0 <= width < math.inf:
        raise BadInput(f"{where} '{size}'; expected a number, finite and above 0; correct the file")
    return width


def _find_um(unit: str) -> float | None:
    """Micrometres in a unit; 0: it is no length by its name; None: nobody knows it."""
    # NFKC makes one character of the two of µ and of Å.
    name = unicodedata.normalize("NFKC", unit.replace("\\u00B5", "µ").strip())
    if name.lower() in _NO_LENGTHS:
        return 0.0
    return _UM.get(name, _WORDS.get(name.lower()))
