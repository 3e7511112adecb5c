"""The denoiser as sampling calls it: rows of several tiles in batches, conditions encoded once."""

from __future__ import annotations

from typing import Any

import torch

from disc.labels import IGNORE
from disc.model.condition import Condition
from disc.model.denoiser import Denoiser
from disc.sample.regions import Rows, Wanted
from disc.settings.sampling import Sample


class Network:
    """A denoiser and the conditions that it is asked under.

    Products are taken in the precision asked for; what comes out is float32, as solvers need it.
    """

    def __init__(self, denoiser: Denoiser, sample: Sample, wanted: Wanted) -> None:
        """Encode the conditions, each once; the last one, that nothing is known, is guidance's."""
        self.denoiser = denoiser
        self.batch = sample.batch
        self.device = next(denoiser.parameters()).device
        self._is_cast = sample.precision == "bfloat16"
        if sample.channels_last:
            denoiser.unet.to(memory_format=torch.channels_last)
        self._has_one_shape = sample.compile and self.device.type != "cpu"
        if self._has_one_shape and not is_compiled(denoiser.unet):
            denoiser.unet.compile(dynamic=False)
        self.num_conditions = len(wanted.masks)
        parts = [self._encode(*part) for part in _pieces(wanted, self.batch)]
        if sample.solver.guidance != 1:
            parts.append(self._encode(torch.full_like(wanted.masks[:1], IGNORE), None))
        self._conditions = Condition.join(parts)

    def null_condition(self, num: int) -> Rows:
        """Each of `num` latents as if nothing were known of its mask."""
        every = torch.arange(num, device=self.device)
        return Rows(every, torch.full_like(every, self.num_conditions))

    def predict(self, z: torch.Tensor, t: torch.Tensor, rows: Rows) -> torch.Tensor:
        """Noise, or velocity, of rows of z [N, 3, h, w] at the time step t []: [R, 3, h, w]."""
        with self._cast():
            parts = [self._predict_batch(z, t, part) for part in rows.split(self.batch)]
        return torch.cat(parts).float()

    def _predict_batch(self, z: torch.Tensor, t: torch.Tensor, rows: Rows) -> torch.Tensor:
        num, sources, conditions = len(rows), rows.sources, rows.conditions
        if self._has_one_shape and num < self.batch:
            sources, conditions = (
                torch.cat([index, index[:1].expand(self.batch - num)])
                for index in (sources, conditions)
            )
        taken = self._conditions.take(conditions)
        return self.denoiser.predict(z[sources], t.expand(len(sources)), taken)[:num]

    def _encode(self, masks: torch.Tensor, slides: torch.Tensor | None) -> Condition:
        with self._cast():
            encoded: Condition = self.denoiser.encode(
                masks.to(self.device), None if slides is None else slides.to(self.device)
            )
        return encoded

    def _cast(self) -> Any:
        return torch.autocast(self.device.type, torch.bfloat16, enabled=self._is_cast)


def is_compiled(network: Any) -> bool:
    """Whether a module was compiled in place."""
    return network._compiled_call_impl is not None


def _pieces(wanted: Wanted, size: int) -> list[tuple[torch.Tensor, torch.Tensor | None]]:
    masks = torch.split(wanted.masks, size)
    if wanted.slides is None:
        return [(part, None) for part in masks]
    return list(zip(masks, torch.split(wanted.slides, size), strict=True))
