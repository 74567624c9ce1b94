"""With what it was made: parameters, versions, date."""

import datetime
import importlib.metadata
import platform
from html import escape
from typing import Any

from trackfolio._portfolio_html import day_text
from trackfolio._version import __version__
from trackfolio.model_selection import Backtest

_PACKAGES = ("numpy", "scipy", "pandas", "scikit-learn", "cvxpy", "clarabel", "piqp", "numba")


def settings(subject: Any, estimator: Any) -> str:
    """Parameters that are not the defaults, versions, and the date."""
    text = ""
    if estimator is not None:
        text += f"<p><code>{escape(repr(estimator))}</code></p>"
    if isinstance(subject, Backtest):
        trained = subject.rebalances["trained to"]
        first, last = (day_text(trained.iloc[k]) for k in (0, -1))
        text += f"<p>{len(trained)} rebalances, fitted on data to {escape(first)} up to {escape(last)}.</p>"
    versions = ", ".join(f"{name} {importlib.metadata.version(name)}" for name in _PACKAGES)
    made = f"{datetime.datetime.now(datetime.UTC):%Y-%m-%d %H:%M} UTC"
    by = f"trackfolio {__version__}, Python {platform.python_version()}; {versions}"
    return f'{text}<p class="soft">Made {made} by {by}.</p>'
