"""Draws docs/paper_map.md from the `Paper:` and `Differs from paper:` tags in docstrings."""

import ast
import re
from collections.abc import Iterator
from functools import cache
from pathlib import Path
from typing import NamedTuple

ROOT = Path(__file__).parents[1]
PAPER_MAP = ROOT / "docs" / "paper_map.md"
TAG = re.compile(
    r"^ *(Paper|Differs from paper): *(.+?)(?=\n\s*\n|\n *[A-Z][\w ]*:|\Z)", re.M | re.S
)
HEAD = """# Where the paper stands in the code

Made from the `Paper:` tags in the docstrings by `make format`. Sections and equations are those of
Ho et al., arXiv 2404.13097.
"""


class Tag(NamedTuple):
    kind: str
    text: str
    name: str
    path: Path


@cache
def tree_of(path: Path) -> ast.Module:
    """What a file holds, parsed once."""
    return ast.parse(path.read_text())


def documented(node: ast.AST, name: str) -> Iterator[tuple[str, str]]:
    """Names and docstrings in a module: of itself, classes, functions, and of fields."""
    body = getattr(node, "body", [])
    for before, statement in zip([None, *body], body, strict=False):
        if isinstance(statement, ast.ClassDef | ast.FunctionDef):
            yield from documented(statement, f"{name}.{statement.name}".lstrip("."))
        if isinstance(statement, ast.Expr) and isinstance(statement.value, ast.Constant):
            target = getattr(before, "target", None) or getattr(before, "targets", [None])[0]
            field = f".{target.id}" if isinstance(target, ast.Name) else ""
            yield f"{name}{field}".lstrip("."), str(statement.value.value)


def find_tags() -> Iterator[Tag]:
    for path in sorted((ROOT / "disc").rglob("*.py")):
        for name, text in documented(tree_of(path), ""):
            for kind, words in TAG.findall(text):
                yield Tag(kind, " ".join(words.split()), name, path.relative_to(ROOT))


def place(tag: Tag) -> tuple[list[int], str]:
    """Order of the paper: by section, then by file."""
    section = re.search(r"Sec\. (\d+(?:\.\d+)*)", tag.text)
    numbers = [int(part) for part in section[1].split(".")] if section else [99]
    return numbers, f"{tag.path} {tag.name}"


def table(tags: list[Tag], first: str) -> str:
    rows = [f"\n| {first} | code |\n|---|---|"]
    for tag in sorted(tags, key=place):
        code = f"`{tag.name}` in " if tag.name else ""
        text = tag.text.replace("|", "\\|")
        rows.append(f"| {text} | {code}[{tag.path}](../{tag.path}) |")
    return "\n".join(rows) + "\n"


def draw_map() -> str:
    tags = list(find_tags())
    followed = [tag for tag in tags if tag.kind == "Paper"]
    differs = [tag for tag in tags if tag.kind != "Paper"]
    page = HEAD + table(followed, "paper")
    return page + "\n## Where the code differs, and why\n" + table(differs, "difference")


if __name__ == "__main__":
    PAPER_MAP.write_text(draw_map())
