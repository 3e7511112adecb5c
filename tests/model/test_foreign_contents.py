import argparse
import builtins
import enum
import pickle
import re
import sys
import types
from collections import defaultdict, deque
from dataclasses import dataclass
from datetime import datetime
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import safetensors.torch
import torch
import torch.utils.cpp_extension

from disc.model.foreign import read_foreign
from tests.model.compvis_reference import as_checkpoint, draw_network
from tests.model.test_foreign import Planted, check_equal, here, refusal, save, tiles, write_folder

__all__ = ["here", "tiles"]


class Mode(enum.Enum):
    """Of a training."""

    FAST = "fast"


@dataclass
class Settings:
    """Of somebody's program."""

    mode: Mode
    channels: range = range(1, 4)


class Filled(dict):
    """Of somebody's program, too."""


def settings_of(kind, monkeypatch):
    """What Lightning keeps beside the weights, of classes that are not looked at."""
    if kind == "Namespace":
        return argparse.Namespace(lr=1e-4, folder=Path("runs"), seen=np.float64(0.25))
    if kind == "own":
        own, make = Settings(Mode.FAST), partial(Settings, mode=Mode.FAST)
        return {"all": own, "make": make, "cut": slice(1, 4), "z": 1j, "names": frozenset("ab")}
    if kind == "array":
        return {"scores": np.arange(3.0), "made": datetime(2024, 4, 1), "torch": torch.__version__}
    if kind == "AttributeDict":
        parts = ("lightning_fabric", "utilities", "data")
        for module in (types.ModuleType(".".join(parts[:i])) for i in (1, 2, 3)):
            monkeypatch.setitem(sys.modules, module.__name__, module)
        module.AttributeDict = type("AttributeDict", (dict,), {"__module__": module.__name__})
        return module.AttributeDict(lr=1e-4, sizes=[1, 2])
    names = ("omegaconf", "omegaconf.dictconfig", "omegaconf.base")
    modules = [types.ModuleType(name) for name in names]
    for module in modules:
        monkeypatch.setitem(sys.modules, module.__name__, module)
    made = []
    for module, name in ((modules[1], "DictConfig"), (modules[2], "ContainerMetadata")):
        setattr(module, name, type(name, (), {"__module__": module.__name__}))
        made.append(getattr(module, name)())
    made[1].__dict__ |= {"cache": defaultdict(dict), "ref_type": Any, "key_type": dict}
    made[0].__dict__ |= {"_metadata": made[1], "_content": {"lr": 1e-4}}
    return made[0]


@pytest.mark.usefixtures("here")
@pytest.mark.parametrize("is_zip", [True, False])
@pytest.mark.parametrize("kind", ["Namespace", "OmegaConf", "array", "own", "AttributeDict"])
def test_settings_beside_the_weights_are_passed_over(tmp_path, tiles, monkeypatch, kind, is_zip):
    network, path = draw_network(), tmp_path / "model.ckpt"
    more = {"hyper_parameters": settings_of(kind, monkeypatch), "best": np.float32(0.4)}
    torch.save(as_checkpoint(network) | more, path, _use_new_zipfile_serialization=is_zip)
    check_equal(read_foreign(path), network, tiles)


BESIDE = {
    "loss": lambda: torch.nn.MSELoss(),
    "network": lambda: torch.nn.Sequential(torch.nn.Conv2d(1, 1, 1), torch.nn.GELU()),
    "class": lambda: torch.nn.SiLU,
    "function": lambda: [torch.nn.functional.relu, torch.nn.functional.gelu, torch.nn.init.zeros_],
    "optimiser": lambda: partial(torch.optim.Adam, lr=1),
    "schedule": lambda: torch.optim.lr_scheduler.StepLR,
    "generator": lambda: torch.Generator(),
    "result": lambda: torch.ones(2, 2).max(0),
    "distribution": lambda: torch.distributions.Normal(0.0, 1.0),
    "defaultdict": lambda: defaultdict(list, {"a": [1]}),
    "deque": lambda: deque([1, deque([2])], 3),
}


@pytest.mark.usefixtures("here")
def test_what_pytorch_and_python_have_beside_weights_is_passed_over(tmp_path, tiles, monkeypatch):
    network = draw_network()
    beside = {kind: make() for kind, make in BESIDE.items()}
    path = save(tmp_path / "model.ckpt", network, hyper_parameters=beside)
    for name in ("Module", "MSELoss", "Sequential"):
        monkeypatch.setattr(getattr(torch.nn, name), "__setstate__", never, raising=False)
    monkeypatch.setattr(torch._C, "Generator", never)
    check_equal(read_foreign(path), network, tiles)


def never(*_):
    """What stands beside weights is not made."""
    pytest.fail("it is run")


@pytest.mark.usefixtures("here")
@pytest.mark.parametrize(
    "planted",
    [torch.hub.load, torch.load, torch.jit.load, torch.utils.cpp_extension.load, torch.relu],
)
def test_what_of_pytorch_could_run_is_refused(tmp_path, planted):
    path = save(tmp_path / "model.ckpt", draw_network(), planted=planted)
    assert "which is code and no weights" in refusal(path)


@pytest.mark.usefixtures("here")
def test_a_stand_in_is_no_weight(tmp_path):
    network = draw_network()
    checkpoint = as_checkpoint(network)
    checkpoint["state_dict"]["encoder.conv_in.weight"] = torch.nn.MSELoss()
    torch.save(checkpoint, tmp_path / "model.ckpt")
    assert "'encoder.conv_in.weight' is a Inert; expected a dense" in refusal(
        tmp_path / "model.ckpt"
    )


@pytest.mark.usefixtures("here")
@pytest.mark.parametrize("name", ["eval", "getattr", "__import__", "open"])
def test_what_could_run_is_refused(tmp_path, name):
    path = save(tmp_path / "model.ckpt", draw_network(), planted=getattr(builtins, name))
    assert f"{name}, which is code and no weights" in refusal(path)


@pytest.mark.usefixtures("here")
def test_a_list_of_an_own_class_is_refused_in_words(tmp_path):
    planted = Filled({"a": {}})  # PyTorch fills dictionaries and lists that it knows
    path = save(tmp_path / "model.ckpt", draw_network(), planted=planted)
    assert "holds a list or a dictionary of a class that is not known" in refusal(path)


@pytest.mark.usefixtures("here")
def test_running_averages_are_left_out(tmp_path, tiles):
    network = draw_network()
    state = as_checkpoint(network)["state_dict"]
    averages = {f"model_ema.{k.replace('.', '')}": v + 1 for k, v in network.state_dict().items()}
    averages["model_ema.num_updates"] = torch.tensor(7)
    torch.save({"state_dict": {**state, **averages}}, tmp_path / "model.ckpt")
    check_equal(read_foreign(tmp_path / "model.ckpt"), network, tiles)


def test_a_folder_of_half_precision(tmp_path):
    theirs = write_folder(tmp_path)
    (tmp_path / "diffusion_pytorch_model.safetensors").unlink()
    theirs.half().save_pretrained(tmp_path, variant="fp16")
    found = read_foreign(tmp_path).vq.state_dict()
    for name, value in theirs.state_dict().items():
        assert torch.equal(found[name], value.float())


@pytest.mark.parametrize(
    ("wrong", "message"),
    [
        (lambda value: torch.full_like(value, float("nan")), "holds NaN or infinity"),
        (lambda value: torch.full_like(value, float("inf")), "holds NaN or infinity"),
        (lambda value: value.long(), "is of int64; expected real numbers"),
        (lambda value: value.to(torch.complex64), "is of complex64; expected real numbers"),
    ],
    ids=["NaN", "Inf", "integer", "complex"],
)
def test_weights_that_are_none_are_refused(tmp_path, wrong, message):
    state = dict(draw_network().state_dict())
    state["encoder.conv_in.weight"] = wrong(state["encoder.conv_in.weight"])
    safetensors.torch.save_file(state, tmp_path / "vq.safetensors")
    assert f"'encoder.conv_in.weight' {message}" in refusal(tmp_path / "vq.safetensors")


@pytest.mark.usefixtures("here")
def test_a_flipped_bit_in_a_record_is_found(tmp_path):
    path = save(tmp_path / "model.ckpt", draw_network())
    data = bytearray(path.read_bytes())
    data[len(data) // 2] ^= 4
    path.write_bytes(data)
    assert re.search(r"its record '.*' is damaged \(wrong checksum\)", refusal(path))


@pytest.mark.usefixtures("here")
def test_nothing_of_an_old_malicious_pickle_runs(tmp_path):
    trace = tmp_path / "ran"
    old = tmp_path / "old.ckpt"
    old.write_bytes(pickle.dumps({"state_dict": Planted(trace)}))
    refusal(old)
    assert not trace.exists()
    pickle.loads(old.read_bytes())
    assert trace.exists(), "the trap itself does nothing"
