"""Risk measures, one class each: objective, limit, value on realised returns, and report all come from it.

A risk is a function of a series of returns, of the portfolio or of its difference to a benchmark. ``value`` is its
definition in numpy, ``expression`` the same for cvxpy. To add your own, write ``expression`` alone: ``value`` then
evaluates it on numbers.
"""

from trackfolio.risks._base import Risk
from trackfolio.risks._dispersion import LowerPartialMoment, MeanAbsoluteDeviation, SemiDeviation, SemiVariance
from trackfolio.risks._drawdown import AverageDrawdown, CDaR, EDaR, MaxDrawdown, UlcerIndex
from trackfolio.risks._gini import GiniMeanDifference
from trackfolio.risks._huber import Huber
from trackfolio.risks._quadratic import RootMeanSquare, StandardDeviation, Variance
from trackfolio.risks._tail import CVaR, EVaR, WorstRealization

__all__ = [
    "AverageDrawdown",
    "CDaR",
    "CVaR",
    "EDaR",
    "EVaR",
    "GiniMeanDifference",
    "Huber",
    "LowerPartialMoment",
    "MaxDrawdown",
    "MeanAbsoluteDeviation",
    "Risk",
    "RootMeanSquare",
    "SemiDeviation",
    "SemiVariance",
    "StandardDeviation",
    "UlcerIndex",
    "Variance",
    "WorstRealization",
]
