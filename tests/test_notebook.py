"""What notebooks show of backtests and estimators."""

import re
import xml.etree.ElementTree as ET
from html.parser import HTMLParser

import numpy as np
import pandas as pd
import pytest
import sklearn
from sklearn.exceptions import FitFailedWarning
from sklearn.pipeline import make_pipeline
from sklearn.utils.fixes import parse_version

from trackfolio import EqualWeighted, MeanRisk, MinTrackingError
from trackfolio.constraints import GroupBounds, MaxTurnover
from trackfolio.model_selection import Backtests, WalkForward, backtest
from trackfolio.risks import CVaR

EVIL = "<script>alert('x')</script>"
FOLDS = WalkForward(50, 16)


def parsed(shown):
    """The fragment as XML: every attribute is quoted and every tag closed."""
    style, fragment = shown._repr_html_().split("</style>")
    assert style.startswith("<style>")
    return ET.fromstring(fragment)


def text_of(element):
    return " ".join(" ".join(element.itertext()).split())


def box(root, label):
    """Rows of the table in the box with this label, by their heading: texts of the cells, and the row itself."""
    [found] = [element for element in root.iter("div") if element.get("aria-label") == label]
    assert (found.get("role"), found.get("tabindex")) == ("region", "0"), "what scrolls is reached by the keyboard"
    head, *rows = found.iter("tr")
    return [text_of(cell) for cell in head][1:], {text_of(row[0]): [text_of(cell) for cell in row[1:]] for row in rows}


def run(frames, models=None, y_name=EVIL, **options):
    X, y = frames
    models = MinTrackingError(constraints=[MaxTurnover(0.05)]) if models is None else models
    options = {"cv": FOLDS, "transaction_costs": 0.001, "progress": False} | options
    return backtest(models, X.rename(columns={"A": EVIL}), None if y is None else y.rename(y_name), **options)


def number(value, form):
    return format(value, form).replace("-", "\N{MINUS SIGN}")


class TestBacktest:
    def test_says_what_it_is(self, frames):
        shown = run(frames)
        text = text_of(parsed(shown))
        assert f"against {EVIL}" in text
        assert "70 periods from 2020-03-11 to 2020-06-16 · 5 rebalances, 1 without maxturnover" in text
        assert "failed" not in text
        assert "<script" not in shown._repr_html_()
        assert "http" not in shown._repr_html_()

    def test_draws_net_gross_and_benchmark(self, frames):
        shown = run(frames)
        root = parsed(shown)
        chart = next(root.iter("svg"))
        assert len(chart.findall("polyline")) == 3
        said = chart.get("aria-label")
        for name, returns in {
            "net": shown.net,
            "gross": shown.gross,
            "benchmark": shown.net.benchmark,
        }.items():
            assert f"{name} {number(np.prod(1 + np.asarray(returns)) - 1, '+.1%')}" in said
        assert all(each.get("role") == "img" and each.get("aria-label") for each in root.iter("svg"))

    def test_without_costs_gross_is_not_drawn_again(self, frames):
        assert len(next(parsed(run(frames, transaction_costs=0)).iter("svg")).findall("polyline")) == 2
        plain = run((frames[0], None), EqualWeighted(), transaction_costs=0)
        assert len(next(parsed(plain).iter("svg")).findall("polyline")) == 1
        assert "against" not in text_of(parsed(plain))

    def test_measures_are_those_of_the_portfolios(self, frames):
        shown = run(frames)
        columns, rows = box(parsed(shown), "Measures")
        assert columns == ["net", "gross"]
        both = (shown.net, shown.gross)
        assert rows["tracking error, annualised"] == [f"{p.tracking_error(annualised=True):.3%}" for p in both]
        assert rows["compounded return, annualised"] == [
            number(p.compounded_return(annualised=True), ".2%") for p in both
        ]
        assert rows["maximum drawdown, compounded"] == [f"{p.max_drawdown(compounded=True):.2%}" for p in both]
        assert rows["beta"] == [f"{p.beta():.3f}" for p in both]

    def test_trades_leave_out_the_purchase_from_cash(self, frames):
        shown = run(frames)
        root = parsed(shown)
        columns, rows = box(root, "Trades")
        assert columns == ["each", "mean", "in all"]
        later = shown.turnover.iloc[1:]
        assert rows["one-way turnover"][1:] == [f"{later.mean():.2%}", f"{shown.turnover.sum():.1%}"]
        assert rows["cost"][1:] == [f"{shown.costs.iloc[1:].mean():.3%}", f"{shown.costs.sum():.2%}"]
        bars = next(svg for svg in root.iter("svg") if svg.get("aria-label").startswith("one-way turnover"))
        assert bars.get("aria-label").endswith(f"at 4 trades, between {later.min():.3%} and {later.max():.3%}")
        heights = [float(bar.get("height")) for bar in bars.iter("rect")]
        np.testing.assert_allclose(heights, 24 * later / later.max(), atol=0.051)
        assert "without the purchase from cash" in text_of(root)
        assert "without the purchase" not in text_of(
            parsed(run(frames, initial_weights=dict.fromkeys([EVIL, *"BCDEFGH"], 1 / 8)))
        )

    def test_last_weights(self, frames):
        shown = run(frames)
        rows = {text_of(row[0]): text_of(row[2]) for row in next(parsed(shown).iter("table")).iter("tr")}
        assert rows == {name: f"{weight:.2%}" for name, weight in shown.net.weights.items() if weight > 1e-6}
        assert next(iter(rows)) == shown.net.weights.idxmax()

    def test_failures_are_told(self, frames):
        class Fails(EqualWeighted):
            def fit(self, X, y=None):
                if X.index[-1] > frames[0].index[70]:
                    raise ValueError(EVIL)
                return super().fit(X, y)

        with pytest.warns(FitFailedWarning):
            both = run(frames, {"fails": Fails(), EVIL: EqualWeighted()}, error_score="hold")
        first = both["fails"].failures.index[0]
        assert f"3 failed, the first on {first:%Y-%m-%d}: " in text_of(parsed(both["fails"]))
        assert EVIL in text_of(parsed(both["fails"]))
        columns, rows = box(parsed(both), "Backtests")
        assert columns[-1] == "failed"
        assert [row[-1] for row in rows.values()] == ["3", "0"]

    def test_single_period_and_many_trades(self, frames):
        X, _ = frames
        one = run((X, None), EqualWeighted(), cv=[(np.arange(60), np.arange(60, 61))])
        assert "1 period " in text_of(parsed(one))
        assert "nan" not in text_of(parsed(one))
        many = run(frames, EqualWeighted(), cv=WalkForward(20, 1))
        assert len(many.turnover) == 100
        bars = [svg for svg in parsed(many).iter("svg") if svg.findall("g")]
        assert all(1 < len(list(each.iter("rect"))) <= 50 for each in bars)


class TestBacktests:
    def test_a_row_each(self, frames):
        both = run(frames, {"tracker": MinTrackingError(), EVIL: EqualWeighted()})
        root = parsed(both)
        assert "2 backtests against" in text_of(root)
        columns, rows = box(root, "Backtests")
        assert list(rows) == ["tracker", EVIL]
        assert "failed" not in columns
        table = both.compare(annualised=True)
        for name, cells in rows.items():
            shown = dict(zip(columns, cells, strict=True))
            assert shown["tracking error, annualised"] == f"{table['tracking error'][name]:.3%}"
            assert shown["information ratio, annualised"] == number(table["information ratio"][name], ".3f")
            assert shown["turnover"] == f"{table['turnover'][name]:.1%}"
            assert shown["names held"] == f"{table['names held'][name]:.3g}"
        pictures = list(root.iter("svg"))
        assert [len(picture.findall("polyline")) for picture in pictures] == [2, 2]
        benchmarks = {picture.findall("polyline")[0].get("points") for picture in pictures}
        assert len(benchmarks) == 1, "all rows have one scale"
        assert "<script" not in both._repr_html_()

    def test_long_names_are_clipped_and_whole_in_the_tooltip(self, frames):
        name = "a very long name " * 10
        rows = parsed(run(frames, {name: EqualWeighted()})).iter("th")
        [heading] = [each for each in rows if each.get("title") == name]
        assert len(heading.text) <= 50
        assert heading.text.endswith("…")

    def test_without_benchmark(self, frames):
        columns, _ = box(parsed(run((frames[0], None), {"a": EqualWeighted()})), "Backtests")
        assert "volatility, annualised" in columns

    def test_none(self):
        assert text_of(parsed(Backtests())) == "No backtests"


class Cells(HTMLParser):
    """Tooltips of the cells with names of parameters, and the texts beside them, by name."""

    def __init__(self, html):
        super().__init__()
        self.tooltips, self.values, self.cell, self.name = {}, {}, "", ""
        self.feed(html)

    def handle_starttag(self, tag, attributes):
        attributes = dict(attributes)
        if tag == "td":
            self.cell, self.title = attributes.get("class", ""), attributes.get("title")

    def handle_endtag(self, tag):
        self.cell = "" if tag == "td" else self.cell

    def handle_data(self, data):
        data = data.strip().rstrip("\N{NO-BREAK SPACE}")
        if self.cell == "param" and data:
            self.name = data
            self.tooltips[data] = self.title
        elif self.cell == "value":
            self.values[self.name] = self.values.get(self.name, "") + data


@pytest.mark.skipif(parse_version(sklearn.__version__) < parse_version("1.7"), reason="no tables of parameters yet")
class TestEstimator:
    model = MeanRisk(
        risk=CVaR(0.9),
        max_weights=0.2,
        constraints=[MaxTurnover(0.1), (EVIL[1:7], GroupBounds(["a", "b"], upper=0.5))],
    )

    def test_terms_stand_in_rows_of_their_own(self):
        values = Cells(self.model._repr_html_()).values
        assert values["risk"] == "CVaR(confidence=0.9)"
        assert values["risk__confidence"] == "0.9"
        assert values["max_weights"] == "0.2"
        assert values["constraints__maxturnover"] == "MaxTurnover(limit=0.1)"
        assert values["constraints__maxturnover__limit"] == "0.1"
        assert values["constraints__script__upper"] == "0.5"

    def test_every_parameter_says_what_it_is(self):
        for html in (self.model._repr_html_(), self.model._repr_mimebundle_()["text/html"]):
            tooltips = Cells(html).tooltips
            assert set(tooltips) == set(self.model.get_params(deep=True))
            assert all(text and "`" not in text for text in tooltips.values())
            assert tooltips["cardinality"].startswith(
                "cardinality: int, (int, int) or None, default=None\nLargest number"
            )
            assert tooltips["risk__confidence"].startswith("confidence: float, default=0.95\n")
            assert tooltips["constraints__maxturnover"].startswith("Limit on")

    @pytest.mark.parametrize("model", [MinTrackingError(), EqualWeighted(), MaxTurnover(0.1)])
    def test_of_others(self, model):
        tooltips = Cells(model._repr_html_()).tooltips
        assert set(tooltips) == set(model.get_params(deep=True))
        assert all(tooltips.values())

    def test_within_a_pipeline(self):
        html = make_pipeline("passthrough", MinTrackingError())._repr_html_()
        assert re.search(r'title="cardinality: ', html)

    def test_fitted(self, frames):
        X, y = frames
        html = MinTrackingError().fit(X.rename(columns={"A": EVIL}), y)._repr_html_()
        assert "<script>alert" not in html
        assert Cells(html).tooltips["max_weights"].startswith("max_weights: ")


def test_dates_that_are_none(frames):
    X, y = frames
    shown = backtest(EqualWeighted(), X.to_numpy(), y.to_numpy(), cv=FOLDS, progress=False)
    assert "70 periods · 5 rebalances" in text_of(parsed(shown))
    assert isinstance(shown.net.returns, pd.Series)
