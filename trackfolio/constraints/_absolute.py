"""Limits on sums of absolute values: turnover, leverage, active share."""

from typing import Any

import numpy as np

from trackfolio._constraint import Constraint
from trackfolio._functions import AbsoluteSum, Limit
from trackfolio._validation import limit


class MaxTurnover(Constraint):
    """Limit on the one-way turnover against the previous weights, ``½ Σ |w_i - w_prev,i| <= limit``.

    The previous weights are given to `fit(X, y, previous_weights=...)`: the holdings just before the trade, after
    drift.

    Parameters
    ----------
    limit : float
        Share of the portfolio that may be exchanged; 0.1 sells a tenth and buys another.

    Examples
    --------
    >>> from trackfolio.constraints import MaxTurnover
    >>> a_tenth = MaxTurnover(0.1)
    """

    def __init__(self, limit: float) -> None:
        self.limit = limit

    def limits(self, problem: Any) -> list[Limit]:
        """The limit as data."""
        most = limit(self.limit, "MaxTurnover.limit", np.inf)
        if not 0 <= most < np.inf:
            raise ValueError(f"MaxTurnover.limit must be a number of at least 0, and finite, got {self.limit!r}.")
        previous = problem.require_previous_weights("MaxTurnover")
        half = np.full(len(previous), 0.5)
        return [Limit([(1.0, AbsoluteSum(half, half, previous))], most)]
