"""Costs, one class each: convex functions of the weights that are added to what is minimised.

A cost gives ``summands(problem)``: the functions it is made of, with their coefficients. Every objective counts costs:
`MinRisk` adds them to the risk, `MaxReturn`, `MaxUtility` and the numerator of `MaxRatio` subtract them from the
return. A cost that no choice of the weights can change is an error.
"""

from collections.abc import Callable
from typing import Any

import numpy as np

from trackfolio._functions import AbsoluteSum, Function, Linear, OfExpression
from trackfolio._power_sum import PowerSum
from trackfolio._terms import Term
from trackfolio._validation import Array, limit, per_asset

__all__ = ["L1", "L2", "Cost", "CustomCost", "ManagementFee", "TransactionCost"]


class Cost(Term):
    """Base of all costs, convex functions of the weights in units of the objective, per period.

    Subclasses give ``summands(problem)``, pairs of a coefficient and a convex function of the weights. For an
    expression of one's own, `CustomCost` is shorter.

    Examples
    --------
    A cost of one's own, of short positions alone:

    >>> import numpy as np
    >>> from trackfolio.constraints import AbsoluteSum
    >>> from trackfolio.costs import Cost
    >>> class BorrowingFee(Cost):
    ...     def __init__(self, fee):
    ...         self.fee = fee
    ...     def summands(self, problem):
    ...         one = np.ones(len(problem.names))
    ...         return [(self.fee, AbsoluteSum(0 * one, one, 0 * one))]
    """

    def summands(self, problem: Any) -> list[tuple[float, Function]]:
        """Functions that the cost is made of, with their coefficients.

        Parameters
        ----------
        problem : Problem
            Names of the assets, weights of the benchmark, and previous weights.

        Returns
        -------
        list of (float, Function)
            Coefficients of at least 0, and convex functions of the weights.
        """
        raise NotImplementedError


class TransactionCost(Cost):
    r"""Cost of trading from the previous weights, on purchases and sales alike.

    .. math:: \frac{1}{holding\_period} \sum_i \big( rate_i |\Delta_i| + impact_i |\Delta_i|^{exponent} \big),
        \qquad \Delta = w - w_{prev}

    Per period, like returns: the cost of one trade is spread over the periods for which it is held. The previous
    weights are given to `fit(X, y, previous_weights=...)`: the holdings just before the trade, after drift. Where all
    portfolios within the limits cost the same, as in a first purchase from cash, the cost counts but changes no weight.

    Parameters
    ----------
    rate : float, array-like of shape (n_assets,), dict or Series by asset name, default=0.0
        Cost in proportion to the amount: 0.001 is ten basis points. An asset that a dict leaves out costs nothing.
    impact : float, array-like, dict or Series, default=0.0
        Coefficient of the market impact.
    exponent : {1.5, 2.0}, default=1.5
        Power by which the impact grows: 3/2 is the square-root law of market impact [1]_.
    holding_period : float, default=1.0
        Number of periods for which the trade is held.

    Raises
    ------
    ValueError
        From `fit`, without `previous_weights`, for rates and impacts that are negative or not finite, another exponent,
        and a holding period that is not positive.

    References
    ----------
    .. [1] Grinold & Kahn (2000), Active Portfolio Management, chapter 16.

    Examples
    --------
    >>> from trackfolio.costs import TransactionCost
    >>> held_for_a_month = TransactionCost(rate=0.001, holding_period=21)
    """

    depends_on_holdings = True
    by_asset = ("rate", "impact")

    def __init__(self, rate: Any = 0.0, impact: Any = 0.0, exponent: float = 1.5, holding_period: float = 1.0) -> None:
        self.rate = rate
        self.impact = impact
        self.exponent = exponent
        self.holding_period = holding_period

    def summands(self, problem: Any) -> list[tuple[float, Function]]:
        """Functions that the cost is made of, with their coefficients."""
        return self.of_trade(problem.require_previous_weights("TransactionCost"), problem.names)

    def of_trade(self, previous: Array, names: list[str]) -> list[tuple[float, Function]]:
        """Functions that the cost of a trade from previous weights is made of, with their coefficients.

        Parameters
        ----------
        previous : ndarray of shape (n_assets,)
            Weights before the trade.
        names : list of str
            Names of the assets.

        Returns
        -------
        list of (float, Function)
            As of `summands`.
        """
        periods = limit(self.holding_period, "TransactionCost.holding_period", 1.0)
        if not 0 < periods < np.inf:
            raise ValueError(f"TransactionCost.holding_period must be positive, got {self.holding_period!r}.")
        if self.exponent not in (1.5, 2):
            raise ValueError(f"TransactionCost.exponent must be 1.5 or 2, got {self.exponent!r}.")
        rate = _coefficients(self.rate, names, "TransactionCost.rate") / periods
        impact = _coefficients(self.impact, names, "TransactionCost.impact") / periods
        functions: list[tuple[float, Function]] = []
        if rate.any():
            functions.append((1.0, AbsoluteSum(rate, rate, previous)))
        if impact.any():
            functions.append((1.0, PowerSum(impact, previous, self.exponent)))
        return functions


class ManagementFee(Cost):
    r"""Fee in proportion to what is held in each asset.

    .. math:: \sum_i fee_i w_i

    Per period, in units of returns.

    Parameters
    ----------
    fee : float, array-like of shape (n_assets,), dict or Series by asset name
        Fee per period; an asset that a dict leaves out has none. One number for all assets has no effect on the
        weights where the budget is fixed, and is then an error, but for `MaxRatio`.

    Raises
    ------
    ValueError
        From `fit`, for a fee that is not finite, or the same for all weights.

    Examples
    --------
    >>> from trackfolio.costs import ManagementFee
    >>> a_fund = ManagementFee({"FUND": 0.004 / 252})
    """

    by_asset = ("fee",)

    def __init__(self, fee: Any) -> None:
        self.fee = fee

    def summands(self, problem: Any) -> list[tuple[float, Function]]:
        """Functions that the cost is made of, with their coefficients."""
        return [(1.0, Linear(_coefficients(self.fee, problem.names, "ManagementFee.fee", negative=True)))]


class L1(Cost):
    r"""Sum of absolute weights: makes long-short portfolios small and sparse.

    .. math:: coefficient \sum_i |w_i|

    Parameters
    ----------
    coefficient : float
        Price of a unit of gross exposure, in units of the objective.

    Raises
    ------
    ValueError
        From `fit`, for a coefficient that is not positive and finite, or where the sum is the same for all weights
        (long-only, with a fixed budget).

    References
    ----------
    Brodie, Daubechies, De Mol, Giannone & Loris (2009), Sparse and stable Markowitz portfolios, Proceedings of the
    National Academy of Sciences 106.

    Examples
    --------
    >>> from trackfolio.costs import L1
    >>> sparse = L1(1e-4)
    """

    def __init__(self, coefficient: float) -> None:
        self.coefficient = coefficient

    def summands(self, problem: Any) -> list[tuple[float, Function]]:
        """Functions that the cost is made of, with their coefficients."""
        one = np.ones(len(problem.names))
        return [(_coefficient(self.coefficient, "L1"), AbsoluteSum(one, one, 0 * one))]


class L2(Cost):
    r"""Sum of squared weights, the Herfindahl index: spreads the portfolio.

    .. math:: coefficient \sum_i w_i^2

    Parameters
    ----------
    coefficient : float
        Price of a unit of the index, in units of the objective.

    Raises
    ------
    ValueError
        From `fit`, for a coefficient that is not positive and finite.

    References
    ----------
    DeMiguel, Garlappi, Nogales & Uppal (2009), A generalized approach to portfolio optimization: improving performance
    by constraining portfolio norms, Management Science 55.

    Examples
    --------
    >>> from trackfolio.costs import L2
    >>> spread = L2(0.01)
    """

    def __init__(self, coefficient: float) -> None:
        self.coefficient = coefficient

    def summands(self, problem: Any) -> list[tuple[float, Function]]:
        """Functions that the cost is made of, with their coefficients."""
        one = np.ones(len(problem.names))
        return [(_coefficient(self.coefficient, "L2"), PowerSum(one, 0 * one, 2.0))]


class CustomCost(Cost):
    """A convex cvxpy expression of the weights, :math:`f(w)`, in units of the objective.

    Solutions then come by the general solver, and carry residuals in place of a proven bound.

    Parameters
    ----------
    function : callable
        Takes the cvxpy variable of the weights, of shape (n_assets,), and returns a convex scalar expression.

    Raises
    ------
    TypeError
        From `fit`, for what is no function.

    Examples
    --------
    >>> import cvxpy as cp
    >>> from trackfolio.costs import CustomCost
    >>> largest_weight = CustomCost(lambda w: 0.01 * cp.max(w))
    """

    def __init__(self, function: Callable[[Any], Any]) -> None:
        self.function = function

    def summands(self, problem: Any) -> list[tuple[float, Function]]:
        """Functions that the cost is made of, with their coefficients."""
        if not callable(self.function):
            raise TypeError(f"CustomCost takes a function of the weights, got {self.function!r}.")
        return [(1.0, OfExpression(self.function, len(problem.names)))]


def check_effect(
    name: str, cost: Cost, functions: list[tuple[float, Function]], problem: Any, *, constants_count: bool
) -> None:
    """Raise for a cost that is the same for all weights; a constant one counts in a ratio."""
    if cost.depends_on_holdings and functions:
        return
    slopes = [_slope(function, problem) for _, function in functions]
    if any(slope is None for slope in slopes):
        return
    total = np.sum([np.zeros(len(problem.names)), *(s for s in slopes if s is not None)], axis=0)
    fixed_budget = problem.budget[0] == problem.budget[1]
    constant = np.ptp(total) <= 1e-12 * np.max(np.abs(total), initial=0.0) if fixed_budget else not total.any()
    if constant and not (constants_count and total.any()):
        raise ValueError(
            f"The cost {name} has no effect: it is the same for all weights within the bounds and the budget. "
            "Remove it, or give assets different coefficients."
        )


def _slope(function: Function, problem: Any) -> Array | None:
    """Slope of a function that is linear within the bounds; None for others."""
    if isinstance(function, Linear):
        return function.slope
    if not isinstance(function, AbsoluteSum):
        return None
    above, below = problem.lower >= function.centre, problem.upper <= function.centre
    if not (above | below | ((function.up == 0) & (function.down == 0))).all():
        return None
    return np.where(above, function.up, -function.down)


def _coefficient(value: Any, what: str) -> float:
    number = limit(value, f"{what}.coefficient", np.nan)
    if not 0 < number < np.inf:
        raise ValueError(f"{what}.coefficient must be a positive number, got {value!r}.")
    return number


def _coefficients(value: Any, names: list[str], what: str, *, negative: bool = False) -> Array:
    array = per_asset(value, names, what, default=0.0)
    wrong = np.flatnonzero(~np.isfinite(array) | ((array < 0) & (not negative)))
    if len(wrong):
        least = "" if negative else " of at least 0"
        raise ValueError(f"{what} of {names[wrong[0]]!r} is {array[wrong[0]]:g}; give finite numbers{least}.")
    return array
