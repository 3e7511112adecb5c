import json
import resource
import shutil
import subprocess
import sys

import numpy as np
import pandas as pd
import pytest
from PIL import Image

from disc import cli
from disc.model.autoencoder import Autoencoder, build_vq
from disc.settings.autoencoder import Autoencoder as AutoencoderSettings

SLIDES = [("A", "1", 0, 0), ("B", "2", 3, 3), ("C", "3", 4, 5), ("D", "4", 5, 4)]
VALUES = {"A": 0, "B": 3, "C": 4, "D": 5}


def write_set(root):
    """A small data set in the SICAPv2 layout, written without the program's own writer."""
    rng = np.random.default_rng(0)
    rows = {}
    for slide, *_ in SLIDES:
        for col in range(2):
            name = f"{slide}_Block_Region_0_0_{col}_xini_{256 * col}_yini_0"
            for folder in ("images", "masks"):
                (root / folder).mkdir(parents=True, exist_ok=True)
            pixels = rng.integers(0, 255, (64, 64, 3), dtype=np.uint8)
            Image.fromarray(pixels).save(root / "images" / f"{name}.jpg")
            mask = np.full((64, 64), VALUES[slide], np.uint8)
            mask[:, 40:] = 0
            Image.fromarray(mask).save(root / "masks" / f"{name}.png")
            rows.setdefault(slide, []).append({"image_name": f"{name}.jpg", **one_hot(slide)})
    for fold in range(1, 5):
        write_workbook(root / f"partition/Validation/Val{fold}/Train.xlsx", rows["A"] + rows["B"])
        write_workbook(root / f"partition/Validation/Val{fold}/Test.xlsx", rows["C"])
    write_workbook(root / "partition/Test/Train.xlsx", rows["A"] + rows["B"] + rows["C"])
    write_workbook(root / "partition/Test/Test.xlsx", rows["D"])
    columns = ["slide_id", "patient_id", "Gleason_primary", "Gleason_secondary"]
    pd.DataFrame(SLIDES, columns=columns).to_excel(root / "wsi_labels.xlsx", index=False)
    return root


def one_hot(slide):
    return {
        name: int(name == {"A": "NC", "B": "G3", "C": "G4", "D": "G5"}[slide])
        for name in ("NC", "G3", "G4", "G5", "G4C")
    }


def write_workbook(path, rows):
    path.parent.mkdir(parents=True, exist_ok=True)
    pd.DataFrame(rows).to_excel(path, index=False)


def images_of(root, folder="images"):
    return sorted((root / folder).iterdir())


def damage_nothing(root):
    shutil.rmtree(root)


def damage_mask_missing(root):
    images_of(root, "masks")[0].unlink()


def damage_mask_value(root):
    path = images_of(root, "masks")[0]
    mask = np.array(Image.open(path))
    mask[0, 0] = 7
    Image.fromarray(mask).save(path)


def damage_mask_size(root):
    Image.fromarray(np.zeros((32, 32), np.uint8)).save(images_of(root, "masks")[0])


def damage_workbook(root):
    path = root / "wsi_labels.xlsx"
    pd.read_excel(path).drop(columns="patient_id").to_excel(path, index=False)


def damage_image(root):
    path = images_of(root)[0]
    path.write_bytes(path.read_bytes()[:400])


DAMAGES = {
    damage_nothing: "set",
    damage_mask_missing: "A_Block_Region_0_0_0_xini_0_yini_0",
    damage_mask_value: "7",
    damage_mask_size: "32",
    damage_workbook: "patient_id",
    damage_image: "A_Block_Region_0_0_0_xini_0_yini_0.jpg",
}


@pytest.mark.parametrize("damage", DAMAGES, ids=lambda damage: damage.__name__)
def test_damaged_data_is_one_line_and_exit_code_2(tmp_path, capsys, damage):
    root = write_set(tmp_path / "set")
    damage(root)
    words = ["run", "smoke", "--out", str(tmp_path / "runs"), "--data.root", str(root)]
    assert cli.main([*words, "--until", "data"]) == 2
    error = capsys.readouterr().err
    assert error.startswith("disc: ")
    assert error.count("\n") == 1
    assert DAMAGES[damage] in error
    assert not (tmp_path / "runs/smoke/data/done.json").exists()


def test_sound_data_is_accepted(tmp_path):
    root = write_set(tmp_path / "set")
    words = ["run", "smoke", "--out", str(tmp_path / "runs"), "--data.root", str(root)]
    assert cli.main([*words, "--until", "data"]) == 0
    assert (tmp_path / "runs/smoke/data/done.json").exists()


def test_an_unknown_preset_is_one_line(capsys):
    assert cli.main(["run", "smokey"]) == 2
    error = capsys.readouterr().err
    assert "smoke, demo, laptop, phantom, gpu, paper" in error
    assert error.count("\n") == 1


def test_an_unknown_stage_is_one_line(tmp_path, capsys):
    assert cli.main(["run", "smoke", "--out", str(tmp_path), "--until", "lunch"]) == 2
    assert "no stage 'lunch'" in capsys.readouterr().err


def test_a_checkpoint_of_another_shape_is_one_line(tmp_path, capsys):
    source = tmp_path / "weights"
    small = AutoencoderSettings(channels=(16, 16, 16), num_codes=32)
    Autoencoder(build_vq(small)).save(source)
    config = json.loads((source / "config.json").read_text())
    (source / "config.json").write_text(json.dumps({**config, "num_vq_embeddings": 64}))
    root = write_set(tmp_path / "set")
    words = ["run", "smoke", "--out", str(tmp_path / "runs"), "--data.root", str(root)]
    words += ["--autoencoder.source", str(source), "--until", "autoencoder"]
    assert cli.main(words) == 2
    error = capsys.readouterr().err
    assert "diffusion_pytorch_model.safetensors" in error
    assert "(32, 3)" in error
    assert error.count("\n") == 1


def test_a_model_of_another_kind_is_one_line(tmp_path, capsys):
    (tmp_path / "config.json").write_text('{"_class_name": "UNet2DModel"}')
    words = ["run", "smoke", "--out", str(tmp_path / "runs"), "--until", "data"]
    assert cli.main([*words, "--autoencoder.source", str(tmp_path)]) == 2
    assert "UNet2DModel" in capsys.readouterr().err


def test_a_full_disk_leaves_nothing_half_written(tmp_path):
    """A limit on the size of files stands in for a full disk: the same error, ENOSPC's sibling."""

    def limit():
        resource.setrlimit(resource.RLIMIT_FSIZE, (1500, 1500))

    command = [sys.executable, "-m", "disc", "run", "smoke", "--out", str(tmp_path)]
    done = subprocess.run(
        [*command, "--until", "data"], preexec_fn=limit, capture_output=True, text=True, check=False
    )
    assert done.returncode == 2
    assert "cannot write" in done.stderr
    assert done.stderr.count("\n") == 1
    assert not list(tmp_path.rglob("*.tmp"))
    assert not (tmp_path / "smoke/data/done.json").exists()


def test_help_is_shown_without_torch():
    code = "import sys; from disc.cli import main\ntry: main(['--help'])\nexcept SystemExit: pass\n"
    code += "sys.exit('torch' in sys.modules)"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=False)
    assert done.returncode == 0
    assert "tile" in done.stdout


def test_convert_and_select_take_what_the_docs_say(tmp_path, capsys):
    for folder, size in (("jpg_nameless", (64, 64)), ("mask_nameless", (64, 64))):
        (tmp_path / folder).mkdir()
        mode, suffix = ("RGB", "jpg") if folder.startswith("jpg") else ("L", "png")
        Image.new(mode, size).save(tmp_path / folder / f"a.{suffix}")
    words = ["convert", "--root", str(tmp_path), "--kind", "lapc", "--out", str(tmp_path / "set")]
    words += ["--tile-px", "32", "--fit", "resize", "--values", "0", "5", "4", "0"]
    assert cli.main(words) == 0
    assert "1 tiles of 1 slides, 1 with a label; all in Test/Test" in capsys.readouterr().out
    words = ["select", "--root", str(tmp_path), "--kind", "lapc", "--out", str(tmp_path / "ids")]
    assert cli.main([*words, "--per-grade", "1"]) == 2
    assert "primary grade 0: 0 patient(s), fewer than 1" in capsys.readouterr().err
    assert cli.main([*words, "--layers", "G3_Mask", "3", "--masks", "a", "b"]) == 2
    assert "kind lapc has no option layers" in capsys.readouterr().err


@pytest.mark.parametrize(
    ("words", "said"),
    [
        ("run smoke --denoiser.context 30", "denoiser.context: a multiple of 4"),
        ("run smoke --denoiser.context abc", "--denoiser.context: invalid literal for int()"),
        ("run smoke --denoiser.contxt 32", "Unrecognized options: --denoiser.contxt"),
        ("run smoke --phantom.slides 1 2", "'--phantom.slides'. Expected 4 values"),
        ("run smoke --synthesis.variants sd --grade.pixel-variants sd-sc", "not in synthesis"),
        ("run smoke --denoiser.protocol paper", "it needs data.fold All; see disc run smoke"),
        ("tile", "--slides"),
        ("frob", "frob"),
    ],
)
def test_words_that_cannot_be_understood_are_one_line(words, said, capsys):
    assert cli.main(words.split()) == 2
    told = capsys.readouterr()
    assert not told.out
    (line,) = told.err.splitlines()
    assert line.startswith("disc: ") and said in line and "│" not in line
