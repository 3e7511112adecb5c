"""An autoencoder and a pixel grader of this process's group; started by test_two_processes.py.

All is computed in float64: the first steps of Adam divide by gradients of the size of rounding
errors, which float32 would show as differences of the weights.
"""

import sys
from pathlib import Path

import torch

torch.set_default_dtype(torch.float64)
torch.Tensor.float = torch.Tensor.double

from disc.grade.pixels import train_pixel_grader  # noqa: E402
from disc.model.store import save_weights  # noqa: E402
from disc.processes import own_share, write_once  # noqa: E402
from disc.settings.autoencoder import Autoencoder  # noqa: E402
from disc.settings.grading import CarcinoNet  # noqa: E402
from disc.settings.training import Optim, Speed  # noqa: E402
from disc.train.latents.latent_set import draw_tiles  # noqa: E402
from disc.train.objectives.autoencoder import measure_codebook, train_autoencoder  # noqa: E402
from tests.grade.tile_sets import write_set  # noqa: E402


def main(folder, accumulate):
    """Train both; write weights, codes in use and the standard deviation of latents."""
    tiles = write_set(folder / f"tiles {own_share().rank}", [0, 3, 4, 5])
    optim = Optim(steps=8, batch=8, lr=2e-3, warmup=2, speed=Speed(accumulate=accumulate))
    settings = Autoencoder(channels=(16, 16, 16), num_codes=64, optim=optim)
    batch_at = draw_tiles(tiles, batch=8, seed=0)
    trained = train_autoencoder(settings, batch_at, folder / "autoencoder", 0)
    use = measure_codebook(trained, batch_at, 8)
    scale = float(trained.encode_all(batch_at(9)["tiles"]).std())
    write_once(lambda: save_weights(folder / "autoencoder.safetensors", trained))
    settings = CarcinoNet(width=8, blocks=(1, 1), optim=Optim(steps=4, batch=8, lr=1e-2))
    grader = train_pixel_grader(
        net=settings,
        real=tiles,
        synthetic=tiles.only(range(8)),
        balance_weight=0.3,
        folder=folder / "grader",
        seed=0,
    )
    write_once(lambda: save_weights(folder / "grader.safetensors", grader))
    if own_share().is_first:
        (folder / "codes.txt").write_text(f"{use.fraction} {use.perplexity} {scale}")


if __name__ == "__main__":
    main(Path(sys.argv[1]), int(sys.argv[2]))
