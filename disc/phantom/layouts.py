"""`disc phantom`: a small simulated set in the requested layout."""

from __future__ import annotations

from dataclasses import replace

from disc.files import refuse_filled
from disc.phantom.lapc import SIDE_PX, write_lapc_set
from disc.phantom.panda import write_panda_set
from disc.phantom.request import PhantomRequest
from disc.phantom.sets import write_training_set
from disc.settings.data import Data
from disc.settings.phantom import Phantom


def draw_set(request: PhantomRequest) -> None:
    """Draw and write a set.

    Raises:
        BadInput: if `out` holds something else, or cores are too small for the tiles.
    """
    refuse_filled(request.out)
    phantom = Phantom(
        external_slides=request.slides,
        core_um=request.core_um,
        annotation_noise=request.annotation_noise,
        seed=request.seed,
    )
    many = request.processes
    if request.kind == "panda":
        write_panda_set(request.out, phantom, num_unmasked=request.num_unmasked, processes=many)
    elif request.kind == "lapc":
        side = request.tile_px or SIDE_PX
        write_lapc_set(request.out, phantom, side_px=side, processes=many)
    else:
        phantom = replace(phantom, slides=request.slides, test_slides=request.slides)
        data = Data(tile_px=request.tile_px or 64, um_per_px=request.um_per_px)
        write_training_set(request.out, phantom, data, processes=many)
