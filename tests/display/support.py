"""What is drawn, and what can be read off it."""

import matplotlib as mpl
import numpy as np
import pytest

from trackfolio.display import (
    ActiveWeightsDisplay,
    DrawdownDisplay,
    ReturnsDisplay,
    RollingTrackingErrorDisplay,
    TrackingDisplay,
    WeightsDisplay,
)

mpl.use("agg")
plt = pytest.importorskip("matplotlib.pyplot")

OVER_TIME = [TrackingDisplay, RollingTrackingErrorDisplay, DrawdownDisplay, ReturnsDisplay]
NEED_BENCHMARK = [TrackingDisplay, RollingTrackingErrorDisplay, ReturnsDisplay]
OF_PORTFOLIOS = [*OVER_TIME, ActiveWeightsDisplay, WeightsDisplay]
EQUAL = np.full(8, 1 / 8)


def compounded(returns):
    return np.cumprod(1 + np.asarray(returns)) - 1


def drawdown(returns):
    wealth = np.r_[1.0, np.cumprod(1 + np.asarray(returns))]
    return (wealth / np.maximum.accumulate(wealth) - 1)[1:]


def lines(ax):
    """Lines with a point for each period (rather than those at 0)."""
    return [line.get_ydata() for line in ax.get_lines() if len(line.get_ydata()) > 2]


def said(display):
    [legend] = [ax.get_legend() for ax in display.axes_ if ax.get_legend()]
    return [text.get_text() for text in legend.get_texts()]


def ticks(axis):
    axis.figure.canvas.draw()
    return [tick.get_text() for tick in axis.get_ticklabels()]
