"""Words into a request by tyro, and what it cannot understand into one line."""

from __future__ import annotations

import io
import re
import sys
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import contextmanager, redirect_stderr
from difflib import get_close_matches
from itertools import takewhile
from typing import Any

import tyro

from disc.command_line.options import Option, list_options
from disc.files import BadInput
from disc.pipeline.renamed import find_new_name

MAX_SUGGESTIONS = 3


def parse_request(request: type[Any], words: Sequence[str], *, prog: str, default: Any) -> Any:
    """The request that some words make.

    Args:
        request: its dataclass.
        words: options and what they are given.
        prog: the words before them.
        default: what the options change; None: the defaults of the dataclass.

    Raises:
        BadInput: if they cannot be understood; in one line, where tyro draws a box.
    """
    options = list(list_options(request, default))
    flags = [option.flag for option in options if not option.is_positional]
    words = place_named(words, [option for option in options if option.is_positional])
    given = {} if default is None else {"default": default}
    with _in_one_line(prog, lambda box: tell_box(box, words, flags)):
        try:
            return tyro.cli(request, prog=prog, args=list(words), **given)
        except ValueError as error:
            # of a whole configuration, whose parts contradict each other: tyro lets that through
            raise BadInput(f"{error}; see {prog} --help") from error


def parse_some(request: type[Any], words: Sequence[str], *, prog: str) -> Any:
    """What of a request some words say, among others that are not looked at.

    Raises:
        BadInput: if it cannot be understood.
    """
    with _in_one_line(prog, lambda box: tell_box(box, words, [])):
        return tyro.cli(request, prog=prog, args=list(words), return_unknown_args=True)[0]


def place_named(words: Sequence[str], options: Sequence[Option]) -> list[str]:
    """Words in which what is known by its place stands there, also where it was given by name.

    Args:
        words: of a command line.
        options: those that are known by their place, in order.

    Raises:
        BadInput: if a name has no value, or the first is neither named nor in its place.
    """
    rest, named = list(words), dict[str, list[str]]()
    for option in options:
        for at, word in enumerate(rest):
            flag, equals, value = word.partition("=")
            if flag != option.flag:
                continue
            bare = list(takewhile(lambda word: not word.startswith("-"), rest[at + 1 :]))
            taken = bare if option.is_list else bare[:1]
            if not (equals or taken):
                raise BadInput(f"{flag}: without a value; give one after it")
            named[flag] = [value] if equals else taken
            rest[at : at + 1 + (0 if equals else len(taken))] = []
            break
    if not named:
        return rest
    leading = len(list(takewhile(lambda word: not word.startswith("-"), rest)))
    if not leading and options[0].flag not in named and len(rest) > 0:
        first_name = options[0].flag.removeprefix("--")
        raise BadInput(
            f"{next(iter(named))} is given by name, {first_name} is not: give both by name, or "
            f"{first_name} first"
        )
    first = named.pop(options[0].flag, [])
    others = [word for values in named.values() for word in values]
    return [*first, *rest[:leading], *others, *rest[leading:]]


def choose(name: str, names: Iterable[str], what: str) -> None:
    """Refuse a name that is none of some names.

    Raises:
        BadInput: with those that there are, and the one that may be meant.
    """
    known = list(names)
    if name not in known:
        near = _did_you_mean(get_close_matches(name, known, n=1)) or ";"
        raise BadInput(f"no {what} '{name}'{near} choose one of {', '.join(known)}")


def tell_box(box: str, words: Sequence[str], flags: Sequence[str]) -> str:
    """What tyro says in a box of several parts, as one line, with the options that may be meant.

    Args:
        box: of several parts, divided by rules.
        words: that were not understood.
        flags: the options that there are.
    """
    parts = _parts(box)
    if not parts:
        return " ".join(box.split())
    # what a request itself refuses comes with the name of a class, which tells people nothing
    said = re.sub(r"^Error parsing ((?!--)\S+: )?", "", " ".join(parts[0])).rstrip(".")
    missing, unknown = _flags(parts, "Missing from"), _unknown_flags(words, parts)
    if missing:
        said = "; ".join(
            [f"missing: {', '.join(missing)}"]
            + [f"Unrecognized options: {', '.join(unknown)}"] * bool(unknown)
        )
    renamed = [f"{word} is now called {new}" for word in unknown if (new := _new_flag(word))]
    if renamed:
        return f"{', '.join(renamed)};"
    near = _flags(parts, "Perhaps you meant") or _nearest(unknown, missing or flags)
    return said + (_did_you_mean(near[:MAX_SUGGESTIONS]) or ";")


@contextmanager
def _in_one_line(prog: str, tell: Callable[[str], str]) -> Iterator[None]:
    """Turn a box of tyro's into one line, and let through what else it says."""
    told = io.StringIO()
    try:
        with redirect_stderr(told):
            yield
    except SystemExit as stop:
        if not stop.code:
            raise
        raise BadInput(f"{tell(told.getvalue())} see {prog} --help") from stop
    sys.stderr.write(told.getvalue())


def _parts(box: str) -> list[list[str]]:
    """Lines of the parts between a box's rules; its frame is drawn, or of spaces and dashes."""
    lines = box.splitlines()
    # the frame's top and bottom, and what stands left of the text
    first, last, margin = (1, -1, 2) if box.startswith("╭") else (2, None, 2)
    parts: list[list[str]] = [[]]
    for line in (line.rstrip("│ ")[margin:] for line in lines[first:last]):
        if set(line) in ({"─"}, {"-"}):
            parts.append([])
        else:
            parts[-1].append(line)
    return [part for part in parts if part]


def _flags(parts: Sequence[Sequence[str]], title: str) -> list[str]:
    """The options that a part lists below its title."""
    lines = [line for part in parts if part and part[0].startswith(title) for line in part]
    found = (re.match(r" +(--[\w.-]+)", line) for line in lines)
    return list(dict.fromkeys(match[1] for match in found if match))


def _unknown_flags(words: Sequence[str], parts: Sequence[Sequence[str]]) -> list[str]:
    """The options among some words that tyro lists as unrecognised."""
    said = (" ".join(part) for part in parts if part and part[0].startswith("Unrecognized"))
    listed = {token.rstrip(",") for text in said for token in text.split()}
    return [word for word in words if word.startswith("--") and word in listed]


def _new_flag(word: str) -> str | None:
    name = find_new_name(word.partition("=")[0].removeprefix("--"))
    return f"--{name.replace('_', '-')}" if name else None


def _nearest(unknown: Sequence[str], flags: Sequence[str]) -> list[str]:
    """Options that are spelled alike, as a whole or in their last part."""
    near: list[str] = []
    for word in (word.partition("=")[0] for word in unknown):
        last = {flag: f"--{flag.removeprefix('--').split('.')[-1]}" for flag in flags}
        leaves = get_close_matches(word, set(last.values()), n=1, cutoff=0.75)
        alike = [flag for flag in flags if last[flag] in leaves]
        near += get_close_matches(word, flags, n=1, cutoff=0.75) or alike
    return near


def _did_you_mean(names: Sequence[str]) -> str:
    return f"; did you mean {' or '.join(names)}?" if names else ""
