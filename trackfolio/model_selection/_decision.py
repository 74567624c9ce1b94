"""One rebalance: an estimator fitted on the rows before it, and what comes of that."""

import contextlib
import importlib.metadata
import time
from collections.abc import Iterator
from functools import cache
from typing import Any, NamedTuple

import numpy as np
import numpy.typing as npt
import pandas as pd
from sklearn.base import clone

from trackfolio._holder import PortfolioHolder, last_known
from trackfolio._interrupts import interrupt_within
from trackfolio._portfolio_html import period_text
from trackfolio._terms import Term
from trackfolio._threads import threads_for
from trackfolio._universe import Universe, restricted
from trackfolio._validation import Array, prices_looked_for
from trackfolio._version import __version__
from trackfolio.model_selection._ledger import Book, Ledger
from trackfolio.portfolio import Portfolio
from trackfolio.solvers._uniqueness import uniqueness_recorded


class Decision(NamedTuple):
    """Weights for all assets, or why there are none."""

    weights: Array | None
    benchmark_weights: Array | None = None
    seconds: float = 0.0
    status: str = ""
    gap: float = np.nan
    freedom: float = np.nan
    lifted: tuple[str, ...] = ()
    failure: str = ""
    estimator: Any = None


class Past(NamedTuple):
    """The rows that a decision may look at."""

    values: Array
    y: Array | None
    names: list[str]
    dates: pd.Index | None
    is_frame: bool


def decide(
    estimator: Any,
    values: Array,
    y: Array | None,
    dates: pd.Index | None,
    names: list[str],
    is_frame: bool,
    train: npt.NDArray[np.intp],
    holdings: Array | None = None,
    proceeds: float = 0.0,
    *,
    in_order: bool = False,
    memory: Any = None,
    keep_estimator: bool = False,
    hold_on_error: bool = False,
) -> Decision:
    """Fit on the training rows and, where decisions are made in order, on the holdings; on nothing else.

    All data come as arguments of their own, so that joblib's backends ship them once for all decisions.
    """
    # Consecutive rows are read where they lie.
    rows = slice(train[0], train[-1] + 1) if train[-1] - train[0] == len(train) - 1 else train
    past = Past(values[rows], None if y is None else y[rows], names, None if dates is None else dates[rows], is_frame)
    fit = _fitted if memory is None else memory.cache(_fitted)
    tradable = np.asarray(~np.isnan(past.values).any(axis=0))
    estimator = _as_of(clone(estimator), past.dates)
    handed = _handed(holdings, proceeds, tradable)
    try:
        made: Decision = fit(estimator, past, tradable, in_order, handed, keep_estimator, _versions())
        return made
    except _FitError as failed:  # what goes wrong with the store is no failed fit
        error = failed.__cause__
    assert error is not None
    if hold_on_error:
        return Decision(None, failure=f"{type(error).__name__}: {error}")
    error.add_note(f"In the backtest's fold that is fitted on {period_text(past.dates, len(past.values))}.")
    raise error


class _FitError(Exception):
    """A fit that raised; a store keeps no such result."""


def _as_of(estimator: Any, dates: pd.Index | None) -> Any:
    """The estimator with that row of a table of benchmark weights that the last date points to, and no later one."""
    table = getattr(estimator, "benchmark_weights", None)
    if isinstance(table, pd.DataFrame) and isinstance(dates, pd.DatetimeIndex):
        with contextlib.suppress(TypeError, ValueError):  # the fit says what is wrong with it
            estimator.benchmark_weights = table.loc[[last_known(table, dates).name]]
    return estimator


def in_order(
    estimator: Any,
    values: Array,
    y: Array | None,
    dates: pd.Index | None,
    names: list[str],
    is_frame: bool,
    folds: list[tuple[npt.NDArray[np.intp], npt.NDArray[np.intp]]],
    book: Book,
    **options: Any,
) -> Iterator[Decision]:
    """Make one decision after the other, each from the holdings that the ones before have led to."""
    ledger = Ledger(book, values)
    for train, test in folds:
        before = ledger.holdings, ledger.proceeds
        decision = decide(estimator, values, y, dates, names, is_frame, train, *before, in_order=True, **options)
        yield decision
        ledger.rebalance(decision.weights, slice(test[0], test[-1] + 1))


def _fitted(
    estimator: Any,
    past: Past,
    tradable: npt.NDArray[np.bool_],
    needs_holdings: bool,
    holdings: Array | None,
    keep: bool,
    of_versions: str,
) -> Decision:
    """Decision from the data of one fold alone, so that it can be stored and found by them and by the version."""
    try:
        return _decided(estimator, past, tradable, needs_holdings, holdings, keep)
    except Exception as error:
        interrupt = interrupt_within(error)
        if interrupt is not None:  # no failed fit
            raise interrupt from None
        raise _FitError from error


def _decided(
    estimator: Any,
    past: Past,
    tradable: npt.NDArray[np.bool_],
    needs_holdings: bool,
    holdings: Array | None,
    keep: bool,
) -> Decision:
    """Decision of an estimator that is nobody else's."""
    if not tradable.any():
        raise ValueError("No asset has all its returns in the training rows.")
    model = estimator if tradable.all() else restricted(estimator, Universe(past.names, tradable, past.dates))
    lifted: tuple[str, ...] = ()
    if needs_holdings and holdings is None:
        model, lifted = _without_holdings(model)
    X, y = _as_given(past, tradable)
    inside = [name for name, is_in in zip(past.names, tradable, strict=True) if is_in]
    previous = {}
    if needs_holdings and holdings is not None:
        if len(inside) == len(past.values) and not isinstance(model, PortfolioHolder):
            raise ValueError(
                f"There are as many assets as training rows, {len(inside)}: scikit-learn would cut the holdings into "
                "folds. Use another train_size."
            )
        previous = {_parameter(model): dict(zip(inside, holdings.tolist(), strict=True))}
    # One thread, so that the numbers are the same wherever and beside whatever this runs.
    with threads_for(0.0), prices_looked_for(), uniqueness_recorded():
        start = time.perf_counter()
        try:
            model.fit(X, y, **previous) if y is not None else model.fit(X, **previous)
        except Exception as error:
            if lifted:
                error.add_note(
                    f"{', '.join(lifted)} was lifted, as nothing is held yet: initial_weights would keep it."
                )
            raise
        seconds = time.perf_counter() - start
        inner = _innermost(model)
        weights = _weights(model, inner, X, inside)
    solution = getattr(inner, "solution_", None)
    if getattr(solution, "stopped_by", None) == "interrupt":
        raise KeyboardInterrupt  # what an interrupt leaves of a search is neither stored nor gone on with
    return Decision(
        weights=_everywhere(weights, tradable),
        benchmark_weights=_benchmark_weights(inner, inside, tradable),
        seconds=seconds,
        status=getattr(solution, "status", ""),
        gap=np.nan if getattr(solution, "certificate", None) is None else solution.gap,  # type: ignore[union-attr]
        freedom=getattr(solution, "freedom", np.nan),
        lifted=lifted,
        estimator=model if keep else None,
    )


def _handed(holdings: Array | None, proceeds: float, tradable: npt.NDArray[np.bool_]) -> Array | None:
    """Holdings of the tradable assets, and in proportion what is held of others or was sold for want of prices.

    A limit on turnover is on what the manager chooses to trade: to invest again what prices that ended have brought
    would exhaust it.
    """
    if holdings is None:
        return None
    inside = holdings[tradable]
    lost = float(holdings[~tradable].sum()) + proceeds
    gross = float(np.abs(inside).sum())
    return inside + lost * np.abs(inside) / gross if lost and gross > 0 else inside


def depends_on_holdings(estimator: Any) -> bool:
    """Whether some term, however deep, looks at the holdings before the trade."""
    return any(term.depends_on_holdings for term in _terms(estimator))


def _terms(value: Any) -> Iterator[Term]:
    if isinstance(value, Term):
        yield value
    if hasattr(value, "get_params") and not isinstance(value, type):
        value = value.get_params(deep=False)
    if isinstance(value, dict):
        value = list(value.values())
    if isinstance(value, list | tuple):
        for part in value:
            yield from _terms(part)


def _without_holdings(estimator: Any) -> tuple[Any, tuple[str, ...]]:
    """The estimator without the terms that need holdings, at a rebalance before which nothing is known of any."""
    new, lifted = clone(estimator), []
    lists = [name for name in estimator.get_params(deep=True) if name.rpartition("__")[2] in ("constraints", "costs")]
    for name in sorted(lists, key=lambda name: -name.count("__")):  # costs within a constraint before the constraint
        value = new.get_params(deep=True).get(name)
        if not isinstance(value, list | tuple):
            continue
        terms = [part[1] if isinstance(part, tuple) else part for part in value]
        gone = [term.term_name for term in terms if depends_on_holdings(term)]
        if gone:
            kept = [part for part, term in zip(value, terms, strict=True) if not depends_on_holdings(term)]
            new.set_params(**{name: kept or None})
            lifted += gone
    if depends_on_holdings(new):
        raise ValueError(
            "A term looks at the previous holdings, of which nothing is known at the first rebalance, and it cannot be "
            "lifted where it stands: give initial_weights."
        )
    return new, tuple(lifted)


def _as_given(past: Past, tradable: npt.NDArray[np.bool_]) -> tuple[Any, Any]:
    """Training data in the form in which they came; with names where assets are left out."""
    everything = bool(tradable.all())
    X = past.values if everything else past.values[:, tradable]
    if not past.is_frame and everything:
        return X, past.y
    names = [name for name, is_in in zip(past.names, tradable, strict=True) if is_in]
    frame = pd.DataFrame(X, index=past.dates, columns=names, copy=False)
    return frame, None if past.y is None else pd.Series(past.y, index=past.dates, copy=False)


def _parameter(estimator: Any) -> str:
    """Name under which `fit` takes the holdings."""
    steps = getattr(estimator, "steps", None)
    return "previous_weights" if steps is None else f"{steps[-1][0]}__{_parameter(steps[-1][1])}"


def _innermost(estimator: Any) -> Any:
    """The fitted estimator that has the weights, within searches and pipelines."""
    if hasattr(estimator, "best_estimator_"):
        return _innermost(estimator.best_estimator_)
    return _innermost(estimator.steps[-1][1]) if hasattr(estimator, "steps") else estimator


def _weights(model: Any, inner: Any, X: Any, names: list[str]) -> Array:
    """Weights of the tradable assets."""
    found = getattr(inner, "weights_", None)
    is_direct = inner is model or inner is getattr(model, "best_estimator_", None)
    if found is not None and is_direct and np.shape(found) == (len(names),):
        by_name = found.reindex(names) if isinstance(found, pd.Series) and set(found.index) == set(names) else found
        return _finite(np.asarray(by_name, dtype=np.float64), names)
    last = X[-1:] if isinstance(X, np.ndarray) else X.iloc[-1:]
    held = model.predict(last) if hasattr(model, "predict") else None
    if not isinstance(held, Portfolio):
        raise TypeError(
            f"backtest takes estimators with one of weights_ for each of the {len(names)} assets, or whose predict(X) "
            f"gives a Portfolio; {type(model).__name__} has neither."
        )
    unknown = [name for name in held.weights.index if name not in names]
    weights = held.weights.reindex(names).fillna(0.0).to_numpy()
    # A pipeline may choose assets, but must leave their returns as they are.
    if unknown or not np.allclose(np.asarray(last) @ weights, held, rtol=1e-9, atol=1e-15):
        raise ValueError(
            f"The weights of {type(model).__name__} are not those of the columns of X: its steps may choose columns, "
            "by name (set_output(transform='pandas')), but must not change returns."
        )
    return np.asarray(weights)


def _finite(weights: Array, names: list[str]) -> Array:
    bad = np.flatnonzero(~np.isfinite(weights))
    if len(bad):
        raise ValueError(f"The weight of {names[bad[0]]!r} is {weights[bad[0]]}: an estimator must give finite ones.")
    return weights


def _benchmark_weights(inner: Any, names: list[str], tradable: npt.NDArray[np.bool_]) -> Array | None:
    """Weights of the benchmark for all assets, where the estimator has some."""
    found = getattr(inner, "benchmark_weights_", None)
    if found is None:
        return None
    if len(found) != len(names):  # a step before has chosen assets
        found = pd.Series(found, index=[str(name) for name in inner.feature_names_in_]).reindex(names).fillna(0.0)
    return _everywhere(np.asarray(found), tradable)


@cache
def _versions() -> str:
    """Versions of what the weights may depend on."""
    packages = ("numpy", "scipy", "pandas", "scikit-learn", "cvxpy", "clarabel", "piqp")
    return " ".join([__version__, *(importlib.metadata.version(name) for name in packages)])


def _everywhere(values: Array, tradable: npt.NDArray[np.bool_]) -> Array:
    """Values for all assets, 0 for those that cannot be traded."""
    everywhere = np.zeros(len(tradable))
    everywhere[tradable] = values
    return everywhere
