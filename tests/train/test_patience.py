"""Early stopping is decided where validation is: by the first process."""

from types import SimpleNamespace

import pytest
import torch

from disc.processes import Share
from disc.settings.training import Validation
from disc.train.checkpoint import Best, State
from disc.train.hooks import Hooks
from disc.train.loop import _has_converged


@pytest.mark.parametrize(("rank", "stops"), [(0, True), (1, False)])
def test_best_weights_of_a_restored_checkpoint_stop_nobody_but_the_first(
    rank: int, stops: bool
) -> None:
    net = torch.nn.Linear(1, 1)
    state = State(
        model=net,
        network=net,
        optimizer=torch.optim.AdamW(net.parameters()),
        ema=None,
        share=Share(rank, 2),
        step=50,
        best=Best(10, 0.5, {}),
    )
    hooks = Hooks(Validation(every=10, keep="best"), (), patience=3)
    alone = SimpleNamespace(device=torch.device("cpu"), reduce=lambda told, _: told)
    assert _has_converged(alone, hooks, state) is stops  # type: ignore[arg-type]
