import torch

from disc.model.denoiser import Denoiser
from disc.sample.bank import bundle_seed, fill_bank, read_bank
from disc.sample.separated import denoise_labels
from disc.sample.solver import draw_noise
from disc.settings.denoiser import Denoiser as DenoiserSettings
from disc.settings.sampling import Sample, Solver

SETTINGS = Sample(solver=Solver(steps=2, spacing="trailing"))
SMALL = DenoiserSettings(
    channels=(16, 16), attention=(False, True), head_channels=16, context=16, token_stride=8
)


def fill(folder, denoiser, num=3):
    fill_bank(denoiser, folder, SETTINGS, num=num, labels=[0, 2], latent_px=8, seed=1)


def test_a_bundle_can_be_drawn_again_from_its_seed(tmp_path):
    torch.manual_seed(0)
    denoiser = Denoiser(SMALL).eval()
    fill(tmp_path, denoiser)
    bank = read_bank(tmp_path)
    assert bank.labels == (0, 2)
    assert bank.seeds == [bundle_seed(1, i) for i in range(3)]
    wanted = torch.tensor([[True, False, True, False]])
    again = denoise_labels(denoiser, draw_noise(bank.seeds[2:], 8), wanted, SETTINGS)
    torch.testing.assert_close(bank.latents[2:], again, atol=1e-4, rtol=1e-4)
    assert torch.equal(bank.draw_noise([2, 0]), draw_noise([bank.seeds[2], bank.seeds[0]], 8))


def test_a_stopped_bank_goes_on_to_the_same_bytes(tmp_path, monkeypatch):
    monkeypatch.setattr("disc.sample.bank.CHUNK", 2)
    torch.manual_seed(0)
    denoiser = Denoiser(SMALL).eval()
    fill(tmp_path / "whole", denoiser)
    fill(tmp_path / "stopped", denoiser)
    last = sorted((tmp_path / "stopped").iterdir())[-1]
    last.unlink()
    fill(tmp_path / "stopped", denoiser)
    for path in (tmp_path / "whole").iterdir():
        assert path.read_bytes() == (tmp_path / "stopped" / path.name).read_bytes()
