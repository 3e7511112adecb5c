"""The house rules that a program can check: order of rooms, sizes, docstrings, light imports."""

import ast
import subprocess
import sys
from collections.abc import Callable, Iterator
from graphlib import TopologicalSorter
from pathlib import Path

import pytest

from tests.conftest import group_of
from tests.paper_map import PAPER_MAP, draw_map, tree_of

ROOT = Path(__file__).parents[1]
ROOMS = (
    *("labels", "files", "records", "seeds", "settings", "processes", "busy", "progress"),
    *("data", "phantom", "masks", "model", "sample", "train", "grade", "evaluate", "report"),
    *("audit", "slides", "gpu_presets", "presets", "pipeline", "study"),
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


def check_each(paths: list[Path], check: Callable[[Path], None]) -> None:
    """Fail with what is wrong in every file: a test for each file would take ten times as long."""
    faults = []
    for path in paths:
        try:
            check(path)
        except AssertionError as error:
            faults.append(f"{name_of(path)}: {error}")
    assert not faults, "\n".join(faults)


def statements(node: ast.AST) -> Iterator[ast.AST]:
    """What stands below a node; expressions, most of a file, hold no statement."""
    for child in ast.iter_child_nodes(node):
        if not isinstance(child, ast.expr):
            yield child
            yield from statements(child)


def functions(path: Path) -> Iterator[Function]:
    return (node for node in statements(tree_of(path)) if isinstance(node, Function))


def imported_rooms(path: Path) -> Iterator[str]:
    for node in statements(tree_of(path)):
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
    for node in statements(tree_of(path)):
        if isinstance(node, ast.ImportFrom):
            for alias in node.names:
                within = f"{node.module}.{alias.name}"
                found.add(within if within in MODULES else str(node.module))
        elif isinstance(node, ast.Import):
            found |= {alias.name for alias in node.names}
    return found & MODULES.keys()


def check_imports(path: Path) -> None:
    """Benchmarks and tests are not type-checked: a module that moved is missed there."""
    for node in statements(tree_of(path)):
        if isinstance(node, ast.ImportFrom) and str(node.module).startswith("disc."):
            assert node.module in MODULES, f"line {node.lineno}: there is no {node.module}"


def test_scripts_import_modules_that_there_are() -> None:
    check_each(SCRIPTS, check_imports)


def body_lines(function: Function) -> int:
    is_documented = ast.get_docstring(function, clean=False) is not None
    body = function.body[is_documented:]
    return body[-1].end_lineno - body[0].lineno + 1 if body else 0


def depth(node: ast.AST) -> int:
    """Blocks within blocks; `elif` goes no deeper, `with` and comprehensions are free."""
    is_elif = (
        isinstance(node, ast.If) and len(node.orelse) == 1 and isinstance(node.orelse[0], ast.If)
    )
    chained = [depth(node.orelse[0])] if is_elif else []
    below = [c for c in ast.iter_child_nodes(node) if not isinstance(c, ast.expr)]
    inner = [depth(c) for c in below if not (is_elif and c is node.orelse[0])]
    return max([isinstance(node, Block) + max(inner, default=0), *chained])


def check_rooms(path: Path) -> None:
    room = path.relative_to(ROOT / "disc").parts[0].removesuffix(".py")
    if room == "__init__":
        assert not list(imported_rooms(path))
        return
    for other in imported_rooms(path):
        assert ROOMS.index(other) <= ROOMS.index(room), f"{room} imports {other}"


def test_a_room_imports_only_itself_and_rooms_above() -> None:
    check_each(SOURCES, check_rooms)


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


def check_folder(folder: Path) -> None:
    files = [path for path in folder.iterdir() if path.is_file() and path.name != "py.typed"]
    assert len(files) <= 16, f"{len(files)} files"


def test_no_folder_is_a_thicket() -> None:
    check_each(sorted({path.parent for path in SOURCES}), check_folder)


def check_sizes(path: Path) -> None:
    num_lines = len(path.read_text().splitlines())
    assert num_lines <= 300, f"{num_lines} lines"
    for function in functions(path):
        where = f"{function.name}, line {function.lineno}"
        assert body_lines(function) <= 40, f"{where}: {body_lines(function)} lines"
        assert depth(function) <= 3, f"{where}: blocks {depth(function)} deep"
        taken = [a.arg for a in (*function.args.posonlyargs, *function.args.args)]
        assert len(set(taken) - {"self", "cls"}) <= 5, f"{where}: {taken}"


def test_sizes() -> None:
    check_each([*SOURCES, *SCRIPTS], check_sizes)


def check_docstrings(path: Path) -> None:
    tree = tree_of(path)
    assert ast.get_docstring(tree), "the module has no docstring"
    if path.name == "__init__.py" and path.parent.name != "disc":
        assert len(tree.body) == 1, "a room's __init__ is a docstring and nothing else"
    classes = [n for n in tree.body if isinstance(n, ast.ClassDef) and n.name[0] != "_"]
    for node in [*tree.body, *(method for kept in classes for method in kept.body)]:
        if isinstance(node, Function | ast.ClassDef) and not node.name.startswith("_"):
            assert ast.get_docstring(node), f"{node.name}, line {node.lineno}: no docstring"


def test_docstrings() -> None:
    check_each(SOURCES, check_docstrings)


def test_what_is_wrong_is_named() -> None:
    def refuse(path: Path) -> None:
        assert path.name != "cli.py", "not this one"

    with pytest.raises(AssertionError, match=r"^disc/cli.py: not this one"):
        check_each(SOURCES, refuse)


def test_the_command_starts_without_torch() -> None:
    code = "import sys, disc.cli, disc.presets; sys.exit('torch' in sys.modules)"
    assert subprocess.run([sys.executable, "-c", code], check=False, cwd=ROOT).returncode == 0


def test_paper_map_is_up_to_date() -> None:
    assert PAPER_MAP.read_text() == draw_map(), "make format writes it anew"


def test_what_shares_fixtures_is_one_group(request: pytest.FixtureRequest) -> None:
    assert group_of(request.node.nodeid) == "test_house.py"
    assert group_of("tests/studio/test_page.py::test_undo[2]") == "studio"
