"""What `MeanRisk` optimises: how much risk and expected return count."""

import numpy as np

from trackfolio._terms import Term
from trackfolio._validation import limit

__all__ = ["MaxRatio", "MaxReturn", "MaxUtility", "MinRisk", "Objective"]


class Objective(Term):
    """Base of all objectives: minimise ``risk_weight · risk - return_weight · return``, and costs."""

    #: Factors of the risk and of the expected return.
    risk_weight: float = 0.0
    return_weight: float = 1.0

    def check(self) -> None:
        """Raise where a parameter makes no sense."""


class MinRisk(Objective):
    """Least risk; costs and the tracking penalty are added to it.

    Examples
    --------
    >>> from trackfolio import MeanRisk
    >>> from trackfolio.objectives import MinRisk
    >>> model = MeanRisk(objective=MinRisk())  # the default
    """

    risk_weight = 1.0
    return_weight = 0.0


class MaxReturn(Objective):
    """Largest expected return, less costs and the tracking penalty; the risk counts through limits alone.

    Examples
    --------
    >>> from trackfolio import MeanRisk
    >>> from trackfolio.objectives import MaxReturn
    >>> model = MeanRisk(objective=MaxReturn(), max_tracking_error=0.003)
    """


class MaxUtility(Objective):
    """Largest expected return less `risk_aversion` times the risk, costs and the tracking penalty.

    Parameters
    ----------
    risk_aversion : float, default=1.0
        Price of a unit of risk in units of return per period. For `Variance`, textbooks often write half of it.

    Examples
    --------
    >>> from trackfolio import MeanRisk
    >>> from trackfolio.objectives import MaxUtility
    >>> model = MeanRisk(objective=MaxUtility(risk_aversion=5))
    """

    def __init__(self, risk_aversion: float = 1.0) -> None:
        self.risk_aversion = risk_aversion

    @property
    def risk_weight(self) -> float:  # type: ignore[override]  # it is a parameter here
        """Factor of the risk."""
        return float(self.risk_aversion)

    def check(self) -> None:
        """Raise unless the risk aversion is a positive number."""
        if not 0 < limit(self.risk_aversion, "MaxUtility.risk_aversion", np.nan) < np.inf:
            raise ValueError(
                f"MaxUtility.risk_aversion must be a positive number, got {self.risk_aversion!r}; for 0, MaxReturn()."
            )


class MaxRatio(Objective):
    r"""Largest ratio of what is earned to risk.

    .. math:: \max_w \frac{\mu'w - r_f - costs(w) - \lambda\,TE^2(w)}{\rho(w)}

    By Dinkelbach's method [1]_: maximise numerator - θ·risk, set θ to the ratio reached, and repeat; about five
    problems, each with the same limits as it is given, so that any constraint and cost works. With `Variance` it is
    the ratio to the variance, with `StandardDeviation` the Sharpe ratio.

    Parameters
    ----------
    risk_free_rate : float, default=0.0
        Per period. Of no effect on active returns, so refused there.
    active : bool, default=False
        Return and risk of the active returns: with `StandardDeviation` the information ratio. Needs a benchmark.

    References
    ----------
    .. [1] W. Dinkelbach (1967), On nonlinear fractional programming, Management Science 13.

    Examples
    --------
    >>> from trackfolio import MeanRisk
    >>> from trackfolio.objectives import MaxRatio
    >>> from trackfolio.risks import CVaR
    >>> model = MeanRisk(CVaR(0.95), objective=MaxRatio(risk_free_rate=0.0001))
    """

    def __init__(self, risk_free_rate: float = 0.0, active: bool = False) -> None:
        self.risk_free_rate = risk_free_rate
        self.active = active

    def check(self) -> None:
        """Raise unless the risk-free rate is a finite number, 0 for active returns."""
        rate = limit(self.risk_free_rate, "MaxRatio.risk_free_rate", np.nan)
        if not np.isfinite(rate):
            raise ValueError(f"MaxRatio.risk_free_rate must be a finite number, got {self.risk_free_rate!r}.")
        if self.active and rate != 0:
            raise ValueError("MaxRatio(active=True) compares with the benchmark: leave risk_free_rate at 0.")
