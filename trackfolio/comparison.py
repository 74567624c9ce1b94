"""Several portfolios side by side."""

from collections.abc import Iterable, Mapping, Sequence
from typing import Any

import numpy as np
import pandas as pd

from trackfolio._portfolio_summary import ANNUALISED, OVERALL, PER_PERIOD
from trackfolio._validation import check_same_index, suggest
from trackfolio.portfolio import Portfolio
from trackfolio.risks import Risk

__all__ = ["compare"]


def compare(
    portfolios: Mapping[str, Portfolio] | Sequence[Portfolio],
    y: Any = None,
    *,
    measures: Sequence[str | Risk] | None = None,
    annualised: bool = False,
    sort_by: str | None = None,
    ascending: bool = True,
    where: Mapping[str, tuple[float | None, float | None]] | None = None,
) -> pd.DataFrame:
    """Measures of several portfolios over the same periods, one row each.

    Parameters
    ----------
    portfolios : dict of str to Portfolio, or sequence of Portfolio with names
        What is compared.
    y : array-like of shape (n_periods,), optional
        Returns of the benchmark of all; None for the benchmarks that they have.
    measures : sequence of str or Risk, optional
        Labels of `Portfolio.summary`, or risks, which are taken of the portfolio's own returns. None for all labels.
    annualised : bool, default=False
        Per year rather than per period, where a measure has both forms.
    sort_by : str, optional
        Column to sort by.
    ascending : bool, default=True
        Smallest first.
    where : dict of str to (float or None, float or None), optional
        Smallest and largest value of a column; other portfolios are left out.

    Returns
    -------
    DataFrame of shape (n_portfolios, n_measures)
        A row for each portfolio; nan where a measure is not defined, or unknown for it.

    Raises
    ------
    ValueError
        For no portfolios, names that are missing or repeated, unknown measures, and portfolios over different
        periods.

    Examples
    --------
    >>> from trackfolio import EqualWeighted, MinTrackingError, compare
    >>> from trackfolio.datasets import load_sp500
    >>> X, y = load_sp500(start="2021-01-01", return_X_y=True)
    >>> portfolios = {
    ...     "tracker": MinTrackingError().fit(X, y).predict(X),
    ...     "equal": EqualWeighted().fit(X).predict(X),
    ... }
    >>> compare(portfolios, y, measures=["tracking RMSE", "beta"], sort_by="tracking RMSE").round(4)
             tracking RMSE    beta
    tracker         0.0027  0.9761
    equal           0.0052  0.7888
    """
    named = _named(portfolios)
    _check_same_periods(named)
    rows = {}
    for name, portfolio in named.items():
        measured = portfolio if y is None else portfolio.relative_to(y)
        rows[name] = _row(measured, measures, annualised)
    table = pd.DataFrame.from_dict(rows, orient="index")
    for label, (low, high) in (where or {}).items():
        _check_label(label, table.columns)
        keep = table[label].between(-np.inf if low is None else low, np.inf if high is None else high)
        table = table[keep]
    if sort_by is not None:
        _check_label(sort_by, table.columns)
        table = table.sort_values(sort_by, ascending=ascending, kind="stable")
    return table


def _named(portfolios: Any) -> dict[str, Portfolio]:
    if isinstance(portfolios, Portfolio) or not isinstance(portfolios, Mapping | Sequence):
        raise TypeError(f"compare takes a dict of portfolios by name, got {type(portfolios).__name__}.")
    pairs = (
        list(portfolios.items())
        if isinstance(portfolios, Mapping)
        else [(getattr(p, "name", None), p) for p in portfolios]
    )
    for name, portfolio in pairs:
        if not isinstance(portfolio, Portfolio):
            raise TypeError(
                f"compare takes portfolios, but {name!r} is a {type(portfolio).__name__}; predict(X) gives one."
            )
        if name is None:
            raise ValueError("A portfolio has no name: use a dict by name, or portfolio.replace(name=...).")
    result = {str(name): portfolio for name, portfolio in pairs}
    if not result or len(result) < len(pairs):
        raise ValueError("compare needs at least one portfolio, and names that tell them apart.")
    return result


def _check_same_periods(portfolios: dict[str, Portfolio]) -> None:
    (first_name, first), *others = portfolios.items()
    for name, other in others:
        if len(other) != len(first):
            raise ValueError(
                f"{first_name} has {len(first)} periods and {name} has {len(other)}: a comparison over different "
                "periods would mislead. Predict all on the same X."
            )
        if first.dates is not None and other.dates is not None:
            check_same_index(first.returns, other.returns, first_name, name)


def _row(portfolio: Portfolio, measures: Sequence[str | Risk] | None, annualised: bool) -> dict[str, float]:
    summary = portfolio.summary()
    first = [ANNUALISED, PER_PERIOD] if annualised else [PER_PERIOD, ANNUALISED]
    values = summary[[*first, OVERALL]]
    single = values.bfill(axis="columns").iloc[:, 0]
    if measures is None:
        return {str(label): float(value) for label, value in single.items()}
    row = {}
    for measure in measures:
        if isinstance(measure, Risk):
            row[measure.label] = portfolio.risk(measure)
        else:
            _check_label(measure, single.index)
            row[measure] = float(single[measure])
    return row


def _check_label(label: str, known: Iterable[Any]) -> None:
    if label not in list(known):
        raise ValueError(f"There is no measure {label!r}.{suggest(label, known)} Known are: {', '.join(known)}.")
