"""What `MeanRisk` optimises: how much risk and expected return count."""

import numpy as np

from trackfolio._terms import Term
from trackfolio._validation import limit

__all__ = ["MaxRatio", "MaxReturn", "MaxUtility", "MinRisk", "Objective"]


class Objective(Term):
    """Base of all objectives: minimise ``risk_weight · risk - return_weight · return``, and costs, per period.

    Examples
    --------
    >>> from trackfolio.objectives import MaxUtility, Objective
    >>> objective = MaxUtility(risk_aversion=5)
    >>> isinstance(objective, Objective), objective.risk_weight, objective.return_weight
    (True, 5.0, 1.0)
    """

    #: Factors of the risk and of the expected return.
    risk_weight: float = 0.0
    return_weight: float = 1.0

    def check(self) -> None:
        """Raise where a parameter makes no sense."""


class MinRisk(Objective):
    r"""Least risk; costs and the tracking penalty are added to it.

    .. math:: \min_w \; \rho(Xw) + \lambda\,RMSE^2(w) + costs(w)

    In units of the risk :math:`\rho`, per period; :math:`\lambda` is the `tracking_penalty`.

    References
    ----------
    Markowitz (1952), Portfolio selection, Journal of Finance 7, for the variance.

    Examples
    --------
    >>> from trackfolio import MeanRisk
    >>> from trackfolio.objectives import MinRisk
    >>> model = MeanRisk(objective=MinRisk())  # the default
    """

    risk_weight = 1.0
    return_weight = 0.0


class MaxReturn(Objective):
    r"""Largest expected return, less costs and the tracking penalty; the risk counts through limits alone.

    .. math:: \max_w \; \mu'w - \lambda\,RMSE^2(w) - costs(w)

    In units of returns, per period; :math:`\mu` are the expected returns, :math:`\lambda` is the `tracking_penalty`.

    Examples
    --------
    >>> from trackfolio import MeanRisk
    >>> from trackfolio.objectives import MaxReturn
    >>> model = MeanRisk(objective=MaxReturn(), max_tracking_error=0.003)
    """


class MaxUtility(Objective):
    r"""Largest expected return less `risk_aversion` times the risk, costs and the tracking penalty.

    .. math:: \max_w \; \mu'w - risk\_aversion \cdot \rho(Xw) - \lambda\,RMSE^2(w) - costs(w)

    In units of returns, per period; :math:`\mu` are the expected returns, :math:`\lambda` is the `tracking_penalty`.

    Parameters
    ----------
    risk_aversion : float, default=1.0
        Price of a unit of risk in units of return per period. For `Variance`, textbooks often write half of it.

    Raises
    ------
    ValueError
        From `fit`, for a risk aversion that is not positive and finite.

    References
    ----------
    Grinold & Kahn (2000), Active Portfolio Management, chapter 4, for the variance.

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

    .. math:: \max_w \frac{\mu'w - r_f - costs(w) - \lambda\,RMSE^2(w)}{\rho(Xw)} \qquad\text{active:}\qquad
        \max_w \frac{\mu'w - \mu_b - costs(w) - \lambda\,RMSE^2(w)}{\rho(Xw - y)}

    Per period; :math:`\mu` and :math:`\mu_b` are the expected returns of the assets and of the benchmark,
    :math:`\lambda` is the `tracking_penalty`. With `Variance` it is the ratio to the variance, with `StandardDeviation`
    the Sharpe ratio.

    By Dinkelbach's method [1]_: maximise numerator - θ·risk, set θ to the ratio reached, and repeat; about five
    problems, each with the same limits as it is given, so that any constraint and cost works.

    Parameters
    ----------
    risk_free_rate : float, default=0.0
        Per period. Of no effect on active returns, so refused there.
    active : bool, default=False
        Return and risk of the active returns: with `StandardDeviation` the information ratio. Needs a benchmark.

    Raises
    ------
    ValueError
        From `fit`, for a risk-free rate that is not finite, or not 0 with ``active=True``.
    InfeasibleError
        From `fit`, where no ratio is defined: no portfolio earns anything, or the least risk is 0 or below.

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
