"""Deviations from the mean, and the slope of one series of returns on another."""

import math
from typing import Any

import numpy as np

from trackfolio._validation import Array

# Dispersion below this share of the largest return is rounding of the returns, not risk.
NOISE = 100 * np.finfo(np.float64).eps


def centred(returns: Array, s: Array | None) -> Array:
    """Returns less their (weighted) mean."""
    return np.asarray(returns - np.average(returns, axis=0, weights=s))


def is_noise(deviation: float, *returns: Array) -> bool:
    """Whether a deviation is no more than rounding of the returns."""
    return bool(deviation <= NOISE * max(np.abs(r).max() for r in returns))


def slope_on(benchmark: Array, returns: Array, s: Array | None) -> Any:
    """Beta of returns, a series or one in each column, or None where the benchmark's return is constant."""
    b = centred(benchmark, s)
    weighted = b / b.size if s is None else b * (s / s.sum())
    variance = float(weighted @ b)
    if is_noise(math.sqrt(variance), benchmark):
        return None
    return slopes(weighted @ centred(returns, s), variance, np.abs(returns).max(axis=0))


def slopes(covariances: Any, variance: float, sizes: Any) -> Any:
    """Betas; 0 where what the benchmark explains is no more than rounding of returns of these sizes, as of cash.

    A limit on betas that are noise would be a limit on nothing, in units of noise.
    """
    explained = np.abs(covariances) / math.sqrt(variance)
    return np.where(explained <= NOISE * sizes, 0.0, covariances / variance)[()]
