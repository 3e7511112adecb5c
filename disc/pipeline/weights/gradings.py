"""All graders of a run or of exported weights, each read and calibrated once."""

from __future__ import annotations

from dataclasses import dataclass, field

from disc.pipeline.configurations import ENCODER
from disc.pipeline.weights.graders import open_grading
from disc.pipeline.weights.slide_graders import choose_encoder, open_slide_grading
from disc.pipeline.weights.source import Weights
from disc.settings.grading import EncoderName
from disc.slides.from_slide_graders import SlideGrading
from disc.slides.grading import Grading


@dataclass(frozen=True)
class Gradings:
    """Graders by the name of their configuration, such as `real`."""

    weights: Weights
    _of_slides: dict[str, Grading] = field(default_factory=dict, repr=False)
    _of_features: dict[tuple[str, EncoderName], SlideGrading] = field(
        default_factory=dict, repr=False
    )

    def of_slides(self, name: str = "real") -> Grading:
        """Graders of slides.

        Raises:
            BadInput: if there are none.
        """
        if name not in self._of_slides:
            self._of_slides[name] = open_grading(self.weights, name)
        return self._of_slides[name]

    def of_pixels(self, name: str = "real") -> Grading:
        """Pixel graders without slide graders, and so without these' encoders.

        Raises:
            BadInput: if there are none.
        """
        known = self._of_slides.get(name)
        return known or open_grading(self.weights, name, has_slide_graders=False)

    def of_features(
        self, name: str = "real", encoder: EncoderName | None = None
    ) -> Grading | SlideGrading:
        """Graders of features: tile by tile where these are the embedded encoder's.

        Args:
            name: of the configuration.
            encoder: that made the features; None: the run's, if it has one alone.

        Raises:
            BadInput: if the run has no slide graders on it.
        """
        chosen = choose_encoder(self.weights, encoder)
        if chosen == ENCODER:
            return self.of_slides(name)
        if (name, chosen) not in self._of_features:
            self._of_features[name, chosen] = open_slide_grading(self.weights, name, chosen)
        return self._of_features[name, chosen]
