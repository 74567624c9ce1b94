"""Errors and warnings of trackfolio, each with the place where it comes from.

::

    Exception
    └── TrackfolioError
        ├── OptimizationError            no weights can be returned
        │   ├── InfeasibleError          the limits contradict one another (also a ValueError)
        │   ├── UnboundedError           the objective has no smallest value (also a ValueError)
        │   └── SolverFailure            every solver that was tried gave up (also a RuntimeError)
        └── UnsupportedProblemError      the chosen solver cannot take a term (also a ValueError)
            └── MissingSolverError       it needs a package that is not installed (also an ImportError)

    UserWarning
    └── TrackfolioWarning
        ├── PricesWarning                the input looks like prices, not returns
        ├── OutlierWarning               a return is out of all proportion, as an error is
        ├── WeightsWarning               weights of the benchmark do not add up to 1
        ├── SolverFallbackWarning        a solver gave up and another one took over
        ├── AccuracyWarning              the proven gap is larger than the tolerance asked for
        │   └── SearchStoppedWarning     since a limit on time, nodes or memory, or an interrupt, ended the search
        └── NonUniqueWarning             other weights, measurably different, are as good

Wrong shapes, unknown names, values out of range and the like are plain `ValueError` and `TypeError`, as everywhere in
scikit-learn.
"""

from trackfolio._diagnosis import Diagnosis

__all__ = [
    "AccuracyWarning",
    "InfeasibleError",
    "MissingSolverError",
    "NonUniqueWarning",
    "OptimizationError",
    "OutlierWarning",
    "PricesWarning",
    "SearchStoppedWarning",
    "SolverFailure",
    "SolverFallbackWarning",
    "TrackfolioError",
    "TrackfolioWarning",
    "UnboundedError",
    "UnsupportedProblemError",
    "WeightsWarning",
]


class TrackfolioError(Exception):
    """Base of all errors that only trackfolio raises.

    Examples
    --------
    >>> from trackfolio.exceptions import InfeasibleError, TrackfolioError
    >>> issubclass(InfeasibleError, TrackfolioError)
    True
    """


class OptimizationError(TrackfolioError):
    """The problem was understood, but no weights can be returned for it.

    Examples
    --------
    >>> from trackfolio import MinTrackingError
    >>> from trackfolio.datasets import load_sp500
    >>> from trackfolio.exceptions import OptimizationError
    >>> X, y = load_sp500(start="2022-01-01", return_X_y=True)
    >>> try:
    ...     model = MinTrackingError(max_weights=0.04).fit(X, y)
    ... except OptimizationError as error:
    ...     print(type(error).__name__)
    InfeasibleError
    """


class InfeasibleError(OptimizationError, ValueError):
    """No portfolio satisfies all limits at once; the message names those in conflict.

    Parameters
    ----------
    message : str
        What is wrong.
    explanation : Diagnosis or None, default=None
        Limits that clash, and how far each alone would have to give way: see :mod:`trackfolio.diagnosis`. None where
        it is no limits that clash, as where a ratio is not defined.

    Examples
    --------
    >>> from trackfolio import MinTrackingError
    >>> from trackfolio.datasets import load_sp500
    >>> X, y = load_sp500(start="2022-01-01", return_X_y=True)
    >>> MinTrackingError(max_weights=0.04).fit(X, y)
    Traceback (most recent call last):
        ...
    trackfolio.exceptions.InfeasibleError: budget is at least 1, but max_weights add up to only 0.8: raise max_weights
    or lower budget. Any one of these changes is enough: raise max_weights from 0.04 to at least 0.05; lower budget from
    1 to at most 0.8.
    """

    def __init__(self, message: str = "", explanation: Diagnosis | None = None) -> None:
        super().__init__(message)
        self.explanation = explanation


class UnboundedError(OptimizationError, ValueError):
    """The objective can be improved without end; a limit is missing.

    Examples
    --------
    >>> from trackfolio import MeanRisk
    >>> from trackfolio.datasets import load_sp500
    >>> from trackfolio.objectives import MaxReturn
    >>> X, y = load_sp500(start="2022-01-01", return_X_y=True)
    >>> MeanRisk(objective=MaxReturn(), min_weights=None, max_weights=None).fit(X)
    Traceback (most recent call last):
        ...
    trackfolio.exceptions.UnboundedError: The objective can be improved without end: bound the weights or add a limit.
    """


class SolverFailure(OptimizationError, RuntimeError):
    """Every solver that was tried stopped without a usable answer.

    Examples
    --------
    >>> from trackfolio import MeanRisk
    >>> from trackfolio.datasets import load_sp500
    >>> from trackfolio.risks import CVaR
    >>> from trackfolio.solvers import InteriorPoint
    >>> X, y = load_sp500(start="2022-01-01", return_X_y=True)
    >>> MeanRisk(CVaR(0.95), solver=InteriorPoint(max_iter=1)).fit(X)
    Traceback (most recent call last):
        ...
    trackfolio.exceptions.SolverFailure: No solver found weights (InteriorPoint: no convergence after 1 iterations).
    Check the scale of the data and loosen tight limits.
    """


class UnsupportedProblemError(TrackfolioError, ValueError):
    """The chosen solver needs something of a term that the term does not offer.

    Examples
    --------
    >>> from trackfolio import MinTrackingError
    >>> from trackfolio.datasets import load_sp500
    >>> from trackfolio.solvers import DenseQP
    >>> X, y = load_sp500(start="2022-01-01", return_X_y=True)
    >>> MinTrackingError(cardinality=5, solver=DenseQP()).fit(X, y)
    Traceback (most recent call last):
        ...
    trackfolio.exceptions.UnsupportedProblemError: DenseQP cannot take this problem: it cannot limit what is held
    (cardinality, min_position and the like). Use solver=None for the automatic choice.
    """


class MissingSolverError(UnsupportedProblemError, ImportError):
    """The problem needs a solver that is not installed; the message says how to get it.

    Examples
    --------
    >>> from trackfolio import MinTrackingError
    >>> from trackfolio.datasets import load_sp500
    >>> from trackfolio.solvers import Conic
    >>> X, y = load_sp500(start="2022-01-01", return_X_y=True)
    >>> MinTrackingError(solver=Conic("NOPE")).fit(X, y)
    Traceback (most recent call last):
        ...
    trackfolio.exceptions.MissingSolverError: The solver 'NOPE' is not installed, or cvxpy does not know it...
    """


class TrackfolioWarning(UserWarning):
    """Base of all warnings that only trackfolio gives.

    Examples
    --------
    All of them as errors, within:

    >>> import warnings
    >>> from trackfolio import MinTrackingError
    >>> from trackfolio.datasets import load_sp500
    >>> from trackfolio.exceptions import TrackfolioWarning
    >>> X, y = load_sp500(start="2022-01-01", return_X_y=True)
    >>> with warnings.catch_warnings():
    ...     warnings.simplefilter("error", TrackfolioWarning)
    ...     model = MinTrackingError().fit(X, y)
    """


class PricesWarning(TrackfolioWarning):
    """The input looks like prices, where returns are expected.

    Examples
    --------
    >>> import warnings
    >>> from trackfolio import EqualWeighted
    >>> from trackfolio.datasets import load_sp500
    >>> prices = load_sp500(start="2022-01-01").prices
    >>> with warnings.catch_warnings(record=True) as given:
    ...     warnings.simplefilter("always")
    ...     portfolio = EqualWeighted().fit(prices).predict(prices)
    >>> {warning.category.__name__ for warning in given}
    {'PricesWarning'}
    """


class OutlierWarning(TrackfolioWarning):
    """A return is ten thousand times the typical one, as an error is or a number that stands for a missing value.

    Examples
    --------
    >>> import warnings
    >>> from trackfolio import MinTrackingError
    >>> from trackfolio.datasets import load_sp500
    >>> X, y = load_sp500(start="2022-01-01", return_X_y=True)
    >>> with warnings.catch_warnings(record=True) as given:
    ...     warnings.simplefilter("always")
    ...     model = MinTrackingError().fit(X.assign(AAPL=X["AAPL"].where(X.index > X.index[3], -9999.0)), y)
    >>> "OutlierWarning" in {warning.category.__name__ for warning in given}
    True
    """


class WeightsWarning(TrackfolioWarning):
    """Weights of the benchmark do not add up to 1, where those of the portfolio do.

    Examples
    --------
    >>> import warnings
    >>> from trackfolio import MinTrackingError
    >>> from trackfolio.datasets import load_sp500
    >>> X = load_sp500(start="2022-01-01", return_X_y=True)[0]
    >>> with warnings.catch_warnings(record=True) as given:
    ...     warnings.simplefilter("always")
    ...     model = MinTrackingError(benchmark_weights=[0.045] * 20).fit(X)
    >>> {warning.category.__name__ for warning in given}
    {'WeightsWarning'}
    """


class SolverFallbackWarning(TrackfolioWarning):
    """A solver gave up and a more general one took over.

    Examples
    --------
    With a solver of one's own choice none takes over; or the warning is made an error:

    >>> import warnings
    >>> from trackfolio import MinTrackingError
    >>> from trackfolio.datasets import load_sp500
    >>> from trackfolio.exceptions import SolverFallbackWarning
    >>> X, y = load_sp500(start="2022-01-01", return_X_y=True)
    >>> with warnings.catch_warnings():
    ...     warnings.simplefilter("error", SolverFallbackWarning)
    ...     model = MinTrackingError().fit(X, y)
    """


class AccuracyWarning(TrackfolioWarning):
    """The solution is usable, but its proven gap is larger than the tolerance.

    Examples
    --------
    >>> import warnings
    >>> from trackfolio import MinTrackingError
    >>> from trackfolio.datasets import load_sp500
    >>> from trackfolio.solvers import Conic
    >>> X, y = load_sp500(start="2022-01-01", return_X_y=True)
    >>> with warnings.catch_warnings(record=True) as given:
    ...     warnings.simplefilter("always")
    ...     model = MinTrackingError(solver=Conic(tolerance=1e-20)).fit(X, y)
    >>> given[0].category.__name__, model.solution_.gap < 1e-8
    ('AccuracyWarning', True)
    """


class SearchStoppedWarning(AccuracyWarning):
    """A search over what is held ended before it had a proof; the gap says how good the weights are at least.

    Examples
    --------
    >>> import warnings
    >>> from trackfolio import MinTrackingError
    >>> from trackfolio.datasets import load_sp500
    >>> from trackfolio.solvers import Sparse
    >>> X, y = load_sp500(start="2022-01-01", return_X_y=True)
    >>> with warnings.catch_warnings(record=True) as given:
    ...     warnings.simplefilter("always")
    ...     model = MinTrackingError(cardinality=10, solver=Sparse(time_limit=0)).fit(X, y)
    >>> given[0].category.__name__, model.solution_.stopped_by
    ('SearchStoppedWarning', 'time')
    """


class NonUniqueWarning(TrackfolioWarning):
    """Other weights, measurably different, are within the limits and as good: which one was returned is arbitrary.

    Examples
    --------
    >>> import warnings
    >>> from trackfolio import MinTrackingError
    >>> from trackfolio.datasets import load_sp500
    >>> X, y = load_sp500(start="2022-01-01", return_X_y=True)
    >>> twice = X.assign(AGAIN=X["AAPL"])
    >>> with warnings.catch_warnings(record=True) as given:
    ...     warnings.simplefilter("always")
    ...     model = MinTrackingError().fit(twice, y)
    >>> given[0].category.__name__, model.solution_.freedom > 0.01
    ('NonUniqueWarning', True)
    """
