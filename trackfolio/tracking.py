"""The index tracker."""

from typing import Any, Self

import numpy as np
from sklearn.base import RegressorMixin, clone
from sklearn.utils.metaestimators import available_if
from sklearn.utils.validation import check_is_fitted

from trackfolio._base import PortfolioEstimator, checked_risk
from trackfolio._functions import RiskOf, Summand
from trackfolio._products import times
from trackfolio._running import Moments
from trackfolio._terms import offers
from trackfolio._validation import NEEDS_BENCHMARK, Array, check_same_index, limit
from trackfolio.problem import Problem
from trackfolio.risks import Risk, RootMeanSquare

__all__ = ["MinTrackingError"]


def _needs_moments_alone(estimator: Any) -> bool:
    """Whether the risk follows from the moments of the returns; raise with the reason where it does not."""
    risk = estimator.risk
    if risk is None or (offers(risk, "quadratic") and getattr(risk, "covariance", None) is None):
        return True
    raise AttributeError(
        f"partial_fit keeps the moments of the returns, from which {risk!r} does not follow: use RootMeanSquare, "
        "StandardDeviation or Variance of the sample, or fit."
    )


class MinTrackingError(RegressorMixin, PortfolioEstimator):
    r"""Portfolio that follows a benchmark: the least risk of the active return.

    .. math::

        \min_w \; \rho(Xw - y) + costs(w) \quad\text{s.t.}\quad
        \textstyle\sum_i w_i = budget,\; min \le w \le max,\; constraints

    It is a linear regression with limits on its coefficients: `y` is the benchmark, and the prediction is a
    `Portfolio` that is also the array of its returns. Every metric and every tool of scikit-learn for regressors
    works on it.

    Parameters
    ----------
    risk : Risk or None, default=None
        Risk of the active return; None for `RootMeanSquare()`, the tracking RMSE. `StandardDeviation()` is the
        tracking error in the narrow sense (a constant lag costs nothing), `Variance()` its square, both also ex ante
        by a covariance estimator or a given matrix. See :mod:`trackfolio.risks`.
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
        Weights of the benchmark; every asset needs one, 0 where it is not in the benchmark. Without `y`, the
        benchmark's returns are `X @ benchmark_weights`. With `y`, `y` is what is tracked, and the weights serve the
        constraints that speak of active weights. Of a DataFrame, the last row on or before the last date of `X` is
        used.
    constraints : list of Constraint, or of (str, Constraint), default=None
        Further limits, see :mod:`trackfolio.constraints`. Nested parameters go by the lower-case class name, as in
        ``constraints__maxturnover__limit``, or by the given name.
    costs : list of Cost, or of (str, Cost), default=None
        What is added to the risk, in its units: see :mod:`trackfolio.costs`.
    solver : Solver or None, default=None
        None: the fastest that can take the problem, see :mod:`trackfolio.solvers`.

    Attributes
    ----------
    weights_ : ndarray of shape (n_assets,)
        Weights.
    solution_ : Solution
        Objective, lower bound, gap, multipliers, solver, iterations and seconds.
    cost_ : float
        Costs at the weights, in units of the risk.
    benchmark_weights_ : ndarray of shape (n_assets,) or None
        Weights of the benchmark that were used, if there were any.
    n_features_in_ : int
        Number of assets.
    n_samples_seen_ : int
        Number of rows so far, after `partial_fit`.
    feature_names_in_ : ndarray of str
        Names of the assets, where `X` has any.

    See Also
    --------
    trackfolio.certificate.certify : What `solution_.gap` proves.

    References
    ----------
    Beasley, Meade & Chang (2003), An evolutionary heuristic for the index tracking problem, EJOR 148.
    Roll (1992), A mean/variance analysis of tracking error, Journal of Portfolio Management 18.

    Examples
    --------
    >>> from sklearn.metrics import root_mean_squared_error
    >>> from sklearn.model_selection import train_test_split
    >>> from trackfolio import MinTrackingError
    >>> from trackfolio.datasets import load_sp500
    >>> X, y = load_sp500(start="2014-01-01", return_X_y=True)
    >>> X_train, X_test, y_train, y_test = train_test_split(X, y, test_size=0.33, shuffle=False)
    >>> model = MinTrackingError(max_weights=0.15).fit(X_train, y_train)
    >>> portfolio = model.predict(X_test)
    >>> round(root_mean_squared_error(y_test, portfolio), 4)
    0.0043
    """

    def __init__(
        self,
        risk: Risk | None = None,
        *,
        budget: Any = 1.0,
        min_weights: Any = 0.0,
        max_weights: Any = 1.0,
        cardinality: Any = None,
        min_position: Any = None,
        benchmark_weights: Any = None,
        constraints: Any = None,
        costs: Any = None,
        solver: Any = None,
    ) -> None:
        self.risk = risk
        self.budget = budget
        self.min_weights = min_weights
        self.max_weights = max_weights
        self.cardinality = cardinality
        self.min_position = min_position
        self.benchmark_weights = benchmark_weights
        self.constraints = constraints
        self.costs = costs
        self.solver = solver

    def fit(self, X: Any, y: Any = None, *, previous_weights: Any = None, sample_weight: Any = None) -> Self:
        """Find the weights.

        Parameters
        ----------
        X : array-like or DataFrame of shape (n_periods, n_assets)
            Simple returns of the assets, per period; with ``covariance="precomputed"`` the covariance matrix of the
            assets, of shape (n_assets, n_assets). An array of Dask stays where its blocks are: see `partial_fit` for
            what can be asked of it.
        y : array-like or Series of shape (n_periods,), optional
            Simple returns of the benchmark, per period; may be left out where `benchmark_weights` is given. Pandas
            objects must have the same index as X.
        previous_weights : array-like of shape (n_assets,), dict or Series by asset name, optional
            Holdings just before the trade, for constraints such as `MaxTurnover`.
        sample_weight : array-like of shape (n_periods,), optional
            Repetitions of each period: weight 2 is the row twice.

        Returns
        -------
        MinTrackingError
            Itself, fitted.

        Raises
        ------
        ValueError
            For input that is missing, not finite, of the wrong shape, or names what is not there.
        TypeError
            For what is no risk, constraint, cost or solver.
        InfeasibleError
            If limits contradict one another; the message names them.
        UnboundedError
            If the objective can be improved without end.
        SolverFailure
            If no solver found weights.
        """
        self._forget()
        return self._solve(self._problem(X, y, previous_weights, sample_weight), X)

    @available_if(_needs_moments_alone)  # type: ignore[untyped-decorator]  # scikit-learn has no types
    def partial_fit(
        self,
        X: Any,
        y: Any = None,
        *,
        previous_weights: Any = None,
        sample_weight: Any = None,
        forgetting: float = 1.0,
    ) -> Self:
        """Find the weights for all rows so far: those of earlier calls of `partial_fit`, and these.

        Kept are the moments of the rows, not the rows: a series may be longer than any memory, and the weights are
        those of `fit` on all of it. The method is there if the risk is `RootMeanSquare`, `StandardDeviation` or
        `Variance` of the sample; no limit may look at single periods.

        Parameters
        ----------
        X : array-like or DataFrame of shape (n_periods, n_assets)
            Simple returns of the assets in the periods that follow, per period.
        y : array-like or Series of shape (n_periods,), optional
            Simple returns of the benchmark, per period; as in `fit`.
        previous_weights : array-like of shape (n_assets,), dict or Series by asset name, optional
            As in `fit`.
        sample_weight : array-like of shape (n_periods,), optional
            As in `fit`.
        forgetting : float, default=1.0
            Factor by which each new period reduces the weight of all periods before it, above 0 and at most 1:
            ``0.5 ** (1 / 60)`` halves it in 60 periods. It does not matter into which calls the rows are split.

        Returns
        -------
        MinTrackingError
            Itself, fitted. `n_samples_seen_` is the number of rows so far.

        Raises
        ------
        ValueError
            As in `fit`; and for a constraint that looks at single periods. The rows then do not count.
        AttributeError
            For a risk that moments do not determine.

        Examples
        --------
        >>> import numpy as np
        >>> from trackfolio import MinTrackingError
        >>> from trackfolio.datasets import load_sp500
        >>> X, y = load_sp500(start="2014-01-01", return_X_y=True)
        >>> model = MinTrackingError(max_weights=0.1)
        >>> for year in range(2014, 2023):
        ...     model = model.partial_fit(X.loc[f"{year}"], y.loc[f"{year}"])
        >>> model.n_samples_seen_
        2263
        >>> bool(np.abs(model.weights_ - MinTrackingError(max_weights=0.1).fit(X, y).weights_).max() < 1e-10)
        True
        """
        factor = limit(forgetting, "forgetting", np.nan)
        if not 0 < factor <= 1:
            raise ValueError(f"forgetting must be above 0 and at most 1, got {forgetting!r}.")
        before = getattr(self, "_moments", None)
        rows = self._sample(X, y, sample_weight, reset=before is None)
        target = rows.target if y is not None else None
        moments = Moments.of(rows.values, target, _faded(rows.sample_weight, factor, len(rows.values)))
        if before is not None:
            if len(before.mean) != len(moments.mean):
                raise ValueError("y must be given in all calls of partial_fit, or in none of them.")
            moments = before.faded(factor ** len(rows.values)).joined(moments)
        known = moments
        if y is None and rows.weights is not None:  # the benchmark of this call, for all rows
            known = moments.with_combination(rows.weights)
        is_active = rows.target is not None
        positions = self._positions_of_moments(known, is_active=is_active, names=rows.names, weights=rows.weights)
        self._solve(self._describe(positions, previous_weights), X)
        self._moments = moments
        self.n_samples_seen_ = getattr(self, "n_samples_seen_", 0) + len(rows.values)
        return self

    def _forget(self) -> None:
        """Drop what calls of `partial_fit` have left."""
        for name in ("_moments", "n_samples_seen_"):
            self.__dict__.pop(name, None)

    def make_problem(
        self, X: Any, y: Any = None, *, previous_weights: Any = None, sample_weight: Any = None
    ) -> Problem:
        """Describe the problem that `fit` solves, without solving it and without changing the estimator.

        It is what :func:`trackfolio.certificate.certify` and solvers of one's own take.

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
        >>> from trackfolio import MinTrackingError
        >>> from trackfolio.certificate import certify
        >>> from trackfolio.datasets import load_sp500
        >>> X, y = load_sp500(start="2021-01-01", return_X_y=True)
        >>> model = MinTrackingError().fit(X, y)
        >>> certify(model.make_problem(X, y), model.solution_) == model.solution_.certificate
        True
        """
        unfitted: Self = clone(self)
        return unfitted._problem(X, y, previous_weights, sample_weight)

    @property
    def _measured_risk(self) -> Risk:
        return checked_risk(RootMeanSquare() if self.risk is None else self.risk)

    @property
    def _risk_is_active(self) -> bool:
        return True

    @property
    def _needs_benchmark(self) -> bool:
        return True

    def _objective(self, problem: Problem) -> list[Summand]:
        tracked = RiskOf(self._measured_risk, problem.require_active(type(self).__name__))
        return [Summand("objective__risk", 1.0, tracked), *self._costs(problem)]

    def score(self, X: Any, y: Any = None, sample_weight: Any = None) -> float:
        """Coefficient of determination R² of the portfolio's returns as a prediction of the benchmark's.

        Parameters
        ----------
        X : array-like or DataFrame of shape (n_periods, n_assets)
            Simple returns of the assets.
        y : array-like or Series of shape (n_periods,), optional
            Returns of the benchmark; may be left out where `benchmark_weights` is given.
        sample_weight : array-like of shape (n_periods,), optional
            Repetitions of each period.

        Returns
        -------
        float
            R², at most 1, as of :func:`sklearn.metrics.r2_score`.

        Raises
        ------
        ValueError
            Without a benchmark, and for input that is not finite or of the wrong shape.
        """
        if y is None:
            check_is_fitted(self)
            if self.benchmark_weights_ is None:
                raise ValueError(f"This {type(self).__name__} {NEEDS_BENCHMARK}")
            y = times(self._validated(X, reset=False), self.benchmark_weights_)
        check_same_index(X, y)
        return float(super().score(X, y, sample_weight))

    def __sklearn_tags__(self) -> Any:
        """Tags of scikit-learn: what input is taken."""
        tags = super().__sklearn_tags__()
        tags.input_tags.pairwise = self._precomputed
        tags.target_tags.required = self.benchmark_weights is None and not self._precomputed
        # A regression with limits on its coefficients fits arbitrary data poorly.
        tags.regressor_tags.poor_score = True
        return tags


def _faded(sample_weight: Array | None, factor: float, n_rows: int) -> Array | None:
    """Weights of the rows, each reduced by those after it."""
    if factor == 1:
        return sample_weight
    fading = factor ** np.arange(n_rows - 1, -1, -1.0)
    return fading if sample_weight is None else fading * sample_weight
