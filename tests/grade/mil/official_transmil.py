"""The official TransMIL written out a second time, by head and by row, from its description."""

import math

import torch
import torch.nn.functional as F

HEADS = 8
Weights = dict[str, torch.Tensor]


def draw_official(width: int, num_features: int, classes: int = 4, seed: int = 0) -> Weights:
    """A state dict with the official names and shapes, and random values."""
    generator = torch.Generator().manual_seed(seed)
    shapes = {"_fc1.0.weight": (width, num_features), "_fc1.0.bias": (width,)}
    shapes |= {"cls_token": (1, 1, width), "norm.weight": (width,), "norm.bias": (width,)}
    shapes |= {"_fc2.weight": (classes, width), "_fc2.bias": (classes,)}
    for layer in ("layer1", "layer2"):
        shapes |= {f"{layer}.norm.weight": (width,), f"{layer}.norm.bias": (width,)}
        shapes |= {f"{layer}.attn.to_qkv.weight": (3 * width, width)}
        shapes |= {f"{layer}.attn.to_out.0.weight": (width, width)}
        shapes |= {f"{layer}.attn.to_out.0.bias": (width,)}
        shapes |= {f"{layer}.attn.res_conv.weight": (HEADS, 1, 33, 1)}
    for name, side in (("proj", 7), ("proj1", 5), ("proj2", 3)):
        shapes |= {f"pos_layer.{name}.weight": (width, 1, side, side)}
        shapes |= {f"pos_layer.{name}.bias": (width,)}
    return {
        name: torch.randn(shape, generator=generator, dtype=torch.float64) / math.sqrt(shape[-1])
        for name, shape in shapes.items()
    }


def official_logits(weights: Weights, bag: torch.Tensor, *, pinned: bool) -> torch.Tensor:
    """Logits of one bag [N, D]."""
    tiles = F.relu(bag @ weights["_fc1.0.weight"].T + weights["_fc1.0.bias"])
    side = math.ceil(math.sqrt(len(tiles)))
    tiles = torch.cat([tiles, tiles[: side * side - len(tiles)]])
    tokens = torch.cat([weights["cls_token"][0], tiles])
    tokens = tokens + official_attention(weights, "layer1", tokens, pinned=pinned)
    grid = tokens[1:].T.reshape(1, -1, side, side)
    total = grid.clone()
    for name, half in (("proj", 3), ("proj1", 2), ("proj2", 1)):
        kernel, bias = weights[f"pos_layer.{name}.weight"], weights[f"pos_layer.{name}.bias"]
        total = total + F.conv2d(grid, kernel, bias, padding=half, groups=grid.shape[1])
    tokens = torch.cat([tokens[:1], total.flatten(2)[0].T])
    tokens = tokens + official_attention(weights, "layer2", tokens, pinned=pinned)
    first = layer_norm(tokens[:1], weights, "norm")
    return (first @ weights["_fc2.weight"].T + weights["_fc2.bias"])[0]


def official_attention(
    weights: Weights, layer: str, tokens: torch.Tensor, *, pinned: bool
) -> torch.Tensor:
    """What a layer's attention gives for tokens [L, C], one head after the other."""
    length, width = tokens.shape
    marks, depth = width // 2, width // HEADS
    padding = (marks - length % marks) % marks
    normed = layer_norm(tokens, weights, f"{layer}.norm")
    padded = torch.cat([torch.zeros(padding, width, dtype=tokens.dtype), normed])
    mixed = padded @ weights[f"{layer}.attn.to_qkv.weight"].T
    group = math.ceil(length / marks)
    heads, kernels, largest = [], [], []
    for head in range(HEADS):
        part = slice(head * depth, (head + 1) * depth)
        query = mixed[:, :width][:, part] / math.sqrt(depth)
        key, value = mixed[:, width : 2 * width][:, part], mixed[:, 2 * width :][:, part]
        query_marks = torch.stack([rows.mean(0) for rows in query.split(group)])
        key_marks = torch.stack([rows.mean(0) for rows in key.split(group)])
        kernels.append(
            [
                (query @ key_marks.T).softmax(1),
                (query_marks @ key_marks.T).softmax(1),
                (query_marks @ key.T).softmax(1),
            ]
        )
        largest.append((kernels[-1][1].sum(1).max(), kernels[-1][1].sum(0).max()))
        heads.append(value)
    scale = max(rows for rows, _ in largest) * max(columns for _, columns in largest)
    out = []
    for head, (value, (left, middle, right)) in enumerate(zip(heads, kernels, strict=True)):
        near = weights[f"{layer}.attn.res_conv.weight"][head, 0, :, 0]
        seen = left @ inverse_of(middle, scale) @ (right @ value)
        wide = F.pad(value, (0, 0, 16, 16))
        seen = seen + sum(near[k] * wide[k : k + len(value)] for k in range(33))
        out.append(seen)
    joined = torch.cat(out, 1) @ weights[f"{layer}.attn.to_out.0.weight"].T
    joined = joined + weights[f"{layer}.attn.to_out.0.bias"]
    return joined[:length] if pinned else joined[-length:]


def inverse_of(matrix: torch.Tensor, scale: torch.Tensor) -> torch.Tensor:
    """Six steps of Z <- Z (13 I - A Z (15 I - A Z (7 I - A Z))) / 4."""
    one = torch.eye(len(matrix), dtype=matrix.dtype)
    guess = matrix.T / scale
    for _ in range(6):
        product = matrix @ guess
        guess = guess @ (13 * one - product @ (15 * one - product @ (7 * one - product))) / 4
    return guess


def layer_norm(tokens: torch.Tensor, weights: Weights, name: str) -> torch.Tensor:
    """Layer norm by its definition."""
    mean, variance = tokens.mean(1, keepdim=True), tokens.var(1, keepdim=True, correction=0)
    normed = (tokens - mean) / torch.sqrt(variance + 1e-5)
    return normed * weights[f"{name}.weight"] + weights[f"{name}.bias"]
