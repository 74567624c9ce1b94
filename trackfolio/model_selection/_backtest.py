"""Walk forward: fit on the past, trade, hold, pay, and stitch what was earned."""

import warnings
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import pandas as pd
from joblib import Memory, delayed

from trackfolio._validation import (
    Array,
    asset_names,
    check_same_index,
    finite_per_asset,
    refuse_non_finite,
    warn_if_prices,
)
from trackfolio.model_selection._backtest_result import Backtests, Market, stitched
from trackfolio.model_selection._decision import Decision, decide, depends_on_holdings, in_order
from trackfolio.model_selection._ledger import Book, Prices
from trackfolio.model_selection._parallel import is_sequential, listed, run, with_progress
from trackfolio.model_selection._walk_forward import ordered_dates

__all__ = ["backtest"]

Places = npt.NDArray[np.intp]


def backtest(
    estimator: Any,
    X: Any,
    y: Any = None,
    *,
    cv: Any,
    transaction_costs: Any = None,
    management_fee: float = 0.0,
    initial_weights: Any = None,
    drift: bool = True,
    n_jobs: int | None = None,
    memory: Any = None,
    progress: bool = True,
    error_score: str = "raise",
    return_estimator: bool = False,
) -> Any:
    r"""Rebalance, hold and pay out of sample, as a fund would have.

    At the beginning of each test set of `cv` the estimator, fitted on the training set, says the weights; the trade
    takes place at the last prices before. Then holdings drift with the prices until the next trade,

    .. math:: w_{t+1,i} = \frac{w_{t,i}(1 + r_{t,i})}{1 + p_t}, \qquad p_t = \sum_i w_{t,i} r_{t,i}, \qquad
        1 + p^{net}_t = (1 - c_t)(1 + p_t)(1 - fee)

    with :math:`c_t` the costs of what was traded before period t, 0 without a trade. What the weights leave of 1 is
    cash, which earns nothing. An estimator sees the rows of its training set and the holdings before the trade, and
    nothing else.

    Terms that look at the holdings (`MaxTurnover`, `MaxTrades`, `TransactionCost`) get the drifted ones; folds then run
    one after the other. Otherwise they are independent, and run in parallel. The numbers are the same for any `n_jobs`,
    and on other machines but for rounding.

    Parameters
    ----------
    estimator : estimator, or dict of str to estimator
        `MinTrackingError`, `MeanRisk`, a baseline, a search or a pipeline around one of them, or any estimator with
        `weights_` after ``fit(X, y)``. Of several, by name, all are run on the same folds.
    X : array-like or DataFrame of shape (n_periods, n_assets)
        Simple returns per period. NaN is a missing price: see Notes.
    y : array-like or Series of shape (n_periods,), optional
        Returns of the benchmark. Without them, the estimator's `benchmark_weights` as of each decision are held like
        the portfolio.
    cv : splitter or iterable of (train, test)
        `WalkForward`, `TimeSeriesSplit`, ... Each training set lies before its test set, and test sets follow one
        another without a break.
    transaction_costs : float, array-like of shape (n_assets,), dict, Series or TransactionCost, default=None
        Share of each amount bought or sold (0.001 is ten basis points), charged once, when the trade is made; a
        `TransactionCost` also has market impact. They are charged whether the estimator minds them or not.
    management_fee : float, default=0.0
        Share of the value charged in each period: ``0.002 / 252`` for 0.2 % a year on daily returns.
    initial_weights : array-like of shape (n_assets,), dict or Series by asset name, default=None
        Holdings before the first trade. None: cash, so that the first trade buys all, and pays for it; terms that look
        at the holdings are lifted at this trade, as `Backtest.rebalances` records.
    drift : bool, default=True
        False: the weights of each test set are held constant, as by `predict`, and these trades are not charged.
    n_jobs : int or None, default=None
        Jobs at once; None for what `joblib.parallel_config` says, which also says where they run.
    memory : str, Path or joblib.Memory, default=None
        Where finished fits are kept: a run that was interrupted goes on from there, and one with more data fits only
        what is new. The key is made of the data of the fit, the parameters, the holdings and the versions of the
        libraries; code of your own counts by its name alone: clear the folder when you change it. Entries are pickles:
        use a folder that nobody else can write to.
    progress : bool, default=True
        Show a progress bar on a terminal (stderr).
    error_score : {"raise", "hold"}, default="raise"
        What a failed fit leads to: the error, or no trade at this date. `Backtest.failures` then has the reason.
    return_estimator : bool, default=False
        Keep the fitted estimators, as `Backtest.estimators`.

    Returns
    -------
    Backtest or Backtests
        The latter, by name, for a dict of estimators.

    Raises
    ------
    ValueError
        For infinite returns, missing ones in y, names or dates that do not match, folds that look ahead or leave gaps,
        costs that are none; with ``error_score="raise"`` also what `fit` raises.
    TypeError
        For what is no estimator, or a memory that is no folder.

    Warns
    -----
    FitFailedWarning
        If fits failed with ``error_score="hold"``; if all of them did, it is an error.

    Notes
    -----
    Missing returns: an asset can be bought where the training set has all its returns; parameters by asset are cut to
    these assets. One that is held and has no return in some period was sold at its last price, at a cost, and is cash
    until the next trade: `Backtest.sales` lists them. In what terms see of the holdings, these proceeds are spread over
    the other assets in proportion, so that a limit on turnover is not used up by investing them again; the trades are
    charged as they are. Candidates in the grid of a search are not cut. Steps of a pipeline that choose assets do not
    go with terms that look at the holdings.

    References
    ----------
    Lopez de Prado (2018), Advances in Financial Machine Learning, chapter 11: what a backtest cannot tell.

    Examples
    --------
    >>> from trackfolio import MinTrackingError
    >>> from trackfolio.datasets import load_sp500
    >>> from trackfolio.model_selection import WalkForward, backtest
    >>> X, y = load_sp500(start="2020-01-01", return_X_y=True)
    >>> monthly = WalkForward("365D", freq="ME")
    >>> tested = backtest(MinTrackingError(max_weights=0.1), X, y, cv=monthly, transaction_costs=0.001)
    >>> tested
    <Backtest: 482 periods from 2021-02-01 to 2022-12-28, 23 rebalances, one-way turnover 6.9% each>
    >>> [round(portfolio.tracking_difference(annualised=True), 4) for portfolio in (tested.net, tested.gross)]
    [0.111, 0.1133]
    """
    if isinstance(estimator, Mapping) and len({str(name) for name in estimator}) < max(len(estimator), 1):
        raise ValueError("backtest takes an estimator, or a dict with at least one, by names that differ as texts.")
    estimators = (
        {str(name): each for name, each in estimator.items()} if isinstance(estimator, Mapping) else {"": estimator}
    )
    market = _market(X, y)
    initial = None
    if initial_weights is not None:
        initial = finite_per_asset(initial_weights, market.names, "initial_weights")
    book = Book(Prices(transaction_costs, management_fee, market.names), drift, initial)
    if error_score not in ("raise", "hold"):
        raise ValueError(f"error_score must be 'raise' or 'hold', got {error_score!r}.")
    store = Memory(memory, verbose=0) if isinstance(memory, str | Path) else memory
    if store is not None and not hasattr(store, "cache"):
        raise TypeError(f"memory must be a folder or a joblib.Memory, got {memory!r}.")
    options = {
        "memory": store,
        "keep_estimator": return_estimator,
        "hold_on_error": error_score == "hold",
    }
    folds = _folds(cv, X, y, len(market.values))
    decisions = _decisions(estimators, market, folds, book, options, n_jobs=n_jobs, progress=progress)
    results = {name: stitched(name, made, market, folds, book) for name, made in decisions.items()}
    return Backtests(results) if isinstance(estimator, Mapping) else results[""]


def _market(X: Any, y: Any) -> Market:
    """Returns of the assets and of the benchmark, checked."""
    check_same_index(X, y)
    ordered_dates(X)
    columns = X.columns.tolist() if isinstance(X, pd.DataFrame) else getattr(X, "columns", None)
    try:
        # In the order of rows, so that the rows of a fold look the same whatever follows them.
        plain = X.to_numpy(np.float64, na_value=np.nan) if isinstance(X, pd.DataFrame) else np.asarray(X)
        values = np.ascontiguousarray(_real(plain), dtype=np.float64).view()
    except (TypeError, ValueError) as error:
        raise ValueError(f"X must be numbers, the returns per period: {error}.") from error
    values.flags.writeable = False  # the rows of one fold are those that another one is judged by
    if values.ndim != 2 or 0 in values.shape:
        raise ValueError(f"X must be a matrix of returns, a row per period, got shape {values.shape}.")
    names = asset_names(columns, values.shape[1])
    if len(set(names)) < len(names):
        raise ValueError("X has two columns with the same name; names must tell assets apart.")
    if np.isinf(values).any():
        row, column = np.argwhere(np.isinf(values))[0]
        raise ValueError(f"X contains infinity: first at row {row}, column {names[column]!r}. NaN is a missing price.")
    target = None
    if y is not None:
        target = np.asarray(y, dtype=np.float64).view()
        target.flags.writeable = False
        if target.shape != (len(values),):
            raise ValueError(f"y must have shape ({len(values)},) like the rows of X, got {target.shape}.")
        refuse_non_finite(y, "y")
        warn_if_prices(target, ["y"], "y")
    warn_if_prices(_filled(values), names)
    dates = X.index if isinstance(X, pd.DataFrame) else None
    name = getattr(y, "name", None)
    return Market(values, target, dates, names, columns is not None, None if name is None else str(name))


def _real(values: Any) -> Any:
    if np.iscomplexobj(values):
        raise ValueError("X holds complex numbers; returns are real.")
    return values


def _filled(values: Array) -> Array:
    """Returns with the typical one of each asset where one is missing, to be looked through for prices."""
    missing = np.isnan(values)
    if not missing.any():
        return values
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", RuntimeWarning)  # of assets without any return
        return np.where(missing, np.nan_to_num(np.nanmedian(values, axis=0)), values)


def _folds(cv: Any, X: Any, y: Any, n_rows: int) -> list[tuple[Places, Places]]:
    """Folds in the order of time, none of which looks ahead."""
    pairs = cv.split(X, y) if hasattr(cv, "split") and not isinstance(cv, str) else cv
    if hasattr(pairs, "__next__"):
        pairs = list(pairs)  # what a splitter itself has to say, it says here
    try:
        folds = [(np.asarray(train), np.asarray(test)) for train, test in pairs]
    except (TypeError, ValueError) as error:
        raise TypeError(
            f"cv must be a splitter such as WalkForward(252, 21), or (train, test) pairs, got {cv!r}."
        ) from error
    if not all(part.ndim == 1 and (part.dtype.kind in "iu" or not len(part)) for fold in folds for part in fold):
        raise TypeError(f"The folds of cv must be arrays of row numbers, got {folds[0]!r}.")
    if not folds:
        raise ValueError(f"{cv!r} gives no fold.")
    # Differences of unsigned numbers are never negative.
    folds = [(train.astype(np.intp), test.astype(np.intp)) for train, test in folds]
    end = None
    for k, (train, test) in enumerate(folds):
        if not len(train) or not len(test) or min(train[0], test[0]) < 0 or max(train[-1], test[-1]) >= n_rows:
            raise ValueError(f"Fold {k} of cv has no rows, or rows that are not there.")
        if (np.diff(train) <= 0).any() or train[-1] >= test[0]:
            raise ValueError(
                f"Fold {k} of cv looks ahead: its training set (to row {train.max()}) must lie before its test set "
                f"(from row {test[0]}), in the order of time. Use WalkForward or TimeSeriesSplit."
            )
        if (np.diff(test) != 1).any() or (end is not None and test[0] != end):
            raise ValueError(
                f"The test set of fold {k} of cv does not follow the one before without a break (row {test[0]}, "
                f"expected {test[0] if end is None else end}): nothing can be held through periods of no test set."
            )
        end = test[-1] + 1
    return folds


def _decisions(
    estimators: dict[str, Any],
    market: Market,
    folds: list[tuple[Places, Places]],
    book: Book,
    options: dict[str, Any],
    *,
    n_jobs: int | None,
    progress: bool,
) -> dict[str, list[Decision]]:
    """Decisions of each estimator; independent ones at once, where there are workers for them."""
    calls: list[tuple[str, Any, tuple[Any, ...]]] = []
    for name, estimator in estimators.items():
        if depends_on_holdings(estimator):
            calls.append((name, in_order, (estimator, *market.data, folds, book)))
        else:
            calls += [(name, decide, (estimator, *market.data, train)) for train, _ in folds]
    if is_sequential(n_jobs):
        results: Any = (function(*arguments, **options) for _, function, arguments in calls)
    else:
        results = run((delayed(listed)(function, *arguments, **options) for _, function, arguments in calls), n_jobs)
    found: dict[str, list[Decision]] = {name: [] for name in estimators}
    made = (
        (name, decision)
        for (name, _, _), result in zip(calls, results, strict=True)
        for decision in ([result] if isinstance(result, Decision) else result)
    )
    for name, decision in with_progress(made, len(folds) * len(estimators), "backtest", progress):
        found[name].append(decision)
    return found
