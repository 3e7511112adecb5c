"""The list of stages: free of torch, complete, and fit to the work."""

import json
import subprocess
import sys
from dataclasses import replace

import pytest

from disc.files import BadInput, digest, write_json
from disc.pipeline.config_file import read_config, to_json
from disc.pipeline.context import Context
from disc.pipeline.input_facts import PAPER_VALIDATION
from disc.pipeline.stage import why_stale
from disc.pipeline.stage_list import LATENTS, all_stages
from disc.pipeline.stage_work import find_work
from disc.presets import PRESETS
from disc.settings.synthesis import VARIANTS
from disc.train.latents.encoding import NAME


def test_stages_are_listed_without_torch(tmp_path):
    code = (
        "import sys\nfrom pathlib import Path\nimport disc.pipeline.run as run\n"
        "from disc.presets import smoke\n"
        f"assert run.all_stages(run.Context(smoke(), Path({str(tmp_path)!r})))\n"
        "sys.exit(bool({'torch', 'pandas', 'scipy', 'matplotlib'} & set(sys.modules)))"
    )
    assert subprocess.run([sys.executable, "-c", code], check=False).returncode == 0


@pytest.mark.parametrize("name", PRESETS)
def test_every_stage_has_its_work_and_what_it_needs_comes_before(name, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    context = Context(PRESETS[name](), tmp_path)
    before = set()
    for stage in all_stages(context):
        assert callable(find_work(context, stage.name))
        assert set(stage.needs) <= before
        before.add(stage.name)


def test_the_result_of_latents_is_what_their_encoding_writes_last():
    assert LATENTS == NAME


def test_another_plan_makes_stale_what_separated_conditions_generate(tmp_path):
    run = PRESETS["smoke"]()

    def settings(plan):
        planned = replace(run, sample=replace(run.sample, plan=plan))
        return {stage.name: stage.settings for stage in all_stages(Context(planned, tmp_path))}

    end, step = settings("end"), settings("step")
    changed = {name for name in end if end[name] != step[name]}
    assert changed == {"agreement", "synthetic/sd-sc"}
    with pytest.raises(BadInput, match="plan 'mix': no plan; expected end"):
        settings("mix")


@pytest.mark.parametrize(
    ("preset", "changes", "stale"),
    [
        (
            "smoke",
            {"sample": {"precision": "bfloat16"}},
            {"bank", "agreement", *(f"synthetic/{variant}" for variant in VARIANTS)},
        ),
        (
            "paper",  # the lower validation loss chooses the fold
            {"validation": {"num_tiles": 4}},
            {"denoiser/Val1", "denoiser/Val2", "denoiser/sd"},
        ),
    ],
)
def test_what_changes_tiles_makes_them_stale(preset, changes, stale, tmp_path):
    run = PRESETS[preset]()
    rooms = {room: replace(getattr(run, room), **facts) for room, facts in changes.items()}
    before, after = (
        {stage.name: stage.settings for stage in all_stages(Context(one, tmp_path))}
        for one in (run, replace(run, **rooms))
    )
    assert stale == {name for name in before if before[name] != after[name]}


def test_validation_of_the_preset_is_in_no_key(tmp_path):
    """Finished runs of `paper` stay done."""
    validation = PRESETS["paper"]().validation
    assert [validation.num_tiles, validation.num_bands] == PAPER_VALIDATION


def test_a_student_makes_stale_what_judges_alone(tmp_path):
    run = PRESETS["smoke"]()

    def settings(variants):
        other = replace(run, distil=replace(run.distil, variants=variants))
        return {stage.name: stage.settings for stage in all_stages(Context(other, tmp_path))}

    without, whole = settings(("sd-disc", "sd-disc-cotrain")), settings(run.distil.variants)
    assert set(whole) - set(without) == {"denoiser/sd-disc-fast"}
    assert {name for name in without if without[name] != whole[name]} == {"agreement"}


def test_agreement_of_before_is_measured_again(tmp_path):
    """A run without what agreement does not see; graders' variants change nothing of it."""
    run = PRESETS["smoke"]()
    fewer = replace(run, synthesis=replace(run.synthesis, variants=("sd",)))
    (stage, other) = (
        next(stage for stage in all_stages(Context(one, tmp_path)) if stage.name == "agreement")
        for one in (run, fewer)
    )
    assert stage.settings == other.settings
    for name in stage.needs:
        write_json(tmp_path / name / "done.json", {"config": name, "inputs": {}, "seconds": 1.0})
    keys = {name: digest((tmp_path / name / "done.json").read_bytes()) for name in stage.needs}
    facts = {"config": digest(stage.settings), "inputs": keys, "seconds": 1.0}
    write_json(tmp_path / "agreement" / "done.json", facts)
    (tmp_path / "agreement.parquet").touch()
    assert why_stale(stage, tmp_path) == "again, quality.parquet is missing"
    (tmp_path / "agreement" / "quality.parquet").touch()
    assert why_stale(stage, tmp_path) is None
    # without the masks of synthesis, as before there were any
    settings = [*stage.settings[:1], {**stage.settings[1]}, *stage.settings[2:]]
    del settings[1]["num_synthesis"]
    write_json(tmp_path / "agreement" / "done.json", {**facts, "config": digest(settings)})
    assert why_stale(stage, tmp_path) == "again, its configuration changed"


def test_a_student_of_before_is_one_without_a_discriminator(tmp_path):
    def stage_of(run):
        stages = all_stages(Context(run, tmp_path))
        return next(stage for stage in stages if stage.name == "denoiser/sd-disc-fast")

    run, path = PRESETS["laptop"](), tmp_path / "config.json"
    now = json.loads(to_json(run))
    assert now["distil"]["student"].pop("discriminator_weight") == 0.1
    del now["distil"]["student"]["discriminator_start"]
    path.write_text(json.dumps(now))
    before = read_config(path)
    assert before.distil.student.discriminator_weight == 0
    assert not [name for name in stage_of(before).settings[0] if "discriminator" in name]
    assert stage_of(run).settings[0]["discriminator_weight"] == 0.1


def test_graders_of_before_stay_done_and_others_make_stale_what_they_change(tmp_path):
    run = PRESETS["laptop"]()

    def settings(**changes):
        graded = replace(run, grade=replace(run.grade, **changes))
        return {stage.name: stage.settings for stage in all_stages(Context(graded, tmp_path))}

    usual = settings()
    assert len(usual["graders/slides"]) == 3
    assert "head" not in usual["graders/slides"][0]
    assert len(usual["features/carcino"]) == 2

    def changed(**changes):
        other = settings(**changes)
        return {name for name in {**usual, **other} if usual.get(name) != other.get(name)}

    assert changed(slide_graders=("transmil", "abmil")) == {"graders/slides"}
    more = {"features/uni", "graders/slides"}
    assert changed(encoders=("carcino", "uni")) == more
    ordinal = replace(run.grade.transmil, head="ordinal")
    assert changed(transmil=ordinal) == {"graders/slides"}
    mixed = changed(slide_graders=("mixed-supervision",))
    assert mixed == {"features/carcino", "graders/slides"}
    assert changed(download=True, encoder_weights=tmp_path) == set()


def test_stages_know_the_files_of_others_that_they_read(tmp_path):
    run, weights = PRESETS["laptop"](), tmp_path / "resnet50.pth"
    for name in ("resnet50.pth", "uni.bin", "uni.safetensors"):
        (tmp_path / name).write_bytes(b"")
    carcino = replace(run.grade.carcino, architecture="public", encoder_weights=weights)
    encoders = {"encoders": ("carcino", "uni"), "encoder_weights": tmp_path}
    grade = replace(run.grade, carcino=carcino, **encoders)
    stages = all_stages(Context(replace(run, grade=grade), tmp_path))
    found = {stage.name: list(stage.given()) for stage in stages}
    assert {name: paths for name, paths in found.items() if paths} == {
        "features/carcino": [weights],
        "features/uni": [tmp_path / "uni.safetensors"],
        "graders/pixels": [weights],
    }
