"""What the documentation says is run: its Python, its commands, its links, the paths it names."""

import contextlib
import importlib
import io
import re
import shlex
import shutil
import subprocess
from collections.abc import Iterator
from dataclasses import fields, is_dataclass
from functools import cache
from pathlib import Path
from types import ModuleType
from typing import Any, NamedTuple, get_args, get_type_hints

import pytest

from disc import cli
from disc.audit.request import AuditRequest
from disc.command_line.understand import understand
from disc.data.check.request import CheckRequest
from disc.data.tiling.request import TileRequest
from disc.data.writing.request import ConvertRequest, SelectRequest
from disc.files import BadInput
from disc.model.request import ImportRequest
from disc.phantom.layouts import draw_set
from disc.phantom.request import PhantomRequest
from disc.pipeline.config_file import to_json
from disc.pipeline.request import DoctorRequest
from disc.pipeline.weights.request import ExportRequest
from disc.presets import laptop
from disc.sample.request import BankRequest, SampleRequest, SynthesisRequest
from disc.settings.run import Run
from disc.slides.request import GradeRequest, WsinferRequest
from disc.studio.request import StudioRequest
from disc.study.request import StudyRequest
from tests.docs.scripts import BENCHMARKS, script_options
from tests.tiny_run import write_tiny_run

ROOT = Path(__file__).parents[2]
PAGES = [*(ROOT / f"{name}.md" for name in ("README", "CONTRIBUTING", "SECURITY"))]
PAGES += sorted(p for p in (ROOT / "docs").rglob("*.md") if p.parent.name != "site")
REQUESTS = (
    Run,
    SampleRequest,
    SynthesisRequest,
    BankRequest,
    DoctorRequest,
    CheckRequest,
    AuditRequest,
    TileRequest,
    ConvertRequest,
    SelectRequest,
    ImportRequest,
    ExportRequest,
    StudyRequest,
    GradeRequest,
    WsinferRequest,
    StudioRequest,
)
COMMAND_OPTIONS = {"help", "help-all", "version", "config", "dry-run"}
LANGUAGES = {"sh", "python", "text", "bibtex"}
FENCE = re.compile(r"^( *)```(\S*)\n(.*?)^\1```$", re.M | re.S)
COMMAND = re.compile(r"^(?:torchrun .*? -m (?:-- )?)?disc (.*)")
LINK = re.compile(r"\]\(([^)\s]+)\)")
NAMED_PATH = re.compile(r"(?<![\w/.-])(?:disc|tests|benchmarks|docs)/[\w/.]*\w")
NAMED_OBJECT = re.compile(r"`(?:python -m )?((?:disc|tests)(?:\.\w+)+)\b")


class Block(NamedTuple):
    page: Path
    language: str
    text: str


def blocks(*languages: str) -> Iterator[Block]:
    for page in PAGES:
        for indent, language, text in FENCE.findall(page.read_text(encoding="utf-8")):
            if language in languages or not languages:
                yield Block(page, language, re.sub(f"^{indent}", "", text, flags=re.M))


def prose(page: Path) -> str:
    return FENCE.sub("", page.read_text(encoding="utf-8"))


def commands() -> Iterator[str]:
    """Lines of shell that call `disc`, those in `code` of the prose included, from that word on."""
    for block in blocks("sh"):
        for line in block.text.replace("\\\n", " ").splitlines():
            yield from COMMAND.findall(line)
    for page in PAGES:
        for code in re.findall(r"`([^`]+)`", prose(page)):
            yield from (words for words in COMMAND.findall(code) if "--" in words)


def words_of(command: str, config: Path) -> list[str]:
    """As the shell hands them over: comments gone, braces expanded, and what stands for a preset or
    for the configuration of a run replaced by one.
    """
    command = command.replace("PRESET", "laptop").replace("runs/mine/config.json", str(config))
    if "{" not in command:
        return shlex.split(command, comments=True)
    done = subprocess.run(
        ["bash", "-c", f"printf '%s\\n' {command}"], capture_output=True, text=True, check=True
    )
    return done.stdout.splitlines()


def parse(command: str, folder: Path) -> None:
    """Have the command line understood, and nothing done.

    Raises:
        BadInput: if there is no such command, option or value.
    """
    config = folder / "config.json"
    config.write_bytes(to_json(laptop()))
    with contextlib.redirect_stdout(io.StringIO()) as told:
        try:
            understand(words_of(command, config), cli.COMMANDS, cli.ABOUT)
        except SystemExit as stop:
            assert not stop.code and told.getvalue(), command


def options(owner: Any, prefix: str = "") -> Iterator[str]:
    """Names of the options that a request or configuration has on the command line."""
    hints = get_type_hints(owner, include_extras=True)
    for field in fields(owner):
        given = [getattr(extra, "name", None) for extra in get_args(hints[field.name])[1:]]
        name = next((name for name in given if name is not None), field.name.replace("_", "-"))
        kind = get_type_hints(owner)[field.name]
        if is_dataclass(kind):
            yield from options(kind, f"{prefix}{name}." if name else prefix)
        else:
            yield f"{prefix}{name}"


def test_every_block_says_what_it_is() -> None:
    unknown = [
        (block.page.name, block.text[:40]) for block in blocks() if block.language not in LANGUAGES
    ]
    assert not unknown, f"give one of {LANGUAGES}, or nothing checks them: {unknown}"


@pytest.fixture(scope="module")
def around(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """What the pages speak of: a small data set and a run."""
    folder = tmp_path_factory.mktemp("around")
    request = PhantomRequest(
        out=folder / "lapc", kind="lapc", slides=(0, 1, 0, 0), tile_px=512, core_um=(400, 500)
    )
    draw_set(request)
    write_tiny_run(folder / "runs" / "demo")
    return folder


@pytest.mark.parametrize(
    "page", sorted({block.page for block in blocks("python")}), ids=lambda p: p.name
)
def test_python_runs(
    page: Path, around: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The blocks of a page follow each other, in a folder where a small data set is."""
    shutil.copytree(around, tmp_path, dirs_exist_ok=True)
    monkeypatch.chdir(tmp_path)
    names: dict[str, Any] = {"__name__": "snippet"}
    for block in blocks("python"):
        if block.page == page:
            exec(compile(block.text, str(page), "exec"), names)


def test_commands_are_understood(tmp_path: Path) -> None:
    for command in sorted(set(commands())):
        parse(command, tmp_path)


def test_there_are_commands_and_wrong_ones_are_found(tmp_path: Path) -> None:
    assert len(set(commands())) > 30
    for wrong in ("run laptop --data.rot tiles", "tile --out tiles", "cut --slides a", "run lap"):
        with pytest.raises(BadInput):
            parse(wrong, tmp_path)


@cache
def known_options() -> set[str]:
    requests = (*REQUESTS, PhantomRequest)
    return {*COMMAND_OPTIONS, *(name for request in requests for name in options(request))}


def benchmark_options(page: Path) -> set[str]:
    """Names of the options of all benchmarks that a page names."""
    named = set(re.findall(r"\bbenchmarks/(\w+\.py)", page.read_text(encoding="utf-8")))
    return {option for name in named for option in script_options(BENCHMARKS / name)}


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.name)
def test_options_in_the_text_are_known(page: Path) -> None:
    known = known_options() | benchmark_options(page)
    named = re.findall(r"`(?:[^`\n]* )?--([\w.-]+)[^`\n]*`", prose(page))
    # what is on by default is turned off by --no-...
    plain = {name: re.sub(r"(^|\.)no-", r"\1", name.replace("_", "-")) for name in named}
    unknown = {name for name in named if plain[name] not in known}
    assert not unknown - {"nproc_per_node", "logdir"}  # of torchrun and tensorboard


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.name)
def test_links_lead_somewhere(page: Path) -> None:
    for target in LINK.findall(prose(page)):
        if target.startswith("https://"):
            continue
        path, _, anchor = target.partition("#")
        file = page.parent / path if path else page
        assert file.exists(), target
        assert not anchor or anchor in anchors(file), target


def anchors(page: Path) -> set[str]:
    titles = re.findall(r"^#+ (.+)$", prose(page), re.M)
    return {re.sub(r"[^\w -]", "", title.lower()).replace(" ", "-") for title in titles}


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.name)
def test_paths_and_objects_exist(page: Path) -> None:
    text = page.read_text(encoding="utf-8")
    missing = {path for path in NAMED_PATH.findall(text) if not (ROOT / path).exists()}
    assert not missing, f"{page.name} names what is not there"
    for dotted in set(NAMED_OBJECT.findall(text)):
        assert find(dotted) is not None, f"{page.name}: no {dotted}"


def find(dotted: str) -> Any:
    """The object of a dotted name, or None; modules are imported on the way."""
    parts = dotted.split(".")
    found: Any = importlib.import_module(parts[0])
    for depth, part in enumerate(parts[1:], start=2):
        if not hasattr(found, part) and isinstance(found, ModuleType):
            with contextlib.suppress(ModuleNotFoundError):
                importlib.import_module(".".join(parts[:depth]))
        found = getattr(found, part, None)
    return found
