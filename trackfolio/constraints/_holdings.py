"""Limits on what is held and traded: names of each group, number of trades, large positions."""

from typing import Any

import numpy as np

from trackfolio._constraint import Constraint, Rows
from trackfolio._holdings import HeldLimit
from trackfolio._validation import Array, limit, per_asset
from trackfolio.constraints._absolute import not_negative
from trackfolio.constraints._groups import _OfGroups
from trackfolio.exceptions import InfeasibleError

# Changes and excesses of weights below this, in units of the weights, are none.
_NOTHING = 1e-6


class GroupCardinality(_OfGroups):
    r"""Limits on how many assets of each group are held.

    .. math:: fewest_g \le |\{i \in g : w_i \ne 0\}| \le most_g

    Parameters
    ----------
    groups : array-like of shape (n_assets,), dict or Series by asset name
        Group of each asset; `None` for an asset in no group. Every asset must be there.
    fewest, most : int, dict or Series by group, default=None
        Limits of each group; a scalar holds for all of them, a group that a dict leaves out has no limit. A fewest
        above 0 needs `min_position`.

    Raises
    ------
    ValueError
        From `fit`, without limits, for limits that are no whole numbers of at least 0, and for assets without a label.
    InfeasibleError
        From `fit`, for a fewest above the most, or above the number of assets in the group.

    References
    ----------
    Chang, Meade, Beasley & Sharaiha (2000), Heuristics for cardinality constrained portfolio optimisation, Computers &
    Operations Research 27; here for each group.

    Examples
    --------
    Twenty names, at most two of each half:

    >>> from trackfolio import MinTrackingError
    >>> from trackfolio.constraints import GroupCardinality
    >>> from trackfolio.datasets import load_sp500
    >>> X, y = load_sp500(start="2021-01-01", return_X_y=True)
    >>> halves = GroupCardinality(["first"] * 10 + ["second"] * 10, most=2)
    >>> model = MinTrackingError(constraints=[halves]).fit(X, y)
    >>> [int((half > 0).sum()) for half in (model.weights_[:10], model.weights_[10:])]
    [2, 2]
    """

    by_group = ("fewest", "most")

    def __init__(self, groups: Any, fewest: Any = None, most: Any = None) -> None:
        self.groups = groups
        self.fewest = fewest
        self.most = most

    def holdings(self, problem: Any) -> list[HeldLimit]:
        """Limits of the groups that have any."""
        if self.fewest is None and self.most is None:
            raise ValueError("GroupCardinality has neither fewest nor most; it would have no effect.")
        members = self._members(problem.names)
        fewest = self._numbers("fewest", list(members), 0)
        most = self._numbers("most", list(members), len(problem.names))
        for name, low, high in zip(members, fewest, most, strict=True):
            if low > high:
                raise InfeasibleError(
                    f"GroupCardinality asks for at least {low} and at most {high} names of group {name!r}."
                )
        return [
            HeldLimit(f"groupcardinality of {name!r}", inside > 0, low, high)
            for (name, inside), low, high in zip(members.items(), fewest, most, strict=True)
        ]

    def _numbers(self, side: str, groups: list[str], none: int) -> list[int]:
        numbers = per_asset(getattr(self, side), groups, f"GroupCardinality.{side}", default=none, kind="group")
        if not ((numbers >= 0) & (numbers == np.round(numbers))).all():
            raise ValueError(
                f"GroupCardinality.{side} must be whole numbers of at least 0, got {getattr(self, side)!r}."
            )
        return [int(number) for number in numbers]


class _Discrete(Constraint):
    """A constraint with integer variables, for the mixed-integer solver alone.

    Besides ``constraints`` it gives ``decided(problem, w) -> Rows``, what is left of it where the integers are as at w,
    and ``violation(problem, w)``.
    """

    is_discrete = True


class MaxTrades(_Discrete):
    r"""At most so many assets whose weights differ from the previous ones.

    .. math:: |\{i : w_i \ne w_{prev,i}\}| \le limit

    The previous weights are given to `fit(X, y, previous_weights=...)`. For the mixed-integer solver.

    Parameters
    ----------
    limit : int
        Largest number of assets bought or sold.

    Raises
    ------
    ValueError
        From `fit`, without `previous_weights`, for a limit that is no whole number of at least 0, and for infinite
        bounds of the weights.

    Examples
    --------
    >>> from trackfolio.constraints import MaxTrades
    >>> four_orders = MaxTrades(4)
    """

    depends_on_holdings = True

    def __init__(self, limit: int) -> None:
        self.limit = limit

    def constraints(self, problem: Any, w: Any) -> list[Any]:
        """The limit in cvxpy: a weight moves within its bounds if it is traded, else not."""
        import cvxpy as cp

        previous, most = self._previous(problem), self._most()
        # Where a previous weight is outside its bounds, it must be traded.
        up, down = np.maximum(problem.upper - previous, 0.0), np.maximum(previous - problem.lower, 0.0)
        if not (np.isfinite(up).all() and np.isfinite(down).all()):
            raise ValueError("MaxTrades needs finite min_weights and max_weights.")
        traded = cp.Variable(len(previous), boolean=True, name="traded")
        moved = w - previous
        return [moved <= cp.multiply(up, traded), -moved <= cp.multiply(down, traded), cp.sum(traded) <= most]

    def violation(self, problem: Any, w: Array) -> float:
        """Smallest trade that would have to go."""
        moved = np.sort(np.abs(w - self._previous(problem)))[::-1]
        excess = float(moved[self._most()]) if self._most() < len(moved) else 0.0
        return excess if excess > _NOTHING * problem.unit else 0.0

    def decided(self, problem: Any, w: Array) -> Rows:
        """The weights that are not traded are the previous ones."""
        previous = self._previous(problem)
        still = np.argsort(-np.abs(w - previous), kind="stable")[self._most() :]
        return Rows(np.eye(len(w))[still], previous[still], previous[still])

    def _previous(self, problem: Any) -> Array:
        previous: Array = problem.require_previous_weights("MaxTrades")
        return previous

    def _most(self) -> int:
        number = limit(self.limit, "MaxTrades.limit", np.nan)
        if not (number >= 0 and number == round(number)):
            raise ValueError(f"MaxTrades.limit must be a whole number of at least 0, got {self.limit!r}.")
        return int(number)


class ConditionalBudget(_Discrete):
    r"""Positions above a threshold may add up to no more than a limit, as in the 5/10/40 rule of UCITS funds.

    .. math:: \sum_{i:\, w_i > threshold} w_i \le limit

    With ``max_weights=0.10``, ``ConditionalBudget(0.05, 0.40)`` is that rule: no position above 10 %, and those above
    5 % at most 40 % together. For the mixed-integer solver; weights must not be negative.

    Parameters
    ----------
    threshold : float
        Weight from above which a position counts.
    limit : float
        Largest sum of the positions that count.

    Raises
    ------
    ValueError
        From `fit`, for a threshold or limit that is negative or not finite, `min_weights` below 0, and infinite
        `max_weights`.

    References
    ----------
    Directive 2009/65/EC (UCITS), article 52.

    Examples
    --------
    >>> from trackfolio.constraints import ConditionalBudget
    >>> of_5_10_40 = ConditionalBudget(0.05, 0.40)
    """

    def __init__(self, threshold: float, limit: float) -> None:
        self.threshold = threshold
        self.limit = limit

    def constraints(self, problem: Any, w: Any) -> list[Any]:
        """The rule in cvxpy: the weights of large positions, and of others, of which one is 0."""
        import cvxpy as cp

        threshold, most = self._checked()
        if (problem.lower < 0).any() or not np.isfinite(problem.upper).all():
            raise ValueError("ConditionalBudget needs min_weights of at least 0 and finite max_weights.")
        n = len(problem.names)
        is_large, large = cp.Variable(n, boolean=True, name="large"), cp.Variable(n, nonneg=True)
        small = w - large
        return [
            large <= cp.multiply(problem.upper, is_large),
            small >= 0,
            small <= threshold * (1 - is_large),
            cp.sum(large) <= most,
        ]

    def violation(self, problem: Any, w: Array) -> float:
        """By how much the large positions are too large together."""
        threshold, most = self._checked()
        large = w[w > threshold + _NOTHING * problem.unit]
        return max(float(large.sum()) - most, 0.0)

    def decided(self, problem: Any, w: Array) -> Rows:
        """The sum of the large positions, and the bound of all others."""
        threshold, most = self._checked()
        large = w > threshold + _NOTHING * problem.unit
        A = np.vstack([large.astype(float), np.eye(len(w))[~large]])
        upper = np.append(most, np.full(int((~large).sum()), threshold))
        return Rows(A, np.full(len(A), -np.inf), upper)

    def _checked(self) -> tuple[float, float]:
        return (
            not_negative(self.threshold, "ConditionalBudget.threshold"),
            not_negative(self.limit, "ConditionalBudget.limit"),
        )
