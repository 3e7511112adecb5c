"""config.json of this version and of others, and settings that were renamed."""

import json
from dataclasses import replace

import pytest

from disc.files import BadInput
from disc.pipeline import renamed
from disc.pipeline.config_file import VERSION, list_differences, read_config, to_json
from disc.pipeline.context import Context
from disc.pipeline.renamed import as_json
from disc.pipeline.stage_list import all_stages
from disc.presets import smoke
from disc.settings.denoiser import Denoiser
from disc.settings.sampling import Solver


@pytest.fixture
def neck(monkeypatch):
    """As if `denoiser.context` had once been `denoiser.neck_px`."""
    monkeypatch.setattr(renamed, "RENAMED", {"denoiser.neck_px": "denoiser.context"})


def write(path, change=lambda values: None):
    values = json.loads(to_json(smoke()))
    change(values)
    path.write_text(json.dumps(values))
    return path


def use_old_name(values):
    values["denoiser"]["neck_px"] = values["denoiser"].pop("context")


@pytest.mark.parametrize("version", [None, VERSION + 1, "1"])
def test_another_version_is_refused_by_key(tmp_path, version):
    def change(values):
        values["version"] = version
        if version is None:
            del values["version"]

    said = "none" if version is None else version
    with pytest.raises(BadInput, match=rf"config.json: version: {said}, expected {VERSION}; "):
        read_config(write(tmp_path / "config.json", change))


def test_every_unknown_key_is_named(tmp_path):
    def change(values):
        values["data"]["tile_size"] = 64
        values["colour"] = "pink"

    with pytest.raises(BadInput, match=r"data\.tile_size: no such") as caught:
        read_config(write(tmp_path / "config.json", change))
    assert "colour: no such setting" in str(caught.value)
    assert "version" not in str(caught.value)


def test_an_old_key_is_answered_with_its_new_name(tmp_path, neck):
    with pytest.raises(BadInput, match=r"denoiser\.neck_px is now called denoiser\.context"):
        read_config(write(tmp_path / "config.json", use_old_name))


def test_what_is_no_configuration_is_refused(tmp_path):
    path = tmp_path / "config.json"
    path.write_text("[1, 2]")
    with pytest.raises(BadInput, match="not the configuration of a run"):
        read_config(path)


def test_the_version_stands_in_the_file_alone(tmp_path):
    """No stage depends on it, or finished runs would be done again."""
    text = json.dumps([stage.settings for stage in all_stages(Context(smoke(), tmp_path))])
    assert "version" not in text
    assert json.loads(to_json(smoke()))["version"] == VERSION


def test_a_renaming_leaves_what_was_trained_done(tmp_path, neck):
    """Its hash is that of the old names, at any depth, and the old file differs in nothing."""
    plain = as_json(Denoiser(context=32))
    assert plain["neck_px"] == 32 and "context" not in plain
    inner = as_json(replace(smoke(), denoiser=Denoiser(context=32)))
    assert inner["denoiser"]["neck_px"] == 32

    def make_old(values):
        use_old_name(values)
        del values["version"]

    path = write(tmp_path / "config.json", make_old)
    assert list_differences(path, smoke()) == []
    wider = replace(smoke(), denoiser=replace(smoke().denoiser, context=64))
    assert list_differences(path, wider) == ["denoiser.context: 32 -> 64"]


def test_a_setting_that_was_added_since_leaves_what_was_trained_done():
    """Unless it changes something."""
    plain = as_json(Solver())
    assert "eta" not in plain and "guidance_interval" not in plain
    assert as_json(Solver(name="ddim", eta=0.5))["eta"] == 0.5
    assert set(as_json(smoke().sample)["solver"]) == {"name", "steps", "spacing", "guidance"}
