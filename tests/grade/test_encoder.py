from pathlib import Path

import h5py
import numpy as np
import pytest
import torch

from disc.data.tiles.records import Slide
from disc.data.tiles.tile_set import TileSet
from disc.files import BadInput
from disc.grade.carcino import CarcinoNet
from disc.grade.encoder import CrossEncoder, encode_slides, split_halves, train_encoder
from disc.grade.features import describe_posteriors
from disc.grade.pixels import predict_pixels
from disc.settings.grading import CarcinoNet as CarcinoNetSettings
from disc.settings.training import Optim
from tests.grade.tile_sets import write_set

NET = CarcinoNetSettings(width=8, blocks=(1, 1), optim=Optim(steps=2, batch=4, checkpoint_every=10))


@pytest.fixture(scope="module")
def tiles(tmp_path_factory: pytest.TempPathFactory) -> TileSet:
    return write_set(tmp_path_factory.mktemp("tiles"), [0, 3, 4, 5, 0, 5], tiles_each=3)


def encoder_for(tiles: TileSet) -> CrossEncoder:
    torch.manual_seed(0)
    return CrossEncoder((CarcinoNet(NET), CarcinoNet(NET)), split_halves(tiles.slides, seed=0))


def test_halves_share_no_patient_and_share_out_the_grades() -> None:
    grades = [0] * 8 + [3] * 6 + [4] * 10 + [5] * 3
    slides = {
        f"s{i}": Slide(slide_id=f"s{i}", patient_id=f"p{i // 2}", primary=g, secondary=g)
        for i, g in enumerate(grades)
    }
    halves = split_halves(slides, seed=1)
    assert all(halves[f"s{i}"] == halves[f"s{i + 1}"] for i in range(0, len(grades) - 1, 2))
    of_five = {half for name, half in halves.items() if slides[name].primary == 5}
    assert of_five == {0, 1}
    assert abs(sum(halves.values()) - len(grades) / 2) <= 2
    assert halves == split_halves(slides, seed=1)
    assert halves != split_halves(slides, seed=2)


def test_one_patient_is_refused() -> None:
    slides = {"a": Slide(slide_id="a", patient_id="p", primary=3, secondary=3)}
    with pytest.raises(BadInput, match="2 patients"):
        split_halves(slides, seed=0)


def test_no_network_encodes_a_slide_that_it_saw(
    tmp_path: Path, tiles: TileSet, monkeypatch: pytest.MonkeyPatch
) -> None:
    seen: list[set[str]] = []

    def train(*, real: object, **rest: object) -> CarcinoNet:
        seen.append(set(real.tiles.slides))
        return CarcinoNet(NET)

    monkeypatch.setattr("disc.grade.encoder.train_pixel_grader", train)
    encoder = train_encoder(NET, tiles, tmp_path, seed=0)
    assert seen[0] | seen[1] == set(tiles.slides)
    assert not seen[0] & seen[1]
    for slide_id in tiles.slides:
        assert slide_id not in seen[encoder.choose(slide_id)]
    strangers = [encoder.choose(f"new{i}") for i in range(200)]
    assert 60 < sum(strangers) < 140


def test_feature_files_hold_what_the_chosen_network_reads(tmp_path: Path, tiles: TileSet) -> None:
    encoder = encoder_for(tiles)
    encode_slides(encoder, tiles, tmp_path / "features")
    for slide_id in tiles.slides:
        with h5py.File(tmp_path / "features" / f"{slide_id}.h5") as file:
            features, coords = file["features"][()], file["coords"][()]
            assert file["coords"].attrs["patch_size"] == tiles.tile_px
        net = encoder.nets[1 - encoder.halves[slide_id]]
        expected = describe_posteriors(predict_pixels(net, tiles, tiles.bag(slide_id)))
        np.testing.assert_array_equal(features, expected)
        assert coords.tolist() == [[0, 0], [16, 0], [32, 0]]
        assert features.dtype == np.float32


def test_features_do_not_depend_on_the_other_slides(tmp_path: Path, tiles: TileSet) -> None:
    encoder = encoder_for(tiles)
    encode_slides(encoder, tiles, tmp_path / "all")
    encode_slides(encoder, tiles.only(tiles.bag("s3")), tmp_path / "one")
    assert (tmp_path / "all/s3.h5").read_bytes() == (tmp_path / "one/s3.h5").read_bytes()


def test_a_saved_encoder_reads_alike(tmp_path: Path, tiles: TileSet) -> None:
    encoder = train_encoder(NET, tiles, tmp_path / "training", seed=0)
    encoder.save(tmp_path / "saved")
    again = CrossEncoder.load(tmp_path / "saved", NET)
    assert again.halves == encoder.halves
    for one, other in zip(encoder.nets, again.nets, strict=True):
        np.testing.assert_array_equal(predict_pixels(one, tiles), predict_pixels(other, tiles))


def test_features_say_how_much_of_each_label_is_read_and_not_where() -> None:
    logits = torch.randn(5, 4, 16, 16, generator=torch.Generator().manual_seed(0))
    maps = (3 * logits).softmax(1).numpy()
    features = describe_posteriors(maps)
    assert features.shape == (5, 72)
    transformed = np.ascontiguousarray(np.rot90(maps, axes=(2, 3)))
    np.testing.assert_allclose(describe_posteriors(transformed), features, atol=1e-4)
    mean = maps.mean(axis=(2, 3))
    np.testing.assert_allclose(features[:, :4], np.log(mean / (1 - mean)), rtol=1e-4)
    assert np.isfinite(describe_posteriors(np.eye(4, dtype=np.float32)[:, :, None, None])).all()
