import pytest
import safetensors.torch
import torch

from disc.files import BadInput
from disc.model.store import load_weights, read_tensors, save_weights
from disc.records.seal import check_seal, check_sealed_file, seal


def sealed() -> bytes:
    tensors = {"a": torch.arange(6.0), "b": torch.ones(2, 3, dtype=torch.float16)}
    return b"".join(seal(safetensors.torch.save(tensors, {"format": "pt"})))


def test_a_sealed_file_is_what_safetensors_reads(tmp_path):
    path = tmp_path / "w.safetensors"
    path.write_bytes(sealed())
    assert sealed() == path.read_bytes()
    assert safetensors.torch.load_file(path)["a"].tolist() == [0, 1, 2, 3, 4, 5]
    with safetensors.safe_open(path, "pt") as file:
        assert file.metadata()["format"] == "pt"
    assert check_seal(path, path.read_bytes(), "") and check_sealed_file(path, "")


def test_every_flipped_bit_is_seen(tmp_path):
    path, data = tmp_path / "w.safetensors", sealed()
    for place in range(0, len(data), 3):
        changed = bytearray(data)
        changed[place] ^= 4
        path.write_bytes(bytes(changed))
        with pytest.raises(BadInput, match=r"w\.safetensors: damaged"):
            read_tensors(path)


def test_files_without_a_seal_are_read(tmp_path):
    path = tmp_path / "w.safetensors"
    path.write_bytes(safetensors.torch.save({"a": torch.zeros(2)}))
    assert not check_sealed_file(path, "")
    assert list(read_tensors(path)) == ["a"]


@pytest.mark.parametrize("value", [float("nan"), float("inf")])
def test_weights_that_are_no_numbers_are_neither_written_nor_read(tmp_path, value):
    net, path = torch.nn.Linear(2, 2), tmp_path / "w.safetensors"
    save_weights(path, net)
    before = path.read_bytes()
    with torch.no_grad():
        net.bias[1] = value
    with pytest.raises(FloatingPointError, match="'bias' is not finite"):
        save_weights(path, net)
    assert path.read_bytes() == before
    path.write_bytes(safetensors.torch.save(net.state_dict()))
    with pytest.raises(BadInput, match=r"w\.safetensors: 'bias' holds values that are not finite"):
        load_weights(path, torch.nn.Linear(2, 2))


@pytest.mark.parametrize("kind", [torch.int64, torch.complex64])
def test_weights_of_another_kind_are_refused(tmp_path, kind):
    net, path = torch.nn.Linear(2, 2), tmp_path / "w.safetensors"
    state = {name: value.to(kind) for name, value in net.state_dict().items()}
    path.write_bytes(safetensors.torch.save(state))
    with pytest.raises(BadInput, match=r"w\.safetensors: '\w+' is torch\.\w+, expected"):
        load_weights(path, net)
