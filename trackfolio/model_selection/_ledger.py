"""What is held, traded, earned and paid, period by period."""

from typing import Any, NamedTuple

import numpy as np
import numpy.typing as npt

from trackfolio._validation import Array, limit
from trackfolio._weight_measures import half_distance
from trackfolio.costs import TransactionCost

# Weights that are smaller are none.
_NOTHING = 1e-12


class Held(NamedTuple):
    """A portfolio over some periods without a trade of its own.

    Attributes
    ----------
    weights : ndarray of shape (n_periods, n_assets)
        At the beginning of each period, as shares of the portfolio's value; what is missing to 1 is cash.
    returns : ndarray of shape (n_periods,)
        Of the portfolio. Cash earns nothing.
    holdings : ndarray of shape (n_assets,)
        Weights after the last period.
    sold : list of (int, int, float)
        Assets without further prices: the period from which on they are cash, the asset, and its weight then; in the
        order of the periods.
    proceeds : float
        Weight after the last period of the cash that these sales, and those before, have brought.
    """

    weights: Array
    returns: Array
    holdings: Array
    sold: list[tuple[int, int, float]]
    proceeds: float


def hold(
    target: Array, returns: Array, *, drift: bool, proceeds: float = 0.0, first_row: int = 0, who: str = "portfolio"
) -> Held:
    """Hold weights over periods: bought once and left to drift, or the same in every period.

    With drift, ``w_i(t+1) = w_i(t) (1 + r_i(t)) / (1 + r(t))``, where r is the portfolio's return. An asset whose
    return is missing was sold at the last price.
    """
    n_periods = len(returns)
    missing = np.isnan(returns) & (target != 0)
    last = np.where(missing.any(axis=0), missing.argmax(axis=0), n_periods)
    alive = (np.arange(n_periods)[:, None] < last) & (target != 0)
    r = np.where(alive, returns, 0.0)
    if drift:
        worth = target * np.cumprod(np.vstack([np.ones_like(target), 1 + r]), axis=0)
        value = 1 - target.sum() + worth.sum(axis=1)
        _refuse_ruin(value[1:] <= 0, first_row, who)
        shares, proceeds = worth / value[:, None], proceeds / value[-1]
    else:
        shares = np.tile(target, (n_periods + 1, 1))
    weights, holdings = np.where(alive, shares[:-1], 0.0), np.where(last == n_periods, shares[-1], 0.0)
    earned = (weights * r).sum(axis=1)
    _refuse_ruin(earned <= -1, first_row, who)
    gone = last < n_periods
    sold = sorted((int(last[i]), int(i), float(shares[last[i], i])) for i in np.flatnonzero(gone))
    return Held(weights, earned, holdings, sold, proceeds + float(shares[-1, gone].sum()))


def _refuse_ruin(is_ruined: npt.NDArray[np.bool_], first_row: int, who: str) -> None:
    if is_ruined.any():
        row = first_row + int(np.argmax(is_ruined))
        raise ValueError(f"The {who} loses all it has in row {row} of X: limit leverage and shorts.")


class Prices:
    """What trading and holding cost, as shares of the portfolio's value."""

    def __init__(self, transaction_costs: Any, management_fee: Any, names: list[str]) -> None:
        self.names = names
        given = transaction_costs
        self.trading = given if isinstance(given, TransactionCost) else TransactionCost(0.0 if given is None else given)
        if self.trading.holding_period != 1:
            raise ValueError(
                f"A backtest charges a trade once, when it is made: transaction_costs has the holding period "
                f"{self.trading.holding_period!r}, leave it at 1."
            )
        self.fee = limit(management_fee, "management_fee", 0.0)
        if not 0 <= self.fee < 1:
            raise ValueError(f"management_fee must be a share per period of at least 0, got {management_fee!r}.")
        self.of_trade(np.zeros(len(names)), np.zeros(len(names)))  # for its errors

    def of_trade(self, weights: Array, previous: Array) -> float:
        """Cost of a trade."""
        cost = float(sum(c * f.value(weights) for c, f in self.trading.of_trade(previous, self.names)))
        if cost >= 1:
            raise ValueError(f"A trade costs {cost:.3g} of the portfolio's value: 0.001 are ten basis points.")
        return cost


class Book(NamedTuple):
    """Terms on which a portfolio is kept: what trading and holding cost, whether it drifts, what is held at first."""

    prices: Prices
    drift: bool
    initial: Array | None


class Ledger:
    """What one portfolio traded, held, earned and paid; `holdings` is None while nothing is known of any.

    Attributes
    ----------
    holdings : ndarray of shape (n_assets,) or None
        Just before the next trade.
    targets, turnovers, costs : list
        Of each rebalance.
    held, net : list
        Of the periods after each rebalance.
    sales : list of (int, int, float, float)
        Rows, assets and weights of what was sold for want of further prices, and what that cost.
    proceeds : float
        Weight of the cash from these sales, just before the next trade.
    """

    def __init__(self, book: Book, returns: Array) -> None:
        self.book, self.returns, self.holdings = book, returns, book.initial
        self.targets: list[Array] = []
        self.turnovers: list[float] = []
        self.costs: list[float] = []
        self.held: list[Held] = []
        self.net: list[Array] = []
        self.sales: list[tuple[int, int, float, float]] = []
        self.proceeds = 0.0

    def rebalance(self, target: Array | None, rows: slice) -> None:
        """Trade from the holdings to a target (None: no trade) at the prices before these rows; then hold."""
        prices = self.book.prices
        previous = np.zeros(self.returns.shape[1]) if self.holdings is None else self.holdings
        weights = previous if target is None else np.where(np.abs(target) > _NOTHING, target, 0.0)
        proceeds = self.proceeds if target is None else 0.0
        held = hold(weights, self.returns[rows], drift=self.book.drift, proceeds=proceeds, first_row=rows.start)
        paid = np.zeros(len(held.returns))
        paid[0] = prices.of_trade(weights, previous)
        self.targets.append(weights)
        self.turnovers.append(half_distance(weights, previous))
        self.costs.append(float(paid[0]))
        for row, asset, weight in held.sold:
            before = np.zeros(len(weights))
            before[asset] = weight
            cost = prices.of_trade(0 * before, before)
            paid[row] += cost
            self.sales.append((rows.start + row, asset, weight, cost))
        self.held.append(held)
        self.net.append((1 - paid) * (1 + held.returns) * (1 - prices.fee) - 1)
        self.proceeds = held.proceeds
        if target is not None or self.holdings is not None:
            self.holdings = held.holdings
