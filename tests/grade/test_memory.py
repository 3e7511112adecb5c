"""What a training step of the pixel grader holds in memory."""

import weakref

import torch
from torch.utils._python_dispatch import TorchDispatchMode

from disc.grade.carcino import CarcinoNet
from disc.presets import paper
from disc.settings.grading import CarcinoNet as CarcinoNetSettings
from disc.train.speed import recompute_activations


class Held(TorchDispatchMode):
    """The most bytes that tensors made inside hold at a time."""

    def __init__(self) -> None:
        super().__init__()
        self.now, self.most, self.known = 0, 0, set()

    def __torch_dispatch__(self, func, types, args=(), kwargs=None):
        found = func(*args, **(kwargs or {}))
        for tensor in found if isinstance(found, tuple | list) else (found,):
            if isinstance(tensor, torch.Tensor):
                self.count(tensor.untyped_storage())
        return found

    def count(self, storage) -> None:
        key = storage._cdata
        if key not in self.known:
            size = storage.nbytes()
            self.known.add(key)
            self.now += size
            self.most = max(self.most, self.now)
            weakref.finalize(storage, self.let_go, key, size)

    def let_go(self, key: int, size: int) -> None:
        self.known.discard(key)
        self.now -= size


def test_the_papers_grader_fits_a_gpu() -> None:
    """32 real and as many synthetic tiles of 512 px, forward and back, counted in float32."""
    carcino = paper().grade.carcino
    assert carcino.optim.precision == "bfloat16" and carcino.optim.speed.checkpoint_activations
    with torch.device("meta"):
        network = CarcinoNet(carcino).train()
        images = torch.zeros(64, 3, 512, 512)
    most = {}
    for is_recomputed in (False, True):
        recompute_activations(network, is_recomputed)
        with Held() as held:
            network(images).square().mean().backward()
        most[is_recomputed] = held.most / 2**30
    assert most[True] < most[False] / 2
    assert most[True] < 48


def test_recomputed_activations_change_nothing() -> None:
    network, images = (
        CarcinoNet(CarcinoNetSettings(width=8, blocks=(1, 2))).train(),
        torch.rand(2, 3, 32, 32),
    )
    gradients = []
    for is_recomputed in (False, True):
        recompute_activations(network, is_recomputed)
        network.zero_grad()
        network(images).square().mean().backward()
        gradients.append([value.grad.clone() for value in network.parameters()])
    for plain, again in zip(*gradients, strict=True):
        torch.testing.assert_close(plain, again)
