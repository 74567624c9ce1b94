"""Weights as whole shares: what to hold, what to trade, and what rounding costs."""

import math
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, NamedTuple

import numpy as np
import pandas as pd

from trackfolio import metrics
from trackfolio._products import chunks
from trackfolio._validation import Array, limit, per_asset
from trackfolio.shares._closest_lots import closest_lots

__all__ = ["Shares"]

# Above so many shares, a float skips some.
_COUNTABLE = 2.0**53


@dataclass(frozen=True, repr=False, eq=False)
class Shares:
    r"""Whole shares as near to a portfolio's weights as its value allows: see `Portfolio.to_shares`.

    Asset i has the target amount :math:`t_i = Vw_i`, where V is the value and w the weights, and a lot of it costs
    :math:`u_i`, the price times the lot size. Of all whole numbers of lots :math:`n_i` that turn no position round and
    leave at least the cash that the weights leave, :math:`V(1 - \sum w_i)`, those are found for which the amounts
    differ least, cash included:

    .. math::

        \min_n\; \tfrac12 \sum_i |t_i - n_i u_i| + \tfrac12 |\sum_i (t_i - n_i u_i)|
        \quad\text{with}\quad \sum_i n_i u_i \le \sum_i t_i.

    With the limit, the last sum is at least 0, and the objective is the shortfall :math:`\sum_i (t_i - n_i u_i)^+`.
    Hence no :math:`n_i` exceeds its target by a whole lot. With :math:`f_i = t_i - \lfloor t_i/u_i \rfloor u_i`, the
    lot beyond :math:`\lfloor t_i/u_i \rfloor` covers :math:`f_i` of the shortfall for :math:`u_i` of cash, and each
    lot below covers its whole :math:`u_i`. That is a knapsack problem. If no lot below is given up, it is
    :math:`\max \sum f_i x_i` with :math:`\sum u_i x_i \le \sum f_i` and binary x; to give up some cheap ones can pay
    for a dear one that covers more.

    Its linear relaxation (take lots by :math:`f_i/u_i` until the cash is used up, the last one in part) bounds the
    shortfall from below. From there the lots that are nearest to being taken or left are decided first [1]_, and only
    choices are kept that cost less than others or leave more cash, and whose own relaxation beats the best choice
    known. No solver is asked. If the choices become too many, those with the worst relaxations are given up, and `gap`
    says how much better they could have been.

    Attributes
    ----------
    table : DataFrame of shape (n_targeted, 5)
        A row for each asset with a target: whole "shares" (negative if short), "price", "amount" (shares times price),
        "weight" (amount / value), and the "target" weight.
    holdings : Series of shape (n_assets,)
        Shares of every asset of the portfolio, whole numbers.
    prices : Series of shape (n_assets,)
        Price of a share of every asset, as given; nan where none was.
    value : float
        Value of the portfolio, in the money of the prices.
    cash : float
        What is left over, value - sum of the amounts; negative for what is borrowed, as with weights that sum to more
        than 1.
    distance : float
        ½ Σ|weight - target| over all assets and cash: the active share against the targets, a share of the value.
    gap : float
        Share of the value by which `distance` could at most be smaller; 0 if it is proven to be the least.
    active_returns : Series of shape (n_periods,)
        Returns of the whole shares' weights minus those of the targets, both held constant over the periods of the
        portfolio; cash earns nothing. nan in periods that lack the return of an asset in `table`.
    periods_per_year : float or None
        Those of the portfolio.

    Notes
    -----
    A target within 1e-9 lots of a whole number is one, and rounding may overdraw the cash by 1e-12 of the sum of all
    positions: exact multiples stay what they are.

    A share more can take a weight past a limit under which it was found, by less than a lot. Dividends, costs and taxes
    are not part of it.

    References
    ----------
    .. [1] D. Pisinger, "A minimal algorithm for the 0-1 knapsack problem", Operations Research 45 (1997), 758-767.

    Examples
    --------
    >>> from trackfolio import Portfolio
    >>> X = [[0.02, 0.00, 0.01], [-0.01, 0.01, 0.00], [0.03, 0.01, -0.01]]
    >>> portfolio = Portfolio(X, [0.5, 0.3, 0.2])
    >>> shares = portfolio.to_shares([170.0, 44.0, 9.5], value=2_000)
    >>> shares
    <Shares: 3 of 3 targeted assets held, value 2,000, cash 9.00 (0.45%), distance 1.45%>
    >>> shares.table.round(4)
        shares  price  amount  weight  target
    x0       6  170.0  1020.0  0.5100     0.5
    x1      13   44.0   572.0  0.2860     0.3
    x2      42    9.5   399.0  0.1995     0.2
    >>> shares.trades(previous={"x0": 8, "x1": 13})[["shares", "amount"]]
        shares  amount
    x0      -2  -340.0
    x2      42   399.0
    """

    table: pd.DataFrame
    holdings: pd.Series
    prices: pd.Series
    value: float
    cash: float
    distance: float
    gap: float
    active_returns: pd.Series
    periods_per_year: float | None

    @property
    def weights(self) -> pd.Series:
        """Weights of the whole shares, of every asset of the portfolio: `Portfolio(X, shares.weights)`."""
        held = self.holdings.to_numpy() != 0
        amounts = self.holdings.to_numpy() * np.where(held, self.prices.to_numpy(), 0.0)
        return pd.Series(amounts / self.value, index=self.holdings.index, name="weight")

    def tracking_error(self, *, annualised: bool = False) -> float:
        """Sample standard deviation of the active returns: the tracking error that rounding costs.

        Over the periods with returns of all assets in `table`.

        Parameters
        ----------
        annualised : bool, default=False
            Multiply by sqrt(m), with m periods a year.

        Returns
        -------
        float
            In units of returns, per period or annualised.

        Raises
        ------
        ValueError
            If there are fewer than two such periods, or the number of periods a year is unknown.
        """
        if annualised and self.periods_per_year is None:
            raise ValueError(
                "The number of periods a year cannot be told from the dates: give it to the portfolio, for example "
                "portfolio.replace(periods_per_year=252).to_shares(...)."
            )
        active = self.active_returns.dropna().to_numpy()
        if len(active) < 2:
            raise ValueError(
                f"A tracking error needs two periods or more with returns of all {len(self.table)} assets with a "
                f"target: {len(active)} of {len(self.active_returns)} have them."
            )
        periods = self.periods_per_year if annualised else None
        return metrics.tracking_error(np.zeros(len(active)), active, periods_per_year=periods)

    def trades(self, previous: Any = None) -> pd.DataFrame:
        """Shares to buy (positive) and to sell (negative).

        Parameters
        ----------
        previous : array-like of shape (n_assets,), dict or Series by asset name, optional
            Whole shares that are held now, 0 where a name is left out. By default nothing is held, and all is bought.

        Returns
        -------
        DataFrame of shape (n_trades, 3)
            Columns "shares", "price" and "amount": the money that a purchase takes (a sale brings: negative). A row
            for each asset that is traded. Whole lots only if the previous holdings are whole lots.

        Raises
        ------
        ValueError
            For unknown names, holdings that are no whole numbers, and assets to sell whose price is not known.
        """
        names = self.holdings.index
        traded = self.holdings.to_numpy() - _whole(previous, list(names))
        rows = traded != 0
        price = self.prices.to_numpy()[rows]
        _check_prices(price, names[rows], "is traded")
        columns = {"shares": traded[rows], "price": price, "amount": traded[rows] * price}
        return pd.DataFrame(columns, index=names[rows])

    def __repr__(self) -> str:
        held = f"{int((self.table['shares'] != 0).sum())} of {len(self.table)} targeted assets held"
        # What rounding leaves of a 0 has no sign.
        cash = f"cash {round(self.cash, 2) + 0.0:,.2f} ({round(self.cash / self.value, 4) + 0.0:.2%})"
        gap = f", gap {self.gap:.1e}" if self.gap else ""
        return f"<Shares: {held}, value {self.value:,.10g}, {cash}, distance {self.distance:.2%}{gap}>"

    def _repr_html_(self) -> str:
        return str(self.table.to_html())


class Targets(NamedTuple):
    """What is rounded: target weights, returns of the assets, labels and number a year of the periods."""

    weights: pd.Series
    X: Array
    dates: pd.Index | None
    periods_per_year: float | None


def whole_shares(of: Targets, prices: Any, value: Any, lot_size: Any) -> Shares:
    """Round weights to whole shares: see `Shares`."""
    names, w = of.weights.index, of.weights.to_numpy()
    price = _prices(prices, list(names))
    money = limit(value, "value", math.nan)
    if not 0 < money < math.inf:
        raise ValueError(f"value must be a positive, finite amount of money, got {value!r}.")
    lots = _lots(lot_size, list(names))
    at = np.flatnonzero(w)
    _check_prices(price[at], names[at], "has a target", w[at])
    target, unit = money * w[at], price[at] * lots[at]
    _check_countable(target, price[at], unit, names[at])

    found, unproven = closest_lots(target, unit)
    shares = np.zeros(len(w), dtype=np.int64)
    shares[at] = (found * lots[at]).astype(np.int64)
    amount = shares[at] * price[at]
    cash = money - float(amount.sum())
    off, cash_off = amount - target, cash - (money - float(target.sum()))
    columns = {"shares": shares[at], "price": price[at], "amount": amount, "weight": amount / money, "target": w[at]}
    active = np.concatenate([rows[:, at] @ (off / money) for _, rows in chunks(of.X)])
    return Shares(
        table=pd.DataFrame(columns, index=names[at]),
        holdings=pd.Series(shares, index=names, name="shares"),
        prices=pd.Series(price, index=names, name="price"),
        value=money,
        cash=cash,
        distance=(float(np.abs(off).sum()) + abs(cash_off)) / money / 2,
        gap=unproven / money,
        active_returns=pd.Series(active, index=of.dates, name="active"),
        periods_per_year=of.periods_per_year,
    )


def _prices(prices: Any, names: list[str]) -> Array:
    """A price for each asset, nan where none is given."""
    if isinstance(prices, pd.Series | Mapping):
        given = pd.Series(prices if isinstance(prices, pd.Series) else dict(prices), dtype=object)
        # Names are checked with and without a price: one that is not there would be left out in silence.
        per_asset(pd.Series(0.0, index=given.index), names, "prices", default=0.0)
        return per_asset(given[given.notna()], names, "prices", default=math.nan)
    try:
        array = np.array(prices, dtype=np.float64)
    except (TypeError, ValueError) as error:
        raise ValueError(f"prices must be numbers, one per asset or a dict or Series by name: {prices!r}.") from error
    if array.shape != (len(names),):
        raise ValueError(
            f"prices has shape {array.shape}, but there are {len(names)} assets: give one price each (nan where there "
            "is none), or a dict or Series by name."
        )
    return array


def _check_prices(price: Array, names: pd.Index, why: str, weights: Array | None = None) -> None:
    bad = np.flatnonzero(~((price > 0) & (price < math.inf)))
    if len(bad):
        first = bad[0]
        weight = "" if weights is None else f" (weight {weights[first]:.3g})"
        raise ValueError(
            f"{names[first]!r} {why}{weight}, but its price is {price[first]:g}: give a positive, finite price "
            f"({len(bad)} such of {len(price)} assets)."
        )


def _lots(lot_size: Any, names: list[str]) -> Array:
    lots = per_asset(lot_size, names, "lot_size", default=1.0)
    bad = np.flatnonzero(~((lots >= 1) & (lots < _COUNTABLE) & (lots == np.floor(lots))))
    if len(bad):
        raise ValueError(
            f"lot_size of {names[bad[0]]!r} is {lots[bad[0]]:g}: a lot is a whole number of shares, at least 1."
        )
    return lots


def _whole(previous: Any, names: list[str]) -> Any:
    """Shares held before, as whole numbers."""
    if previous is not None and np.ndim(previous) == 0 and not isinstance(previous, Mapping):
        raise ValueError(f"previous must give shares per asset, by name or as an array, got {previous!r}.")
    held = per_asset(previous, names, "previous", default=0.0)
    bad = np.flatnonzero((np.abs(held) >= _COUNTABLE) | (held != np.floor(held)))
    if len(bad):
        raise ValueError(
            f"previous of {names[bad[0]]!r} is {float(held[bad[0]])!r}, no whole number of shares: trades are whole, "
            "leave the fraction out and sell it apart."
        )
    return held.astype(np.int64)


def _check_countable(target: Array, price: Array, unit: Array, names: pd.Index) -> None:
    with np.errstate(over="ignore"):
        bad = np.flatnonzero(~np.isfinite(unit) | (np.abs(target) / price >= _COUNTABLE / 2))
    if len(bad):
        i = bad[0]
        raise ValueError(
            f"{names[i]!r} has the target amount {target[i]:g} at a price of {price[i]:g} ({unit[i]:g} a lot): too "
            "large a number to be counted exactly. Check the units of prices, value and lot_size."
        )
