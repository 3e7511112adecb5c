"""Where the slide graders look."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import numpy.typing as npt

from disc.grade.mil.bag_grader import BagGrader
from disc.grade.mil.scoring import attend_bags
from disc.slides.judging.calibrate import make_bag


def attend(
    heads: Sequence[BagGrader], features: npt.NDArray[np.float32]
) -> npt.NDArray[np.float64]:
    """How much each window or tile counts, [n], adding up to 1, as a mean over graders.

    Of transformers the last layer's attention of the token that the labels are read from.
    """
    bag = make_bag("slide", features)
    found = [attend_bags(net, [bag])[0].astype(np.float64) for net in heads]
    mean: npt.NDArray[np.float64] = np.mean([each / each.sum() for each in found], axis=0)
    return mean
