"""DDIM along any list of time steps."""

from __future__ import annotations

from typing import Any

import torch
from diffusers.schedulers.scheduling_ddim import DDIMScheduler, DDIMSchedulerOutput


class ListedDDIM(DDIMScheduler):  # type: ignore[misc]
    """diffusers' DDIM, except that a step ends at the next time step of its own list.

    diffusers goes down by 1000 // steps whatever the list says, which for most counts is past or
    short of the time step that it asks the network for next.

    Paper: Sec. 2.2 (DDIM).
    """

    def set_listed_timesteps(self, time_steps: list[int]) -> None:
        """Visit these time steps, in falling order, and end at the first level of the schedule."""
        self.timesteps = torch.tensor(time_steps)
        self.num_inference_steps = len(time_steps)
        self._next = dict(zip(time_steps, [*time_steps[1:], 0], strict=True))

    def step(
        self,
        model_output: torch.Tensor,
        timestep: Any,
        sample: torch.Tensor,
        *,
        eta: float = 0.0,
        variance_noise: torch.Tensor | None = None,
        return_dict: bool = True,
    ) -> Any:
        """One step; arguments as in diffusers, `timestep` being one of the list.

        Args:
            model_output: eps or v [B, C, h, w].
            timestep: where `sample` is.
            sample: z_t [B, C, h, w].
            eta: 0: no noise is added; 1: as much as DDPM adds.
            variance_noise: what is added where eta > 0, of unit variance.
            return_dict: False: a tuple.
        """
        start = self.alphas_cumprod[int(timestep)]
        end = self.alphas_cumprod[self._next[int(timestep)]]
        if self.config.prediction_type == "epsilon":
            eps = model_output
            z_0 = (sample - (1 - start).sqrt() * eps) / start.sqrt()
        else:
            z_0 = start.sqrt() * sample - (1 - start).sqrt() * model_output
            eps = start.sqrt() * model_output + (1 - start).sqrt() * sample
        # the last step of a list that visits t = 0 goes nowhere: nothing is to be added
        added = eta * ((1 - end) / (1 - start) * (1 - start / end)).sqrt()
        moved = end.sqrt() * z_0 + (1 - end - added**2).clamp(min=0).sqrt() * eps
        if variance_noise is not None:
            moved = moved + added * variance_noise
        if not return_dict:
            return moved, z_0
        return DDIMSchedulerOutput(prev_sample=moved, pred_original_sample=z_0)
