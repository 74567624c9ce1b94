"""The best portfolio for each number of names, and what no portfolio of so many can reach."""

from collections.abc import Iterator
from dataclasses import dataclass, replace
from functools import cached_property
from typing import Any, NamedTuple

import numpy as np
import numpy.typing as npt
import pandas as pd
from joblib import delayed
from sklearn.base import clone

from trackfolio._base import PortfolioEstimator
from trackfolio._holdings import cardinality_of
from trackfolio._validation import Array
from trackfolio.exceptions import InfeasibleError
from trackfolio.model_selection._parallel import is_sequential, run, with_progress
from trackfolio.model_selection._shared import Family, SharedData
from trackfolio.portfolio import Portfolio

__all__ = ["CardinalityPath", "Fewest", "cardinality_path"]


class Fewest(NamedTuple):
    """How few names are enough.

    Attributes
    ----------
    names : int or None
        The least of the listed numbers that is enough; None where none is.
    at_least : int
        Fewer than so many names are proven not to be enough.

    Examples
    --------
    >>> from trackfolio.model_selection import Fewest
    >>> Fewest(names=5, at_least=4).is_proven  # nobody knows whether 4 would do
    False
    """

    names: int | None
    at_least: int

    @property
    def is_proven(self) -> bool:
        """Whether no smaller number would do."""
        return self.names == self.at_least


@dataclass(frozen=True, repr=False, eq=False)
class CardinalityPath(Family):
    """Fitted estimators by the number of names they may hold.

    Attributes
    ----------
    cardinalities : ndarray of int of shape (n_points,)
        Largest number of names, ascending.
    estimators : list of estimators
        Fitted, one for each.
    portfolios : list of Portfolio
        In sample, relative to the benchmark if there is one.
    objectives : ndarray of shape (n_points,)
        What was minimised, in sample.
    lower_bounds : ndarray of shape (n_points,)
        No portfolio of so many names has less. What holds for more names holds for fewer. Where a mixed-integer solver
        was needed, it is what that reports (see `Certificate.kind`).
    too_few : int
        So many names or fewer cannot keep all limits.
    table : DataFrame
        One row for each number.

    Examples
    --------
    >>> from trackfolio import MinTrackingError
    >>> from trackfolio.datasets import load_sp500
    >>> from trackfolio.model_selection import cardinality_path
    >>> X, y = load_sp500(start="2022-01-01", return_X_y=True)
    >>> path = cardinality_path(MinTrackingError(), X, y, [3, 4, 5])
    >>> path.objectives.round(4).tolist(), path.lower_bounds.round(4).tolist()
    ([0.0053, 0.0047, 0.0042], [0.0053, 0.0047, 0.0042])
    """

    cardinalities: npt.NDArray[np.int64]
    estimators: list[Any]
    portfolios: list[Portfolio]
    too_few: int = 0

    @cached_property
    def objectives(self) -> Array:
        """What was minimised, in sample."""
        return np.array([estimator.solution_.objective for estimator in self.estimators])

    @property
    def _own_bounds(self) -> Array:
        return np.array([estimator.solution_.lower_bound for estimator in self.estimators])

    @cached_property
    def lower_bounds(self) -> Array:
        """No portfolio of so many names has less."""
        return np.maximum.accumulate(self._own_bounds[::-1])[::-1]

    @property
    def is_proven(self) -> npt.NDArray[np.bool_]:
        """Where the lower bound is proven, rather than reported by a solver."""
        kinds = [estimator.solution_.certificate.kind for estimator in self.estimators]
        return np.array([kind == "bound" for kind in kinds])

    @cached_property
    def table(self) -> pd.DataFrame:
        """Objective, lower bound and gap; tracking RMSE; names held; status and seconds."""
        index = pd.Index(self.cardinalities, name="cardinality")
        size = np.where(self.objectives == 0, 1.0, np.abs(self.objectives))
        rmse = [p.tracking_rmse() if p.benchmark is not None else np.nan for p in self.portfolios]
        solutions = [estimator.solution_ for estimator in self.estimators]
        return pd.DataFrame(
            {
                "objective": self.objectives,
                "lower bound": self.lower_bounds,
                "gap": (self.objectives - self.lower_bounds) / size,
                "tracking RMSE": rmse,
                "names held": [int(np.count_nonzero(estimator.weights_)) for estimator in self.estimators],
                "status": [solution.status for solution in solutions],
                "seconds": [solution.seconds for solution in solutions],
            },
            index,
        )

    def out_of_sample(self, X: Any, y: Any = None) -> pd.Series:
        """The risk that each portfolio has over other periods, per period.

        Parameters
        ----------
        X : array-like or DataFrame of shape (n_periods, n_assets)
            Simple returns of the assets.
        y : array-like or Series of shape (n_periods,), optional
            Returns of the benchmark, where the risk is relative to it.

        Returns
        -------
        Series
            By number of names.
        """
        portfolios = [p if y is None else p.relative_to(y) for p in self.predict(X)]
        pairs = zip(self.estimators, portfolios, strict=True)
        risks = [portfolio.risk(e._measured_risk, active=e._risk_is_active) for e, portfolio in pairs]
        return pd.Series(risks, pd.Index(self.cardinalities, name="cardinality"), name="risk out of sample")

    def fewest(self, limit: float) -> Fewest:
        """The fewest names with which the objective is at most a limit, such as a tracking RMSE of 0.005 a period.

        Parameters
        ----------
        limit : float
            In units of the objective.

        Returns
        -------
        Fewest
            With `names`, `at_least` and `is_proven`.

        Examples
        --------
        >>> from trackfolio import MinTrackingError
        >>> from trackfolio.datasets import load_sp500
        >>> from trackfolio.model_selection import cardinality_path
        >>> X, y = load_sp500(start="2022-01-01", return_X_y=True)
        >>> path = cardinality_path(MinTrackingError(), X, y, [3, 4, 5, 6])
        >>> path.fewest(0.0045)
        Fewest(names=5, at_least=5)
        """
        enough = np.flatnonzero(self.objectives <= limit)
        impossible = np.flatnonzero((self._own_bounds > limit) & self.is_proven)
        at_least = int(self.cardinalities[impossible[-1]]) + 1 if len(impossible) else self.too_few + 1
        return Fewest(int(self.cardinalities[enough[0]]) if len(enough) else None, at_least)

    def plot(self, ax: Any = None, *, X: Any = None, y: Any = None) -> Any:
        """Draw the objective by number of names, above the region that is proven to be out of reach.

        Parameters
        ----------
        ax : matplotlib axes, default=None
            None for new ones.
        X : array-like or DataFrame of shape (n_periods, n_assets), optional
            Returns of other periods, as in `out_of_sample`: a second line.
        y : array-like or Series of shape (n_periods,), optional
            Returns of the benchmark over these periods.

        Returns
        -------
        matplotlib axes
            Those that were drawn on.
        """
        import matplotlib.pyplot as plt

        ax = plt.subplots()[1] if ax is None else ax
        names, bounds = self.cardinalities, self.lower_bounds
        bottom = min(0.0, float(np.min(bounds[np.isfinite(bounds)], initial=0.0)))
        said = "proven" if self.is_proven.all() else "as reported"
        ax.fill_between(names, bottom, np.maximum(bounds, bottom), step=None, alpha=0.25, label=f"out of reach: {said}")
        ax.plot(names, self.objectives, marker="o", label="best portfolio, in sample")
        if X is not None:
            ax.plot(names, self.out_of_sample(X, y), marker=".", linestyle="--", label="the same, out of sample")
        first = self.estimators[0]
        risk = f"{type(first._measured_risk).__name__} of the {'active ' if first._risk_is_active else ''}return"
        ax.set(xlabel="names", ylabel=f"{risk}, per period", ylim=(bottom, None))
        ax.legend()
        return ax

    def __repr__(self) -> str:
        optimal = np.array([estimator.solution_.status == "optimal" for estimator in self.estimators])
        proven = int((optimal & self.is_proven).sum())
        return (
            f"<CardinalityPath: {len(self)} portfolios of at most {self.cardinalities[0]} to {self.cardinalities[-1]} "
            f"names, {proven} proven optimal>"
        )


def cardinality_path(
    estimator: PortfolioEstimator,
    X: Any,
    y: Any = None,
    cardinalities: Any = 20,
    *,
    previous_weights: Any = None,
    sample_weight: Any = None,
    n_jobs: int | None = None,
    progress: bool = True,
) -> CardinalityPath:
    """Fit an estimator for several numbers of names, each search beginning near its neighbour.

    Parameters
    ----------
    estimator : MinTrackingError or MeanRisk
        Cloned; its own largest number of names does not count.
    X : array-like or DataFrame of shape (n_periods, n_assets)
        Simple returns of the assets, per period, as in `fit`.
    y : array-like or Series of shape (n_periods,), optional
        Simple returns of the benchmark, per period, as in `fit`.
    cardinalities : int or array-like of int, default=20
        Largest numbers of names; a number for all up to it (or to the number of assets), from the least that the limits
        allow on.
    previous_weights : array-like of shape (n_assets,), dict or Series by asset name, optional
        As in `fit`.
    sample_weight : array-like of shape (n_periods,), optional
        As in `fit`.
    n_jobs : int or None, default=None
        With one job, each search begins near its neighbour; with several it does not, and where a limit of time ends
        it, may find other portfolios. None for what `joblib.parallel_config` says, which also says where jobs run.
    progress : bool, default=True
        Show a progress bar on a terminal (stderr).

    Returns
    -------
    CardinalityPath
        Estimators and portfolios, one for each number of names.

    Raises
    ------
    TypeError
        For another estimator.
    ValueError
        For cardinalities that are no whole numbers of at least 1.
    InfeasibleError
        If a listed number cannot be reached.

    Notes
    -----
    The time limit of the estimator's solver counts for each number: ``MinTrackingError(solver=Sparse(time_limit=5))``.

    Examples
    --------
    >>> from trackfolio import MinTrackingError
    >>> from trackfolio.datasets import load_sp500
    >>> from trackfolio.model_selection import cardinality_path
    >>> X, y = load_sp500(start="2022-01-01", return_X_y=True)
    >>> path = cardinality_path(MinTrackingError(), X, y, [2, 4, 8])
    >>> path
    <CardinalityPath: 3 portfolios of at most 2 to 8 names, 3 proven optimal>
    >>> path.table["tracking RMSE"].round(4).tolist()
    [0.0068, 0.0047, 0.0031]
    """
    if not isinstance(estimator, PortfolioEstimator):
        raise TypeError(f"cardinality_path takes a MeanRisk or MinTrackingError, got {type(estimator).__name__}.")
    fewest = (cardinality_of(estimator.cardinality) or (0, 0))[0]
    template = clone(estimator).set_params(cardinality=None)
    data = SharedData(template, X, y, previous_weights, sample_weight)
    listed = _listed(cardinalities, fewest, data.problem.n_assets)
    may_fail = [] if np.ndim(cardinalities) else listed[:-1]
    if is_sequential(n_jobs):
        fitted = _one_by_one(data, fewest, listed, may_fail)
    else:
        fitted = run((delayed(_best)(data, fewest, number, number in may_fail) for number in listed), n_jobs)
    found = dict(zip(listed, with_progress(fitted, len(listed), "cardinality", progress), strict=True))
    models = {number: model for number, model in found.items() if model is not None}
    too_few = max((number for number, model in found.items() if model is None), default=0)
    portfolios = [data.portfolio(model, f"{number} names") for number, model in models.items()]
    return CardinalityPath(np.array(list(models)), list(models.values()), portfolios, too_few)


def _one_by_one(data: SharedData, fewest: int, numbers: list[int], may_fail: list[int]) -> Iterator[Any]:
    """Each search from the portfolio of its neighbour."""
    near = None
    for number in numbers:
        model = _best(data, fewest, number, number in may_fail, near)
        near = near if model is None else model.solution_
        yield model


def _best(data: SharedData, fewest: int, number: int, may_fail: bool, near: Any = None) -> Any:
    """Model of so many names; None where that many cannot keep all limits and need not."""
    model = clone(data.template).set_params(cardinality=(fewest, number))
    problem = replace(data.problem, cardinality=cardinality_of(model.cardinality))
    try:
        return data.keep(model, model._solution(replace(problem, near=near)), problem)
    except InfeasibleError:
        if not may_fail:
            raise
        return None


def _listed(cardinalities: Any, fewest: int, n_assets: int) -> list[int]:
    """Numbers of names, ascending and once each; of a single number, all up to it that make sense."""
    if isinstance(cardinalities, int | np.integer) and cardinalities >= max(fewest, 1):
        return list(range(max(fewest, 1), min(int(cardinalities), n_assets) + 1))
    if np.ndim(cardinalities) != 1 or not len(cardinalities) or any(np.ndim(number) for number in cardinalities):
        least = max(fewest, 1)
        raise ValueError(f"cardinalities must be a whole number of at least {least}, or a list, got {cardinalities!r}.")
    pairs = (cardinality_of((fewest, number)) for number in cardinalities)
    return sorted({pair[1] for pair in pairs if pair is not None})
