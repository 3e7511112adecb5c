"""The options of a request, listed from its dataclasses: name, type, default, explanation."""

from __future__ import annotations

import ast
import inspect
import textwrap
from collections.abc import Iterator
from dataclasses import MISSING, dataclass, fields, is_dataclass, replace
from functools import cache
from typing import Annotated, Any, get_args, get_origin, get_type_hints

from tyro.conf import Positional, arg


@dataclass(frozen=True)
class Option:
    """One option.

    Attributes:
        path: its name with dots, as in `denoiser.optim.lr`; with underscores, as in the settings.
        hint: its type, with what tyro is told of it.
        default: its value where it is not given; MISSING: it must be given.
        text: what it is.
        group: what the settings are of which it is one.
    """

    path: str
    hint: Any
    default: Any
    text: str
    group: str

    @property
    def flag(self) -> str:
        """What is typed."""
        return f"--{self.path.replace('_', '-')}"

    @property
    def is_positional(self) -> bool:
        """Whether it is known by its place, without a name."""
        return any(item is Positional for item in get_args(self.hint)[1:])

    @property
    def is_list(self) -> bool:
        """Whether it takes any number of words."""
        hint = get_args(self.hint)[0] if get_origin(self.hint) is Annotated else self.hint
        return get_origin(hint) is tuple


def list_options(kind: type[Any], default: Any = None, *, path: str = "") -> Iterator[Option]:
    """Every option of a dataclass and of the dataclasses in it.

    Args:
        kind: the dataclass.
        default: an instance that holds the defaults; None: those of its fields.
        path: where it stands in another.
    """
    key: Any = kind  # that a type[Any] can be a key is not known to mypy
    hints, texts = _read_hints(key), read_texts(key)
    group = inspect.cleandoc(kind.__doc__ or "").splitlines()[0]
    for field in fields(kind):
        hint, name = hints[field.name], _name_of(hints[field.name])
        inner = ".".join(filter(None, (path, field.name if name is None else name)))
        value = _default_of(field) if default is None else getattr(default, field.name)
        plain = get_args(hint)[0] if get_origin(hint) is Annotated else hint
        if is_dataclass(plain) and isinstance(plain, type):
            yield from list_options(plain, None if value is MISSING else value, path=inner)
        else:
            yield Option(inner, hint, value, texts.get(field.name, ""), group)


@cache
def read_texts(kind: type[Any]) -> dict[str, str]:
    """The line of docstring under each field of a dataclass."""
    (node,) = ast.parse(textwrap.dedent(inspect.getsource(kind))).body
    assert isinstance(node, ast.ClassDef)
    found: dict[str, str] = {}
    for before, after in zip(node.body, node.body[1:], strict=False):
        match before, after:
            case ast.AnnAssign(target=ast.Name(id=name)), ast.Expr(value=ast.Constant(value=text)):
                found[name] = " ".join(str(text).split())
    return found


def rename(option: Option, name: str) -> Any:
    """The type of an option under another name, with its explanation, for a parser that shows it.

    An empty default is called none.
    """
    text = option.text
    config = arg(
        name=name.replace("_", "-"),
        help=text,
        help_behavior_hint=lambda value: f"(default: {value.strip(chr(39)) or 'none'})",
    )
    return Annotated[option.hint, config]


def without_kinds(option: Option, kinds: tuple[str, ...]) -> Option:
    """An option whose explanation does not begin with the kinds of data sets that have it."""
    first, colon, rest = option.text.partition(": ")
    is_list = bool(colon) and all(word in kinds for word in first.split(", "))
    return replace(option, text=rest[:1].upper() + rest[1:]) if is_list else option


@cache
def _read_hints(kind: type[Any]) -> dict[str, Any]:
    return get_type_hints(kind, include_extras=True)


def _name_of(hint: Any) -> str | None:
    """The name that tyro is told to use instead of a field's."""
    metadata = get_args(hint)[1:] if get_origin(hint) is Annotated else ()
    names = [getattr(item, "name", None) for item in metadata]
    return next((name for name in names if isinstance(name, str)), None)


def _default_of(field: Any) -> Any:
    return field.default_factory() if field.default_factory is not MISSING else field.default
