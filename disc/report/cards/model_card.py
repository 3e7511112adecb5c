"""The model card of a run: filled from its configuration, its stages and its tables."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any

from disc.files import write_bytes
from disc.report import sentences
from disc.report.graders.sentences import grading_sentences
from disc.report.limitations import limitations
from disc.report.numbers import Numbers
from disc.report.run_summary import RunSummary
from disc.report.templates import open_template

NAME = "model_card.md"
_TERMS = {
    True: "These weights were trained on simulated tissue alone; who publishes them says under "
    "which licence.",
    False: "These weights were trained on real tiles: the terms of their data set hold for them, "
    "and who publishes them says under which licence.",
}


def write_model_card(folder: Path, summary: RunSummary, numbers: Numbers) -> None:
    """Write `model_card.md`.

    Args:
        folder: where to.
        summary: what the run found.
        numbers: computed from it.
    """
    card = open_template("model_card.md.jinja", Path(__file__).parent).render(
        name=summary.config["name"],
        facts=_facts(summary),
        stages=summary.stages,
        headline=[*sentences.headline(numbers), *grading_sentences(numbers)],
        limitations=limitations(summary, numbers),
        lacking=[note for note in summary.notes if ": not possible" in note],
        terms=_TERMS[summary.is_simulated],
    )
    write_bytes(folder / NAME, card.encode())


def _facts(summary: RunSummary) -> dict[str, str]:
    """What stands in the first table; no path of any machine."""
    config = summary.config
    root = config["data"]["root"]
    note = summary.data_note if root is None else _shorten(summary.data_note, str(root))
    return {
        "data": note,
        "fold": config["data"]["fold"],
        "condition of the generator": config["denoiser"]["condition"],
        "the generator predicts": {"v": "velocity"}.get(config["denoiser"]["predicts"], "noise"),
        "sampled with": _describe_solver(config["sample"]),
        "synthetic slides of": ", ".join(config["synthesis"]["variants"]),
        "seed": str(config["seed"]),
        "trained on": summary.machine,
        **{name.lower(): f"`{_name_places(fact)}`" for name, fact in summary.made_by.items()},
    }


def _name_places(command: str) -> str:
    """A command whose files and folders are named without where they lie."""
    return re.sub(
        r"(?<![^\s='\"])(?:~|\.{0,2})/[^\s'\"]*", lambda found: Path(found[0]).name, command
    )


def _shorten(note: str, root: str) -> str:
    return note.replace(root, Path(root).name)


def _describe_solver(sample: dict[str, Any]) -> str:
    solver = sample["solver"]
    return f"{solver['name']}, {solver['steps']} steps; plan {sample['plan']}"
