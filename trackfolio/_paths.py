"""What a series of returns adds up to over time: cumulated returns, drawdowns, growth."""

import numpy as np

from trackfolio._validation import Array


def cumulated(returns: Array, *, compounded: bool = False) -> Array:
    """Cumulated return at the end of each period: the sum so far, or the compounded return."""
    if compounded:
        return np.asarray(np.cumprod(1 + returns) - 1)
    return np.asarray(np.cumsum(returns))


def drawdowns(returns: Array, *, compounded: bool = False) -> Array:
    """Loss since the running maximum at the end of each period, positive; the maximum starts at 0.

    Uncompounded it is the maximum of the cumulated simple returns minus the cumulated return;
    compounded it is the share of the greatest wealth so far that has been lost.
    """
    path = cumulated(returns, compounded=compounded)
    peak = np.maximum.accumulate(np.maximum(path, 0.0))
    return np.asarray((peak - path) / (1 + peak) if compounded else peak - path)


def growth(returns: Array, sample_weight: Array | None = None) -> float:
    """Wealth at the end per unit invested, everything reinvested; weight 2 is the period twice."""
    factors = 1 + returns
    if sample_weight is not None:
        # A fractional power of a negative number: undefined, and nan says so.
        with np.errstate(invalid="ignore"):
            factors = factors**sample_weight
    return float(np.prod(factors))
