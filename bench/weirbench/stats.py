"""Medians, percentiles and bootstrap intervals."""

import math
import random
import statistics

RESAMPLES = 10_000


def median(values):
    return statistics.median(values) if values else math.nan


def percentile(sorted_values, fraction):
    """Nearest rank; `sorted_values` must be sorted."""
    if not sorted_values:
        return math.nan
    rank = max(1, math.ceil(fraction * len(sorted_values)))
    return sorted_values[rank - 1]


def median_interval(values, confidence=0.95):
    """(median, lower, upper): the bootstrap interval of the median. Reproducible: the resampling
    has a fixed seed, the noise is in the values."""
    if len(values) < 3:
        return median(values), math.nan, math.nan
    generator = random.Random(20260101)
    medians = sorted(
        statistics.median(generator.choices(values, k=len(values))) for _ in range(RESAMPLES)
    )
    tail = (1 - confidence) / 2
    return median(values), percentile(medians, tail), percentile(medians, 1 - tail)


def ratios(pairs):
    """Of (numerator, denominator) pairs measured next to each other."""
    return [above / below for above, below in pairs if below]
