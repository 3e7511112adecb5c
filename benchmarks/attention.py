"""What TransMIL's attention costs: graders of a study side by side, trained on real tiles only.

Takes the folder of a finished study whose `--graders` were several, and prints the AUROC of each,
and the paired difference to one of them, by test set and label, with the statistics of the study's
own page (95 % over patients and grader seeds). Then one JSON line.

    python benchmarks/attention.py STUDY [--base transmil]
"""

from __future__ import annotations

import json
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated

import pandas as pd
import tyro

from disc.evaluate.graders.slides import auroc_tables


@dataclass(frozen=True)
class Options:
    """What to compare."""

    study: Annotated[Path, tyro.conf.Positional]
    """Folder of a finished study."""
    base: str = "transmil"
    """The grader that the others are held against."""
    draws: int = 20_000
    """Of the bootstrap."""


def side_by_side(scores: pd.DataFrame, base: str) -> pd.DataFrame:
    """Scores of graders of real tiles only, as if each other grader were a variant of one."""
    real = scores[(scores["balance_weight"] == 0) & (scores["label"] != "ISUP")]
    is_base = real["grader"] == base
    return real.assign(
        grader=base,
        variant=real["variant"].where(is_base, real["grader"]),
        balance_weight=(~is_base).astype(float),
    )


def main() -> None:
    """Compare; print two tables for people, and one JSON line."""
    options = tyro.cli(Options)
    scores = pd.read_parquet(options.study / "scores.parquet")
    tables = auroc_tables(side_by_side(scores, options.base), draws=options.draws, seed=0)
    names = ["data_set", "variant", "label"]
    found = [
        table[(table["split"] == "test")].set_index(names).sort_index()[["value", "low", "high"]]
        for table in tables
    ]
    for table in found:
        print(table.round(3).to_string())
    rows = [table.reset_index().to_dict("records") for table in found]
    print(json.dumps({"attention": {"auroc": rows[0], "difference": rows[1]}}))


if __name__ == "__main__":
    main()
