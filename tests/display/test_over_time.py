"""Displays over time: the numbers that are drawn, their labels, and what is refused."""

import math

import numpy as np
import pandas as pd
import pytest

from tests.display.support import (
    EQUAL,
    compounded,
    drawdown,
    lines,
    said,
    ticks,
)
from trackfolio import Portfolio
from trackfolio.display import (
    DrawdownDisplay,
    ReturnsDisplay,
    RollingTrackingErrorDisplay,
    TrackingDisplay,
)
from trackfolio.risks import CVaR

# Older matplotlib uses what newer pyparsing deprecates.
pytestmark = pytest.mark.filterwarnings("ignore::DeprecationWarning:matplotlib")


class TestTracking:
    def test_lines_are_compounded_returns_and_their_differences(self, frames, models):
        X, y = frames
        display = TrackingDisplay.from_estimator(models, X, y)
        own = [compounded(X.to_numpy() @ model.weights_) for model in models.values()]
        returns, differences = display.axes_
        np.testing.assert_allclose(lines(returns), [compounded(y), *own], rtol=1e-10)
        np.testing.assert_allclose(lines(differences), [p - compounded(y) for p in own], rtol=1e-9, atol=1e-12)
        assert said(display) == ["Index", "tracker", "equal"]
        assert returns.get_title() == "Compounded returns, and the tracking difference"
        assert (returns.get_ylabel(), differences.get_ylabel()) == ("return", "difference")
        assert display.ax_ is returns
        assert display.figure_ is returns.figure
        assert all(text.endswith("%") for text in ticks(returns.yaxis))

    def test_lines_differ_in_colour_and_in_style(self, frames, portfolios):
        many = {str(k): portfolio for k, portfolio in enumerate(list(portfolios.values()) * 6)}
        display = TrackingDisplay.from_predictions(frames[1], many)
        looks = {(line.get_color(), str(line._dash_pattern)) for line in display.axes_[1].get_lines()[:12]}
        assert len(looks) == 12

    def test_dates_and_periods(self, frames, portfolios):
        X, y = frames
        dated = TrackingDisplay.from_predictions(y, portfolios)
        assert dated.ax_.get_lines()[0].get_xdata()[0] == np.datetime64(X.index[0])
        assert dated.axes_[1].get_xlabel() == ""
        plain = Portfolio(X.to_numpy(), EQUAL, benchmark=y.to_numpy())
        undated = TrackingDisplay.from_predictions(None, plain)
        assert undated.ax_.get_lines()[0].get_xdata().tolist() == list(range(1, 121))
        assert undated.axes_[1].get_xlabel() == "period"
        assert said(undated) == ["benchmark", "portfolio"]

    @pytest.mark.parametrize(
        "index",
        [
            pd.period_range("2020-01", periods=120, freq="M"),
            pd.date_range("2020-01-01", periods=120, tz="Europe/Berlin"),
            pd.Index(pd.date_range("2020-01-01", periods=120).date),
        ],
    )
    def test_other_dates(self, frames, index):
        X, y = (frame.set_axis(index) for frame in frames)
        display = TrackingDisplay.from_predictions(y, Portfolio(X, EQUAL))
        assert display.ax_.get_lines()[0].get_xdata().dtype.kind == "M"
        display.figure_.canvas.draw()


class TestRollingTrackingError:
    @pytest.mark.parametrize("kind", ["std", "rmse"])
    @pytest.mark.parametrize("dated", [True, False])
    def test_values(self, frames, kind, dated):
        X, y = frames if dated else (frame.to_numpy() for frame in frames)
        display = RollingTrackingErrorDisplay.from_predictions(y, Portfolio(X, EQUAL), window=20, kind=kind)
        active = np.asarray(X) @ EQUAL - np.asarray(y)
        parts = np.lib.stride_tricks.sliding_window_view(active, 20)
        measure = (lambda a: a.std(axis=-1, ddof=1)) if kind == "std" else lambda a: np.sqrt((a**2).mean(axis=-1))
        scale = math.sqrt(252) if dated else 1.0
        [drawn] = lines(display.ax_)
        assert np.isnan(drawn[:19]).all()
        np.testing.assert_allclose(drawn[19:], scale * measure(parts), rtol=1e-8)
        name = "tracking error" if kind == "std" else "tracking RMSE"
        assert display.ax_.get_ylabel() == f"{name} per {'year' if dated else 'period'}"
        assert display.ax_.get_title().endswith("over the last 20 periods")
        assert said(display) == [f"portfolio: {100 * scale * measure(active):.3g}% over all periods"]
        assert display.ax_.get_ylim()[0] == 0

    def test_refusals(self, frames, portfolios):
        draw = RollingTrackingErrorDisplay.from_predictions
        with pytest.raises(ValueError, match=r"window=500 is longer than the 120 periods .* such as window=30"):
            draw(frames[1], portfolios, window=500)
        for window in (1, 2.5, "9"):
            with pytest.raises(ValueError, match="whole number of at least 2"):
                draw(frames[1], portfolios, window=window)
        with pytest.raises(ValueError, match="'std' or 'rmse', got 'mean'"):
            draw(frames[1], portfolios, kind="mean")


class TestDrawdown:
    def test_values(self, frames, portfolios):
        X, y = frames
        display = DrawdownDisplay.from_predictions(y, portfolios, active=True)
        own = [X.to_numpy() @ p.weights.to_numpy() for p in portfolios.values()]
        np.testing.assert_allclose(lines(display.ax_), [drawdown(r) for r in [y, *own]], atol=1e-12)
        np.testing.assert_allclose(lines(display.axes_[1]), [drawdown(r - y.to_numpy()) for r in own], atol=1e-12)
        assert display.ax_.get_ylim()[1] == 0
        assert display.axes_[1].get_ylabel() == "of the active return"

    def test_without_a_benchmark(self, portfolios):
        display = DrawdownDisplay.from_predictions(None, portfolios)
        assert said(display) == ["tracker", "equal"]
        with pytest.raises(ValueError, match="against a benchmark, and there is none"):
            DrawdownDisplay.from_predictions(None, portfolios, active=True)


class TestReturns:
    @pytest.mark.parametrize("confidence", [0.95, 0.9, 0.87])
    def test_one(self, frames, portfolios, confidence):
        X, y = frames
        display = ReturnsDisplay.from_predictions(y, portfolios["equal"], confidence=confidence)
        active = X.to_numpy() @ EQUAL - y.to_numpy()
        size = 120 * (1 - confidence)
        whole = int(size + 1e-9)
        worst = np.sort(active)
        tail = (worst[:whole].sum() + (size - whole) * worst[whole]) / size
        var = worst[whole - 1] if size - whole < 1e-9 else worst[whole]
        drawn = [line.get_xdata()[0] for line in display.ax_.get_lines()]
        np.testing.assert_allclose(drawn, [active.mean(), var, tail], rtol=1e-9)
        bars = display.ax_.patches
        assert sum(bar.get_height() for bar in bars) == 120
        left = np.array([bar.get_x() for bar in bars])
        counts = [np.sum((active >= low) & (active < low + bars[0].get_width())) for low in left[:-1]]
        np.testing.assert_allclose([bar.get_height() for bar in bars][:-1], counts, atol=1)
        level = f"{100 * confidence:g}%"
        assert said(display)[1:] == [
            f"VaR {level}: a loss of {-100 * var:.3g}%",
            f"CVaR {level}: a loss of {-100 * tail:.3g}%",
        ]
        assert CVaR(confidence).value(active) == pytest.approx(-tail)

    def test_several(self, frames, portfolios):
        X, y = frames
        display = ReturnsDisplay.from_predictions(y, portfolios)
        outlines, rows = display.axes_
        for place, portfolio in enumerate(portfolios.values()):
            active = X.to_numpy() @ portfolio.weights.to_numpy() - y.to_numpy()
            stairs = outlines.patches[place].get_data()
            np.testing.assert_array_equal(stairs.values, np.histogram(active, stairs.edges)[0])
            mean, var, tail = (line.get_xdata()[0] for line in rows.get_lines()[4 * place + 1 : 4 * place + 4])
            assert mean == pytest.approx(active.mean())
            assert var == pytest.approx(np.sort(active)[5])  # the sixth of 120
            assert tail == pytest.approx(np.sort(active)[:6].mean())
        assert [label.get_text() for label in rows.get_yticklabels()] == ["tracker", "equal"]
        assert said(display) == ["mean", "VaR 95%", "CVaR 95%"]

    def test_refusals(self, frames, portfolios):
        with pytest.raises(ValueError, match="confidence must be a number between 0 and 1"):
            ReturnsDisplay.from_predictions(frames[1], portfolios, confidence=95)
