"""Returns and sample weights as the risks want them, and the sets in which their multipliers lie."""

from typing import Any

import numpy as np
import numpy.typing as npt

from trackfolio._validation import Array, limit


def sample(returns: npt.ArrayLike, sample_weight: npt.ArrayLike | None = None) -> tuple[Array, Array]:
    """Returns and weights of the periods that are there: those of weight 0 are left out."""
    r = np.asarray(returns, dtype=np.float64)
    if r.ndim != 1 or not r.size:
        raise ValueError(f"Returns must be a series of at least one period, got an array of shape {r.shape}.")
    if not np.isfinite(r).all():
        raise ValueError(f"Returns must be finite, but that of period {int(np.argmin(np.isfinite(r)))} is not.")
    if sample_weight is None:
        return r, np.ones(r.size)
    s = np.asarray(sample_weight, dtype=np.float64)
    if s.shape != r.shape or not (s >= 0).all() or not s.any():
        raise ValueError(f"sample_weight must give {r.size} numbers of at least 0, not all of them 0.")
    return r[s > 0], s[s > 0]


def shares(n_periods: int, sample_weight: Array | None) -> Array:
    """Share of each period in the sum of weights."""
    return np.full(n_periods, 1 / n_periods) if sample_weight is None else sample_weight / sample_weight.sum()


def total(n_periods: int, sample_weight: Array | None) -> float:
    """Number of periods, repetitions counted."""
    return float(n_periods) if sample_weight is None else float(sample_weight.sum())


def per_share(pull: Array, share: Array) -> Array:
    """Multipliers divided by the shares of their periods; 0 for periods that are not there."""
    return np.divide(pull, share, out=np.zeros(len(pull)), where=share > 0)


def level(value: Any, who: str) -> float:
    """Confidence level, strictly between 0 and 1."""
    number = limit(value, f"{who}.confidence", np.nan)
    if not 0 < number < 1:
        raise ValueError(f"{who}.confidence must be a number between 0 and 1, such as 0.95, got {value!r}.")
    return number


def finite(value: Any, what: str) -> float:
    """Return one finite number."""
    number = limit(value, what, np.nan)
    if not np.isfinite(number):
        raise ValueError(f"{what} must be a finite number, got {value!r}.")
    return number


def capped_simplex(v: Array, cap: Array) -> Array:
    """Nearest point to v with 0 <= π <= cap and Σπ = 1, where Σcap >= 1: clip(v - τ, 0, cap) for the right τ."""
    above = np.minimum(cap, 1.0)

    def total(shift: float) -> float:
        return float(np.clip(v - shift, 0, above).sum())

    # Multipliers of a solution are nearly there.
    near = next((width for width in (1e-14, 1e-11, 1e-8) if total(-width) > 1 >= total(width)), None)
    low, high = (-near, near) if near else (float(np.min(v)) - 1.0, float(np.max(v)))
    for _ in range(120):
        middle = (low + high) / 2
        if middle in (low, high) or high - low < 1e-18:
            break
        low, high = (middle, high) if total(middle) > 1 else (low, middle)
    point = np.clip(v - high, 0, above)
    # What rounding of large v has left open goes to where there is room.
    room = above - point
    missing = 1 - point.sum()
    return np.asarray(point + room * (missing / room.sum()) if missing > 0 and room.sum() > 0 else point)
