"""Errors and warnings of trackfolio, each with the place where it comes from.

::

    Exception
    └── TrackfolioError
        ├── OptimizationError            no weights can be returned
        │   ├── InfeasibleError          the limits contradict one another (also a ValueError)
        │   ├── UnboundedError           the objective has no smallest value (also a ValueError)
        │   └── SolverFailure            every solver that was tried gave up (also a RuntimeError)
        └── UnsupportedProblemError      the chosen solver cannot take a term (also a ValueError)

    UserWarning
    └── TrackfolioWarning
        ├── PricesWarning                the input looks like prices, not returns
        ├── SolverFallbackWarning        a solver gave up and another one took over
        └── AccuracyWarning              the proven gap is larger than the tolerance asked for

Wrong shapes, unknown names, values out of range and the like are plain `ValueError` and `TypeError`, as everywhere in
scikit-learn.
"""

from trackfolio._diagnosis import Diagnosis

__all__ = [
    "AccuracyWarning",
    "InfeasibleError",
    "OptimizationError",
    "PricesWarning",
    "SolverFailure",
    "SolverFallbackWarning",
    "TrackfolioError",
    "TrackfolioWarning",
    "UnboundedError",
    "UnsupportedProblemError",
]


class TrackfolioError(Exception):
    """Base of all errors that only trackfolio raises."""


class OptimizationError(TrackfolioError):
    """The problem was understood, but no weights can be returned for it."""


class InfeasibleError(OptimizationError, ValueError):
    """No portfolio satisfies all limits at once; the message names those in conflict.

    Parameters
    ----------
    message : str
        What is wrong.
    explanation : Diagnosis or None, default=None
        Limits that clash, and how far each alone would have to give way: see :mod:`trackfolio.diagnosis`. None where
        it is no limits that clash, as where a ratio is not defined.
    """

    def __init__(self, message: str = "", explanation: Diagnosis | None = None) -> None:
        super().__init__(message)
        self.explanation = explanation


class UnboundedError(OptimizationError, ValueError):
    """The objective can be improved without end; a limit is missing."""


class SolverFailure(OptimizationError, RuntimeError):
    """Every solver that was tried stopped without a usable answer."""


class UnsupportedProblemError(TrackfolioError, ValueError):
    """The chosen solver needs something of a term that the term does not offer."""


class TrackfolioWarning(UserWarning):
    """Base of all warnings that only trackfolio gives."""


class PricesWarning(TrackfolioWarning):
    """The input looks like prices, where returns are expected."""


class SolverFallbackWarning(TrackfolioWarning):
    """A solver gave up and a more general one took over."""


class AccuracyWarning(TrackfolioWarning):
    """The solution is usable, but its proven gap is larger than the tolerance."""
