"""What the settings name is looked at before the first stage, and files are hashed once."""

import json
import re
import shutil
from dataclasses import replace

import pytest

from disc import cli
from disc.files import BadInput
from disc.grade.encoders import table
from disc.model.autoencoder import Autoencoder, build_vq
from disc.pipeline.context import Context
from disc.pipeline.input_facts import (
    require_features,
    require_public,
    require_source,
    source_hash,
)
from disc.pipeline.run import execute, refuse_missing
from disc.pipeline.stage import Stage, find_lost, list_wanted, run_stages, why_stale
from disc.pipeline.stage_list import all_stages
from disc.pipeline.stages import grading_data
from disc.presets import smoke
from disc.records import listing
from disc.settings.sampling import Solver
from tests.test_cli import write_set


def given(here, **changes):
    """A small run in a folder, with some settings of its rooms changed."""
    run = smoke()
    rooms = {room: replace(getattr(run, room), **facts) for room, facts in changes.items()}
    return replace(run, out=here / "runs", **rooms)


@pytest.mark.parametrize(
    ("changes", "said"),
    [
        ({"data": {"root": "none"}}, "{}/none: no such folder; correct --data.root"),
        ({"data": {"external_root": "none"}}, "no such folder; correct --data.external-root"),
        ({"autoencoder": {"source": "none"}}, "no config.json of an autoencoder; correct --auto"),
        ({"autoencoder": {"source": "."}}, "no config.json of an autoencoder; correct --autoenc"),
        (
            {"grade": {"encoders": ("files",), "feature_files": "none"}},
            "{}/none: no such folder; correct --grade.feature-files",
        ),
        (
            {"grade": {"encoders": ("carcino", "uni"), "encoder_weights": "."}},
            "{}: no weights of uni (UNI): CC BY-NC-ND 4.0",
        ),
        ({"grade": {"encoders": ("uni",), "download": True}}, "needs timm and torchvision; pip"),
        (
            {"sample": {"plan": "heal@50", "solver": Solver(steps=10, spacing="trailing")}},
            "plan heal@50: the solver's last time step is 99",
        ),
    ],
)
def test_what_is_missing_is_said_before_the_first_stage(changes, said, tmp_path, monkeypatch):
    monkeypatch.setattr(table, "find_spec", lambda name: None)
    paths = {"root", "external_root", "source", "feature_files", "encoder_weights"}
    for facts in changes.values():
        facts |= {name: tmp_path / facts[name] for name in paths & {*facts}}
    with pytest.raises(BadInput, match=re.escape(said.format(tmp_path))):
        execute(given(tmp_path, **changes))
    assert not (tmp_path / "runs").exists()


def test_first_weights_that_are_missing_are_one_line(tmp_path, capsys):
    weights = tmp_path / "none.pth"
    words = ["--grade.carcino.architecture", "public", "--grade.carcino.encoder-weights", weights]
    assert cli.main([*map(str, ["run", "smoke", "--out", tmp_path / "runs", *words])]) == 2
    output = capsys.readouterr()
    said = f"{weights}: no such file; correct --grade.carcino.encoder-weights"
    assert output.err == f"disc: {said}\n" and not output.out
    assert not (tmp_path / "runs").exists()


def test_slides_without_features_are_counted_before_the_first_stage(tmp_path):
    root, features = write_set(tmp_path / "set"), tmp_path / "features"
    (features / "real").mkdir(parents=True)
    (features / "real" / "A.h5").write_bytes(b"")
    grade = {"encoders": ("files",), "feature_files": features}
    run = given(tmp_path, data={"root": root}, grade=grade)
    said = f"{features}/real/B.h5: no such file, as of 3 of 4 slides; encode them (tiles of "
    with pytest.raises(BadInput, match=re.escape(said)):
        execute(run)
    assert not (tmp_path / "runs").exists()
    refuse_missing(list_wanted(all_stages(Context(run, tmp_path)), "synthetic/sd"), tmp_path)


def test_what_is_looked_at_is_not_kept_for_the_stages(tmp_path):
    root, features = write_set(tmp_path / "set"), tmp_path / "features"
    for name in "ABCD":
        (features / "real").mkdir(parents=True, exist_ok=True)
        (features / "real" / f"{name}.h5").write_bytes(b"")
    grade = {"encoders": ("files",), "feature_files": features}
    context = Context(given(tmp_path, data={"root": root}, grade=grade), tmp_path / "run")
    require_features(context)
    assert not {"split", "training_set"} & {*vars(context)}


def test_no_encoder_is_asked_for_where_no_slide_can_be_graded(tmp_path, monkeypatch):
    monkeypatch.setattr(grading_data, "can_grade_slides", lambda context: False)
    grade = {"encoders": ("uni", "files"), "feature_files": tmp_path / "none"}
    run = given(tmp_path, data={"root": write_set(tmp_path / "set")}, grade=grade)
    require_features(Context(run, tmp_path / "run"))
    require_public(Context(run, tmp_path / "run"), "uni")


def test_a_stage_that_was_stopped_was_looked_at_when_it_began(tmp_path):
    def look():
        raise BadInput("missing")

    work = lambda folder: 1 / 0  # noqa: E731
    stage = Stage(name="one", needs=(), settings=1, work=work, look_ahead=look)
    with pytest.raises(ZeroDivisionError):
        run_stages([stage], tmp_path, until="one", say=lambda text: None)
    refuse_missing([stage], tmp_path)
    with pytest.raises(BadInput, match="missing"):
        refuse_missing([replace(stage, settings=2)], tmp_path)


def test_only_what_is_to_be_done_is_looked_at(tmp_path):
    def stage(name, *needs):
        def look():
            raise BadInput(f"{name}: missing")

        work = lambda folder: "done"  # noqa: E731
        return Stage(name=name, needs=needs, settings=1, work=work, look_ahead=look)

    stages = [stage("first"), stage("second", "first")]
    with pytest.raises(BadInput, match="first: missing"):
        refuse_missing(stages, tmp_path)
    run_stages(stages, tmp_path, until="first", say=lambda text: None)
    refuse_missing(stages[:1], tmp_path)
    with pytest.raises(BadInput, match="second: missing"):
        refuse_missing(stages, tmp_path)
    run_stages(stages, tmp_path, until="second", say=lambda text: None)
    refuse_missing(stages, tmp_path)
    shutil.rmtree(tmp_path / "first")
    with pytest.raises(BadInput, match="first: missing"):
        refuse_missing(stages, tmp_path)


def test_what_follows_a_result_is_looked_at_where_that_will_be_another(tmp_path):
    def write(folder):
        (folder / "latents.json").write_text("same")
        return "done"

    def look():
        raise BadInput("weights: missing")

    def stages(settings=1):
        facts = {"needs": ("data",), "settings": settings, "result": "latents.json"}
        return [
            Stage(name="data", needs=(), settings=1, work=lambda folder: "done"),
            Stage(name="latents", work=write, **facts),
            Stage(name="denoiser", needs=("latents",), settings=1, work=lambda folder: "done"),
            Stage(name="features", needs=("denoiser",), settings=1, work=write, look_ahead=look),
        ]

    run_stages(stages(), tmp_path, until="features", say=lambda text: None)
    with pytest.raises(BadInput, match="weights: missing"):
        refuse_missing(stages(settings=2), tmp_path)
    shutil.rmtree(tmp_path / "data")  # latents that are made again of it may be the same
    refuse_missing(stages(), tmp_path)
    said = []
    run_stages(stages(), tmp_path, until="features", say=said.append)
    assert said[-1].endswith("were done before: denoiser, features")


def test_a_file_of_others_is_hashed_once_while_it_is_the_same(tmp_path, monkeypatch):
    weights, hashed, plain = tmp_path / "uni.bin", list[str](), listing.hash_file
    weights.write_bytes(b"first")
    monkeypatch.setattr(listing, "hash_file", lambda path: hashed.append(path.name) or plain(path))
    stages = [
        Stage(name=name, needs=(), settings=1, work=lambda f: "done", given=lambda: [weights])
        for name in ("one", "two")
    ]
    run_stages(stages, tmp_path / "run", until="two", say=lambda text: None)
    assert [why_stale(stage, tmp_path / "run") for stage in stages] == [None, None]
    assert not find_lost(stages, tmp_path / "run")
    assert hashed.count("uni.bin") == 1
    weights.write_bytes(b"another")
    assert all("uni.bin is not the file" in why_stale(stage, tmp_path / "run") for stage in stages)
    assert hashed.count("uni.bin") == 2


def test_a_source_of_other_weights_is_refused_before_gigabytes_are_hashed(tmp_path, monkeypatch):
    """A file of 12 GB that takes no room on the disk: its header says what it would hold."""
    settings = smoke().autoencoder
    Autoencoder(build_vq(settings)).save(tmp_path)
    weights = tmp_path / "diffusion_pytorch_model.safetensors"
    size = 12 * 2**30
    header = json.dumps({"x": {"dtype": "F32", "shape": [size // 4], "data_offsets": [0, size]}})
    with weights.open("wb") as file:
        file.write(len(header).to_bytes(8, "little") + header.encode())
        file.truncate(8 + len(header) + size)
    monkeypatch.setattr("disc.pipeline.input_facts.hash_once", lambda path: pytest.fail("hashed"))
    with pytest.raises(BadInput, match="weights of another network"):
        source_hash(replace(settings, source=tmp_path))


def test_weights_of_two_bytes_alone_are_told_what_to_do(tmp_path):
    Autoencoder(build_vq(smoke().autoencoder)).save(tmp_path)
    weights = tmp_path / "diffusion_pytorch_model.safetensors"
    weights.rename(tmp_path / "diffusion_pytorch_model.fp16.safetensors")
    with pytest.raises(BadInput, match=r"fp16\.safetensors: .* disc import --source"):
        require_source(replace(smoke().autoencoder, source=tmp_path))
