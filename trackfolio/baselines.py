"""Portfolios to compare with, which optimise nothing."""

from collections.abc import Mapping
from typing import Any, Self

import numpy as np
import pandas as pd
from scipy.optimize import brentq
from sklearn.base import RegressorMixin

from trackfolio._holder import PortfolioHolder, checked_bound
from trackfolio._validation import Array, check_same_index, limit, warn_if_prices
from trackfolio.exceptions import InfeasibleError

__all__ = ["BenchmarkReplica", "EqualWeighted"]


class _Baseline(RegressorMixin, PortfolioHolder):
    """A regressor whose fit looks at the names of the assets alone; its score is R²."""

    benchmark_weights: Any = None

    def _assets(self, X: Any, y: Any) -> list[str]:
        check_same_index(X, y)
        values = self._validated(X, reset=True) if y is None else self._validated(X, y=y, reset=True)[0]
        names = self._names(X)
        warn_if_prices(values, names)
        return names

    def __sklearn_tags__(self) -> Any:
        """Tags of scikit-learn: y is not needed."""
        tags = super().__sklearn_tags__()
        tags.target_tags.required = False
        tags.regressor_tags.poor_score = True
        return tags


class EqualWeighted(_Baseline):
    """The same weight in every asset; of a single column, that asset itself, such as the index.

    Parameters
    ----------
    budget : float, default=1.0
        Sum of the weights.

    Attributes
    ----------
    weights_ : ndarray of shape (n_assets,)
        Weights.

    Examples
    --------
    >>> from trackfolio import EqualWeighted
    >>> from trackfolio.datasets import load_sp500
    >>> X, y = load_sp500(start="2021-01-01", return_X_y=True)
    >>> EqualWeighted().fit(X).predict(X)
    <Portfolio: 500 periods from 2021-01-05 to 2022-12-28, holds 20 of 20 assets>
    """

    def __init__(self, budget: float = 1.0) -> None:
        self.budget = budget

    def fit(self, X: Any, y: Any = None) -> Self:
        """Count the assets.

        Parameters
        ----------
        X : array-like or DataFrame of shape (n_periods, n_assets)
            Simple returns of the assets.
        y : array-like of shape (n_periods,), optional
            Checked, but of no effect.

        Returns
        -------
        EqualWeighted
            Itself, fitted.

        Raises
        ------
        ValueError
            For a budget that is not finite.
        """
        names = self._assets(X, y)
        budget = limit(self.budget, "budget", np.nan)
        if not np.isfinite(budget):
            raise ValueError(f"budget must be a finite number, got {self.budget!r}.")
        return self._hold(np.full(len(names), budget / len(names)), None, X)


class BenchmarkReplica(_Baseline):
    r"""The benchmark's weights, as far as the universe and the bounds allow.

    .. math:: w_i = \min(\max(c\, b_i, min_i), max_i), \qquad \textstyle\sum_i w_i = budget

    with the smallest c >= 0 that meets the budget: in proportion to the benchmark, cut at the bounds.

    Parameters
    ----------
    benchmark_weights : dict, Series, array-like of shape (n_assets,), or date-indexed DataFrame
        Weights of the benchmark, at least 0; every asset needs one, 0 where it is not in the benchmark.
    budget : float, default=1.0
        Sum of the weights.
    min_weights, max_weights : float, array-like of shape (n_assets,), dict, Series or None, default=0.0 and 1.0
        Bounds of each weight.
    outside : {"raise", "rescale"}, default="raise"
        What to do with names of the benchmark that are no columns of X: an error, or leave them out and hold more of
        the others in proportion; `left_out_` then has them.

    Attributes
    ----------
    weights_ : ndarray of shape (n_assets,)
        Weights.
    left_out_ : dict of str to float
        Names of the benchmark outside of X, with their weights in the benchmark.

    Examples
    --------
    >>> import numpy as np
    >>> from trackfolio import BenchmarkReplica
    >>> X = np.zeros((5, 3))
    >>> BenchmarkReplica([0.6, 0.3, 0.1], max_weights=0.5).fit(X).weights_
    array([0.5  , 0.375, 0.125])
    """

    def __init__(
        self,
        benchmark_weights: Any,
        *,
        budget: float = 1.0,
        min_weights: Any = 0.0,
        max_weights: Any = 1.0,
        outside: str = "raise",
    ) -> None:
        self.benchmark_weights = benchmark_weights
        self.budget = budget
        self.min_weights = min_weights
        self.max_weights = max_weights
        self.outside = outside

    def fit(self, X: Any, y: Any = None) -> Self:
        """Scale the benchmark's weights.

        Parameters
        ----------
        X : array-like or DataFrame of shape (n_periods, n_assets)
            Simple returns of the assets.
        y : array-like of shape (n_periods,), optional
            Checked, but of no effect.

        Returns
        -------
        BenchmarkReplica
            Itself, fitted.

        Raises
        ------
        ValueError
            For weights that are missing, negative, not finite, or of names outside of X.
        InfeasibleError
            If no multiple of the benchmark, cut at the bounds, meets the budget.
        """
        names = self._assets(X, y)
        given = self._given_weights(X)
        self.left_out_ = self._left_out(given, names)
        if self.left_out_:
            given = {str(name): weight for name, weight in given.items() if str(name) in names}
        benchmark = self._checked_weights(given, names)
        if benchmark is None or (benchmark < 0).any() or not benchmark.any():
            raise ValueError("benchmark_weights must be numbers of at least 0, not all of them 0, one per asset.")
        budget = limit(self.budget, "budget", np.nan)
        if not np.isfinite(budget):
            raise ValueError(f"budget must be a finite number, got {self.budget!r}.")
        lower = checked_bound(self.min_weights, names, "min_weights", usual=0.0, none=-np.inf)
        upper = checked_bound(self.max_weights, names, "max_weights", usual=1.0, none=np.inf)
        return self._hold(_scaled(benchmark, lower, upper, budget), benchmark if not self.left_out_ else None, X)

    def _left_out(self, given: Any, names: list[str]) -> dict[str, float]:
        if self.outside not in ("raise", "rescale"):
            raise ValueError(f"outside must be 'raise' or 'rescale', got {self.outside!r}.")
        if not isinstance(given, Mapping | pd.Series):
            return {}
        outside = {str(name): float(weight) for name, weight in given.items() if str(name) not in names}
        if outside and self.outside == "raise":
            listed = ", ".join(map(repr, list(outside)[:5]))
            raise ValueError(
                f"benchmark_weights has names that are no columns of X: {listed} ({len(outside)} in all, "
                f"{sum(outside.values()):.4g} of the weight). Add them to X, or set outside='rescale'."
            )
        return outside


def _scaled(benchmark: Array, lower: Array, upper: Array, budget: float) -> Array:
    """Multiple of the benchmark, cut at the bounds, with the sum that is asked for."""
    if (lower > upper).any():
        i = int(np.argmax(lower > upper))
        raise InfeasibleError(f"min_weights of asset {i} is {lower[i]:g}, above its max_weights of {upper[i]:g}.")

    def excess(multiple: float) -> float:
        return float(np.clip(multiple * benchmark, lower, upper).sum() - budget)

    held = benchmark > 0
    # Beyond this multiple, all that can grow has reached its upper bound, or alone exceeds the budget.
    reach = np.where(np.isfinite(upper), np.maximum(upper, 0.0), abs(budget) + np.abs(np.clip(0, lower, upper)).sum())
    most = 1.0 + float(np.max(reach[held] / benchmark[held]))
    if excess(0.0) > 1e-12 or excess(most) < -1e-12:
        raise InfeasibleError(
            f"No multiple of the benchmark within the bounds has the sum {budget:g}: from {excess(0.0) + budget:g} to "
            f"{excess(most) + budget:g} can be reached. Loosen min_weights or max_weights."
        )
    if excess(0.0) >= 0:
        return np.asarray(np.clip(0 * benchmark, lower, upper))
    multiple = most if excess(most) <= 0 else brentq(excess, 0.0, most, xtol=1e-300, rtol=1e-15)
    return np.asarray(np.clip(multiple * benchmark, lower, upper))
