"""Periods a year from the dates, the short text and the HTML of a portfolio, and what they cost."""

import datetime
import re
import time
import xml.etree.ElementTree as ET

import numpy as np
import pandas as pd
import pytest
from threadpoolctl import threadpool_limits

from trackfolio._frequency import infer_periods_per_year
from trackfolio.portfolio import Portfolio


def some_days_off(freq, off):
    dates = pd.date_range("2020-01-01", periods=400, freq=freq)
    return dates.delete(off)


def with_days(*more):
    return pd.bdate_range("2020-01-01", periods=99).append(pd.DatetimeIndex(more))


class TestPeriodsPerYear:
    @pytest.mark.parametrize(
        ("dates", "expected"),
        [
            (pd.bdate_range("2020-01-01", periods=500), 252),
            (some_days_off("B", [5, 6, 40, 41, 42, 99]), 252),
            (pd.date_range("2020-01-01", periods=500), 365),
            (some_days_off("D", [7, 8, 50]), 365),
            (pd.date_range("2024-01-01", periods=3), 252),  # Monday to Wednesday
            (with_days("2020-03-07", "2020-03-15"), 252),  # a Saturday and a Sunday
            (
                pd.bdate_range("2020-01-01", periods=99, freq="C", weekmask="Sun Mon Tue Wed Thu"),
                252,
            ),
            (pd.date_range("2020-01-01", periods=60, freq="W-FRI"), 52),
            (pd.date_range("2020-01-01", periods=30, freq="ME"), 12),
            (pd.date_range("2020-01-01", periods=30, freq="BMS"), 12),
            (pd.date_range("2020-01-01", periods=9, freq="QE"), 4),
            (pd.date_range("2020-01-01", periods=9, freq="BYE"), 1),
            (pd.period_range("2020-01", periods=9, freq="M"), 12),
            (pd.bdate_range("2020-01-01", periods=99, tz="America/New_York"), 252),
            (pd.date_range("2020-01-01", periods=99, tz="Europe/Berlin"), 365),
            (pd.bdate_range("2020-01-01", periods=500)[::-1], 252),
            (pd.Index([datetime.date(2020, m, 1) for m in range(1, 10)]), 12),
            (pd.date_range("2020-01-01", periods=30, freq="2W"), None),
            (pd.date_range("2020-01-01", periods=30, freq="h"), None),
            (pd.date_range("2020-01-01", periods=9, freq="2YE"), None),
            (pd.bdate_range("2020-01-01", periods=1), None),
            (pd.DatetimeIndex(["2020-01-01", pd.NaT, "2020-01-03"]), None),
            (pd.RangeIndex(9), None),
            (pd.Index(["2020-01-01", "2020-01-02"]), None),
            (None, None),
        ],
    )
    def test_inferred(self, dates, expected):
        assert infer_periods_per_year(dates) == expected

    def test_of_a_portfolio(self):
        X = pd.DataFrame({"A": np.zeros(24)}, pd.date_range("2020-01-01", periods=24, freq="MS"))
        assert Portfolio(X, [1.0]).periods_per_year == 12
        assert Portfolio(X, [1.0], periods_per_year=11).periods_per_year == 11


@pytest.fixture
def portfolio():
    rng = np.random.default_rng(0)
    names = [f"Asset {i}" for i in range(30)]
    dates = pd.bdate_range("2020-01-01", periods=800)
    X = pd.DataFrame(rng.normal(0, 0.01, (800, 30)), index=dates, columns=names)
    weights = np.r_[np.arange(15, 0, -1.0), np.full(15, 1e-9)]
    y = pd.Series(rng.normal(0, 0.01, 800), index=dates, name="<Index & Co>")
    portfolio = Portfolio(X, weights / weights.sum(), name="<script>alert('P')</script>")
    return portfolio.relative_to(y, benchmark_weights=np.full(30, 1 / 30))


class TestText:
    def test_repr(self, portfolio):
        assert repr(portfolio.replace(name="P")) == (
            "<Portfolio 'P': 800 periods from 2020-01-01 to 2023-01-24, holds 15 of 30 assets, against <Index & Co>>"
        )
        plain = Portfolio([[0.1, 0.2]], [1.0, 0.0])
        assert repr(plain) == "<Portfolio: 1 period, holds 1 of 2 assets>"
        assert repr(plain.relative_to([0.1])).endswith("assets, against benchmark>")


def parsed(portfolio):
    html = portfolio._repr_html_()
    style, fragment = html.split("</style>")
    assert style.startswith("<style>")
    # Every attribute quoted and every tag closed: the fragment is XML.
    return ET.fromstring(fragment)


class TestHtml:
    def test_shows_the_portfolio(self, portfolio):
        root = parsed(portfolio)
        text = " ".join(root.itertext())
        assert "<script>alert('P')</script>" in text
        assert "against <Index & Co>" in text
        assert "800 periods from 2020-01-01 to 2023-01-24" in text
        assert "15 of 30 assets held" in text
        assert len(root.findall(".//polyline")) == 2
        bars, summary = root.findall(".//table")
        rows = [[cell.text or "" for cell in row] for row in bars.iter("tr")]
        assert [row[0] for row in rows] == [f"Asset {i}" for i in range(10)] + ["5 more"]
        assert rows[0][2] == f"{15 / 120:.2%}"
        assert rows[10][2] == f"{(5 + 4 + 3 + 2 + 1) / 120:.2%}"
        widths = [bar.get("style").split("width:")[1] for bar in bars.iter("i")]
        assert widths == [f"{i / 15:.1%}" for i in range(15, 5, -1)]
        assert {mark.get("style") for mark in bars.iter("u")} == {f"left:{(1 / 30) / (15 / 120):.1%}"}
        shown = {row[0].text: [cell.text for cell in row[1:]] for row in summary.iter("tr")}
        table = portfolio.summary()
        assert list(shown)[1:] == list(table.index)
        error = table.loc["tracking error"]
        assert shown["tracking error"] == [
            f"{error['per period']:.3%}",
            f"{error['annualised']:.3%}",
            None,
        ]

    def test_escapes_and_runs_nothing(self, portfolio):
        html = portfolio._repr_html_()
        assert "<script" not in html
        assert "http" not in html
        assert "src=" not in html
        X = pd.DataFrame({"<img src='x'>": [0.1], 'a"b': [0.2]})
        page = Portfolio(X, [0.5, 0.5])._repr_html_()
        assert "<img" not in page
        assert 'a"b' not in page

    def test_short_positions(self):
        root = parsed(Portfolio([[0.1, 0.2], [0.0, -0.3]], [1.5, -0.5]))
        long, short = root.findall(".//table")[0].iter("i")
        assert (long.get("class"), short.get("class")) == (None, "tf-n")
        assert long.get("style") == "left:25.0%;width:75.0%"
        assert short.get("style") == "left:0.0%;width:25.0%"
        assert "−50.00%" in "".join(root.itertext())

    @pytest.mark.parametrize(
        "portfolio",
        [
            Portfolio([[0.0]], [1.0]),
            Portfolio([[0.1, 0.2]] * 3, [0.0, 0.0]),
            Portfolio([[0.1]] * 3, [1.0], benchmark=[0.1] * 3),
            Portfolio(pd.DataFrame([[0.1, 0.2]] * 3, columns=["A", "A"]), [0.4, 0.6]),
        ],
    )
    def test_extremes(self, portfolio):
        text = "".join(parsed(portfolio).itertext())
        assert "nan" not in text
        assert "inf" not in text.replace("information", "")

    def test_what_would_round_to_zero_keeps_its_size(self):
        b = np.array([0.01, 0.02, -0.01])
        portfolio = Portfolio(b[:, None], [1.0], benchmark=np.add(b, [1e-9, -1e-9, 2e-9]))
        assert re.search(r"1\.4e−07%", "".join(parsed(portfolio).itertext()))

    def test_nothing_held_and_nothing_defined_is_not_shown(self):
        root = parsed(Portfolio([[0.1, 0.2]], [0.0, 0.0]))
        assert "Largest weights" not in "".join(root.itertext())
        [summary] = root.findall(".//table")
        assert [row[0].text for row in summary.iter("tr")][1:] == [
            "mean return",
            "compounded return",
            "maximum drawdown, compounded",
        ]

    def test_ratios_are_no_shares(self, portfolio):
        summary = parsed(portfolio).findall(".//table")[1]
        shown = {row[0].text: "".join(row.itertext()) for row in summary.iter("tr")}
        for label in ("Sharpe ratio", "information ratio", "beta", "squared correlation", "CVaR 95 % ratio"):
            assert "%" not in shown[label].removeprefix(label)

    def test_pictures_and_scrolling_boxes_are_named(self, portfolio):
        root = parsed(portfolio)
        [picture] = root.iter("svg")
        assert picture.get("role") == "img"
        end = np.prod(1 + portfolio.returns) - 1
        assert f"portfolio {end:+.1%}".replace("-", "\N{MINUS SIGN}") in picture.get("aria-label")
        assert all(cell.get("scope") in ("row", "col") for cell in root.iter("th"))
        [box] = [each for each in root.iter("div") if each.get("role") == "region"]
        assert (box.get("tabindex"), box.get("aria-label")) == ("0", "Measures")

    def test_size_does_not_grow_with_the_history(self):
        X = np.random.default_rng(0).normal(0, 0.01, (20000, 1))
        assert len(Portfolio(X, [1.0], benchmark=X[:, 0])._repr_html_()) < 20000


@pytest.mark.parametrize("kind", ["C", "F", "frame"])
def test_construction_is_cheap(kind):
    X = np.random.default_rng(0).normal(0, 0.01, (1761, 276))
    X = {"C": X, "F": np.asfortranarray(X), "frame": pd.DataFrame(X)}[kind]
    w = np.full(276, 1 / 276)
    seconds = []
    with threadpool_limits(1):  # Threads of a busy machine wait for one another.
        for _ in range(50):
            start = time.perf_counter()
            Portfolio(X, w)
            seconds.append(time.perf_counter() - start)
    # It takes about 0.2 ms, X @ w included; the rest is room for a slow machine.
    assert min(seconds) < 1e-3
