"""Lines of shell that call something else than `disc`: targets, scripts, options, extras exist.

They are read, not run; `test_snippets.py` reads those that call `disc`.
"""

import importlib.util
import re
import shlex
import tomllib
from collections.abc import Iterator

import pytest

from tests.docs.scripts import BENCHMARKS, ROOT, script_options
from tests.docs.test_snippets import COMMAND, PAGES, blocks, prose

PROJECT = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]
TARGETS = re.findall(r"^([\w-]+):(?!=)", (ROOT / "Makefile").read_text(), re.M)


def lines() -> Iterator[str]:
    """Those of blocks, and pieces of prose that begin as such lines do."""
    for block in blocks("sh"):
        for line in block.text.replace("\\\n", " ").splitlines():
            if line.strip() and not line.startswith("#") and not COMMAND.match(line):
                yield line
    for page in PAGES:
        for code in re.findall(r"`([^`]+)`", prose(page)):
            yield from [code] if code.split()[0] in CHECKS and " " in code else []


def check_make(*words: str) -> str | None:
    named = dict(word.split("=") for word in words if "=" in word)
    if missing := {word for word in words if "=" not in word} - {*TARGETS}:
        return f"no target {missing}"
    name = named.get("NAME", "...")
    return None if name == "..." or (BENCHMARKS / f"{name}.py").exists() else f"no {name}"


def check_pip(*words: str) -> str | None:
    for word in words:
        name, extra = (re.findall(r"^([\w.-]+)\[(\w+)\]$", word) or [("", "")])[0]
        if name in (".", PROJECT["name"]) and extra not in PROJECT["optional-dependencies"]:
            return f"no extra {extra}"
    listed = [words[i + 1] for i, word in enumerate(words) if word == "-c"]
    return next((f"no {name}" for name in listed if not (ROOT / name).exists()), None)


def check_python(*words: str) -> str | None:
    if words[0] == "-m":
        is_there = words[1] == "venv" or importlib.util.find_spec(words[1]) is not None
        return None if is_there else f"no module {words[1]}"
    if words[0] == "-c":
        return None
    script = ROOT / words[0]
    if not script.exists():
        return f"no {words[0]}"
    given = [word[2:].partition("=")[0] for word in words[1:] if word.startswith("--")]
    known = script_options(script)
    unknown = [name for name in given if not {name, name.removeprefix("no-")} & known]
    return f"{words[0]} has no option {unknown}" if unknown else None


CHECKS = {
    "make": check_make,
    "pip": check_pip,
    "uv": check_pip,
    "python": check_python,
    "python3": check_python,
    "source": lambda *words: None if words == (".venv/bin/activate",) else "no such file",
    ".venv/bin/pytest": lambda *words: None,
}


def fault(line: str) -> str | None:
    """What is wrong in a line, or None."""
    program, *words = shlex.split(line, comments=True)
    return CHECKS[program](*words) if program in CHECKS else f"nothing checks {program}"


def test_other_commands_name_what_there_is() -> None:
    faults = {line: said for line in lines() if (said := fault(line))}
    assert not faults
    assert {line.split()[0] for line in lines()} >= {"make", "pip", "python", "source", "uv"}


@pytest.mark.parametrize(
    ("line", "said"),
    [
        ("make tests", "no target"),
        ("make bench NAME=none", "no none"),
        ("pip install -c constraints.txt '.[studios]'", "no extra studios"),
        ("pip install 'disc-gleason[docz]'  # comment", "no extra docz"),
        ("uv pip install -c constraint.txt .", "no constraint.txt"),
        ("python benchmarks/grades.py disc/shipped", "no benchmarks/grades.py"),
        ("python benchmarks/grade.py disc/shipped --part accuracy", "no option"),  # argparse: parts
        ("python benchmarks/student.py RUN --mask 160", "no option"),  # tyro: masks
        ("python benchmarks/audit_study.py RUN --runs RUN", "no option"),  # stands without a name
        ("python -m disc.phantom.sheets out.png", "no module"),
        ("conda install disc", "nothing checks conda"),
    ],
)
def test_wrong_lines_are_found(line: str, said: str) -> None:
    assert said in (fault(line) or "")


def test_options_of_parts_that_another_script_defines_are_known() -> None:
    assert {"real", "canary-labels"} <= script_options(BENCHMARKS / "audit_study.py")
    assert "runs" not in script_options(BENCHMARKS / "audit_study.py")
