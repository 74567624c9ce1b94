"""Returns of the assets and of the index from the files that a user names."""

import warnings
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import pandas as pd

from trackfolio._validation import warn_if_prices
from trackfolio.cli._errors import InputError
from trackfolio.cli._files import Table, closest, read_table
from trackfolio.cli._options import Source
from trackfolio.cli._speech import counted, named, say
from trackfolio.datasets._prices import prices_to_returns
from trackfolio.datasets._sp500 import _between
from trackfolio.exceptions import PricesWarning

_LEAST_ROWS = 3


class Market(NamedTuple):
    """Simple returns per period, and the last prices where there are any."""

    X: pd.DataFrame
    y: pd.Series
    last_prices: pd.Series | None


def read_market(source: Source) -> Market:
    """Read, choose columns and dates, and turn prices into returns; what is left out is said."""
    table = read_table(source.prices, source, source.exclude)
    assets, index = _apart(table, source)
    _check_frequency(assets, source)
    assets, index = _dated(assets, source), _dated(index, source)
    assets, index = _complete(assets, index, source)
    X, y, last = _returns(assets, index, source)
    say(f"{counted(X.shape[1], 'asset')}, {len(X)} returns from {X.index[0]:%Y-%m-%d} to {X.index[-1]:%Y-%m-%d}, "
        f"against {y.name}.")  # fmt: skip
    return Market(X, y, last)


def _apart(table: Table, source: Source) -> tuple[Table, Table]:
    """Assets and index on the same dates."""
    names = list(table.frame.columns)
    if source.benchmark in names:
        assets = [name for name in names if name != source.benchmark]
        if not assets:
            raise InputError(
                f"{table.where} has no column but {source.benchmark!r}: there is nothing to track it with."
            )
        return table.only(assets), table.only([source.benchmark])
    if not Path(source.benchmark).is_file():
        raise InputError(
            f"--benchmark {source.benchmark!r} is neither a column of {table.where} nor a file."
            f"{closest(source.benchmark, names)} Columns: {_ends(names)}."
        )
    index = read_table(source.benchmark, source)
    if index.frame.shape[1] != 1:
        raise InputError(
            f"{index.where} must have one column besides the dates, the levels of the index; it has "
            f"{index.frame.shape[1]}: {named(list(index.frame.columns))}."
        )
    return _joined(table.only(names), index, source)


def _joined(assets: Table, index: Table, source: Source) -> tuple[Table, Table]:
    """Both on their common dates; returns across dates that are left out cover both periods, if they are of prices."""
    ours, theirs = assets.frame.index, index.frame.index
    common = ours.intersection(theirs)
    alone = len(ours) + len(theirs) - 2 * len(common)
    if alone and source.returns:
        raise InputError(
            f"{assets.where} and {index.where} have different dates ({alone} are in one of them only): returns cannot "
            "be joined, prices can."
        )
    if not len(common):
        raise InputError(
            f"{assets.where} and {index.where} have no date in common: {ours[0]:%Y-%m-%d} to {ours[-1]:%Y-%m-%d}, and "
            f"{theirs[0]:%Y-%m-%d} to {theirs[-1]:%Y-%m-%d}."
        )
    if alone:
        say(f"{counted(alone, 'date')} that only one of {assets.where} and {index.where} has are left out.")
    return assets.take(ours.get_indexer(common)), index.take(theirs.get_indexer(common))


def _complete(assets: Table, index: Table, source: Source) -> tuple[Table, Table]:
    """Without missing numbers: what to do with them is for the user to say."""
    missing, lacking = assets.frame.isna().to_numpy(), index.frame.isna().to_numpy()[:, 0]
    if not missing.any() and not lacking.any():
        return assets, index
    if source.missing == "drop-dates":
        gone = missing.any(axis=1) | lacking
        if gone.all():
            raise InputError("--missing drop-dates leaves no date: on each one, a number is missing.")
        dates = [f"{date:%Y-%m-%d}" for date in assets.frame.index[gone]]
        say(f"--missing drop-dates: {len(dates)} of {len(gone)} dates left out: {named(dates)}.")
        return assets.take(np.flatnonzero(~gone)), index.take(np.flatnonzero(~gone))
    if source.missing == "drop-assets" and not lacking.any():
        incomplete = np.asarray(missing.any(axis=0))
        names = list(assets.frame.columns[incomplete])
        if incomplete.all():
            raise InputError("--missing drop-assets leaves no asset: each one lacks a number. See --start and --end.")
        say(f"--missing drop-assets: {len(names)} of {len(incomplete)} assets left out: {named(names)}.")
        return assets.only(list(assets.frame.columns[~incomplete])), index
    raise InputError(_gaps(index if lacking.any() else assets, source))


def _gaps(table: Table, source: Source) -> str:
    """Where numbers are missing, with line and column."""
    missing = table.frame.isna()
    columns = [name for name in missing.columns if missing[name].any()]
    places = [
        f"{name!r} ({int(missing[name].sum())}, first in {table.unit} {table.lines[int(missing[name].argmax())]})"
        for name in columns
    ]
    what = "returns" if source.returns else "prices"
    choices = "--missing drop-dates" if source.benchmark in columns else "--missing drop-assets or --missing drop-dates"
    return (
        f"{table.where}: {what} are missing in {len(columns)} of {counted(missing.shape[1], 'column')}: "
        f"{named(places)}. Give {choices}, restrict the dates, or fill the gaps in the file."
    )


def _check_frequency(assets: Table, source: Source) -> None:
    if len(assets.frame) < _LEAST_ROWS:
        raise InputError(
            f"{assets.where} has {counted(len(assets.frame), 'row')} of numbers, {_LEAST_ROWS} are needed."
        )


def _returns(assets: Table, index: Table, source: Source) -> tuple[pd.DataFrame, pd.Series, Any]:
    if len(assets.frame) < _LEAST_ROWS:
        raise InputError(
            f"{counted(len(assets.frame), 'date')} of {assets.where} are left, {_LEAST_ROWS} are needed: see --start, "
            "--end and --missing."
        )
    prices, levels = assets.frame, index.frame.iloc[:, 0]
    if not source.returns:
        try:
            X, y = prices_to_returns(prices, levels)
        except (ValueError, TypeError) as error:
            raise InputError(f"{assets.where}: {error}{_hint(prices)}") from error
        return X, y, prices.iloc[-1]
    X, y = prices.astype(np.float64), levels.astype(np.float64)
    _refuse_prices(X, assets)
    _refuse_prices(y.to_frame(), index)
    for table, returns in ((assets, X), (index, y.to_frame())):
        wrong = ~np.isfinite(returns.to_numpy()) | (returns.to_numpy() < -1.0)
        if wrong.any():
            row, column = (int(place) for place in np.argwhere(wrong)[0])
            raise InputError(
                f"{table.where}, {table.unit} {table.lines[row]}, column {returns.columns[column]!r}: "
                f"{float(returns.to_numpy()[row, column]):g} is no simple return; they are at least -1 (-100 %)."
            )
    return X, y, None


def _dated(table: Table, source: Source) -> Table:
    """Rows from --start to --end."""
    dates = pd.DatetimeIndex(table.frame.index)
    try:
        return table.take(_between(dates, source.start, source.end, 1))
    except ValueError as error:
        raise InputError(
            f"{table.where} has dates from {dates[0]:%Y-%m-%d} to {dates[-1]:%Y-%m-%d}, none of them from "
            f"{source.start or 'the first'} to {source.end or 'the last'}: see --start and --end."
        ) from error


def _refuse_prices(returns: pd.DataFrame, table: Table) -> None:
    with warnings.catch_warnings():
        warnings.simplefilter("error", PricesWarning)
        try:
            warn_if_prices(returns.to_numpy(), list(returns.columns))
        except PricesWarning as warning:
            name = next(name for name in returns.columns if repr(name) in str(warning) or len(returns.columns) == 1)
            raise InputError(f"{table.where}: column {name!r} looks like prices: leave --returns out.") from warning


def _ends(names: list[str]) -> str:
    """Names at both ends: an index is often the first or the last column."""
    return ", ".join(names if len(names) <= 10 else [*names[:5], "...", *names[-5:]])


def _hint(prices: pd.DataFrame) -> str:
    return " Give --returns if they are." if (prices < 0).to_numpy().any() else ""
