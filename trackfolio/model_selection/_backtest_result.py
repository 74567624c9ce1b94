"""What a backtest found."""

from dataclasses import dataclass, field
from functools import cached_property
from typing import Any, NamedTuple

import numpy as np
import numpy.typing as npt
import pandas as pd
from sklearn.exceptions import FitFailedWarning

from trackfolio._held_portfolio import HeldPortfolio
from trackfolio._portfolio_html import held_assets, period_text
from trackfolio._validation import Array, warn
from trackfolio.comparison import compare
from trackfolio.model_selection._backtest_html import backtest_html, backtests_html
from trackfolio.model_selection._decision import Decision
from trackfolio.model_selection._ledger import Book, Ledger, hold
from trackfolio.solvers._uniqueness import warn_of_several

__all__ = ["Backtest", "Backtests"]


class Market(NamedTuple):
    """Returns of the assets and of the benchmark, checked."""

    values: Array
    y: Array | None
    dates: pd.Index | None
    names: list[str]
    is_frame: bool
    y_name: str | None

    @property
    def data(self) -> tuple[Any, ...]:
        """What a decision takes."""
        return self[:5]


@dataclass(frozen=True, repr=False, eq=False)
class Backtest:
    """A portfolio that was rebalanced, held and paid for, out of sample.

    Attributes
    ----------
    net, gross : HeldPortfolio
        Returns after and before costs and fees, as portfolios: array-like, with every measure of `Portfolio`, relative
        to the benchmark if there is one. Their `weights` are those after the last period.
    weights : DataFrame of shape (n_periods, n_assets)
        Weights at the beginning of each period.
    targets : DataFrame of shape (n_rebalances, n_assets)
        Weights after each trade, by the first period for which they are held.
    rebalances : DataFrame
        A row for each trade: last row of the training set, one-way turnover, cost as a share of the value, names held,
        seconds of fitting, status, gap and freedom of the solution (see `Solution`), terms lifted because nothing was
        held before, and why it failed if it did.
    sales : DataFrame
        What was sold because prices ended: period, asset, weight and cost.
    estimators : list of estimators or None
        Fitted, where ``return_estimator=True``; None for a failed fit.

    Examples
    --------
    >>> from trackfolio import MinTrackingError
    >>> from trackfolio.datasets import load_sp500
    >>> from trackfolio.model_selection import WalkForward, backtest
    >>> X, y = load_sp500(start="2021-01-01", return_X_y=True)
    >>> tested = backtest(MinTrackingError(), X, y, cv=WalkForward(250, 125), transaction_costs=0.001)
    >>> tested.rebalances[["turnover", "cost", "names held"]].round(4)
                turnover    cost  names held
    period
    2021-12-31    0.5000  0.0010          19
    2022-07-01    0.2291  0.0005          19
    """

    net: HeldPortfolio
    gross: HeldPortfolio
    targets: pd.DataFrame
    rebalances: pd.DataFrame
    sales: pd.DataFrame
    estimators: list[Any] | None = field(default=None)
    _n_opening: int = 1

    @cached_property
    def weights(self) -> pd.DataFrame:
        """Weights at the beginning of each period."""
        return self.gross.weight_history

    @property
    def turnover(self) -> pd.Series:
        """One-way turnover of each trade, ½ Σ|w - w_prev| against the drifted holdings."""
        return self.rebalances["turnover"]

    @property
    def costs(self) -> pd.Series:
        """Costs of each trade, as a share of the value."""
        return self.rebalances["cost"]

    @property
    def names_held(self) -> pd.Series:
        """Number of names after each trade."""
        return self.rebalances["names held"]

    @property
    def fit_seconds(self) -> pd.Series:
        """Seconds of each fit."""
        return self.rebalances["seconds"]

    @property
    def failures(self) -> pd.Series:
        """Reasons of the failed fits, by period."""
        failed: pd.Series = self.rebalances["failure"]
        return failed[failed != ""]

    @property
    def later_trades(self) -> pd.Series:
        """Mean turnover, cost and names held, without the first purchase from cash (unless that is the only trade)."""
        mean: pd.Series = self._later[["turnover", "cost", "names held"]].mean()
        return mean

    @property
    def _later(self) -> pd.DataFrame:
        n = self._n_opening if self._n_opening < len(self.rebalances) else 0
        return self.rebalances.iloc[n:]

    def summary(self) -> pd.DataFrame:
        """Measures of the net and of the gross portfolio side by side: see `Portfolio.summary`."""
        return pd.concat({"net": self.net.summary(), "gross": self.gross.summary()}, axis="columns")

    def __repr__(self) -> str:
        periods = period_text(self.net.dates, len(self.net))
        failed = f", {len(self.failures)} failed" if len(self.failures) else ""
        turnover = self.later_trades["turnover"]
        return f"<Backtest: {periods}, {len(self.rebalances)} rebalances{failed}, one-way turnover {turnover:.1%} each>"

    def _repr_html_(self) -> str:
        return backtest_html(self)


class Backtests(dict[str, Backtest]):
    """Backtests by name, over the same periods.

    Examples
    --------
    >>> from trackfolio import EqualWeighted, MinTrackingError
    >>> from trackfolio.datasets import load_sp500
    >>> from trackfolio.model_selection import WalkForward, backtest
    >>> X, y = load_sp500(start="2021-01-01", return_X_y=True)
    >>> models = {"tracker": MinTrackingError(), "equal": EqualWeighted()}
    >>> tested = backtest(models, X, y, cv=WalkForward(250, 125))
    >>> tested.compare(["tracking RMSE"]).round(4)
             tracking RMSE  turnover  cost  names held
    tracker         0.0033    0.2291   0.0        19.0
    equal           0.0062    0.1145   0.0        20.0
    """

    def compare(self, measures: Any = None, *, annualised: bool = False, **options: Any) -> pd.DataFrame:
        """Measures of the net portfolios, with the means of turnover, cost and names held of all trades but the first.

        Parameters
        ----------
        measures : sequence of str or Risk, optional
            As in :func:`trackfolio.compare`.
        annualised : bool, default=False
            Per year rather than per period, where a measure has both forms.
        **options
            As in :func:`trackfolio.compare`.

        Returns
        -------
        DataFrame
            A row for each backtest.
        """
        net = {name: each.net for name, each in self.items()}
        table = compare(net, measures=measures, annualised=annualised, **options)
        return table.join(pd.DataFrame({name: each.later_trades for name, each in self.items()}).T)

    def _repr_html_(self) -> str:
        return backtests_html(self)


def stitched(
    name: str, decisions: list[Decision], market: Market, folds: list[tuple[Any, npt.NDArray[np.intp]]], book: Book
) -> Backtest:
    """Book all decisions, and put the periods together."""
    _report_failures(decisions, name)
    fits = f"rebalances of {name!r}" if name else "rebalances"
    warn_of_several([decision.freedom for decision in decisions], fits, "Backtest.rebalances['freedom']")
    ledger = Ledger(book, market.values)
    for decision, (_, test) in zip(decisions, folds, strict=True):
        ledger.rebalance(decision.weights, slice(test[0], test[-1] + 1))
    rows = slice(folds[0][1][0], folds[-1][1][-1] + 1)
    starts = [test[0] for _, test in folds]
    labels = pd.RangeIndex(len(market.values)) if market.dates is None else market.dates
    periods = labels[starts].rename("period")
    history, gross = (np.concatenate([getattr(held, part) for held in ledger.held]) for part in ("weights", "returns"))
    dates = None if market.dates is None else market.dates[rows]
    final = ledger.held[-1].holdings
    portfolios = [
        HeldPortfolio.of_history(market.values[rows], market.names, dates, returns, history, final)
        for returns in (np.concatenate(ledger.net), gross)
    ]
    benchmark = _benchmark(decisions, market, folds, book)
    if benchmark is not None:
        portfolios = [portfolio.relative_to(benchmark) for portfolio in portfolios]
    net, gross_of_costs = (portfolio.replace(name=name or None) for portfolio in portfolios)
    kept = [decision.estimator for decision in decisions]
    traded = [decision.weights is not None for decision in decisions]
    opening = traded.index(True) + 1 if book.initial is None else 0
    return Backtest(
        net,
        gross_of_costs,
        targets=pd.DataFrame(np.array(ledger.targets), periods, market.names),
        rebalances=_table(decisions, ledger, labels[[train[-1] for train, _ in folds]], periods),
        sales=pd.DataFrame(
            {
                "period": [labels[row] for row, *_ in ledger.sales],
                "asset": pd.Series([market.names[asset] for _, asset, *_ in ledger.sales], dtype="str"),
                "weight": np.array([weight for *_, weight, _ in ledger.sales], dtype=np.float64),
                "cost": np.array([cost for *_, cost in ledger.sales], dtype=np.float64),
            }
        ),
        estimators=kept if any(each is not None for each in kept) else None,
        _n_opening=opening,
    )


def _table(decisions: list[Decision], ledger: Ledger, trained_to: pd.Index, periods: pd.Index) -> pd.DataFrame:
    return pd.DataFrame(
        {
            "trained to": trained_to,
            "turnover": ledger.turnovers,
            "cost": ledger.costs,
            "names held": [held_assets(target) for target in ledger.targets],
            "seconds": [decision.seconds for decision in decisions],
            "status": [decision.status for decision in decisions],
            "gap": [decision.gap for decision in decisions],
            "freedom": [decision.freedom for decision in decisions],
            "lifted": [", ".join(decision.lifted) for decision in decisions],
            "failure": [decision.failure for decision in decisions],
        },
        periods,
    )


def _benchmark(decisions: list[Decision], market: Market, folds: list[Any], book: Book) -> Any:
    """Returns of the benchmark; by its weights as of each decision, where it is given so."""
    rows = slice(folds[0][1][0], folds[-1][1][-1] + 1)
    if market.y is not None:
        dates = None if market.dates is None else market.dates[rows]
        return pd.Series(market.y[rows], index=dates, name=market.y_name)
    last, parts = None, []
    for decision, (_, test) in zip(decisions, folds, strict=True):
        last = last if decision.benchmark_weights is None else decision.benchmark_weights
        if last is None and any(each.benchmark_weights is not None for each in decisions):
            raise ValueError("The first fit failed, which would have told the benchmark's weights: give y.")
        if last is None:
            return None
        returns = market.values[test[0] : test[-1] + 1]
        block = hold(last, returns, drift=book.drift, first_row=int(test[0]), who="benchmark")
        parts.append(block.returns)
        last = block.holdings if book.drift else last
    return np.concatenate(parts)


def _report_failures(decisions: list[Decision], name: str) -> None:
    failed = [decision.failure for decision in decisions if decision.failure]
    if not failed:
        return
    who = f" of {name!r}" if name else ""
    if len(failed) == len(decisions):
        raise ValueError(f"All {len(failed)} fits{who} failed, so that nothing was ever traded. The first: {failed[0]}")
    warn(
        f"{len(failed)} of {len(decisions)} fits{who} failed; at these dates nothing was traded. The first: "
        f"{failed[0]} Backtest.failures has them all.",
        FitFailedWarning,
    )
