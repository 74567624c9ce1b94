"""Limits on sums of absolute values: turnover, leverage, active share."""

from typing import Any

import numpy as np

from trackfolio._constraint import Constraint
from trackfolio._functions import AbsoluteSum, Limit
from trackfolio._validation import limit


class MaxTurnover(Constraint):
    r"""Limit on the one-way turnover against the previous weights.

    .. math:: \tfrac12 \sum_i |w_i - w_{prev,i}| \le limit

    The previous weights are given to `fit(X, y, previous_weights=...)`: the holdings just before the trade, after
    drift.

    Parameters
    ----------
    limit : float
        Share of the portfolio that may be exchanged; 0.1 sells a tenth and buys another.

    Raises
    ------
    ValueError
        From `fit`, without `previous_weights`, or for a limit that is negative or not finite.

    References
    ----------
    Grinold & Kahn (2000), Active Portfolio Management, chapter 16.

    Examples
    --------
    >>> from trackfolio.constraints import MaxTurnover
    >>> a_tenth = MaxTurnover(0.1)
    """

    depends_on_holdings = True

    def __init__(self, limit: float) -> None:
        self.limit = limit

    def limits(self, problem: Any) -> list[Limit]:
        """The limit as data."""
        most = not_negative(self.limit, "MaxTurnover.limit")
        previous = problem.require_previous_weights("MaxTurnover")
        half = np.full(len(previous), 0.5)
        return [Limit([(1.0, AbsoluteSum(half, half, previous))], most)]


class MaxActiveShare(Constraint):
    r"""Limit on the active share; needs `benchmark_weights`.

    .. math:: \tfrac12 \sum_i |w_i - w_{b,i}| \le limit

    Parameters
    ----------
    limit : float
        Largest active share: 0 is the benchmark itself, 1 a long-only portfolio that holds nothing of it.

    Raises
    ------
    ValueError
        From `fit`, without `benchmark_weights`, or for a limit that is negative or not finite.

    References
    ----------
    Cremers & Petajisto (2009), How active is your fund manager?, Review of Financial Studies 22.

    Examples
    --------
    >>> from trackfolio.constraints import MaxActiveShare
    >>> near_the_index = MaxActiveShare(0.2)
    """

    def __init__(self, limit: float) -> None:
        self.limit = limit

    def limits(self, problem: Any) -> list[Limit]:
        """The limit as data."""
        benchmark = problem.require_benchmark_weights("MaxActiveShare")
        half = np.full(len(benchmark), 0.5)
        return [Limit([(1.0, AbsoluteSum(half, half, benchmark))], not_negative(self.limit, "MaxActiveShare.limit"))]


class MaxLeverage(Constraint):
    r"""Limits on the gross exposure, and on the long and the short side.

    .. math:: \sum_i |w_i| \le gross, \qquad \sum_i \max(w_i, 0) \le long, \qquad \sum_i \max(-w_i, 0) \le short

    The weights need room for shorts: set `min_weights` below 0.

    Parameters
    ----------
    gross, long, short : float or None, default=None
        Limits as shares of the invested amount; None for none. A 130/30 portfolio has ``long=1.3, short=0.3``.

    Raises
    ------
    ValueError
        From `fit`, without any limit, or for one that is negative or not finite.

    References
    ----------
    Lo & Patel (2008), 130/30: the new long-only, Journal of Portfolio Management 34.

    Examples
    --------
    >>> from trackfolio.constraints import MaxLeverage
    >>> of_130_30 = MaxLeverage(long=1.3, short=0.3)
    """

    def __init__(self, gross: float | None = None, long: float | None = None, short: float | None = None) -> None:
        self.gross = gross
        self.long = long
        self.short = short

    def limits(self, problem: Any) -> list[Limit]:
        """The limits as data."""
        one = np.ones(len(problem.names))
        sides = {"gross": (one, one), "long": (one, 0 * one), "short": (0 * one, one)}
        given = {side: getattr(self, side) for side in sides if getattr(self, side) is not None}
        if not given:
            raise ValueError("MaxLeverage needs a limit: gross, long or short.")
        return [
            Limit([(1.0, AbsoluteSum(*sides[side], 0 * one))], not_negative(value, f"MaxLeverage.{side}"))
            for side, value in given.items()
        ]


def not_negative(value: Any, what: str) -> float:
    """Return a finite number of at least 0."""
    number = limit(value, what, np.inf)
    if not 0 <= number < np.inf:
        raise ValueError(f"{what} must be a number of at least 0, and finite, got {value!r}.")
    return number
