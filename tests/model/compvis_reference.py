"""latent-diffusion's VQ autoencoder written anew from its published architecture, names as there.

Shares nothing with the program: plain torch modules, whose state_dict is a checkpoint's.
"""

import torch
import torch.nn.functional as F
from torch import nn


def normalise(channels):
    return nn.GroupNorm(32, channels, eps=1e-6)


class ResnetBlock(nn.Module):
    def __init__(self, inner, outer):
        super().__init__()
        self.norm1, self.conv1 = normalise(inner), nn.Conv2d(inner, outer, 3, padding=1)
        self.norm2, self.conv2 = normalise(outer), nn.Conv2d(outer, outer, 3, padding=1)
        if inner != outer:
            self.nin_shortcut = nn.Conv2d(inner, outer, 1)

    def forward(self, x):
        h = self.conv1(F.silu(self.norm1(x)))
        h = self.conv2(F.silu(self.norm2(h)))
        return h + (self.nin_shortcut(x) if hasattr(self, "nin_shortcut") else x)


class AttnBlock(nn.Module):
    def __init__(self, channels):
        super().__init__()
        self.norm = normalise(channels)
        self.q, self.k, self.v = (nn.Conv2d(channels, channels, 1) for _ in range(3))
        self.proj_out = nn.Conv2d(channels, channels, 1)

    def forward(self, x):
        h = self.norm(x)
        q, k, v = (layer(h).flatten(2) for layer in (self.q, self.k, self.v))
        weights = torch.softmax(torch.einsum("bci,bcj->bij", q, k) * q.shape[1] ** -0.5, dim=2)
        return x + self.proj_out(torch.einsum("bij,bcj->bci", weights, v).view(x.shape))


def middle(channels, has_attention):
    parts = {"block_1": ResnetBlock(channels, channels), "block_2": ResnetBlock(channels, channels)}
    if has_attention:
        parts["attn_1"] = AttnBlock(channels)
    return nn.ModuleDict(parts)


def run_middle(mid, h):
    h = mid["block_1"](h)
    return mid["block_2"](mid["attn_1"](h) if "attn_1" in mid else h)


class Encoder(nn.Module):
    def __init__(self, widths, layers, has_attention):
        super().__init__()
        self.conv_in = nn.Conv2d(3, widths[0], 3, padding=1)
        self.down, last = nn.ModuleList(), widths[0]
        for level, width in enumerate(widths):
            blocks = nn.ModuleList()
            for _ in range(layers):
                blocks.append(ResnetBlock(last, width))
                last = width
            parts = {"block": blocks}
            if level < len(widths) - 1:
                parts["downsample"] = nn.ModuleDict({"conv": nn.Conv2d(last, last, 3, stride=2)})
            self.down.append(nn.ModuleDict(parts))
        self.mid = middle(last, has_attention)
        self.norm_out, self.conv_out = normalise(last), nn.Conv2d(last, 3, 3, padding=1)

    def forward(self, x):
        h = self.conv_in(x)
        for level in self.down:
            for block in level["block"]:
                h = block(h)
            if "downsample" in level:
                h = level["downsample"]["conv"](F.pad(h, (0, 1, 0, 1)))
        return self.conv_out(F.silu(self.norm_out(run_middle(self.mid, h))))


class Decoder(nn.Module):
    def __init__(self, widths, layers, has_attention):
        super().__init__()
        last = widths[-1]
        self.conv_in = nn.Conv2d(3, last, 3, padding=1)
        self.mid = middle(last, has_attention)
        levels = []
        for level in reversed(range(len(widths))):
            blocks = nn.ModuleList()
            for _ in range(layers + 1):
                blocks.append(ResnetBlock(last, widths[level]))
                last = widths[level]
            parts = {"block": blocks}
            if level:
                parts["upsample"] = nn.ModuleDict({"conv": nn.Conv2d(last, last, 3, padding=1)})
            levels.insert(0, nn.ModuleDict(parts))
        self.up = nn.ModuleList(levels)
        self.norm_out, self.conv_out = normalise(last), nn.Conv2d(last, 3, 3, padding=1)

    def forward(self, z):
        h = run_middle(self.mid, self.conv_in(z))
        for level in reversed(self.up):
            for block in level["block"]:
                h = block(h)
            if "upsample" in level:
                h = level["upsample"]["conv"](h.repeat_interleave(2, 2).repeat_interleave(2, 3))
        return self.conv_out(F.silu(self.norm_out(h)))


class VQ(nn.Module):
    """The original network; `widths` from fine to coarse."""

    def __init__(self, widths=(32, 64, 64), layers=1, num_codes=64, has_attention=True):
        super().__init__()
        self.encoder = Encoder(widths, layers, has_attention)
        self.decoder = Decoder(widths, layers, has_attention)
        self.quant_conv, self.post_quant_conv = nn.Conv2d(3, 3, 1), nn.Conv2d(3, 3, 1)
        self.quantize = nn.ModuleDict({"embedding": nn.Embedding(num_codes, 3)})

    def encode(self, x):
        return self.quant_conv(self.encoder(x))

    def quantise(self, z):
        """Nearest code of every latent, one latent at a time, and its index."""
        codes = self.quantize["embedding"].weight
        vectors = z.movedim(1, -1).reshape(-1, 3)
        nearest = torch.stack([((codes - vector) ** 2).sum(1).argmin() for vector in vectors])
        shape = (z.shape[0], *z.shape[2:])
        return codes[nearest].reshape(*shape, 3).movedim(-1, 1), nearest.reshape(shape)

    def decode(self, z):
        return self.decoder(self.post_quant_conv(self.quantise(z)[0]))


def draw_network(seed=0, **sizes):
    """The network with random weights that leave no layer without effect."""
    torch.manual_seed(seed)
    network = VQ(**sizes).eval()
    for name, value in network.named_parameters():
        if "norm" in name:
            nn.init.uniform_(value, 0.5, 1.5) if name.endswith("weight") else nn.init.normal_(value)
    return network


def as_checkpoint(network, prefix=""):
    """What Lightning saves, with the loss's tensors that are to be dropped."""
    state = {prefix + name: value.detach() for name, value in network.state_dict().items()}
    state[f"{prefix}loss.perceptual_loss.lin0.model.1.weight"] = torch.ones(1, 64, 1, 1)
    return {"epoch": 3, "global_step": 9, "state_dict": state, "optimizer_states": []}
