"""A notebook as a page: text, code, and what came out when it was last run and saved."""

from __future__ import annotations

import json
import re
from pathlib import Path
from typing import Any


def as_markdown(path: Path) -> str:
    """The cells of a notebook, headings one level down, and their outputs."""
    cells = json.loads(path.read_text(encoding="utf-8"))["cells"]
    return "\n\n".join(part for cell in cells for part in _parts(cell))


def _parts(cell: dict[str, Any]) -> list[str]:
    text = "".join(cell["source"])
    if cell["cell_type"] == "markdown":
        return [re.sub(r"^# .*\n", "", text)]
    return [f"```python\n{text}\n```", *map(_output, cell["outputs"])]


def _output(output: dict[str, Any]) -> str:
    data = output.get("data", {})
    if "image/png" in data:
        encoded = "".join(data["image/png"]).replace("\n", "")
        return f"![what the cell above draws](data:image/png;base64,{encoded})"
    text = "".join(output.get("text", data.get("text/plain", ""))).rstrip()
    return f"```text\n{text}\n```"
