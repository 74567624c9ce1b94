"""Why no portfolio keeps all limits: which of them clash, and how far each alone would have to give way.

An `InfeasibleError` of a fit carries a `Diagnosis` as its `explanation`; `diagnose` asks without an error.
"""

from collections.abc import Sequence
from typing import Any

from sklearn.base import clone

from trackfolio._base import PortfolioEstimator
from trackfolio._diagnosis import Diagnosis, Relaxation
from trackfolio.solvers import diagnosed

__all__ = ["Diagnosis", "Relaxation", "diagnose"]


def diagnose(
    estimator: PortfolioEstimator,
    X: Any,
    y: Any = None,
    *,
    previous_weights: Any = None,
    sample_weight: Any = None,
    order: Sequence[str] = (),
) -> Diagnosis:
    """Whether an estimator has portfolios within all of its limits, and where it has none, why not.

    Nothing is raised for limits that clash, and the estimator is not changed. The explanation is that of the error that
    `fit` raises, whichever solver is chosen.

    Parameters
    ----------
    estimator : MinTrackingError or MeanRisk
        Estimator, fitted or not.
    X : array-like or DataFrame of shape (n_periods, n_assets)
        Returns, or the covariance matrix where the estimator takes one.
    y : array-like or Series of shape (n_periods,), default=None
        Returns of the benchmark, per period.
    previous_weights : array-like, dict or Series, default=None
        What is held before the trade.
    sample_weight : array-like of shape (n_periods,), default=None
        Repetitions of each period.
    order : sequence of str, default=()
        What would be relaxed first: names of limits ("max_weights", "groupbounds", ...) or families ("trades",
        "groups", "exposures", "bounds", "holdings", "budget", "return", "risk", "tracking"). Those left out follow, in
        the order of this list of families.

    Returns
    -------
    Diagnosis
        Whether there are portfolios, the limits that clash, and how far each alone would have to give way.

    Raises
    ------
    TypeError
        For what is no estimator of optimal portfolios, and for a string as `order`.
    ValueError
        For data that `fit` refuses too.

    Examples
    --------
    >>> from trackfolio import MeanRisk
    >>> from trackfolio.datasets import load_sp500
    >>> from trackfolio.diagnosis import diagnose
    >>> X, y = load_sp500(start="2021-01-01", return_X_y=True)
    >>> print(diagnose(MeanRisk(max_weights=0.04), X, y))
    No portfolio satisfies these limits together: max_weights, budget.
    Any one of these changes is enough:
      raise max_weights from 0.04 to at least 0.05
      lower budget from 1 to at most 0.8
    """
    if not isinstance(estimator, PortfolioEstimator):
        raise TypeError(f"diagnose takes a MinTrackingError or MeanRisk, got {type(estimator).__name__}.")
    if isinstance(order, str):
        raise TypeError(f"order must be a list of names, got {order!r}.")
    unfitted = clone(estimator)
    return diagnosed(unfitted._problem(X, y, previous_weights, sample_weight), order)
