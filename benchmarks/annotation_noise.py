"""How the gain of separated conditions depends on annotation errors.

Runs the pipeline up to mask agreement on the same simulated slides with annotation errors at 0,
1/2, 1 and 2 times the standard level, and prints the paired differences to plain sampling (same
masks, same noise) with 95 % intervals. All runs share the autoencoder of the first.
Target masks have the annotated outlines, so they too change with the errors. About ten minutes a
run on two cores; stopped, the same command resumes.

    python benchmarks/annotation_noise.py [--preset laptop] [--out runs/annotation-noise]
"""

from __future__ import annotations

import json
from dataclasses import dataclass, replace
from pathlib import Path

import pandas as pd
import tyro

from disc.cli import prepare_process
from disc.presets import PRESETS


@dataclass(frozen=True)
class Options:
    """What to run."""

    preset: str = "laptop"
    """Name of a preset that simulates the phantom."""
    out: Path = Path("runs/annotation-noise")
    """Folder of the runs."""
    noises: tuple[float, ...] = (1.0, 0.0, 0.5, 2.0)
    """Annotation errors, as multiples of the standard level."""


def measure(options: Options, noise: float) -> pd.DataFrame:
    """Differences of mask agreement to `sd` at one level of annotation errors."""
    from disc.evaluate.agreement import REFERENCES, difference_table
    from disc.pipeline.run import execute

    run = PRESETS[options.preset]()
    name, first = f"noise-{noise:g}", f"noise-{options.noises[0]:g}"
    source = None if name == first else options.out / first / "autoencoder"
    run = replace(
        run,
        name=name,
        out=options.out,
        phantom=replace(run.phantom, annotation_noise=noise),
        autoencoder=replace(run.autoencoder, source=source),
        until="agreement",
    )
    execute(run)
    table = pd.read_parquet(options.out / name / "agreement.parquet")
    generated = table[~table["variant"].isin(REFERENCES)]
    num_bootstrap = run.evaluate.num_bootstrap
    return difference_table(generated, draws=num_bootstrap, seed=run.seed).assign(noise=noise)


def main() -> None:
    """Run; print a table, and one JSON line with every difference."""
    prepare_process()
    options = tyro.cli(Options)
    table = pd.concat([measure(options, noise) for noise in options.noises])
    table = table.sort_values(["kind", "variant", "noise"])
    columns = ["kind", "variant", "noise", "value", "low", "high", "tiles", "slides"]
    print(table[columns].to_string(index=False, float_format=lambda number: f"{number:.3f}"))
    print(json.dumps({"differences": table[columns].to_dict("records")}))


if __name__ == "__main__":
    main()
