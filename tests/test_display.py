"""Displays: the numbers that are drawn, their labels, the axes they are drawn on, and what is refused."""

import math
import subprocess
import sys
from pathlib import Path

import matplotlib as mpl
import numpy as np
import pandas as pd
import pytest

from trackfolio import EqualWeighted, MeanRisk, MinTrackingError, Portfolio
from trackfolio.display import (
    ActiveWeightsDisplay,
    CardinalityPathDisplay,
    DrawdownDisplay,
    FrontierDisplay,
    ReturnsDisplay,
    RollingTrackingErrorDisplay,
    TrackingDisplay,
    WeightsDisplay,
)
from trackfolio.model_selection import WalkForward, backtest, cardinality_path, frontier
from trackfolio.risks import CVaR, Variance

mpl.use("agg")
plt = pytest.importorskip("matplotlib.pyplot")

OVER_TIME = [TrackingDisplay, RollingTrackingErrorDisplay, DrawdownDisplay, ReturnsDisplay]
NEED_BENCHMARK = [TrackingDisplay, RollingTrackingErrorDisplay, ReturnsDisplay]
OF_PORTFOLIOS = [*OVER_TIME, ActiveWeightsDisplay, WeightsDisplay]
EQUAL = np.full(8, 1 / 8)

# Older matplotlib uses what newer pyparsing deprecates.
pytestmark = pytest.mark.filterwarnings("ignore::DeprecationWarning:matplotlib")


@pytest.fixture(autouse=True)
def closed():
    yield
    plt.close("all")


@pytest.fixture
def models(frames):
    X, y = frames
    return {"tracker": MinTrackingError(max_weights=0.3).fit(X, y), "equal": EqualWeighted().fit(X)}


@pytest.fixture
def portfolios(models, frames):
    return {name: model.predict(frames[0]) for name, model in models.items()}


@pytest.fixture
def tested(frames):
    X, y = frames
    return backtest(MinTrackingError(), X, y, cv=WalkForward(60, 15), transaction_costs=0.01, progress=False)


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


class TestActiveWeights:
    def bars(self, display, place=0):
        names = [label.get_text() for label in display.ax_.get_yticklabels()]
        return dict(zip(names, [bar.get_width() for bar in display.ax_.containers[place]], strict=True))

    def test_largest_of_each_side(self, frames):
        X, y = frames
        weights = np.array([0.3, 0.2, 0.2, 0.1, 0.1, 0.1, 0.0, 0.0])
        display = ActiveWeightsDisplay.from_predictions(y, Portfolio(X, weights), benchmark_weights=EQUAL, n=2)
        expected = {"A": 0.175, "B": 0.075, "G": -0.125, "H": -0.125}
        assert self.bars(display) == pytest.approx(expected)
        assert next(iter(self.bars(display))) == "A"
        assert display.ax_.get_ylim()[0] > display.ax_.get_ylim()[1]  # the first on top
        assert display.ax_.get_title() == "Active weights: 4 of 8 assets"
        assert said(display) == ["portfolio: active share 32.5%"]
        np.testing.assert_allclose(display.active_weights["portfolio"], weights - EQUAL)
        assert any(text.startswith("\N{MINUS SIGN}") for text in ticks(display.ax_.xaxis))

    @pytest.mark.parametrize("form", [list, lambda g: dict(zip("ABCDEFGH", g, strict=True)), pd.Series])
    def test_groups(self, frames, form):
        groups = form(["x", "x", "y", "y", "y", "z", "z", None])
        if isinstance(groups, pd.Series):
            groups.index = list("ABCDEFGH")
        weights = np.array([0.3, 0.2, 0.1, 0.0, 0.0, 0.2, 0.2, 0.0])
        portfolio = Portfolio(frames[0], weights).relative_to(benchmark_weights=EQUAL)
        display = ActiveWeightsDisplay.from_predictions(None, portfolio, groups=groups)
        expected = {"x": 0.25, "z": 0.15, "in no group": -0.125, "y": -0.275}
        assert self.bars(display) == pytest.approx(expected)

    def test_several_and_known_weights_stay_known_beside_returns(self, frames, portfolios):
        known = {name: p.relative_to(benchmark_weights=EQUAL) for name, p in portfolios.items()}
        display = ActiveWeightsDisplay.from_predictions(frames[1], known)
        for place, portfolio in enumerate(portfolios.values()):
            bars = self.bars(display, place)
            for name, width in bars.items():
                assert width == pytest.approx(portfolio.weights[name] - 1 / 8)

    def test_none_at_all(self, portfolios):
        display = ActiveWeightsDisplay.from_predictions(None, portfolios["equal"], benchmark_weights=EQUAL)
        assert display.ax_.texts[0].get_text() == "none: all weights are the benchmark's"

    def test_refusals(self, frames, portfolios):
        draw = ActiveWeightsDisplay.from_predictions
        with pytest.raises(ValueError, match="needs the benchmark's weights, which 'tracker' does not know"):
            draw(frames[1], portfolios)
        with pytest.raises(ValueError, match=r"^groups leaves out \['B'"):
            draw(None, portfolios, benchmark_weights=EQUAL, groups={"A": "x"})
        with pytest.raises(ValueError, match="n must be a whole number of at least 1, got 0"):
            draw(None, portfolios, benchmark_weights=EQUAL, n=0)


class TestWeights:
    def test_sorted_bars(self, portfolios):
        display = WeightsDisplay.from_predictions(None, portfolios["tracker"], n=3)
        weights = portfolios["tracker"].weights.sort_values(ascending=False, kind="stable")
        assert [label.get_text() for label in display.ax_.get_yticklabels()] == list(weights.index[:3])
        widths = [bar.get_width() for bar in display.ax_.patches]
        np.testing.assert_allclose(widths, weights.iloc[:3])
        n_held = (weights > 1e-6).sum()
        assert display.ax_.get_title() == f"Weights: the largest 3 of {n_held} names"
        assert said(display) == [f"portfolio: others {100 * weights.iloc[3:].sum():.3g}%"]

    def test_grouped_bars(self, portfolios):
        display = WeightsDisplay.from_predictions(None, portfolios)
        names = [label.get_text() for label in display.ax_.get_yticklabels()]
        for bars, portfolio in zip(display.ax_.containers, portfolios.values(), strict=True):
            np.testing.assert_allclose([bar.get_width() for bar in bars], portfolio.weights[names])

    def edges(self, area):
        """Upper edge of an area, at each period."""
        vertices = area.get_paths()[0].vertices
        return pd.Series(vertices[:, 1]).groupby(vertices[:, 0]).max().to_numpy()

    def test_areas_add_up(self, tested):
        display = WeightsDisplay.from_predictions(None, tested, n=3)
        order = tested.weights.mean().sort_values(ascending=False).index
        sums = tested.weights[order].to_numpy().cumsum(axis=1)
        drawn = [self.edges(area) for area in display.ax_.collections]
        np.testing.assert_allclose(drawn, [*sums[:, :3].T, sums[:, -1]], atol=1e-12)
        n_held = (tested.weights.max() > 1e-6).sum()
        assert said(display) == [f"{n_held - 3} others", *order[2::-1]]

    def test_a_panel_for_each_backtest_and_bars_among_portfolios(self, tested, portfolios):
        display = WeightsDisplay.from_predictions(None, {"a": tested, "b": tested.gross})
        assert [ax.get_title() for ax in display.axes_] == ["a", "b"]
        colors = [[tuple(area.get_facecolor()[0]) for area in ax.collections] for ax in display.axes_]
        assert colors[0] == colors[1]
        mixed = WeightsDisplay.from_predictions(None, {"a": tested, **portfolios})
        assert len(mixed.axes_) == 1
        assert len(mixed.ax_.containers) == 3

    def test_shorts_lie_below_0(self, frames):
        X, _ = frames
        short = backtest(MeanRisk(min_weights=-0.5), X, cv=WalkForward(60, 20), progress=False)
        assert (short.weights < 0).any(axis=None)
        display = WeightsDisplay.from_predictions(None, short)
        low = min(area.get_paths()[0].vertices[:, 1].min() for area in display.ax_.collections)
        assert low == pytest.approx(short.weights.clip(upper=0).sum(axis=1).min())

    def test_five_hundred_names(self):
        rng = np.random.default_rng(0)
        names = [f"A company of a very long name, number {i}" for i in range(500)]
        X = pd.DataFrame(0.01 * rng.standard_normal((30, 500)), columns=names)
        display = WeightsDisplay.from_predictions(None, Portfolio(X, rng.dirichlet(np.ones(500))))
        labels = [label.get_text() for label in display.ax_.get_yticklabels()]
        assert len(set(labels)) == 20  # told apart by their ends
        assert max(map(len, labels)) <= 24


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


class TestFamilies:
    def test_frontier(self, frames):
        X, y = frames
        found = frontier(MeanRisk(CVaR(0.9)), X, y, values=6, progress=False)
        display = FrontierDisplay.from_frontier(found, n=3)
        curve, areas = display.axes_
        [line] = curve.get_lines()
        W = np.array([estimator.weights_ for estimator in found.estimators])
        rmse = np.sqrt(((X.to_numpy() @ W.T - y.to_numpy()[:, None]) ** 2).mean(axis=0))
        np.testing.assert_allclose(line.get_xdata(), rmse, rtol=1e-8)
        np.testing.assert_allclose(line.get_ydata(), [CVaR(0.9).value(X.to_numpy() @ w) for w in W], rtol=1e-8)
        assert curve.get_ylabel() == "CVaR 90 % per period"
        assert areas.get_xlabel() == "tracking RMSE per period"
        tops = areas.collections[-1].get_paths()[0].vertices[:, 1]
        assert tops.max() == pytest.approx(1)
        by_return = FrontierDisplay.from_frontier(found, measure="mean return", against="risk")
        [line] = by_return.ax_.get_lines()
        assert (np.diff(line.get_xdata()) >= 0).all()
        assert by_return.ax_.get_ylabel() == "mean return per period"

    def test_a_square_is_no_percentage(self, frames):
        found = frontier(MeanRisk(Variance()), *frames, values=3, progress=False)
        display = FrontierDisplay.from_frontier(found)
        assert not any("%" in text for text in ticks(display.ax_.yaxis))
        assert all("%" in text for text in ticks(display.axes_[1].xaxis))

    def test_path(self, frames):
        X, y = frames
        path = cardinality_path(MinTrackingError(), X, y, [2, 4, 6], progress=False)
        display = CardinalityPathDisplay.from_path(path, X=X, y=y)
        inside, outside = display.ax_.get_lines()
        np.testing.assert_allclose(inside.get_ydata(), path.objectives)
        np.testing.assert_allclose(outside.get_ydata(), path.objectives, rtol=1e-7)
        edge = display.ax_.collections[0].get_paths()[0].vertices
        assert set(path.lower_bounds) <= set(edge[:, 1])
        assert said(display)[0] == "out of reach: proven"
        assert display.ax_.get_ylabel() == "tracking RMSE per period"
        assert display.ax_.get_xlabel() == "number of names, at most"
        with pytest.raises(ValueError, match="X is missing"):
            CardinalityPathDisplay.from_path(path, y=y)

    def test_refusals(self, frames, portfolios):
        found = frontier(MeanRisk(), frames[0], parameter="min_return", values=3, progress=False)
        with pytest.raises(ValueError, match=r"needs a benchmark.*against=\"risk\""):
            FrontierDisplay.from_frontier(found)
        FrontierDisplay.from_frontier(found, measure="mean return", against="risk")
        with pytest.raises(ValueError, match="measure must be one of risk, mean return"):
            FrontierDisplay.from_frontier(found, measure="beta")
        with pytest.raises(TypeError, match=r"model_selection\.frontier gives, got dict"):
            FrontierDisplay.from_frontier(portfolios)
        with pytest.raises(TypeError, match=r"model_selection\.cardinality_path gives, got Frontier"):
            CardinalityPathDisplay.from_path(found)


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
    root = Path(__file__).parents[1]
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
