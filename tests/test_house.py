"""The house rules that a program can check: order of rooms, sizes, docstrings, light imports."""

import ast
import subprocess
import sys
from collections.abc import Iterator
from graphlib import TopologicalSorter
from pathlib import Path

import pytest

from tests.paper_map import PAPER_MAP, draw_map

ROOT = Path(__file__).parents[1]
ROOMS = (
    *("labels", "files", "records", "seeds", "settings", "processes", "progress"),
    *("data", "phantom", "masks", "model", "sample", "train", "grade", "evaluate", "report"),
    *("audit", "slides", "paper_presets", "presets", "pipeline", "study"),
    *("asked", "api", "studio"),
    *("command_line", "cli", "__main__"),
)
INNER_ROOMS = {
    "data": (
        *("tables", "pixels", "wsi", "tiles", "readers", "writing", "tiling", "trained_on"),
        "check",
    ),
    "pipeline": (
        *("renamed", "config_file", "request", "doctor", "made_by", "stage", "context"),
        *("configurations", "evaluation_masks", "galleries", "stages"),
        *("stage_work", "weights", "input_facts", "stage_list", "run", "dry_run", "demo_picture"),
    ),
}
"""Rooms within a room, and files beside them, each importing only those before it."""
SOURCES = sorted((ROOT / "disc").rglob("*.py"))
MODULES = {
    ".".join(path.relative_to(ROOT).with_suffix("").parts).removesuffix(".__init__"): path
    for path in SOURCES
}
SCRIPTS = sorted([*(ROOT / "tests").rglob("*.py"), *(ROOT / "benchmarks").rglob("*.py")])
Function = ast.FunctionDef | ast.AsyncFunctionDef
Block = ast.If | ast.For | ast.AsyncFor | ast.While | ast.Match | ast.Try


def name_of(path: Path) -> str:
    return str(path.relative_to(ROOT))


def functions(path: Path) -> Iterator[Function]:
    tree = ast.parse(path.read_text())
    return (node for node in ast.walk(tree) if isinstance(node, Function))


def imported_rooms(path: Path) -> Iterator[str]:
    for node in ast.walk(ast.parse(path.read_text())):
        if isinstance(node, ast.ImportFrom) and node.module == "disc":
            yield from (alias.name for alias in node.names)
        names = [alias.name for alias in node.names] if isinstance(node, ast.Import) else []
        if isinstance(node, ast.ImportFrom):
            assert node.level == 0, f"{name_of(path)}:{node.lineno}: relative import"
            names = [node.module or ""]
        yield from (name.split(".")[1] for name in names if name.startswith("disc."))


def imported_modules(path: Path) -> set[str]:
    """Modules of ours that a file imports, anywhere in it."""
    found = set()
    for node in ast.walk(ast.parse(path.read_text())):
        if isinstance(node, ast.ImportFrom):
            for alias in node.names:
                within = f"{node.module}.{alias.name}"
                found.add(within if within in MODULES else str(node.module))
        elif isinstance(node, ast.Import):
            found |= {alias.name for alias in node.names}
    return found & MODULES.keys()


def body_lines(function: Function) -> int:
    body = function.body[1:] if ast.get_docstring(function) is not None else function.body
    return body[-1].end_lineno - body[0].lineno + 1 if body else 0


def depth(node: ast.AST) -> int:
    """Blocks within blocks; `elif` goes no deeper, `with` and comprehensions are free."""
    is_elif = (
        isinstance(node, ast.If) and len(node.orelse) == 1 and isinstance(node.orelse[0], ast.If)
    )
    chained = [depth(node.orelse[0])] if is_elif else []
    inner = [depth(c) for c in ast.iter_child_nodes(node) if not (is_elif and c is node.orelse[0])]
    return max([isinstance(node, Block) + max(inner, default=0), *chained])


@pytest.mark.parametrize("path", SOURCES, ids=name_of)
def test_a_room_imports_only_itself_and_rooms_above(path: Path) -> None:
    room = path.relative_to(ROOT / "disc").parts[0].removesuffix(".py")
    if room == "__init__":
        assert not list(imported_rooms(path))
        return
    for other in imported_rooms(path):
        assert ROOMS.index(other) <= ROOMS.index(room), f"{room} imports {other}"


@pytest.mark.parametrize("room", INNER_ROOMS)
def test_within_a_room_nothing_imports_back_up(room: str) -> None:
    order, start = INNER_ROOMS[room], f"disc.{room}."
    inside = {name for name in MODULES if name.startswith(start)}
    assert {name.split(".")[2] for name in inside} == set(order)
    for name in inside:
        for other in imported_modules(MODULES[name]) & inside:
            here, there = name.split(".")[2], other.split(".")[2]
            assert order.index(there) <= order.index(here), f"{name} imports {other}"


def test_no_files_import_each_other_in_a_circle() -> None:
    graph = {name: imported_modules(path) for name, path in MODULES.items()}
    TopologicalSorter(graph).prepare()  # raises CycleError, naming the circle


@pytest.mark.parametrize("folder", sorted({path.parent for path in SOURCES}), ids=name_of)
def test_no_folder_is_a_thicket(folder: Path) -> None:
    files = [path for path in folder.iterdir() if path.is_file() and path.name != "py.typed"]
    assert len(files) <= 16, f"{len(files)} files"


@pytest.mark.parametrize("path", [*SOURCES, *SCRIPTS], ids=name_of)
def test_sizes(path: Path) -> None:
    assert len(path.read_text().splitlines()) <= 300
    for function in functions(path):
        where = f"{function.name}, line {function.lineno}"
        assert body_lines(function) <= 40, f"{where}: {body_lines(function)} lines"
        assert depth(function) <= 3, f"{where}: blocks {depth(function)} deep"
        taken = [a.arg for a in (*function.args.posonlyargs, *function.args.args)]
        assert len(set(taken) - {"self", "cls"}) <= 5, f"{where}: {taken}"


@pytest.mark.parametrize("path", SOURCES, ids=name_of)
def test_docstrings(path: Path) -> None:
    tree = ast.parse(path.read_text())
    assert ast.get_docstring(tree), "the module has no docstring"
    if path.name == "__init__.py" and path.parent.name != "disc":
        assert len(tree.body) == 1, "a room's __init__ is a docstring and nothing else"
    classes = [n for n in tree.body if isinstance(n, ast.ClassDef) and n.name[0] != "_"]
    for node in [*tree.body, *(method for kept in classes for method in kept.body)]:
        if isinstance(node, Function | ast.ClassDef) and not node.name.startswith("_"):
            assert ast.get_docstring(node), f"{node.name}, line {node.lineno}: no docstring"


def test_the_command_starts_without_torch() -> None:
    code = "import sys, disc.cli, disc.presets; sys.exit('torch' in sys.modules)"
    assert subprocess.run([sys.executable, "-c", code], check=False, cwd=ROOT).returncode == 0


def test_paper_map_is_up_to_date() -> None:
    assert PAPER_MAP.read_text() == draw_map(), "make format writes it anew"
