"""Which options a benchmark takes, as its text says: importing one would take too long."""

import ast
from collections.abc import Iterator
from functools import cache
from pathlib import Path

ROOT = Path(__file__).parents[2]
BENCHMARKS = ROOT / "benchmarks"


@cache
def script_options(script: Path) -> frozenset[str]:
    """Names of options, without the hyphens before them: argparse's, and tyro's of a dataclass."""
    found = {"help"}
    for call in ast.walk(_tree(script)):
        if isinstance(call, ast.Call) and isinstance(call.func, ast.Attribute):
            if call.func.attr == "add_argument":
                names = [name.value for name in call.args if isinstance(name, ast.Constant)]
                found |= {name.removeprefix("--") for name in names if name.startswith("--")}
            elif ast.unparse(call.func) == "tyro.cli":
                found |= set(_fields(script, ast.unparse(call.args[0])))
    return frozenset(found)


@cache
def _tree(script: Path) -> ast.Module:
    return ast.parse(script.read_text(encoding="utf-8"))


def _fields(script: Path, name: str) -> Iterator[str]:
    """Options of a dataclass of a script, or of another that it imports; those of its parts too."""
    for node in _tree(script).body:
        if isinstance(node, ast.ImportFrom) and name in [alias.name for alias in node.names]:
            other = BENCHMARKS / f"{node.module}.py"
            yield from _fields(other, name) if other.exists() else ()
        elif isinstance(node, ast.ClassDef) and node.name == name:
            for field in (part for part in node.body if isinstance(part, ast.AnnAssign)):
                parts = {n.id for n in ast.walk(field.annotation) if isinstance(n, ast.Name)}
                inner = [option for part in sorted(parts) for option in _fields(script, part)]
                is_option = "Positional" not in ast.unparse(field.annotation)
                yield from inner or [ast.unparse(field.target).replace("_", "-")] * is_option
