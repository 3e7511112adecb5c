"""Settings of evaluation."""

from __future__ import annotations

from dataclasses import dataclass, field

from disc.settings.checks import require, require_least
from disc.settings.grading import CarcinoNet
from disc.settings.training import Optim


@dataclass(frozen=True, kw_only=True)
class Evaluate:
    """Evaluation of generated tiles and of graders."""

    referee: CarcinoNet = field(
        default_factory=lambda: CarcinoNet(
            width=24, optim=Optim(steps=500, lr=1e-3, decay="cosine")
        )
    )
    """The referee: the independent evaluation network that segments generated tiles."""
    num_uniform: int = 96
    """Uniform masks, of one label, on which mask agreement is measured."""
    num_mixed: int = 256
    """Multi-class masks, in the shapes of test slides, on which mask agreement is measured."""
    num_synthesis: int = 256
    """The same, of those that synthesis asks for."""
    num_bootstrap: int = 2000
    """Bootstrap samples of every confidence interval."""

    def __post_init__(self) -> None:
        counts = {"num_uniform": self.num_uniform, "num_mixed": self.num_mixed}
        require_least("evaluate", 0, **counts, num_synthesis=self.num_synthesis)
        require(sum(counts.values()) > 0, "evaluate.num_uniform or num_mixed must be above 0")
        require_least("evaluate", 1, num_bootstrap=self.num_bootstrap)
        is_plain = (self.referee.architecture, self.referee.classes, self.referee.patience)
        require(
            is_plain == ("own", 4, 0),
            "evaluate.referee must have architecture own, 4 classes and no patience",
        )
