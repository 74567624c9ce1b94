"""Measures of a portfolio against its benchmark, as ``metric(y_true, y_pred)``, and of weights against others.

``y_true`` are the returns of the benchmark, ``y_pred`` those of the portfolio: array-likes, Series or a `Portfolio`. So
every measure of returns goes into :func:`sklearn.metrics.make_scorer`. With ``a = y_pred - y_true`` the active return
and ``m`` periods a year:

* ``sample_weight``: repetitions of each period, weight 2 is the period twice.
* ``periods_per_year``: None for the measure as it is, per period (the tracking difference: over all periods); ``m`` for
  the same measure annualised. Nothing is annualised unasked.
* Where a ratio is not defined, because its denominator is 0 up to rounding, the answer is nan with an
  :class:`~sklearn.exceptions.UndefinedMetricWarning`, as in :mod:`sklearn.metrics`.
* Wrong shapes, NaN, infinities, unequal lengths, and unequal dates where both sides have them, are a `ValueError`.
"""

import math

import numpy as np
import numpy.typing as npt

from trackfolio._frequency import check_periods_per_year
from trackfolio._metric_input import active_returns, undefined
from trackfolio._moments import centred, is_noise, slope_on
from trackfolio._paths import growth
from trackfolio._validation import Array
from trackfolio._weight_measures import active_share, ex_ante_tracking_error, turnover
from trackfolio.risks import RootMeanSquare, StandardDeviation

__all__ = [
    "active_share",
    "alpha",
    "beta",
    "ex_ante_tracking_error",
    "information_ratio",
    "mean_active_return",
    "squared_correlation",
    "tracking_difference",
    "tracking_error",
    "tracking_rmse",
    "turnover",
]


def tracking_rmse(
    y_true: npt.ArrayLike,
    y_pred: npt.ArrayLike,
    *,
    sample_weight: npt.ArrayLike | None = None,
    periods_per_year: float | None = None,
) -> float:
    r"""Root mean square of the active return, :math:`\sqrt{\frac1T\sum_t a_t^2}`.

    It divides by T and keeps the mean: a constant lag counts. With the tracking error, RMSE² = var₀(a) + mean(a)²,
    where var₀ divides by T.

    Parameters
    ----------
    y_true, y_pred : array-like of shape (n_periods,)
        Returns of the benchmark and of the portfolio.
    sample_weight : array-like of shape (n_periods,), optional
        Repetitions of each period.
    periods_per_year : float, optional
        If given, the RMSE is annualised, :math:`\times\sqrt m`.

    Returns
    -------
    float
        In units of returns, per period or annualised.

    Raises
    ------
    ValueError
        For what is no finite series, unequal lengths or dates, and weights of periods that are negative or all 0.

    References
    ----------
    .. [1] Beasley, Meade & Chang (2003), An evolutionary heuristic for the index tracking problem, EJOR 148.

    Examples
    --------
    >>> from trackfolio.metrics import tracking_rmse
    >>> tracking_rmse([0.01, 0.02, 0.00, 0.01], [0.04, -0.02, 0.00, 0.01])
    0.025
    """
    active, _, _, s = active_returns(y_true, y_pred, sample_weight)
    return RootMeanSquare().value(active, s) * math.sqrt(_periods(periods_per_year))


def tracking_error(
    y_true: npt.ArrayLike,
    y_pred: npt.ArrayLike,
    *,
    sample_weight: npt.ArrayLike | None = None,
    periods_per_year: float | None = None,
) -> float:
    r"""Sample standard deviation of the active return, :math:`\sqrt{\sum_t(a_t-\bar a)^2/(T-1)}`.

    A constant lag behind the benchmark costs nothing here; `tracking_rmse` counts it.

    Parameters
    ----------
    y_true, y_pred, sample_weight : array-like of shape (n_periods,)
        As in `tracking_rmse`, the weights optional; with weights s, the denominator is Σs - 1.
    periods_per_year : float, optional
        If given, annualised, :math:`\times\sqrt m`.

    Returns
    -------
    float
        In units of returns, per period or annualised.

    Raises
    ------
    ValueError
        As `tracking_rmse`; and if there is one period only (Σs ≤ 1).

    References
    ----------
    .. [1] Roll (1992), A mean/variance analysis of tracking error, Journal of Portfolio Management 18.

    Examples
    --------
    >>> from trackfolio.metrics import tracking_error
    >>> round(tracking_error([0.01, 0.01, 0.01], [0.02, 0.03, 0.04]), 12)
    0.01
    """
    active, _, _, s = active_returns(y_true, y_pred, sample_weight)
    return StandardDeviation().value(active, s) * math.sqrt(_periods(periods_per_year))


def mean_active_return(
    y_true: npt.ArrayLike,
    y_pred: npt.ArrayLike,
    *,
    sample_weight: npt.ArrayLike | None = None,
    periods_per_year: float | None = None,
) -> float:
    r"""Arithmetic mean of the active return, :math:`\bar a = \frac1T\sum_t a_t`, as in Goodwin (1998).

    Parameters
    ----------
    y_true, y_pred, sample_weight : array-like of shape (n_periods,)
        As in `tracking_rmse`, the weights optional; errors are the same.
    periods_per_year : float, optional
        If given, annualised, :math:`\times m`.

    Returns
    -------
    float
        In units of returns, per period or annualised.

    Examples
    --------
    >>> from trackfolio.metrics import mean_active_return
    >>> round(mean_active_return([0.01, 0.02], [0.02, 0.02], periods_per_year=12), 12)
    0.06
    """
    active, _, _, s = active_returns(y_true, y_pred, sample_weight)
    return float(np.average(active, weights=s)) * _periods(periods_per_year)


def tracking_difference(
    y_true: npt.ArrayLike,
    y_pred: npt.ArrayLike,
    *,
    sample_weight: npt.ArrayLike | None = None,
    periods_per_year: float | None = None,
) -> float:
    r"""Compounded return of the portfolio minus that of the benchmark, over all periods.

    .. math:: \prod_t(1+p_t) - \prod_t(1+b_t) \qquad\text{or annualised}\qquad
        \prod_t(1+p_t)^{m/T} - \prod_t(1+b_t)^{m/T}

    Parameters
    ----------
    y_true, y_pred, sample_weight : array-like of shape (n_periods,)
        As in `tracking_rmse`, the weights optional; errors are the same.
    periods_per_year : float, optional
        If given, the difference of the two compound annual returns.

    Returns
    -------
    float
        In units of returns, over all periods or annualised; nan (and a warning) annualised where wealth is negative.

    References
    ----------
    .. [1] European Securities and Markets Authority (2014), Guidelines on ETFs and other UCITS issues, ESMA/2014/937.

    Examples
    --------
    >>> from trackfolio.metrics import tracking_difference
    >>> round(tracking_difference([0.10, 0.10], [0.20, 0.00]), 12)
    -0.01
    """
    _, benchmark, portfolio, s = active_returns(y_true, y_pred, sample_weight)
    if periods_per_year is None:
        return growth(portfolio, s) - growth(benchmark, s)
    years = (len(portfolio) if s is None else float(s.sum())) / _periods(periods_per_year)
    wealth = (growth(portfolio, s), growth(benchmark, s))
    if not min(wealth) >= 0:
        return undefined("tracking difference a year", "a compounded return is below -100 %")
    return float(wealth[0] ** (1 / years) - wealth[1] ** (1 / years))


def information_ratio(
    y_true: npt.ArrayLike,
    y_pred: npt.ArrayLike,
    *,
    sample_weight: npt.ArrayLike | None = None,
    periods_per_year: float | None = None,
) -> float:
    r"""Mean active return per unit of tracking error, :math:`\bar a / \mathrm{std}(a)`.

    Annualised it is :math:`m\bar a/(\sqrt m\,\mathrm{std}(a))`, the arithmetic form [1]_.

    Parameters
    ----------
    y_true, y_pred, sample_weight : array-like of shape (n_periods,)
        As in `tracking_rmse`, the weights optional.
    periods_per_year : float, optional
        If given, annualised, :math:`\times\sqrt m`.

    Returns
    -------
    float
        Without unit, per period or annualised; nan (and a warning) where the active return is constant.

    Raises
    ------
    ValueError
        As `tracking_rmse`; and if there is one period only (Σs ≤ 1).

    References
    ----------
    .. [1] T. H. Goodwin, The Information Ratio, Financial Analysts Journal 54(4), 1998.

    Examples
    --------
    >>> from trackfolio.metrics import information_ratio
    >>> round(information_ratio([0.01, 0.01, 0.01], [0.02, 0.03, 0.04]), 12)
    2.0
    """
    active, benchmark, portfolio, s = active_returns(y_true, y_pred, sample_weight)
    deviation = StandardDeviation().value(active, s)
    if is_noise(deviation, benchmark, portfolio):
        return undefined("information ratio", "the active return is constant")
    return float(np.average(active, weights=s)) / deviation * math.sqrt(_periods(periods_per_year))


def beta(y_true: npt.ArrayLike, y_pred: npt.ArrayLike, *, sample_weight: npt.ArrayLike | None = None) -> float:
    """Slope of the portfolio's returns on the benchmark's, :math:`cov(p,b)/var(b)`: Jensen (1968), see `alpha`.

    Parameters
    ----------
    y_true, y_pred, sample_weight : array-like of shape (n_periods,)
        As in `tracking_rmse`, the weights optional; errors are the same.

    Returns
    -------
    float
        Without unit; nan (and a warning) where the benchmark's return is constant.

    Examples
    --------
    >>> from trackfolio.metrics import beta
    >>> round(beta([0.01, 0.02, 0.03], [0.03, 0.05, 0.07]), 12)
    2.0
    """
    _, benchmark, portfolio, s = active_returns(y_true, y_pred, sample_weight)
    slope = slope_on(benchmark, portfolio, s)
    return undefined("beta", "the benchmark's return is constant") if slope is None else float(slope)


def alpha(
    y_true: npt.ArrayLike,
    y_pred: npt.ArrayLike,
    *,
    sample_weight: npt.ArrayLike | None = None,
    periods_per_year: float | None = None,
) -> float:
    r"""Mean return beyond what beta explains, :math:`\bar p - \beta\,\bar b`.

    The intercept of the regression of p on b: that of Jensen [1]_ with returns in place of excess returns over a
    risk-free rate. Subtract that from both first if you want it.

    Parameters
    ----------
    y_true, y_pred, sample_weight : array-like of shape (n_periods,)
        As in `tracking_rmse`, the weights optional; errors are the same.
    periods_per_year : float, optional
        If given, annualised, :math:`\times m`.

    Returns
    -------
    float
        In units of returns, per period or annualised; nan (and a warning) where the benchmark's return is constant.

    References
    ----------
    .. [1] Jensen (1968), The performance of mutual funds in the period 1945-1964, Journal of Finance 23.

    Examples
    --------
    >>> from trackfolio.metrics import alpha
    >>> round(alpha([0.01, 0.02, 0.03], [0.03, 0.05, 0.07]), 12)
    0.01
    """
    _, benchmark, portfolio, s = active_returns(y_true, y_pred, sample_weight)
    slope = slope_on(benchmark, portfolio, s)
    if slope is None:
        return undefined("alpha", "the benchmark's return is constant")
    intercept = np.average(portfolio, weights=s) - slope * np.average(benchmark, weights=s)
    return float(intercept) * _periods(periods_per_year)


def squared_correlation(
    y_true: npt.ArrayLike, y_pred: npt.ArrayLike, *, sample_weight: npt.ArrayLike | None = None
) -> float:
    r"""Squared correlation of portfolio and benchmark, :math:`cov(p,b)^2/(var(p)\,var(b))`.

    Not :func:`sklearn.metrics.r2_score`, which takes the portfolio itself as the prediction and falls below 0 for a bad
    one: here level and scale of the portfolio do not matter. Jensen (1968) reports it beside `alpha` and `beta`.

    Parameters
    ----------
    y_true, y_pred, sample_weight : array-like of shape (n_periods,)
        As in `tracking_rmse`, the weights optional; errors are the same.

    Returns
    -------
    float
        From 0 to 1, without unit; nan (and a warning) where either return is constant.

    Examples
    --------
    >>> from trackfolio.metrics import squared_correlation
    >>> round(squared_correlation([0.01, 0.02, 0.03], [0.03, 0.05, 0.07]), 12)
    1.0
    """
    _, benchmark, portfolio, s = active_returns(y_true, y_pred, sample_weight)
    b, p = centred(benchmark, s), centred(portfolio, s)
    variance = [float(np.average(c * c, weights=s)) for c in (b, p)]
    if is_noise(math.sqrt(variance[0]), benchmark) or is_noise(math.sqrt(variance[1]), portfolio):
        return undefined("squared correlation", "a return is constant")
    # One root at a time: the product of two variances of tiny returns would underflow.
    correlation = np.average(b * p, weights=s) / math.sqrt(variance[0]) / math.sqrt(variance[1])
    return min(float(correlation) ** 2, 1.0)


def _periods(periods_per_year: float | None) -> float:
    return check_periods_per_year(periods_per_year) or 1.0


def return_ratio(returns: Array, risk: float, risk_free_rate: float) -> float:
    """Mean return above the risk-free rate per unit of a risk; nan (and a warning) where the risk is 0."""
    if is_noise(abs(risk), returns):
        return undefined("ratio", "the risk is 0")
    return (float(np.mean(returns)) - risk_free_rate) / risk
