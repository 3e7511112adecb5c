import dataclasses
import json
import subprocess
import sys

import pytest
import torch

from disc.files import BadInput
from disc.grade.carcino import CarcinoNet
from disc.grade.transmil import TransMIL
from disc.model.autoencoder import build_vq
from disc.model.denoiser import Denoiser
from disc.pipeline.config_file import read_config, to_json
from disc.pipeline.renamed import as_json
from disc.presets import PRESETS
from disc.settings.denoiser import Denoiser as DenoiserSettings
from disc.settings.sampling import Solver
from disc.settings.training import Optim, Speed


@pytest.mark.parametrize("name", PRESETS)
def test_every_preset_builds_its_networks(name):
    run = PRESETS[name]()
    with torch.device("meta"):
        denoiser = Denoiser(run.denoiser)
        build_vq(run.autoencoder)
        CarcinoNet(run.grade.carcino)
        CarcinoNet(run.evaluate.referee)
        TransMIL(run.grade.transmil, 72)
    assert denoiser.unet.config.block_out_channels == run.denoiser.channels


@pytest.mark.parametrize("name", PRESETS)
def test_every_preset_is_read_back_as_it_was(name, tmp_path):
    run = PRESETS[name]()
    path = tmp_path / "config.json"
    path.write_bytes(to_json(run))
    assert read_config(path) == run


def test_an_unknown_field_is_named(tmp_path):
    values = json.loads(to_json(PRESETS["smoke"]()))
    values["data"]["tile_size"] = 64
    path = tmp_path / "config.json"
    path.write_text(json.dumps(values))
    with pytest.raises(BadInput, match="tile_size"):
        read_config(path)


def test_paper_is_the_papers():
    run = PRESETS["paper"]()
    assert run.sample.solver.name == "ddim"
    assert run.sample.solver.steps == 200
    assert run.distil.num_bundles * 4 == 20_000
    assert run.synthesis.slides_per_grade == 100
    assert run.synthesis.tiles == (20, 100)
    assert run.data.tile_px == 512


def test_settings_check_themselves():
    run = PRESETS["smoke"]()
    with pytest.raises(ValueError, match="multiple of 32 px"):
        dataclasses.replace(run.data, tile_px=100)
    with pytest.raises(ValueError, match="add up to"):
        dataclasses.replace(run.synthesis, weights=(0.5, 0.5, 0.5, 0.5))
    with pytest.raises(ValueError, match=r"zero_terminal_snr needs denoiser\.predicts v"):
        dataclasses.replace(run.denoiser, predicts="eps", zero_terminal_snr=True)
    zero = dataclasses.replace(run.denoiser, zero_terminal_snr=True)
    leading = dataclasses.replace(run.sample, solver=Solver(spacing="leading"))
    with pytest.raises(ValueError, match="spacing trailing"):
        dataclasses.replace(run, denoiser=zero, sample=leading)
    trailing = dataclasses.replace(run.sample, solver=Solver(spacing="trailing"))
    dataclasses.replace(run, denoiser=zero, sample=trailing)
    with pytest.raises(ValueError, match="32 does not split into 3 equal pieces"):
        Optim(steps=1, batch=32, speed=Speed(accumulate=3))
    for wrong in ({"context": 30}, {"channels": (24, 48)}):
        with pytest.raises(ValueError, match="multiple"):
            dataclasses.replace(run.denoiser, **wrong)
    for wrong in ({"lr": -1.0}, {"clip": 0.0}, {"checkpoint_every": 0}):
        with pytest.raises(ValueError, match=next(iter(wrong))):
            Optim(steps=1, **wrong)


def test_settings_of_speed_leave_stages_done():
    optim = Optim(steps=1)
    faster = dataclasses.replace(optim, speed=Speed(accumulate=2, compile=True))
    assert as_json(DenoiserSettings(optim=faster)) == as_json(DenoiserSettings(optim=optim))
    rounded = dataclasses.replace(optim, precision="bfloat16")
    assert as_json(DenoiserSettings(optim=rounded)) != as_json(DenoiserSettings(optim=optim))


def test_the_command_and_the_presets_leave_torch_unloaded():
    code = "import sys, disc.cli, disc.presets; sys.exit('torch' in sys.modules)"
    assert subprocess.run([sys.executable, "-c", code], check=False).returncode == 0
