"""Mixed Supervision: a transformer that learns from slide grades and from labels of instances."""

from __future__ import annotations

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from disc.grade.mil.bag_grader import BagGrader, share_out
from disc.grade.mil.heads import num_outputs
from disc.labels import NUM_LABELS
from disc.settings.grading import TransMIL as Settings

HEADS = 6
"""Attention heads."""
MLP_RATIO = 3
"""Width of the hidden layer over that of a token."""
STOCHASTIC_DEPTH = (0.0, 0.1)
"""Rate at which each block's changes are left out in training."""
CELLS = 5
"""Cells of the position encoding on the side of a tile (the original: 100 px of a tile of 512)."""
POSITION_SCALE = 0.1


class MixedSupervision(BagGrader):
    """Slide token and instances, with positions, through two blocks; a head for each kind.

    Tokens are as wide as the features: `settings.width` and `settings.heads` are not used.

    Paper: Sec. 3 (comparison model, ref. 3).
    Differs from paper: features are standardised; the loss is optimised as all others here are, by
    AdamW in batches of bags, not by Lookahead on RAdam with 8 accumulated bags, and an instance's
    is a mean over a bag's known ones; no copies of tiles, turned and mirrored. Places are those
    in an instance's own tile, not on the slide: where the tiles of a synthetic slide lie is made
    up, and by it alone it was told from a real one.
    """

    def __init__(self, settings: Settings, num_features: int) -> None:
        """Build it with random weights for features of a given length."""
        super().__init__(num_features)
        self.slide_token = nn.Parameter(torch.randn(1, 1, num_features))
        self.blocks = nn.ModuleList(Block(num_features, rate) for rate in STOCHASTIC_DEPTH)
        self.norm = nn.LayerNorm(num_features)
        self.head = nn.Linear(num_features, num_outputs(settings.head))
        self.instance_head = nn.Linear(num_features, NUM_LABELS)

    def forward(
        self,
        features: Tensor,
        is_tile: Tensor,
        places: Tensor | None = None,
        all_tokens: bool = False,
    ) -> Tensor:
        """Logits of slides, or of slides and instances.

        Args:
            features: [B, L, D].
            is_tile: which places hold an instance, bool [B, L].
            places: centres of the instances in their tiles, in sides of a tile, [B, L, 2]; None:
                all at 0.
            all_tokens: also give the logits of the instances.

        Returns:
            [B, outputs]; of all tokens [B, 1 + L, outputs], the slide's first; an instance has 4,
            and zeros after them.
        """
        tokens, is_token = self._enter(features, is_tile, places)
        for block in self.blocks:
            tokens = block(tokens, is_token)
        tokens = self.norm(tokens)
        slide: Tensor = self.head(tokens[:, 0])
        if not all_tokens:
            return slide
        instances = F.pad(self.instance_head(tokens[:, 1:]), (0, slide.shape[1] - NUM_LABELS))
        return torch.cat([slide[:, None], instances], 1)

    def attend(self, features: Tensor, is_tile: Tensor, places: Tensor | None = None) -> Tensor:
        """How much each instance counts, [B, L]: the slide token's attention in the last block."""
        tokens, is_token = self._enter(features, is_tile, places)
        *before, last = self.blocks
        for block in before:
            tokens = block(tokens, is_token)
        assert isinstance(last, Block)
        return share_out(last.look(tokens, is_token)[:, 1:], is_tile)

    def _enter(
        self, features: Tensor, is_tile: Tensor, places: Tensor | None
    ) -> tuple[Tensor, Tensor]:
        tiles = self.standardise(features)
        if places is not None:
            tiles = tiles + POSITION_SCALE * encode_places(places, tiles.shape[-1])
        tokens = torch.cat([self.slide_token.expand(len(tiles), 1, -1), tiles], 1)
        return tokens, F.pad(is_tile, (1, 0), value=True)


class Block(nn.Module):
    """Attention and a hidden layer; half of each change is added."""

    def __init__(self, width: int, rate: float) -> None:
        """Keep the width, which the heads need not divide."""
        super().__init__()
        self.depth = max(1, width // HEADS)
        self.rate = rate
        self.norms = nn.ModuleList(nn.LayerNorm(width) for _ in range(2))
        self.split = nn.Linear(width, 3 * HEADS * self.depth, bias=False)
        self.join = nn.Linear(HEADS * self.depth, width)
        self.hidden = nn.Sequential(
            nn.Linear(width, MLP_RATIO * width), nn.GELU(), nn.Linear(MLP_RATIO * width, width)
        )

    def forward(self, tokens: Tensor, is_token: Tensor) -> Tensor:
        """Tokens [B, L, C] that looked at the tokens marked in bool [B, L]."""
        query, key, value = self._split(tokens)
        seen = F.scaled_dot_product_attention(query, key, value, attn_mask=is_token[:, None, None])
        tokens = tokens + self._keep(self.join(seen.transpose(1, 2).flatten(2))) / 2
        return tokens + self._keep(self.hidden(self.norms[1](tokens))) / 2

    def look(self, tokens: Tensor, is_token: Tensor) -> Tensor:
        """How much the first token looks at each, mean over heads, [B, L]."""
        query, key, _ = self._split(tokens)
        scores = query[:, :, :1] @ key.transpose(2, 3) * self.depth**-0.5
        weights: Tensor = scores.masked_fill(~is_token[:, None, None], -torch.inf).softmax(-1)
        return weights[:, :, 0].mean(1)

    def _split(self, tokens: Tensor) -> Tensor:
        shape = (*tokens.shape[:2], 3, HEADS, self.depth)
        split: Tensor = self.split(self.norms[0](tokens)).view(shape)
        return split.permute(2, 0, 3, 1, 4)

    def _keep(self, change: Tensor) -> Tensor:
        """The change, or in training now and then nothing, of whole bags."""
        kept = F.dropout(torch.ones_like(change[:, :1, :1]), self.rate, self.training)
        return kept * change


def encode_places(places: Tensor, width: int) -> Tensor:
    """Fixed sine and cosine positions of a tile's cells, [B, L, width]; half for x, half for y.

    Args:
        places: in sides of a tile, [B, L, 2].
        width: of a token; what is left over 4 stays 0.
    """
    quarter = width // 4
    rates = 10_000 ** (-torch.arange(quarter, device=places.device) / max(1, quarter))
    angles = (CELLS * places).floor()[..., None] * rates
    waves = torch.cat([angles.sin(), angles.cos()], -1).flatten(2)
    return F.pad(waves, (0, width - waves.shape[-1]))
