"""What all displays share: what they take, the axes they draw on, and what is refused."""

import subprocess
import sys
from pathlib import Path

import matplotlib as mpl
import numpy as np
import pytest

from tests.display.support import EQUAL, NEED_BENCHMARK, OF_PORTFOLIOS, OVER_TIME, plt
from trackfolio import Portfolio
from trackfolio.display import (
    ActiveWeightsDisplay,
    RollingTrackingErrorDisplay,
    TrackingDisplay,
)

# Older matplotlib uses what newer pyparsing deprecates.
pytestmark = pytest.mark.filterwarnings("ignore::DeprecationWarning:matplotlib")


def draw(cls, frames, portfolios, **options):
    options |= {"benchmark_weights": EQUAL} if cls is ActiveWeightsDisplay else {}
    return cls.from_predictions(frames[1], portfolios, **options)


class TestConvention:
    @pytest.mark.parametrize("cls", OF_PORTFOLIOS)
    def test_one_several_backtests_and_estimators(self, cls, frames, models, portfolios, tested):
        X, y = frames
        options = {"benchmark_weights": EQUAL} if cls is ActiveWeightsDisplay else {}
        options |= {"window": 5} if cls is RollingTrackingErrorDisplay else {}
        for given in (portfolios["tracker"], portfolios):
            draw(cls, frames, given).figure_.canvas.draw()
        cls.from_predictions(None, tested, **options).figure_.canvas.draw()
        single = cls.from_estimator(models["tracker"], X, y, **options)
        assert list(single.portfolios) == ["MinTrackingError"]
        named = cls.from_estimator(models["tracker"], X, y, name="mine", **options)
        assert list(named.portfolios) == ["mine"]
        assert list(cls.from_estimator(models, X, y, **options).portfolios) == ["tracker", "equal"]
        with pytest.raises(ValueError, match="several have the names of their dict"):
            cls.from_estimator(models, X, y, name="mine", **options)

    @pytest.mark.parametrize("cls", OF_PORTFOLIOS)
    def test_given_axes_are_used_and_nothing_else_is_opened(self, cls, frames, portfolios):
        figure, ax = plt.subplots()
        display = draw(cls, frames, portfolios, ax=ax)
        assert display.figure_ is figure
        assert plt.get_fignums() == [figure.number]
        n_panels = len(display.axes_)
        if n_panels == 1:
            assert display.ax_ is ax
        else:
            assert not ax.axison
            with pytest.raises(ValueError, match=r"split by a display before: give ax=display\.axes_"):
                display.plot(ax)
        axes = plt.subplots(n_panels)[1]
        again = display.plot(axes)
        assert again is display
        assert list(display.axes_) == list(np.atleast_1d(axes))
        figure.canvas.draw()

    @pytest.mark.parametrize("layout", [None, "constrained"])
    @pytest.mark.parametrize("cls", OF_PORTFOLIOS)
    def test_legends_lie_within_the_figure_and_beside_the_axes(self, cls, layout, frames, portfolios):
        figure, ax = plt.subplots(layout=layout)
        display = draw(cls, frames, portfolios, ax=ax)
        figure.canvas.draw()
        [legend] = [ax.get_legend() for ax in display.axes_ if ax.get_legend()]
        box = legend.get_window_extent()
        assert box.x0 >= 0
        assert box.y0 >= -1
        assert box.x1 <= figure.bbox.x1 + 1
        assert not any(box.overlaps(ax.get_window_extent()) for ax in display.axes_)

    def test_wrong_axes(self, frames, portfolios):
        with pytest.raises(TypeError, match="ax must be matplotlib axes, one or an array of them, got str"):
            TrackingDisplay.from_predictions(frames[1], portfolios, ax="here")
        with pytest.raises(ValueError, match=r"2 panel\(s\): give one ax, or so many; got 3"):
            TrackingDisplay.from_predictions(frames[1], portfolios, ax=plt.subplots(3)[1])
        with pytest.raises(ValueError, match="no place in a grid to be split: give 2 axes"):
            TrackingDisplay.from_predictions(frames[1], portfolios, ax=plt.figure().add_axes((0, 0, 1, 1)))

    @pytest.mark.parametrize("cls", OF_PORTFOLIOS)
    def test_settings_of_the_user_stay(self, cls, frames, portfolios):
        before = mpl.rcParams.copy()
        draw(cls, frames, portfolios)
        assert mpl.rcParams == before

    @pytest.mark.parametrize("cls", OF_PORTFOLIOS)
    def test_wrong_types(self, cls, frames, portfolios):
        with pytest.raises(TypeError, match=rf"{cls.__name__} takes a Portfolio.*; 'a' is ndarray"):
            draw(cls, frames, {"a": np.zeros(120)})
        with pytest.raises(TypeError, match="takes a Portfolio, a Backtest, or a dict of these by name; list"):
            draw(cls, frames, list(portfolios.values()))
        with pytest.raises(ValueError, match="no portfolio to draw"):
            draw(cls, frames, {})

    @pytest.mark.parametrize("cls", NEED_BENCHMARK)
    def test_without_a_benchmark(self, cls, portfolios):
        with pytest.raises(ValueError, match="'tracker' against a benchmark, and there is none: give its"):
            cls.from_predictions(None, portfolios)

    @pytest.mark.parametrize("cls", OVER_TIME)
    def test_different_periods_and_benchmarks(self, cls, frames, portfolios):
        X, y = frames
        first = portfolios["equal"].relative_to(y)
        with pytest.raises(ValueError, match="periods"):
            cls.from_predictions(None, {"a": first, "b": Portfolio(X[:80], EQUAL, benchmark=y[:80])})
        with pytest.raises(ValueError, match="'b' has another benchmark than 'a': give one for all, as y"):
            cls.from_predictions(None, {"a": first, "b": first.relative_to(y + 0.01)})

    @pytest.mark.parametrize("cls", OF_PORTFOLIOS)
    def test_five_periods(self, cls, frames):
        X, y = (frame.iloc[:5] for frame in frames)
        options = {"window": 2} if cls is RollingTrackingErrorDisplay else {}
        draw(cls, (X, y), {"a": Portfolio(X, EQUAL), "b": Portfolio(X, EQUAL)}, **options).figure_.canvas.draw()


def run(code):
    root = Path(__file__).parents[2]
    return subprocess.run([sys.executable, "-c", code], cwd=root, capture_output=True, text=True, check=True).stdout


def test_import_needs_no_matplotlib_and_drawing_says_what_to_install():
    code = """
import sys
sys.modules["matplotlib"] = None  # as if it were not installed
from trackfolio import Portfolio
from trackfolio.display import DrawdownDisplay
try:
    DrawdownDisplay.from_predictions(None, Portfolio([[0.1], [0.2]], [1.0]))
except ImportError as error:
    print(error)
"""
    assert run(code) == (
        'DrawdownDisplay draws with matplotlib, which is not installed: pip install "trackfolio[plot]".\n'
    )
