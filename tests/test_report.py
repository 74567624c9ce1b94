"""The tear sheet: its figures are right, and it needs nothing but itself."""

import re
from html.parser import HTMLParser

import numpy as np
import pandas as pd
import pytest
from sklearn.exceptions import FitFailedWarning

from trackfolio import MeanRisk, MinTrackingError, Portfolio
from trackfolio.constraints import GroupBounds, MaxTurnover
from trackfolio.datasets import load_sp500
from trackfolio.model_selection import WalkForward, backtest
from trackfolio.objectives import MaxReturn
from trackfolio.report import report

X, y = load_sp500(start="2019-06-01", return_X_y=True)
EQUAL = dict.fromkeys(X.columns, 0.05)


class Page(HTMLParser):
    """Tags with their attributes, and the text."""

    def __init__(self, text):
        super().__init__()
        self.source, self.tags, self.open, self.words = text, [], [], []
        self.feed(text)
        self.text = re.sub(r"\s+", " ", " ".join(self.words))

    def handle_starttag(self, tag, attributes):
        self.tags.append((tag, dict(attributes)))
        if tag not in ("meta", "img", "source"):
            self.open.append(tag)

    def handle_endtag(self, tag):
        assert self.open.pop() == tag

    def handle_data(self, data):
        if self.open and self.open[-1] != "style":
            self.words.append(data)

    def all(self, tag):
        return [attributes for name, attributes in self.tags if name == tag]


def written(subject, tmp_path, **options):
    path = report(subject, tmp_path / "sheet.html", **options)
    page = Page(path.read_text("utf-8"))
    assert page.open == [], "every tag is closed"
    return page


@pytest.fixture(scope="module")
def tested():
    model = MinTrackingError(max_weights=0.1, constraints=[MaxTurnover(0.03)])
    options = {"cv": WalkForward("365D", freq="ME"), "transaction_costs": 0.001, "return_estimator": True}
    return backtest(model, X, y, progress=False, **options)


@pytest.fixture(scope="module")
def page(tested, tmp_path_factory):
    return written(tested, tmp_path_factory.mktemp("sheet"))


@pytest.fixture(scope="module")
def model():
    return MinTrackingError(max_weights=0.08, benchmark_weights=EQUAL).fit(X, y)


def test_it_needs_nothing_but_itself(page):
    assert not page.all("script")
    assert not page.all("link")
    links = [
        value for _, attributes in page.tags for key, value in attributes.items() if key in ("src", "srcset", "href")
    ]
    assert links
    assert all(link.startswith("data:image/svg+xml;base64,") for link in links)
    assert "@import" not in page.source
    assert "url(" not in page.source


def test_it_can_be_read_without_eyes(page):
    assert page.all("html") == [{"lang": "en"}]
    assert next(tag for tag, _ in page.tags if tag in ("h1", "h2", "h3")) == "h1"
    assert len(page.all("h1")) == 1
    assert len(page.all("img")) >= 6
    assert all(len(image["alt"]) > 15 for image in page.all("img"))
    assert len(page.all("caption")) == len(page.all("table")) >= 4
    assert all(cell.get("scope") in ("col", "row") for cell in page.all("th"))
    ids = [attributes["id"] for _, attributes in page.tags if "id" in attributes]
    assert len(ids) == len(set(ids))


def test_headline_figures_are_those_of_the_portfolio(page, tested):
    net = tested.net
    for label, value in {
        "tracking error": f"{net.tracking_error(annualised=True):.2%}",
        "tracking difference": f"{net.tracking_difference(annualised=True):.2%}",
        "information ratio": f"{net.information_ratio(annualised=True):.2f}",
        "beta": f"{net.beta():.2f}",
        "maximum drawdown, compounded": f"{net.max_drawdown(compounded=True):.2%}",
        "turnover, one-way": f"{tested.turnover.iloc[1:].mean():.1%}",
        "costs of trading": f"{tested.costs.sum():.2%}",
    }.items():
        assert f"{label} {value}" in page.text
    assert f"{len(net)} periods from {net.dates[0]:%Y-%m-%d} to {net.dates[-1]:%Y-%m-%d}, against SP500" in page.text


def test_active_returns_of_months_and_years_are_compounded(page, tested):
    net = tested.net
    own, other = (1 + net.returns).loc["2021"], (1 + net.benchmark).loc["2021"]
    expected = [own[own.index.month == m].prod() - other[other.index.month == m].prod() for m in range(1, 13)]
    row = " ".join(f"{value:+.2%}" for value in [*expected, own.prod() - other.prod()]).replace("-", "\N{MINUS SIGN}")
    assert f"2021 {row}" in page.text


def test_holdings_and_trades_are_the_last_ones(page, tested):
    weights = tested.net.weights.sort_values(ascending=False)
    first = " ".join(f"{name} {weight:.2%}" for name, weight in weights.iloc[:5].items())
    assert first in page.text
    last = tested.rebalances.iloc[-1]
    assert f"{tested.rebalances.index[-1]:%Y-%m-%d} {last['turnover']:.2%} {last['cost']:.3%}" in page.text


def test_what_a_limit_costs_is_what_a_refit_gains(model, tmp_path):
    page = written(model.predict(X).relative_to(y), tmp_path, estimator=model)
    [(name, said), *_] = re.findall(
        r"A cap of (\w+) that is one percentage point higher would take ([\d.]+) bp", page.text
    )
    step = 1e-5
    looser = MinTrackingError(max_weights={n: 0.08 + step * (n == name) for n in X.columns}).fit(X, y)
    slope = (model.solution_.objective - looser.solution_.objective) / step
    assert float(said) == pytest.approx(1e4 * 0.01 * slope, rel=0.02, abs=0.006)
    assert f"lower bound {model.solution_.lower_bound:.8g}" in page.text
    assert "MinTrackingError(" in page.text


def test_groups_are_called_by_their_names(tmp_path):
    sectors = {name: "oil" if name in ("CVX", "XOM", "RRC") else "other" for name in X.columns}
    model = MinTrackingError(constraints=[GroupBounds(sectors, upper={"oil": 0.05, "other": 1})]).fit(X, y)
    page = written(model.predict(X).relative_to(y), tmp_path, estimator=model)
    assert re.search(r"To loosen groupbounds of oil by 0.01 would take [\d.]+ bp off the tracking RMSE", page.text)


def test_limits_of_an_aim_that_is_raised_are_said_to_add_to_it(tmp_path):
    def fitted(limit):
        return MeanRisk(objective=MaxReturn(), max_tracking_error=limit).fit(X, y)

    model, step = fitted(0.004), 1e-7
    page = written(model.predict(X).relative_to(y), tmp_path, estimator=model)
    [said] = re.findall(r"One basis point more of tracking RMSE would add ([\d.]+) bp to the mean return", page.text)
    slope = (fitted(0.004).solution_.objective - fitted(0.004 + step).solution_.objective) / step
    assert float(said) == pytest.approx(slope, rel=0.02, abs=0.006)


def test_active_weights_are_there_where_the_benchmark_has_weights(model, tmp_path):
    portfolio = model.predict(X).relative_to(y, benchmark_weights=EQUAL)
    page = written(portfolio, tmp_path)
    name, weight = portfolio.weights.idxmax(), portfolio.weights.max()
    assert f"{name} {weight:.2%} 5.00% {weight - 0.05:.2%}" in page.text
    assert "What the limits cost" not in page.text


def test_names_stay_text(tmp_path):
    evil = "<script>alert(1)</script>"
    frame = X.rename(columns={"AAPL": evil})
    model = MinTrackingError(max_weights={evil: 0.01}).fit(frame, y)
    subject = model.predict(frame).relative_to(y.rename(evil)).replace(name=evil)
    page = written(subject, tmp_path, estimator=model, title=evil + "&")
    assert not page.all("script")
    assert evil in page.text


@pytest.mark.parametrize("n_periods", [1, 2, 5])
def test_short_and_undated_portfolios(n_periods, tmp_path):
    rng = np.random.default_rng(0)
    returns = rng.normal(0, 0.01, (n_periods, 3))
    for subject in (Portfolio(returns, [0.5, 0.3, 0.2]), Portfolio(returns, [1.5, -0.5, 0.0], benchmark=returns[:, 0])):
        assert f"{n_periods} period" in written(subject, tmp_path, overwrite=True).text


def test_what_is_not_defined_or_not_held_is_not_shown(tmp_path):
    page = written(Portfolio([[0.0, 0.1]], [0.0, 0.0]), tmp_path)
    assert "Nothing was held after the last period." in page.text
    assert len(page.all("img")) == 1
    assert "volatility" not in page.text


def test_paper_and_phones_have_pictures_of_their_own(page):
    media = [source["media"] for source in page.all("source")]
    assert all(each.startswith("screen") for each in media), "paper is always light"
    assert sum("max-width" in each and "dark" not in each for each in media) == 2, "for each of the wide ones"
    assert "@media screen and (prefers-color-scheme:dark)" in page.source


def test_reasons_of_failures_are_told_and_clipped(tmp_path):
    class Fails(MeanRisk):
        def fit(self, X, y=None):
            if X.index[-1] > pd.Timestamp("2022-07-01"):
                raise ValueError("Reasons " * 100)
            return super().fit(X, y)

    with pytest.warns(FitFailedWarning):
        tested = backtest(Fails(), X, y, cv=WalkForward("365D", freq="QE"), progress=False, error_score="hold")
    page = written(tested, tmp_path)
    assert f"{len(tested.failures)} fits failed" in page.text
    assert "failed: ValueError: Reasons Reasons" in page.text
    assert "Reasons " * 30 not in page.text


def test_files_are_not_overwritten_by_chance(model, tmp_path):
    portfolio = model.predict(X)
    path = report(portfolio, tmp_path / "sheet.html")
    with pytest.raises(FileExistsError, match="overwrite=True"):
        report(portfolio, path)
    assert report(portfolio, path, overwrite=True) == path
    with pytest.raises(FileNotFoundError, match="make it first"):
        report(portfolio, tmp_path / "nowhere" / "sheet.html")
    with pytest.raises(TypeError, match="takes a Portfolio or a Backtest, got DataFrame"):
        report(pd.DataFrame(X), tmp_path / "other.html")


def test_the_user_s_pictures_stay_as_they_are(model, tmp_path):
    import matplotlib.pyplot as plt

    before, figures = dict(plt.rcParams), plt.get_fignums()
    report(model.predict(X).relative_to(y), tmp_path / "sheet.html")
    assert dict(plt.rcParams) == before
    assert plt.get_fignums() == figures
