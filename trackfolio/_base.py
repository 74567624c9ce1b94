"""From data to fitted attributes: validate, build the problem, solve, keep plain arrays."""

import dataclasses
from abc import abstractmethod
from typing import Any, ClassVar, NamedTuple, Self

import numpy as np
import pandas as pd
from sklearn.utils.validation import _check_sample_weight

from trackfolio._constraint import Constraint
from trackfolio._functions import Summand
from trackfolio._holder import PortfolioHolder, checked_bound, refuse_dates
from trackfolio._holdings import cardinality_of
from trackfolio._position import Position, check_covariance
from trackfolio._products import times
from trackfolio._running import Moments, is_dask_array, moments_of_blocks
from trackfolio._terms import NamedTermsMixin, named
from trackfolio._validation import (
    Array,
    check_same_index,
    finite_per_asset,
    per_asset,
    refuse_non_finite,
    refuse_percent,
    warn_if_not_full,
    warn_if_prices,
    warn_if_wild,
)
from trackfolio.costs import Cost, check_effect
from trackfolio.portfolio import Portfolio
from trackfolio.problem import Problem
from trackfolio.risks import Risk
from trackfolio.solution import Solution
from trackfolio.solvers import solve


class PortfolioEstimator(NamedTermsMixin, PortfolioHolder):
    """What all estimators of optimal portfolios share; subclasses say which risk of which position is minimised."""

    _term_lists: ClassVar[dict[str, type]] = {"constraints": Constraint, "costs": Cost}

    risk: Risk | None
    budget: Any
    min_weights: Any
    max_weights: Any
    cardinality: Any
    min_position: Any
    benchmark_weights: Any
    constraints: Any
    costs: Any
    solver: Any

    def fit_predict(self, X: Any, y: Any = None, **fit_params: Any) -> Portfolio:
        """Fit, and hold the weights over the same periods: the portfolio in sample.

        Parameters
        ----------
        X : array-like or DataFrame of shape (n_periods, n_assets)
            Simple returns of the assets, per period.
        y : array-like or Series of shape (n_periods,), optional
            Simple returns of the benchmark, per period, as in `fit`.
        **fit_params
            As in `fit`.

        Returns
        -------
        Portfolio
            Array-like: its own returns.

        Raises
        ------
        ValueError
            For a covariance matrix, which has no periods; and as in `fit`.
        """
        if self._precomputed:
            raise ValueError("fit_predict needs returns; a covariance matrix has no periods to hold a portfolio over.")
        return self.fit(X, y, **fit_params).predict(X)  # type: ignore[no-any-return]  # subclasses define fit

    # Building.

    @property
    @abstractmethod
    def _measured_risk(self) -> Risk:
        """The risk, or its default."""

    @property
    @abstractmethod
    def _risk_is_active(self) -> bool:
        """Whether the risk is of the active returns."""

    @property
    @abstractmethod
    def _needs_benchmark(self) -> bool:
        """Whether y or benchmark_weights must be given."""

    @property
    def _precomputed(self) -> bool:
        covariance = getattr(self.risk, "covariance", None)
        return isinstance(covariance, str) and covariance == "precomputed"

    @abstractmethod
    def _objective(self, problem: Problem) -> list[Summand]:
        """What is minimised, given all else of the problem."""

    def _problem(self, X: Any, y: Any, previous_weights: Any, sample_weight: Any) -> Problem:
        """Describe: positions, limits and objective."""
        return self._describe(self._positions(X, y, sample_weight), previous_weights)

    def _describe(self, positions: "_Positions", previous_weights: Any) -> Problem:
        portfolio, active, names, benchmark_weights = positions
        problem = Problem(
            names=names,
            objective=[],
            portfolio=portfolio,
            active=active,
            lower=checked_bound(self.min_weights, names, "min_weights", usual=0.0, none=-np.inf),
            upper=checked_bound(self.max_weights, names, "max_weights", usual=1.0, none=np.inf),
            budget=_budget(self.budget),
            constraints=self._limits(),
            cardinality=cardinality_of(self.cardinality),
            min_position=self._least_positions(names),
            benchmark_weights=benchmark_weights,
            previous_weights=_previous_weights(previous_weights, names),
            given_returns=self._expected_returns(portfolio, names),
        )
        if benchmark_weights is not None:
            refuse_percent(benchmark_weights, "benchmark_weights", problem.budget)
            warn_if_not_full(benchmark_weights, "benchmark_weights", problem.budget)
        if problem.previous_weights is not None:
            refuse_percent(problem.previous_weights, "previous_weights", problem.budget)
        return dataclasses.replace(problem, objective=self._objective(problem))

    def _least_positions(self, names: list[str]) -> Array | None:
        """Smallest size of each held position."""
        least = None if self.min_position is None else per_asset(self.min_position, names, "min_position", default=0.0)
        if least is not None and not ((least >= 0) & np.isfinite(least)).all():
            i = int(np.flatnonzero(~((least >= 0) & np.isfinite(least)))[0])
            raise ValueError(f"min_position of {names[i]!r} is {least[i]:g}; give finite numbers of at least 0.")
        return least

    def _limits(self) -> list[tuple[str, Constraint]]:
        """Constraints by name."""
        return named(self.constraints, "constraints", Constraint)

    def _expected_returns(self, portfolio: Position, names: list[str]) -> Array | None:
        """Expected returns, where they are not the sample means."""
        return None

    def _costs(self, problem: Problem, *, constants_count: bool = False) -> list[Summand]:
        """Costs as summands of the objective; a cost without effect is refused."""
        summands = []
        for name, cost in named(self.costs, "costs", Cost):
            functions = cost.summands(problem)
            check_effect(name, cost, functions, problem, constants_count=constants_count)
            ends = [f"__{i}" for i in range(len(functions))] if len(functions) > 1 else [""]
            summands += [Summand(f"{_COST}{name}{end}", *each) for end, each in zip(ends, functions, strict=True)]
        return summands

    def _solve(self, problem: Problem, X: Any) -> Self:
        """Solve, and keep plain arrays."""
        return self._keep(self._solution(problem), problem, X)

    def _solution(self, problem: Problem) -> Solution:
        return solve(problem, self.solver)

    def _keep(self, solution: Solution, problem: Problem, X: Any) -> Self:
        self.solution_ = solution
        self.cost_ = _cost_at(problem, solution.weights)
        return self._hold(solution.weights, problem.benchmark_weights, X)

    def _positions(self, X: Any, y: Any, sample_weight: Any) -> "_Positions":
        """Data as the risks see them, names of the assets, and weights of the benchmark if they are given."""
        if self._precomputed:
            return self._positions_of_covariance(X, y, sample_weight)
        if is_dask_array(X):
            return self._positions_of_blocks(X, y, sample_weight)
        values, target, names, weights, sample_weight = self._sample(X, y, sample_weight, reset=True)
        by_weights = weights if y is None else None
        portfolio, active = Position(values, sample_weight=sample_weight), None
        if target is not None:
            active = Position(values, target, benchmark_weights=by_weights, sample_weight=sample_weight)
        return _Positions(portfolio, active, names, weights)

    def _sample(self, X: Any, y: Any, sample_weight: Any, *, reset: bool) -> "_Sample":
        """Returns of the assets and of the benchmark, checked."""
        refuse_dates(X)
        if y is None:
            values = self._validated(X, y=None, reset=reset)
            target = None
        else:
            check_same_index(X, y)
            values, target = self._validated(X, y=y, reset=reset)
            warn_if_prices(target, ["y"], "y")
            warn_if_wild(target, ["y"], "y")
        names = self._names(X)
        warn_if_prices(values, names)
        warn_if_wild(values, names)
        weights = self._checked_weights(self._given_weights(X), names)
        target = times(values, weights) if target is None and weights is not None else target
        if sample_weight is not None:
            check_same_index(X, sample_weight, y_name="sample_weight")
            sample_weight = _sample_weight(sample_weight, values)
        return _Sample(values, target, names, weights, sample_weight)

    def _positions_of_moments(
        self, moments: Moments, *, is_active: bool, names: list[str], weights: Array | None
    ) -> "_Positions":
        """Positions of which the moments alone are known; the last column is the benchmark, if there is one."""
        portfolio = Position(None, moments=moments.of_first(len(names)))
        active = Position(None, moments=moments, is_active=True) if is_active else None
        return _Positions(portfolio, active, names, weights)

    def _positions_of_blocks(self, X: Any, y: Any, sample_weight: Any) -> "_Positions":
        """Positions of arrays of Dask, which stay where they are."""
        if np.isnan(X.shape).any():
            raise ValueError("X has blocks of unknown size: call X.compute_chunk_sizes() first.")
        if X.dtype.kind not in "fiu" or 0 in X.shape:
            raise ValueError(f"X must hold real numbers, at least one, got {X.dtype} in the shape {X.shape}.")
        if sample_weight is not None and np.shape(sample_weight) != X.shape[:1]:
            raise ValueError(f"sample_weight must have shape {X.shape[:1]}, got {np.shape(sample_weight)}.")
        if X.ndim != 2 or (y is not None and np.shape(y) != X.shape[:1]):
            raise ValueError(
                f"X must have shape (n_periods, n_assets) and y (n_periods,), got {X.shape}, {np.shape(y)}."
            )
        self.n_features_in_ = X.shape[1]
        self.__dict__.pop("feature_names_in_", None)
        names = self._names(X)
        warn_if_prices(np.asarray(X[:_FIRST_ROWS]), names)
        weights = self._checked_weights(self._given_weights(X), names)
        target = X @ weights if y is None and weights is not None else y
        if target is not None:
            warn_if_prices(np.asarray(target[:_FIRST_ROWS]), ["y"], "y")
        moments = moments_of_blocks(X, target, sample_weight)
        if moments.total == 0:
            raise ValueError("sample_weight is 0 in every row: no data are left.")
        return self._positions_of_moments(moments, is_active=target is not None, names=names, weights=weights)

    def _positions_of_covariance(self, sigma: Any, y: Any, sample_weight: Any) -> "_Positions":
        for name, value in (("y", y), ("sample_weight", sample_weight)):
            if value is not None:
                raise ValueError(
                    f"covariance='precomputed' takes fit(Sigma) alone: {name} has no meaning here, leave it out."
                )
        # Checked first, so that a matrix of returns gets the sentence that helps.
        if np.ndim(sigma) == 2 and np.shape(sigma)[0] != np.shape(sigma)[1]:
            raise ValueError(
                f"covariance='precomputed' expects a square covariance matrix, got shape {np.shape(sigma)}; "
                "for returns use covariance=None."
            )
        if isinstance(sigma, pd.DataFrame) and not sigma.index.equals(sigma.columns):
            raise ValueError("The rows and columns of the covariance matrix must have the same names in one order.")
        matrix = check_covariance(self._validated(sigma, reset=True), "The covariance matrix")
        names = self._names(sigma)
        weights = self._checked_weights(self._given_weights(None), names)
        if weights is None and self._needs_benchmark:
            raise ValueError(
                "covariance='precomputed' needs benchmark_weights: without returns there is no other benchmark."
            )
        active = None if weights is None else Position(None, benchmark_weights=weights, covariance=matrix)
        return _Positions(Position(None, covariance=matrix), active, names, weights)


# Names of the summands that are costs begin with it.
_COST = "costs__"


def _cost_at(problem: Problem, w: Array) -> float:
    """Costs at given weights, in units of the objective."""
    return float(sum(c * f.value(w) for name, c, f in problem.objective if name.startswith(_COST)))


# Rows of an array on a cluster that are looked at here for prices.
_FIRST_ROWS = 100


class _Sample(NamedTuple):
    """Returns of the assets and of the benchmark, names, weights of the benchmark, and repetitions of the periods."""

    values: Array
    target: Array | None
    names: list[str]
    weights: Array | None
    sample_weight: Array | None


class _Positions(NamedTuple):
    """The portfolio's returns and those against its benchmark, names of assets, weights of the benchmark."""

    portfolio: Position
    active: Position | None
    names: list[str]
    benchmark_weights: Array | None


def checked_risk(risk: Any) -> Risk:
    """Return the risk, or raise if it is none."""
    if not isinstance(risk, Risk):
        raise TypeError(f"risk must be a risk such as trackfolio.risks.StandardDeviation(), got {risk!r}.")
    return risk


def _budget(budget: Any) -> tuple[float, float]:
    """Smallest and largest sum of the weights."""
    try:
        lower, upper = (float(b) for b in (budget if isinstance(budget, tuple | list) else (budget, budget)))
    except (TypeError, ValueError) as error:
        raise ValueError(f"budget must be a number or a pair (lower, upper), got {budget!r}.") from error
    if not lower <= upper or lower == np.inf or upper == -np.inf:
        raise ValueError(f"budget must be a number or a pair with lower <= upper, got {budget!r}.")
    return lower, upper


def _previous_weights(previous_weights: Any, names: list[str]) -> Array | None:
    if previous_weights is None:
        return None
    try:
        return finite_per_asset(previous_weights, names, "previous_weights")
    except ValueError as error:
        raise ValueError(
            f"{error} previous_weights holds one number for every asset; note that scikit-learn's "
            "cross-validation slices arrays that are as long as X: pass a dict or Series by name there."
        ) from error


def _sample_weight(sample_weight: Any, X: Array) -> Array:
    refuse_non_finite(sample_weight, "sample_weight")
    weights: Array = _check_sample_weight(sample_weight, X, dtype=np.float64)
    if (weights < 0).any():
        row = int(np.flatnonzero(weights < 0)[0])
        raise ValueError(
            f"sample_weight of row {row} is {weights[row]:g}; weights are repetitions, give numbers of at least 0."
        )
    if not weights.any():
        raise ValueError("sample_weight is 0 in every row: no data are left.")
    return weights
