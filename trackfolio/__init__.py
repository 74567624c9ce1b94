"""Index tracking and benchmark-relative portfolios, as scikit-learn estimators.

``fit(X, y)`` on asset returns `X` and benchmark returns `y`; ``predict(X)`` gives a `Portfolio`, which is array-like
of its own returns, so that every metric of scikit-learn scores it. Every solution carries a proof: see
:mod:`trackfolio.certificate`.
"""

from trackfolio import (
    baselines,
    certificate,
    comparison,
    constraints,
    costs,
    datasets,
    exceptions,
    metrics,
    model_selection,
    objectives,
    problem,
    risks,
    shares,
    solution,
    solvers,
    testing,
)
from trackfolio._version import __version__
from trackfolio.baselines import BenchmarkReplica, EqualWeighted
from trackfolio.comparison import compare
from trackfolio.mean_risk import MeanRisk
from trackfolio.portfolio import Portfolio
from trackfolio.tracking import MinTrackingError

__all__ = [
    "BenchmarkReplica",
    "EqualWeighted",
    "MeanRisk",
    "MinTrackingError",
    "Portfolio",
    "__version__",
    "baselines",
    "certificate",
    "compare",
    "comparison",
    "constraints",
    "costs",
    "datasets",
    "exceptions",
    "metrics",
    "model_selection",
    "objectives",
    "problem",
    "risks",
    "shares",
    "solution",
    "solvers",
    "testing",
]
