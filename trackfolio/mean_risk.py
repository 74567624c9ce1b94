"""Risk and return of a portfolio, with its benchmark as a limit or as a penalty."""

from typing import Any, Self

import numpy as np
from sklearn.base import clone
from sklearn.utils.validation import _check_sample_weight, check_consistent_length, check_is_fitted, column_or_1d

from trackfolio._base import PortfolioEstimator, checked_risk
from trackfolio._constraint import Constraint
from trackfolio._dinkelbach import largest_ratio, ratio_problem
from trackfolio._expected_returns import given_returns
from trackfolio._functions import Linear, RiskOf, Summand
from trackfolio._position import Position
from trackfolio._products import times
from trackfolio._validation import NEEDS_BENCHMARK, Array, check_same_index, limit, refuse_non_finite
from trackfolio.objectives import MaxRatio, MinRisk, Objective
from trackfolio.problem import Problem
from trackfolio.risks import Risk, RootMeanSquare, Variance
from trackfolio.risks._base import RiskLimit
from trackfolio.risks._calls import call_weighted
from trackfolio.risks._quadratic import MeanSquare
from trackfolio.solution import Solution

__all__ = ["MeanRisk"]


class MeanRisk(PortfolioEstimator):
    r"""Portfolio of least risk, or of most return, utility or ratio, near a benchmark if there is one.

    .. math::

        \min_w \; \rho(Xw) + \lambda \tfrac1T\|Xw - y\|^2 + costs(w) \quad\text{s.t.}\quad
        \sqrt{\tfrac1T\|Xw - y\|^2} \le \delta,\; \textstyle\sum_i w_i = budget,\; min \le w \le max,\; constraints

    for the default objective; the others are in :mod:`trackfolio.objectives`.

    Parameters
    ----------
    risk : Risk or None, default=None
        Risk of the portfolio's own returns; None for `Variance()`. See :mod:`trackfolio.risks`.
    objective : Objective or None, default=None
        None for `MinRisk()`; or `MaxReturn()`, `MaxUtility(risk_aversion)`, `MaxRatio(risk_free_rate, active)`.
    budget : float or (float, float), default=1.0
        Sum of the weights, or its limits.
    min_weights, max_weights : float, array-like of shape (n_assets,), dict, Series or None, default=0.0 and 1.0
        Bounds of each weight. An asset that a dict leaves out keeps the default (0 and 1); None is no bound.
    cardinality : int, (int, int) or None, default=None
        Largest number of assets held, or the fewest and the most; a fewest above 0 needs `min_position`. See
        :class:`trackfolio.solvers.Sparse`.
    min_position : float, array-like of shape (n_assets,), dict, Series or None, default=None
        Smallest size of a held position: a weight is 0, or at least this (where shorts are allowed, or at most minus
        this). An asset that a dict leaves out may have a position of any size.
    benchmark_weights : array-like of shape (n_assets,), dict, Series, or date-indexed DataFrame, default=None
        Weights of the benchmark, as in `MinTrackingError`.
    expected_returns : array-like of shape (n_assets,), dict, Series, estimator or None, default=None
        Expected return of each asset, per period. None: the sample mean. An estimator: fitted on a clone, its
        `mean_` or `location_` is used.
    max_tracking_error : float or None, default=None
        Largest realised tracking RMSE on the training rows, :math:`\sqrt{\sum_t a_t^2 / T}`, per period, whatever the
        risk is. For other measures, and ex ante: ``RiskLimit(risk, limit, active=True)`` among the constraints.
    tracking_penalty : float or None, default=None
        Price λ of the mean of squared active returns, added to what is minimised.
    constraints : list of Constraint, or of (str, Constraint), default=None
        Further limits, see :mod:`trackfolio.constraints`; ``CVaR(0.99) <= 0.02`` is one.
    costs : list of Cost, or of (str, Cost), default=None
        See :mod:`trackfolio.costs`: added to the risk, or subtracted from the return.
    solver : Solver or None, default=None
        None: the fastest that can take the problem, see :mod:`trackfolio.solvers`.

    Attributes
    ----------
    weights_ : ndarray of shape (n_assets,)
        Weights.
    solution_ : Solution
        Objective, lower bound, gap, multipliers, solver, iterations and seconds. What is maximised appears with a
        minus. The multiplier "max_tracking_error" is what one unit more of tracking RMSE would gain: 0.8 means that
        one basis point more tracking error lowers the risk by 0.8 basis points.
    cost_ : float
        Costs at the weights, in units of the objective.
    benchmark_weights_ : ndarray of shape (n_assets,) or None
        Weights of the benchmark that were used, if there were any.
    n_features_in_ : int
        Number of assets.
    feature_names_in_ : ndarray of str
        Names of the assets, where `X` has any.

    References
    ----------
    Rockafellar & Uryasev (2000), Optimization of conditional value-at-risk, Journal of Risk 2.
    Jorion (2003), Portfolio optimization with tracking-error constraints, Financial Analysts Journal 59.

    Examples
    --------
    >>> from trackfolio import MeanRisk
    >>> from trackfolio.datasets import load_sp500
    >>> from trackfolio.risks import CVaR
    >>> X, y = load_sp500(start="2021-01-01", return_X_y=True)
    >>> model = MeanRisk(CVaR(0.95), max_tracking_error=0.004).fit(X, y)
    >>> round(model.predict(X).relative_to(y).tracking_rmse(), 6)
    0.004
    """

    def __init__(
        self,
        risk: Risk | None = None,
        objective: Objective | None = None,
        *,
        budget: Any = 1.0,
        min_weights: Any = 0.0,
        max_weights: Any = 1.0,
        cardinality: Any = None,
        min_position: Any = None,
        benchmark_weights: Any = None,
        expected_returns: Any = None,
        max_tracking_error: float | None = None,
        tracking_penalty: float | None = None,
        constraints: Any = None,
        costs: Any = None,
        solver: Any = None,
    ) -> None:
        self.risk = risk
        self.objective = objective
        self.budget = budget
        self.min_weights = min_weights
        self.max_weights = max_weights
        self.cardinality = cardinality
        self.min_position = min_position
        self.benchmark_weights = benchmark_weights
        self.expected_returns = expected_returns
        self.max_tracking_error = max_tracking_error
        self.tracking_penalty = tracking_penalty
        self.constraints = constraints
        self.costs = costs
        self.solver = solver

    def fit(self, X: Any, y: Any = None, *, previous_weights: Any = None, sample_weight: Any = None) -> Self:
        """Find the weights.

        Parameters
        ----------
        X : array-like or DataFrame of shape (n_periods, n_assets)
            Simple returns of the assets, per period; with ``covariance="precomputed"`` the covariance matrix of the
            assets, of shape (n_assets, n_assets).
        y : array-like or Series of shape (n_periods,), optional
            Simple returns of the benchmark, per period; needed where a term speaks of the benchmark, unless
            `benchmark_weights` is given. Pandas objects must have the same index as X.
        previous_weights : array-like of shape (n_assets,), dict or Series by asset name, optional
            Holdings just before the trade, for terms such as `MaxTurnover` and `TransactionCost`.
        sample_weight : array-like of shape (n_periods,), optional
            Repetitions of each period: weight 2 is the row twice.

        Returns
        -------
        MeanRisk
            Itself, fitted.

        Raises
        ------
        ValueError
            For input that is missing, not finite, of the wrong shape, or names what is not there.
        TypeError
            For what is no risk, objective, constraint, cost or solver.
        InfeasibleError
            If limits contradict one another; the message names them, and the smallest tracking error that can be
            reached. Also where `MaxRatio` is not defined: no positive gain, or no positive least risk.
        UnboundedError
            If the objective can be improved without end.
        SolverFailure
            If no solver found weights.
        """
        return self._solve(self._problem(X, y, previous_weights, sample_weight), X)

    def _solution(self, problem: Problem) -> Solution:
        if isinstance(self._goal, MaxRatio):
            return largest_ratio(problem, self._risk_of(problem), problem.objective, self.solver)
        return super()._solution(problem)

    def make_problem(
        self,
        X: Any,
        y: Any = None,
        *,
        previous_weights: Any = None,
        sample_weight: Any = None,
        ratio: float | None = None,
    ) -> Problem:
        """Describe the problem that `fit` solves, without solving it and without changing the estimator.

        Parameters
        ----------
        X : array-like or DataFrame of shape (n_periods, n_assets)
            Simple returns of the assets, as in `fit`.
        y : array-like or Series of shape (n_periods,), optional
            Simple returns of the benchmark, as in `fit`.
        previous_weights : array-like of shape (n_assets,), dict or Series by asset name, optional
            As in `fit`.
        sample_weight : array-like of shape (n_periods,), optional
            As in `fit`.
        ratio : float, optional
            For `MaxRatio`, whose problems are ``ratio · risk - gain``: the ratio to try. At the largest one the least
            value is 0.

        Returns
        -------
        Problem
            Data and terms, validated.

        Raises
        ------
        ValueError
            As in `fit`.

        Examples
        --------
        >>> from trackfolio import MeanRisk
        >>> from trackfolio.certificate import certify
        >>> from trackfolio.datasets import load_sp500
        >>> X, _ = load_sp500(start="2021-01-01", return_X_y=True)
        >>> model = MeanRisk().fit(X)
        >>> certify(model.make_problem(X), model.solution_) == model.solution_.certificate
        True
        """
        unfitted: Self = clone(self)
        problem = unfitted._problem(X, y, previous_weights, sample_weight)
        if not isinstance(unfitted._goal, MaxRatio):
            return problem
        if ratio is None:
            raise ValueError("MaxRatio makes a problem for each ratio that it tries: give ratio=.")
        if not 0 < ratio < np.inf:
            raise ValueError(
                f"ratio must be a positive number, got {ratio!r}: a portfolio that earns nothing has none."
            )
        return ratio_problem(problem, unfitted._risk_of(problem), problem.objective, ratio)

    def score(self, X: Any, y: Any = None, sample_weight: Any = None) -> float:
        """Objective on new data, higher is better: minus what is minimised, or the utility or ratio reached.

        Risk, mean return and tracking penalty are those of the realised returns; costs are those of the fit. Not
        comparable across risks and objectives: pass `scoring` to compare these, such as ``CVaR(0.95).scorer()``.

        Parameters
        ----------
        X : array-like or DataFrame of shape (n_periods, n_assets)
            Simple returns of the assets.
        y : array-like or Series of shape (n_periods,), optional
            Returns of the benchmark, where the objective speaks of it.
        sample_weight : array-like of shape (n_periods,), optional
            Repetitions of each period.

        Returns
        -------
        float
            In units of the objective: of the risk, of returns, or a ratio; per period.

        Raises
        ------
        ValueError
            If the fit was to a covariance, or the objective needs a benchmark and there is none.
        """
        check_is_fitted(self)
        if self._precomputed:
            raise ValueError("score needs returns, but the fit was to a covariance: use predict(X) and a metric.")
        check_same_index(X, y)
        values, goal = self._validated(X, reset=False), self._goal
        target = y if y is not None or self.benchmark_weights_ is None else times(values, self.benchmark_weights_)
        relative = self._risk_is_active
        if target is None and (relative or self.tracking_penalty is not None):
            raise ValueError(f"This {type(self).__name__} {NEEDS_BENCHMARK}")
        weights = None if sample_weight is None else _check_sample_weight(sample_weight, values)
        own = Position(values, sample_weight=weights)
        active = own if target is None else Position(values, _checked_target(target, values), sample_weight=weights)
        measured, w = active if relative else own, self.weights_
        gain = goal.return_weight * float(np.average(measured.returns(w), weights=weights)) - self.cost_
        if self.tracking_penalty is not None:
            gain -= self.tracking_penalty * MeanSquare().at(active, w)
        # Realised, also where the fit was to an ex-ante risk: that is `value`, not `at`.
        risk = call_weighted(self._measured_risk.value, measured.returns(w), weights)
        if not isinstance(goal, MaxRatio):
            return float(gain - goal.risk_weight * risk)
        return float((gain - goal.risk_free_rate) / risk) if risk else float("nan")

    # Building.

    @property
    def _measured_risk(self) -> Risk:
        return checked_risk(Variance() if self.risk is None else self.risk)

    @property
    def _risk_is_active(self) -> bool:
        return isinstance(self._goal, MaxRatio) and self._goal.active

    @property
    def _goal(self) -> Objective:
        goal = MinRisk() if self.objective is None else self.objective
        if not isinstance(goal, Objective):
            raise TypeError(f"objective must be one such as trackfolio.objectives.MaxReturn(), got {goal!r}.")
        goal.check()
        return goal

    @property
    def _needs_benchmark(self) -> bool:
        relative = isinstance(self.objective, MaxRatio) and self.objective.active
        return relative or self.max_tracking_error is not None or self.tracking_penalty is not None

    def _limits(self) -> list[tuple[str, Constraint]]:
        limits = super()._limits()
        if any(name == "max_tracking_error" for name, _ in limits):
            raise ValueError("A constraint cannot be called 'max_tracking_error': this name is taken. Give it another.")
        if self.max_tracking_error is None:
            return limits
        most = self._realised("max_tracking_error", least=0.0)
        return [("max_tracking_error", RiskLimit(RootMeanSquare(), most, active=True)), *limits]

    def _realised(self, parameter: str, *, least: float) -> float:
        """Limit or price of the realised tracking error, checked."""
        value = limit(getattr(self, parameter), parameter, np.nan)
        if not least <= value < np.inf:
            raise ValueError(f"{parameter} must be None or a finite number of at least {least:g}, got {value!r}.")
        if self._precomputed:
            raise ValueError(
                f"{parameter} speaks of realised returns, but covariance='precomputed' has none: use "
                "RiskLimit(StandardDeviation('precomputed'), limit, active=True), or MinTrackingError."
            )
        return value

    def _expected_returns(self, portfolio: Position, names: list[str]) -> Array | None:
        return None if self.expected_returns is None else given_returns(self.expected_returns, portfolio, names)

    def _risk_of(self, problem: Problem) -> RiskOf:
        position = problem.require_active("MaxRatio(active=True)") if self._risk_is_active else problem.portfolio
        return RiskOf(self._measured_risk, position)

    def _objective(self, problem: Problem) -> list[Summand]:
        goal, summands = self._goal, []
        if goal.risk_weight:
            summands.append(Summand("objective__risk", goal.risk_weight, self._risk_of(problem)))
        if goal.return_weight:
            expected = problem.require_expected_returns(type(goal).__name__)
            floor = _to_beat(goal, problem)
            summands.append(Summand("objective__return", goal.return_weight, Linear(-expected, floor)))
        if self.tracking_penalty is not None:
            price = self._realised("tracking_penalty", least=0.0)
            penalty = RiskOf(MeanSquare(), problem.require_active("tracking_penalty"))
            summands += [Summand("objective__tracking", price, penalty)] if price > 0 else []
        return [*summands, *self._costs(problem, constants_count=isinstance(goal, MaxRatio))]

    def __sklearn_tags__(self) -> Any:
        """Tags of scikit-learn: what input is taken."""
        tags = super().__sklearn_tags__()
        tags.input_tags.pairwise = self._precomputed
        tags.target_tags.required = self._needs_benchmark and self.benchmark_weights is None and not self._precomputed
        return tags


def _checked_target(y: Any, X: Array) -> Array:
    refuse_non_finite(y, "y")
    target: Array = column_or_1d(y, dtype=np.float64)
    check_consistent_length(X, target)
    return target


def _to_beat(goal: Objective, problem: Problem) -> float:
    """Return per period that a ratio's gain is measured from."""
    if not isinstance(goal, MaxRatio):
        return 0.0
    if not goal.active:
        return float(goal.risk_free_rate)
    active = problem.require_active("MaxRatio(active=True)")
    if active.benchmark_weights is not None:
        return float(problem.require_expected_returns("MaxRatio") @ active.benchmark_weights)
    return active.mean_benchmark_return
