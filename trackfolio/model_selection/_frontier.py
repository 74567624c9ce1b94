"""Portfolios along a parameter: from the least tracking error that can be reached to the best without a limit."""

import dataclasses
from collections.abc import Iterator
from functools import cached_property
from typing import Any

import numpy as np
import pandas as pd
from joblib import delayed
from sklearn.base import clone

from trackfolio._base import PortfolioEstimator
from trackfolio._functions import Linear, RiskOf
from trackfolio._validation import Array, suggest
from trackfolio.constraints import MinReturn
from trackfolio.exceptions import InfeasibleError
from trackfolio.model_selection._parallel import is_sequential, run, with_progress
from trackfolio.model_selection._shared import Family, SharedData
from trackfolio.portfolio import Portfolio
from trackfolio.risks import RootMeanSquare
from trackfolio.solvers._uniqueness import uniqueness_recorded, warn_of_several

__all__ = ["Frontier", "frontier"]

_WITH_ENDS = ("max_tracking_error", "min_return", "tracking_penalty")
# Parameters that change terms alone, so that data and matrices can be shared.
_OF_TERMS = (*_WITH_ENDS, "constraints", "costs", "objective", "risk")


@dataclasses.dataclass(frozen=True, repr=False, eq=False)
class Frontier(Family):
    """Fitted estimators along a parameter.

    Attributes
    ----------
    parameter : str
        Name of the parameter.
    values : ndarray of shape (n_points,)
        Its values.
    estimators : list of estimators
        Fitted, one for each value.
    portfolios : list of Portfolio
        In sample, relative to the benchmark if there is one.
    table : DataFrame
        One row for each value.

    Examples
    --------
    >>> from trackfolio import MeanRisk
    >>> from trackfolio.datasets import load_sp500
    >>> from trackfolio.model_selection import frontier
    >>> X, y = load_sp500(start="2021-01-01", return_X_y=True)
    >>> found = frontier(MeanRisk(), X.loc["2021"], y.loc["2021"], values=[0.003, 0.004])
    >>> [round(portfolio.relative_to(y.loc["2022"]).tracking_rmse(), 4) for portfolio in found.predict(X.loc["2022"])]
    [0.004, 0.0055]
    """

    parameter: str
    values: Array
    estimators: list[Any]
    portfolios: list[Portfolio]

    @cached_property
    def table(self) -> pd.DataFrame:
        """Risk, mean return, tracking RMSE, multiplier of the parameter, names held, gap, freedom of the weights."""
        index = pd.Index(self.values, name=self.parameter)
        return pd.DataFrame([self._row(*pair) for pair in zip(self.estimators, self.portfolios, strict=True)], index)

    def _row(self, estimator: Any, portfolio: Portfolio) -> dict[str, float]:
        price = estimator.solution_.multipliers.get(self.parameter, np.nan)
        return {
            "risk": portfolio.risk(estimator._measured_risk, active=estimator._risk_is_active),
            "mean return": portfolio.mean_return(),
            "tracking RMSE": portfolio.tracking_rmse() if portfolio.benchmark is not None else np.nan,
            "multiplier": float(price) if np.ndim(price) == 0 else np.nan,
            "assets held": int(np.sum(np.abs(estimator.weights_) > 1e-6)),
            "gap": estimator.solution_.gap,
            "freedom": estimator.solution_.freedom,
        }

    def __repr__(self) -> str:
        return (
            f"<Frontier: {len(self)} portfolios, {self.parameter} from {self.values[0]:.6g} to {self.values[-1]:.6g}>"
        )


def frontier(
    estimator: PortfolioEstimator,
    X: Any,
    y: Any = None,
    *,
    parameter: str = "max_tracking_error",
    values: Any = 10,
    previous_weights: Any = None,
    sample_weight: Any = None,
    n_jobs: int | None = None,
    progress: bool = True,
) -> Frontier:
    """Fit an estimator for a range of values of one parameter.

    With a number of values, from one end that is reachable to the other, both included, within all other limits:

    * "max_tracking_error": from the least tracking RMSE to that of the optimum without the limit, evenly spaced;
    * "min_return": from the expected return of the optimum without the limit to the largest one, evenly spaced;
    * "tracking_penalty": 0, then geometrically spaced from 1 to 1000 times the price at which penalty and risk
      are of one size, then infinity.

    The ends that are a portfolio of least tracking error or largest return are solved as such, not as limits that
    leave a single portfolio. Returns, matrices and factorisations are prepared once for all values, where the
    parameter leaves them as they are.

    Parameters
    ----------
    estimator : MeanRisk or MinTrackingError
        Cloned; its own value of the parameter does not count.
    X : array-like or DataFrame of shape (n_periods, n_assets)
        Simple returns of the assets, per period, as in `fit`.
    y : array-like or Series of shape (n_periods,), optional
        Simple returns of the benchmark, per period, as in `fit`.
    parameter : str, default="max_tracking_error"
        One of the above, or any name of `estimator.get_params()`, such as ``constraints__maxturnover__limit``; then
        `values` must be listed.
    values : int or array-like of shape (n_points,), default=10
        Number of values, or the values themselves.
    previous_weights : array-like of shape (n_assets,), dict or Series by asset name, optional
        As in `fit`.
    sample_weight : array-like of shape (n_periods,), optional
        As in `fit`.
    n_jobs : int or None, default=None
        With one job, each point begins from the solution of its neighbour. None for what
        `joblib.parallel_config` says, which also says where jobs run.
    progress : bool, default=True
        Show a progress bar on a terminal (stderr).

    Returns
    -------
    Frontier
        Estimators and portfolios, one for each value.

    Raises
    ------
    TypeError
        For another estimator.
    ValueError
        For an unknown parameter, or fewer than two values.
    InfeasibleError
        If a listed value cannot be reached; the message names it.

    References
    ----------
    Markowitz (1952), Portfolio selection, Journal of Finance 7; with limits on the tracking error Jorion (2003),
    Portfolio optimization with tracking-error constraints, Financial Analysts Journal 59.

    Examples
    --------
    >>> from trackfolio import MeanRisk
    >>> from trackfolio.datasets import load_sp500
    >>> from trackfolio.model_selection import frontier
    >>> X, y = load_sp500(start="2021-01-01", return_X_y=True)
    >>> found = frontier(MeanRisk(), X, y, values=3)
    >>> found
    <Frontier: 3 portfolios, max_tracking_error from 0.00271874 to 0.00925726>
    >>> found.table["tracking RMSE"].round(4).tolist()
    [0.0027, 0.006, 0.0093]
    """
    if not isinstance(estimator, PortfolioEstimator):
        raise TypeError(f"frontier takes a MeanRisk or MinTrackingError, got {type(estimator).__name__}.")
    _check_parameter(estimator, parameter, values)
    template = clone(estimator)
    if parameter in template.get_params() and parameter in _WITH_ENDS:
        template.set_params(**{parameter: None})
    data = SharedData(template, X, y, previous_weights, sample_weight)
    with uniqueness_recorded():
        listed, ends = (_checked(values), {}) if np.ndim(values) else _range(data, parameter, int(values))
    middle = [value for k, value in enumerate(listed) if k not in ends]
    if is_sequential(n_jobs):
        fitted = _one_by_one(data, parameter, middle, ends.get(0))
    else:
        fitted = run((delayed(_fitted)(data, parameter, value) for value in middle), n_jobs)
    inner = iter(list(with_progress(fitted, len(middle), parameter, progress)))
    models = [ends[k] if k in ends else next(inner) for k in range(len(listed))]
    freedoms = [model.solution_.freedom for model in models]
    warn_of_several(freedoms, "points of the frontier", "the table's column 'freedom'")
    return Frontier(
        parameter, listed, models, [data.portfolio(m, f"{v:.6g}") for m, v in zip(models, listed, strict=True)]
    )


def _check_parameter(estimator: Any, parameter: str, values: Any) -> None:
    known = {**estimator.get_params(), "min_return": None}
    if parameter not in known:
        raise ValueError(f"{type(estimator).__name__} has no parameter {parameter!r}.{suggest(parameter, known)}")
    if not np.ndim(values) and parameter not in _WITH_ENDS:
        raise ValueError(f"{parameter} has no ends by itself: list its values.")
    if (len(values) if np.ndim(values) else int(values)) < 2:
        raise ValueError(f"A frontier needs at least two values, got {values!r}.")


def _checked(values: Any) -> Array:
    array = np.asarray(values, dtype=np.float64)
    if array.ndim != 1 or np.isnan(array).any():
        raise ValueError(f"values must be a number, or a list of numbers none of which is NaN; got {values!r}.")
    return array


def _one_by_one(data: SharedData, parameter: str, values: list[float], neighbour: Any) -> Iterator[Any]:
    """Each point from its neighbour, which is most of its solution."""
    for value in values:
        neighbour = _fitted(data, parameter, value, None if neighbour is None else neighbour.solution_)
        yield neighbour


def _fitted(data: SharedData, parameter: str, value: float, near: Any = None) -> Any:
    model = clone(data.template)
    if parameter == "min_return":
        model.set_params(constraints=[*(model.constraints or []), ("min_return", MinReturn(value))])
    else:
        model.set_params(**{parameter: value})
    try:
        with uniqueness_recorded():
            return data.fit(model, shared=parameter.partition("__")[0] in _OF_TERMS, near=near)
    except InfeasibleError as error:
        raise InfeasibleError(f"{parameter}={value:.6g} cannot be reached. {error}", error.explanation) from error


def _range(data: SharedData, parameter: str, number: int) -> tuple[Array, dict[int, Any]]:
    """Values from end to end, and the models of the ends."""
    free, last = data.fit(clone(data.template), shared=True), number - 1
    if parameter == "min_return":
        mu = data.problem.require_expected_returns("A frontier of returns")
        most = data.extreme("objective__return", Linear(-mu))
        return np.linspace(mu @ free.weights_, mu @ most.weights_, number), {0: free, last: most}
    active = data.problem.require_active(f"A frontier of {parameter}")
    nearest = data.extreme("objective__risk", RiskOf(RootMeanSquare(), active))
    if parameter == "max_tracking_error":
        least, loose = (RootMeanSquare().at(active, model.weights_) for model in (nearest, free))
        return np.linspace(least, loose, number), {0: nearest, last: free}
    price = data.problem.scale / RootMeanSquare().scale(active, data.problem.unit) ** 2
    return np.array([0.0, *np.geomspace(price, 1000 * price, number - 2), np.inf]), {0: free, last: nearest}
