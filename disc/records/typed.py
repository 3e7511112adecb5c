"""Files of known shape: JSON as typed records, tables with their columns, arrays by name."""

from __future__ import annotations

import io
import os
from collections.abc import Collection, Mapping
from functools import cache
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, TypeVar, cast

from pydantic import Field, TypeAdapter, ValidationError

from disc.files import BadInput, read_bytes, reason
from disc.records.listing import check_listed
from disc.records.parquet import check_size, list_repeated
from disc.records.seal import check_seal

if TYPE_CHECKING:
    import numpy as np
    import numpy.typing as npt
    import pandas as pd

T = TypeVar("T")

Finite = Annotated[float, Field(allow_inf_nan=False)]
"""A number, neither NaN nor infinite."""
Positive = Annotated[float, Field(gt=0, allow_inf_nan=False)]
"""A number above 0."""


def stands(path: Path) -> bool:
    """Whether anything has this name, be it a link to nothing: only then is it not written yet."""
    return os.path.lexists(path)


def read_record(path: Path, kind: type[T], remedy: str, *, stage: Path | None = None) -> T:
    """Read a JSON file as a record; keys that the record does not have are left out.

    Args:
        path: the file.
        kind: a frozen dataclass, or any other type that JSON can hold.
        remedy: what to do where the file is of another shape.
        stage: folder of the stage that left it; None: the file lies in that folder.

    Raises:
        FileNotFoundError: if it is missing.
        BadInput: if it is damaged, changed, or of another shape.
    """
    data = read_bytes(path)
    check_listed(path, data, stage=stage)
    return parse_record(path, data, kind, remedy)


def parse_record(path: Path, data: bytes, kind: type[T], remedy: str) -> T:
    """The bytes of a JSON file as a record.

    Raises:
        BadInput: if they are of another shape.
    """
    try:
        record: T = _adapter(cast(Any, kind)).validate_json(data, strict=True)
    except ValidationError as error:
        fault = error.errors(include_url=False, include_input=False)[0]
        name = ".".join(str(part) for part in fault["loc"])[:80] or "the file"
        raise BadInput(f"{path}: damaged ({name}: {fault['msg']}); {remedy}") from error
    return record


def read_table(
    path: Path, columns: Collection[str], remedy: str, *, stage: Path | None = None
) -> pd.DataFrame:
    """Read a Parquet file that has certain columns, and others or not.

    Args:
        path: the file.
        columns: that are needed.
        remedy: what to do where they are not there.
        stage: folder of the stage that left it; None: the file lies in that folder.

    Raises:
        FileNotFoundError: if it is missing.
        BadInput: if it is damaged, changed, lacks a column, or unpacks to far more than a table.
    """
    import pandas as pd

    data = read_bytes(path)
    check_listed(path, data, stage=stage)
    try:
        check_size(data)
        repeated = list_repeated(data)
        table = pd.read_parquet(io.BytesIO(data), read_dictionary=repeated)
        # each text once in memory, however often it is repeated
        table = table.astype(dict.fromkeys(repeated, object))
    except Exception as error:  # Damage makes pyarrow raise anything.
        raise BadInput(f"{path}: damaged ({reason(error)}); {remedy}") from error
    if lacking := [name for name in columns if name not in table.columns]:
        raise BadInput(f"{path}: damaged (no column {lacking[0]}); {remedy}")
    return table


def read_arrays(
    path: Path, names: Collection[str], remedy: str
) -> Mapping[str, npt.NDArray[np.uint8]]:
    """Read pictures and masks of 8 bits, as many of each, from a safetensors file.

    Args:
        path: the file.
        names: of the arrays that are needed; others are read too.
        remedy: what to do where they are not there.

    Raises:
        FileNotFoundError: if it is missing.
        BadInput: if it is damaged, changed, lacks an array, or one is of another type or number.
    """
    import numpy as np
    import safetensors.numpy

    data = read_bytes(path)
    check_listed(path, data)
    check_seal(path, data, remedy)
    try:
        arrays = safetensors.numpy.load(data)
    except Exception as error:  # Damage makes it raise anything.
        raise BadInput(f"{path}: damaged ({reason(error)}); {remedy}") from error
    if lacking := [name for name in names if name not in arrays]:
        raise BadInput(f"{path}: damaged (no array {lacking[0]}); {remedy}")
    shapes = {name: (arrays[name].dtype, arrays[name].shape[:3]) for name in names}
    if len(set(shapes.values())) > 1 or next(iter(shapes.values()))[0] != np.uint8:
        raise BadInput(f"{path}: damaged (arrays {_tell(shapes)}); {remedy}")
    return arrays


def _tell(shapes: Mapping[str, Any]) -> str:
    return ", ".join(f"{name} {kind} {list(shape)}" for name, (kind, shape) in shapes.items())


@cache
def _adapter(kind: Any) -> TypeAdapter[Any]:
    return TypeAdapter(kind)
