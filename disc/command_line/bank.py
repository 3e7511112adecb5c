"""What `disc bank` does: bundles of separated conditions, in a folder of their own."""

from __future__ import annotations

from dataclasses import replace

from disc.api import load
from disc.files import BadInput
from disc.model.latent_shape import LATENT_FACTOR
from disc.sample.bank import INDEX, fill_bank, list_shards, read_bank
from disc.sample.request import BankRequest


def make_bank(request: BankRequest) -> str:
    """Fill a bank and check it.

    Returns:
        What it holds, in a line.

    Raises:
        FileNotFoundError: if there is no such run.
        BadInput: if the run has no `sd`, or `out` holds something else.
    """
    model = load(request.run)
    sampler = model.sampler("sd-sc", steps=request.steps)
    own = {*list_shards(request.out), request.out / INDEX}
    if request.out.is_file() or any(
        child not in own and child.name[0] != "." for child in request.out.glob("*")
    ):
        raise BadInput(f"{request.out}: is not a bank of disc bank; give a new folder with --out")
    fill_bank(
        sampler.denoisers["sd"],
        request.out,
        replace(sampler.settings, solver=sampler.solver_of("sd-sc")),
        num=request.bundles,
        labels=list(model.weights.known),
        latent_px=model.tile_px // LATENT_FACTOR,
        seed=request.seed,
    )
    bank = read_bank(request.out)
    size = sum(shard.nbytes for shard in bank.shards) / 2**20
    return (
        f"{request.out}: {len(bank)} bundles of {len(bank.labels)} labels, {size:.1f} MiB; "
        f"standard deviation {bank.standard_deviation():.2f} (data: 1)"
    )
