"""Limits on the weights, one class each.

A linear limit gives ``rows(problem)``, one on convex functions that the library knows ``limits(problem)``, one on what
is held ``holdings(problem)``, any other one ``constraints(problem, w)``; solvers, errors, multipliers and tests do the
rest. ``problem`` has the names of the assets, the benchmark's and the previous weights (see `trackfolio.problem`).
"""

from trackfolio._constraint import Constraint, Rows
from trackfolio._functions import AbsoluteSum, Limit
from trackfolio._holdings import HeldLimit
from trackfolio.constraints._absolute import MaxActiveShare, MaxLeverage, MaxTurnover
from trackfolio.constraints._groups import GroupBounds, GroupRatio
from trackfolio.constraints._holdings import ConditionalBudget, GroupCardinality, MaxTrades
from trackfolio.constraints._linear import ActiveBounds, BetaBounds, Exposure, LinearConstraint
from trackfolio.constraints._return import MinReturn
from trackfolio.risks._base import RiskLimit

__all__ = [
    "AbsoluteSum",
    "ActiveBounds",
    "BetaBounds",
    "ConditionalBudget",
    "Constraint",
    "Exposure",
    "GroupBounds",
    "GroupCardinality",
    "GroupRatio",
    "HeldLimit",
    "Limit",
    "LinearConstraint",
    "MaxActiveShare",
    "MaxLeverage",
    "MaxTrades",
    "MaxTurnover",
    "MinReturn",
    "RiskLimit",
    "Rows",
]
