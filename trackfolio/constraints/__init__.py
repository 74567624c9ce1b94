"""Limits on the weights, one class each.

A linear limit gives ``rows(problem)``, one on convex functions that the library knows ``limits(problem)``, any other
convex one ``constraints(problem, w)``; solvers, errors, multipliers and tests do the rest. ``problem`` has the names
of the assets, the benchmark's and the previous weights (see `trackfolio.problem`).
"""

from trackfolio._constraint import Constraint, Rows
from trackfolio._functions import AbsoluteSum, Limit
from trackfolio.constraints._absolute import MaxActiveShare, MaxLeverage, MaxTurnover
from trackfolio.constraints._groups import GroupBounds, GroupRatio
from trackfolio.constraints._linear import ActiveBounds, BetaBounds, Exposure, LinearConstraint
from trackfolio.constraints._return import MinReturn
from trackfolio.risks._base import RiskLimit

__all__ = [
    "AbsoluteSum",
    "ActiveBounds",
    "BetaBounds",
    "Constraint",
    "Exposure",
    "GroupBounds",
    "GroupRatio",
    "Limit",
    "LinearConstraint",
    "MaxActiveShare",
    "MaxLeverage",
    "MaxTurnover",
    "MinReturn",
    "RiskLimit",
    "Rows",
]
