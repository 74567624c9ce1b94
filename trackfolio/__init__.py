"""Index tracking and benchmark-relative portfolios, as scikit-learn estimators.

``fit(X, y)`` on asset returns `X` and benchmark returns `y`; ``predict(X)`` gives a `Portfolio`, which is array-like
of its own returns, so that every metric of scikit-learn scores it. Every solution carries a proof: see
:mod:`trackfolio.certificate`.
"""

from typing import TYPE_CHECKING

from trackfolio._version import __version__

if TYPE_CHECKING:
    from trackfolio import (
        baselines,
        certificate,
        comparison,
        constraints,
        costs,
        datasets,
        diagnosis,
        display,
        exceptions,
        metrics,
        model_selection,
        objectives,
        problem,
        report,
        risks,
        shares,
        solution,
        solvers,
        testing,
    )
    from trackfolio.baselines import BenchmarkReplica, EqualWeighted
    from trackfolio.comparison import compare
    from trackfolio.diagnosis import diagnose
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
    "diagnose",
    "diagnosis",
    "display",
    "exceptions",
    "metrics",
    "model_selection",
    "objectives",
    "problem",
    "report",
    "risks",
    "shares",
    "solution",
    "solvers",
    "testing",
]

# numpy, pandas and scikit-learn take a second and more to load: names are imported when they are first asked for, so
# that the command line can answer before. Names that are not listed here are modules.
_HOMES = {
    "BenchmarkReplica": "baselines",
    "EqualWeighted": "baselines",
    "MeanRisk": "mean_risk",
    "MinTrackingError": "tracking",
    "Portfolio": "portfolio",
    "compare": "comparison",
    "diagnose": "diagnosis",
}

# Hidden from type checkers, for which the imports above say what there is, and that there is nothing else.
if not TYPE_CHECKING:

    def __getattr__(name):
        """Import a public name."""
        from importlib import import_module

        if name not in __all__:
            raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
        if name not in _HOMES:
            return import_module(f"{__name__}.{name}")
        value = getattr(import_module(f"{__name__}.{_HOMES[name]}"), name)
        globals()[name] = value
        return value

    def __dir__():
        """Public names, imported or not."""
        return sorted({name for name in globals() if name.startswith("_")} | set(__all__))
