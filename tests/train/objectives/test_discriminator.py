"""A discriminator tells made patches from real ones, and pulls at what makes them."""

from functools import partial

import torch

from disc.train.objectives.discriminator import Discriminator, contest_loss


def test_it_learns_to_tell_made_from_real():
    torch.manual_seed(0)
    discriminator = Discriminator(3, 4, strides=(2, 2, 1, 1))
    optimizer = torch.optim.Adam(discriminator.parameters(), lr=1e-2)
    flat = torch.zeros(4, 3, 32, 32)
    for _ in range(30):
        real = torch.rand(4, 3, 32, 32) * 1.5 - 0.5
        loss = contest_loss(flat, real, lambda made: made.sum(), discriminator, (0.0, 0.0))[0]
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
    with torch.no_grad():
        real, made = (discriminator(x)[-1].mean() for x in (real, flat))
    assert real > made + 1


def test_a_discriminator_brings_back_what_regression_leaves_out():
    """Of latents that nothing foretells, regression makes their mean alone, without a spread."""
    torch.manual_seed(0)
    real, spreads = torch.randn(512, 1, 8, 8), {}
    for weight in (0.0, 0.5):
        torch.manual_seed(1)
        net = torch.nn.Conv2d(1, 1, 1)
        discriminator = Discriminator(1, 8, strides=(1, 2, 1, 1))
        optimizer = torch.optim.Adam([*net.parameters(), *discriminator.parameters()], lr=5e-3)
        for step in range(150):
            x = real[torch.arange(16) + 16 * (step % 32)]
            made, error_of = net(torch.randn(x.shape)), partial(torch.nn.functional.mse_loss, x)
            optimizer.zero_grad()
            contest_loss(made, x, error_of, discriminator, (weight, weight))[0].backward()
            optimizer.step()
        spreads[weight] = float(net(torch.randn(64, 1, 8, 8)).detach().std())
    assert spreads[0.0] < 0.1
    assert spreads[0.5] > 2 * spreads[0.0]
