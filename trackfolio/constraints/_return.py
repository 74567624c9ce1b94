"""Limits on the expected return."""

from typing import Any, ClassVar

import numpy as np

from trackfolio._constraint import Constraint, Rows
from trackfolio._functions import Function, Limit, Linear
from trackfolio._terms import NamedTermsMixin, named
from trackfolio._validation import finite_per_asset, limit
from trackfolio.costs import Cost, check_effect


class MinReturn(NamedTermsMixin, Constraint):
    r"""Limit from below on the expected return, net of costs.

    .. math:: \mu'w - costs(w) \ge limit, \qquad\text{active: } \mu'w - \mu_b - costs(w) \ge limit

    Parameters
    ----------
    limit : float
        Smallest expected return, per period.
    expected_returns : array-like of shape (n_assets,), dict or Series by asset name, default=None
        Expected return of each asset, per period; None for those of the estimator, by default the sample means.
    costs : list of Cost, or of (str, Cost), default=None
        What is subtracted from the return. These costs count here alone: they are not part of the objective.
    active : bool, default=False
        Limit the return in excess of the benchmark's: of `benchmark_weights` where the benchmark is given by them,
        else the mean of `y`.

    Raises
    ------
    ValueError
        From `fit`, for a limit that is not finite, a covariance in place of returns without `expected_returns`, costs
        that are the same for all weights, and for ``active=True`` without a benchmark.

    Examples
    --------
    >>> from trackfolio.constraints import MinReturn
    >>> from trackfolio.costs import TransactionCost
    >>> net = MinReturn(0.0003, costs=[TransactionCost(0.001, holding_period=21)])
    """

    _term_lists: ClassVar[dict[str, type]] = {"costs": Cost}

    by_asset = ("expected_returns",)

    def __init__(self, limit: float, expected_returns: Any = None, costs: Any = None, active: bool = False) -> None:
        self.limit = limit
        self.expected_returns = expected_returns
        self.costs = costs
        self.active = active

    def limits(self, problem: Any) -> Rows | list[Limit]:
        """The limit as a row, or with costs as a limit on minus the net return."""
        least = limit(self.limit, "MinReturn.limit", np.nan)
        if not np.isfinite(least):
            raise ValueError(f"MinReturn.limit must be a finite number, got {self.limit!r}.")
        if self.expected_returns is None:
            mu = problem.require_expected_returns("MinReturn")
        else:
            mu = finite_per_asset(self.expected_returns, problem.names, "MinReturn.expected_returns")
        to_beat = 0.0
        if self.active:
            active = problem.require_active("MinReturn(active=True)")
            by_weights = active.benchmark_weights
            to_beat = active.mean_benchmark_return if by_weights is None else float(mu @ by_weights)
        costs = self._costs(problem)
        if not costs:
            return Rows(mu[None, :], least + to_beat, np.inf)
        return [Limit([(1.0, Linear(-mu, to_beat)), *costs], -least)]

    def _costs(self, problem: Any) -> list[tuple[float, Function]]:
        """Functions that the costs are made of; one that is nothing is refused, one that is the same for all counts."""
        summands = []
        for name, cost in named(self.costs, "MinReturn.costs", Cost):
            functions = cost.summands(problem)
            check_effect(f"MinReturn.{name}", cost, functions, problem, constants_count=True)
            summands += functions
        return summands
