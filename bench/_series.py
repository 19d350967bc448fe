"""Straight lines through samples: how fast something grows, and how sure that is.

One law: a slope is a slope only beside its standard error.
"""

from __future__ import annotations

import itertools
import math
from collections.abc import Sequence
from dataclasses import dataclass

HOUR_S = 3600.0
SURE = 3.0
"""A slope counts as one from so many standard errors on."""


@dataclass(frozen=True, slots=True)
class Slope:
    """A least-squares line.

    Attributes:
        per_hour: its slope, a unit of the samples an hour.
        error: the slope's standard error, in the same unit; infinite where there are too few
            samples to tell.
        mean: of the samples.
    """

    per_hour: float
    error: float
    mean: float

    @property
    def sure(self) -> bool:
        """Whether it can be told from none at all."""
        return abs(self.per_hour) > SURE * self.error


def slope(times: Sequence[float], values: Sequence[float]) -> Slope:
    """The line through ``values`` at ``times`` (seconds).

    Samples that follow each other closely resemble each other, and by the textbook's formula many
    of them would seem to know what only few can: the error is widened by the correlation r of
    neighbouring residuals, as if there were n (1 - r) / (1 + r) samples.
    """
    count = len(values)
    if count == 0:
        return Slope(0.0, math.inf, 0.0)
    mean_t, mean_v = math.fsum(times) / count, math.fsum(values) / count
    width = math.fsum((t - mean_t) ** 2 for t in times)
    if count < 4 or width == 0:
        return Slope(0.0, math.inf, mean_v)
    rise = math.fsum(
        (t - mean_t) * (v - mean_v) for t, v in zip(times, values, strict=True)
    ) / width  # fmt: skip
    rest = [v - mean_v - rise * (t - mean_t) for t, v in zip(times, values, strict=True)]
    squares = math.fsum(r * r for r in rest)
    error = math.sqrt(squares / (count - 2) / width)
    if squares > 0:
        alike = math.fsum(a * b for a, b in itertools.pairwise(rest)) / squares
        alike = min(0.99, max(0.0, alike))
        error *= math.sqrt((1 + alike) / (1 - alike))
    return Slope(rise * HOUR_S, error * HOUR_S, mean_v)
