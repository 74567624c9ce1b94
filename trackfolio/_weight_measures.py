"""Distances between two sets of weights; public in `trackfolio.metrics`."""

import math
from collections.abc import Mapping
from typing import Any

import numpy as np
import pandas as pd
from sklearn.utils import check_array, check_consistent_length

from trackfolio._frequency import check_periods_per_year
from trackfolio._validation import Array, asset_names, finite_per_asset, per_asset


def active_share(weights: Any, benchmark_weights: Any) -> float:
    r"""Share of the portfolio that differs from the benchmark, :math:`\frac12\sum_i|w_i-w_{b,i}|`.

    Parameters
    ----------
    weights, benchmark_weights : array-like of shape (n_assets,), dict or Series by asset name
        Both by name (the sum is over the union of names, 0 where one side lacks the name) or both
        without names, in the same order.

    Returns
    -------
    float
        Share of the invested amount; 0 for the benchmark itself, 1 for a long-only portfolio that
        holds nothing of it [1]_.

    Raises
    ------
    ValueError
        For weights that are not finite, or of unequal lengths.
    TypeError
        If one side has names and the other has none, or for a portfolio in place of its weights.

    References
    ----------
    .. [1] M. Cremers and A. Petajisto, How Active Is Your Fund Manager?, Review of Financial
       Studies 22(9), 2009.

    Examples
    --------
    >>> from trackfolio.metrics import active_share
    >>> active_share({"A": 0.5, "B": 0.5}, {"B": 0.5, "C": 0.25, "D": 0.25})
    0.5
    """
    return _half_distance(weights, benchmark_weights, "weights", "benchmark_weights")


def turnover(weights: Any, previous_weights: Any) -> float:
    r"""One-way turnover of a rebalance, :math:`\frac12\sum_i|w_i-w_{prev,i}|`.

    Parameters
    ----------
    weights : array-like of shape (n_assets,), dict or Series by asset name
        After the rebalance.
    previous_weights : array-like of shape (n_assets,), dict or Series by asset name
        Drifted holdings just before it, :math:`w_i(1+r_i)/\sum_j w_j(1+r_j)`, not the weights of
        the last rebalance. By name or not, as in `active_share`.

    Returns
    -------
    float
        Share of the invested amount, bought and sold counted once.

    Raises
    ------
    ValueError, TypeError
        As `active_share`.

    References
    ----------
    .. [1] Grinold & Kahn (2000), Active Portfolio Management, chapter 16.

    Examples
    --------
    >>> from trackfolio.metrics import turnover
    >>> turnover([0.5, 0.5, 0.0], [0.25, 0.5, 0.25])
    0.25
    """
    return _half_distance(weights, previous_weights, "weights", "previous_weights")


def ex_ante_tracking_error(
    weights: Any,
    benchmark_weights: Any,
    covariance: Any,
    *,
    periods_per_year: float | None = None,
) -> float:
    r"""Tracking error that a covariance implies, :math:`\sqrt{d'\Sigma d}` with d = w - w_b.

    Parameters
    ----------
    weights, benchmark_weights : array-like of shape (n_assets,), dict or Series by asset name
        By name, the names of all columns of `covariance` and no others.
    covariance : array-like or DataFrame of shape (n_assets, n_assets)
        Covariance of the assets' returns per period.
    periods_per_year : float, optional
        If given, the tracking error is annualised, :math:`\times\sqrt m`.

    Returns
    -------
    float
        In units of returns, per period or annualised.

    Raises
    ------
    ValueError
        If the covariance is not square, or gives these weights a negative variance.

    References
    ----------
    .. [1] Grinold & Kahn (2000), Active Portfolio Management, where it is called active risk.

    Examples
    --------
    >>> from trackfolio.metrics import ex_ante_tracking_error
    >>> ex_ante_tracking_error([1.0, 0.0], [0.5, 0.5], [[0.04, 0.0], [0.0, 0.12]])
    0.2
    """
    sigma = check_array(covariance, dtype=np.float64, input_name="covariance")
    names = asset_names(getattr(covariance, "columns", None), sigma.shape[1])
    rows = [str(row) for row in covariance.index] if isinstance(covariance, pd.DataFrame) else names
    if sigma.shape[0] != sigma.shape[1] or rows != names:
        raise ValueError(
            "covariance must be square, with the same names in rows and columns in the same order, "
            f"got shape {sigma.shape}."
        )
    d = finite_per_asset(weights, names, "weights")
    d = d - finite_per_asset(benchmark_weights, names, "benchmark_weights")
    variance = float(d @ sigma @ d)
    # Rounding may leave a little less than 0 where the matrix is singular.
    if variance < -1e-12 * np.abs(sigma).max() * float(d @ d):
        raise ValueError(
            f"covariance is not positive semi-definite: it gives the active weights the variance {variance:g}."
        )
    return math.sqrt(max(variance, 0.0) * (check_periods_per_year(periods_per_year) or 1.0))


def _half_distance(weights: Any, others: Any, what: str, what_others: str) -> float:
    for value, name in ((weights, what), (others, what_others)):
        if hasattr(value, "weights"):
            raise TypeError(
                f"{name} must be weights, but a {type(value).__name__} stands for its returns: pass its .weights."
            )
    named = [isinstance(value, pd.Series | Mapping) for value in (weights, others)]
    if named[0] != named[1]:
        raise TypeError(
            f"{what} and {what_others} must both have names (dict or Series) or both not, "
            f"got {type(weights).__name__} and {type(others).__name__}."
        )
    if named[0]:
        # Iterating over the keys of a Series, unlike over the Series, gives its names.
        names = list(dict.fromkeys(str(n) for value in (weights, others) for n in value.keys()))  # noqa: SIM118
        weights = per_asset(weights, names, what, default=0.0)
        others = per_asset(others, names, what_others, default=0.0)
    first, second = (
        check_array(value, ensure_2d=False, dtype=np.float64, input_name=name)
        for value, name in ((weights, what), (others, what_others))
    )
    check_consistent_length(first, second)
    if first.ndim != 1 or second.ndim != 1:
        raise ValueError(f"{what} and {what_others} must have shape (n_assets,), got {first.shape} and {second.shape}.")
    return half_distance(first, second)


def half_distance(first: Array, second: Array) -> float:
    """Half the sum of absolute differences: turnover and active share of weights that are known to be right."""
    return float(np.abs(first - second).sum() / 2)
