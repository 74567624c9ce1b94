"""Pictures of portfolios, in the convention of scikit-learn's displays.

``from_estimator(estimator, X, y)`` predicts and draws, ``from_predictions(y, portfolios)`` draws what is already there;
both give the display, which ``plot(ax)`` draws once more, elsewhere. Portfolios are one `Portfolio` or one
`~trackfolio.model_selection.Backtest` (its net portfolio counts), or several in a dict by name; estimators likewise. A
display has ``ax_`` (its first panel), ``axes_`` (all of them) and ``figure_``: what matplotlib can change, you can. It
draws on axes that are given, and splits one where it has two panels; figures with ``layout="constrained"`` leave room
for legends by themselves.

The benchmark is `y`, or that which the portfolios know; it is never guessed. matplotlib is needed:
``pip install "trackfolio[plot]"``. It is imported when something is drawn.
"""

from trackfolio.display._families import CardinalityPathDisplay, FrontierDisplay
from trackfolio.display._losses import DrawdownDisplay, ReturnsDisplay
from trackfolio.display._tracking import RollingTrackingErrorDisplay, TrackingDisplay
from trackfolio.display._weights import ActiveWeightsDisplay, WeightsDisplay

__all__ = [
    "ActiveWeightsDisplay",
    "CardinalityPathDisplay",
    "DrawdownDisplay",
    "FrontierDisplay",
    "ReturnsDisplay",
    "RollingTrackingErrorDisplay",
    "TrackingDisplay",
    "WeightsDisplay",
]
