"""Plans: how the trajectories of a tile's labels become one tile."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal

from disc.files import BadInput

Name = Literal["plain", "end", "switch", "late", "step", "step-null", "guide", "heal"]
Phase = Literal["joint", "separate", "fused", "guided"]
"""What a step does: the tile under its whole mask; each label's own latent under that label; the
tile under each label, predictions fused by the mask; or those, as a guide for the first."""
FORMS = (
    "end, switch@0.75, step, step-null, guide@1.5, guide@1.5:200-800, late@0.5, heal@250, "
    "heal@250:2 or plain"
)


@dataclass(frozen=True, kw_only=True)
class Plan:
    """A plan for tiles of several labels; tiles of one label are denoised plainly under any.

    - `plain`: under the whole mask, as the denoiser was trained.
    - `end`: each label alone, all from one noise; the last latents are fused by the mask.
    - `switch@s`: as `end` for the first fraction s of the steps, then fused and plain.
    - `late@s`: plain for the first fraction s, then each label alone, fused at the end.
    - `step`: one latent; at every step the predictions of its labels are fused by the mask.
    - `step-null`: the same, a label's prediction being made with the rest of the tile unknown.
    - `guide@w`: one latent; to the plain prediction, w times its difference to the fused one is
      added. `guide@w:low-high`: only at time steps within low..high.
    - `heal@t`: `end`, then noise as of time step t and plain from there.
      `heal@t:px`: only within px latent pixels of a border between labels.

    Wherever something is fused, the pixels of a region come from its label alone: predictions, or
    latents that share their noise, never a mean of noisy latents. Pixels without a label follow the
    whole mask.

    Attributes:
        name: which plan.
        value: its s, w or t; 0 where it has none.
        interval: first and last time step of guidance.
        band: latent pixels beside a border; 0: everywhere.

    Paper: Eq. (2), Sec. 2.3 (`end`).
    Differs from paper: the other plans. `step-null` is how DiffInfinite (Aversa et al. 2023)
    conditions.
    """

    name: Name
    value: float = 0.0
    interval: tuple[int, int] = (0, 999)
    band: int = 0

    @classmethod
    def parse(cls, text: str) -> Plan:
        """Read a plan as it is written in settings and on the command line.

        Raises:
            BadInput: if it is no plan, or its number cannot be.
        """
        name, has_value, rest = text.partition("@")
        value, has_place, place = rest.partition(":")
        try:
            plan = cls._read(name, value, place)
        except ValueError as error:
            raise BadInput(f"plan {text!r}: no plan; expected {FORMS}") from error
        is_whole = bool(value) == bool(has_value) and bool(place) == bool(has_place)
        if not is_whole:
            raise BadInput(f"plan {text!r}: nothing after @ or :; expected {FORMS}")
        plan._check(text)
        return plan

    @classmethod
    def _read(cls, name: str, value: str, place: str) -> Plan:
        if name in ("plain", "end", "step", "step-null") and not (value or place):
            return cls(name=name)  # type: ignore[arg-type]
        if name in ("switch", "late") and not place:
            return cls(name=name, value=float(value))  # type: ignore[arg-type]
        if name == "guide":
            first, _, last = (place or "0-999").partition("-")
            return cls(name="guide", value=float(value), interval=(int(first), int(last)))
        if name == "heal":
            band = int(place) if place else 0
            if place and band < 1:
                raise ValueError
            return cls(name="heal", value=int(value), band=band)
        raise ValueError

    def _check(self, text: str) -> None:
        first, last = self.interval
        if self.name in ("switch", "late") and not 0 <= self.value <= 1:
            raise BadInput(
                f"plan {text!r}: a fraction of the steps lies in 0..1, as in switch@0.75"
            )
        if self.name == "guide" and not 0 <= self.value < 100:
            raise BadInput(f"plan {text!r}: a weight lies in 0..100, as in guide@1.5")
        if not 0 <= first <= last <= 999:
            raise BadInput(f"plan {text!r}: time steps rise within 0-999, as in guide@1.5:200-800")
        if self.name == "heal" and not 1 <= self.value <= 999:
            raise BadInput(f"plan {text!r}: heal takes a time step in 1..999, as in heal@250")

    def __str__(self) -> str:
        """As it is written; `parse` reads it back."""
        if self.name in ("plain", "end", "step", "step-null"):
            return self.name
        place = f":{self.band}" if self.band else ""
        if self.name == "guide" and self.interval != (0, 999):
            place = f":{self.interval[0]}-{self.interval[1]}"
        return f"{self.name}@{repr(self.value).removesuffix('.0')}{place}"

    def phases(self, time_steps: Sequence[int]) -> list[Phase]:
        """What is done at each of some falling time steps (before `heal` begins anew)."""
        num = len(time_steps)
        turn = int(self.value * num + 0.5)
        if self.name == "switch":
            return _turning("separate", "joint", turn, num)
        if self.name == "late":
            return _turning("joint", "separate", turn, num)
        if self.name == "guide":
            first, last = self.interval
            return ["guided" if first <= t <= last else "joint" for t in time_steps]
        everywhere: dict[str, Phase] = {"plain": "joint", "end": "separate", "heal": "separate"}
        return [everywhere.get(self.name, "fused")] * num

    def healing_steps(self, time_steps: Sequence[int]) -> list[int]:
        """Those of some time steps from which a finished tile is denoised once more.

        Raises:
            BadInput: if none is as early as `heal` asks for.
        """
        if self.name != "heal":
            return []
        chosen = [t for t in time_steps if t <= self.value]
        if not chosen:
            raise BadInput(f"plan {self}: the solver's last time step is {time_steps[-1]}")
        return chosen


def plan_of(variant: str, text: str) -> Plan:
    """The plan that a variant's tiles follow: `sd-sc` the one that settings name, others `plain`.

    Raises:
        BadInput: if it is no plan.
    """
    plan = Plan.parse(text)
    return plan if variant == "sd-sc" else Plan(name="plain")


def _turning(before: Phase, after: Phase, turn: int, num: int) -> list[Phase]:
    return [before] * turn + [after] * (num - turn)
