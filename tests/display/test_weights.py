"""Displays of weights and of families: the numbers that are drawn, their labels, and what is refused."""

import numpy as np
import pandas as pd
import pytest

from tests.display.support import EQUAL, said, ticks
from trackfolio import MeanRisk, MinTrackingError, Portfolio
from trackfolio.display import (
    ActiveWeightsDisplay,
    CardinalityPathDisplay,
    FrontierDisplay,
    WeightsDisplay,
)
from trackfolio.model_selection import WalkForward, backtest, cardinality_path, frontier
from trackfolio.risks import CVaR, Variance

# Older matplotlib uses what newer pyparsing deprecates.
pytestmark = pytest.mark.filterwarnings("ignore::DeprecationWarning:matplotlib")


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
