"""The accounts of a backtest against a ledger kept by hand in money, day by day; and the result that carries them."""

import pickle

import numpy as np
import pandas as pd
import pytest
from numpy.testing import assert_allclose, assert_array_equal
from sklearn.base import BaseEstimator, clone
from sklearn.metrics import root_mean_squared_error

from trackfolio import BenchmarkReplica, EqualWeighted, MeanRisk, MinTrackingError, Portfolio
from trackfolio.constraints import MaxTrades, MaxTurnover
from trackfolio.costs import TransactionCost
from trackfolio.model_selection import WalkForward, backtest

from .conftest import simulate

CV = WalkForward(50, 16)  # the last test set of 120 rows is shorter


def quiet(*arguments, cv=CV, **options):
    return backtest(*arguments, cv=cv, progress=False, **options)


def account(
    decide, X, cv=CV, *, rate=0.0, impact=0.0, exponent=1.5, fee=0.0, drift=True, initial=None, sales_too=False
):
    """A fund's money, day by day: stocks and cash, of which costs and fees are taken in proportion.

    ``decide(k, train, shares)`` gives the weights at the k-th trade from those held before it (None: nothing yet); with
    `sales_too` it is also told the share of cash from stocks whose prices ended since the trade before.
    """
    n = X.shape[1]
    rate, impact = np.broadcast_to(rate, n), np.broadcast_to(impact, n)
    net, value = 1.0, 1.0  # the fund after costs, and one that pays none and holds the same shares
    known, stocks = initial is not None, np.zeros(n) if initial is None else np.array(initial, dtype=float)
    book = {"net": [], "gross": [], "weights": [], "target": [], "turnover": [], "cost": [], "sales": []}
    gained = 0.0
    for k, (train, test) in enumerate(cv.split(X)):
        before = stocks / value
        told = (gained / value,) if sales_too else ()
        target, gained = np.asarray(decide(k, train, before if known else None, *told), dtype=float), 0.0
        known, moved = True, target - before
        cost = sum(rate[i] * abs(moved[i]) + impact[i] * abs(moved[i]) ** exponent for i in range(n))
        book["target"].append(target)
        book["turnover"].append(sum(abs(moved)) / 2)
        book["cost"].append(cost)
        stocks, cash = target * value, (1 - target.sum()) * value
        for t in test:
            for i in range(n):
                if np.isnan(X[t, i]) and stocks[i] != 0:
                    share = stocks[i] / value
                    cost += rate[i] * abs(share) + impact[i] * abs(share) ** exponent
                    book["sales"].append((t, i, share))
                    cash, gained, stocks[i] = cash + stocks[i], gained + stocks[i], 0.0
            book["weights"].append(stocks / value)
            grown = [stocks[i] * (1 + X[t, i]) if stocks[i] != 0 else 0.0 for i in range(n)]
            p = (sum(grown) + cash) / value - 1
            net_after = net * (1 - cost) * (1 + p) * (1 - fee)
            book["gross"].append(p)
            book["net"].append(net_after / net - 1)
            net, cost = net_after, 0.0
            if drift:
                stocks, value = np.array(grown), value * (1 + p)
            else:  # the same shares every day
                stocks, cash, gained = stocks * (1 + p), cash * (1 + p), gained * (1 + p)
                value *= 1 + p
    return book


def check(tested, book, atol=1e-12):
    for name in ("net", "gross"):
        assert_allclose(np.asarray(getattr(tested, name)), book[name], atol=atol, rtol=0)
    assert_allclose(tested.weights, book["weights"], atol=atol, rtol=0)
    assert_allclose(tested.targets, book["target"], atol=atol, rtol=0)
    assert_allclose(tested.turnover, book["turnover"], atol=atol, rtol=0)
    assert_allclose(tested.costs, book["cost"], atol=atol, rtol=0)


def fitting(model, X, y, first=None):
    """Decisions by fitting here; `first` is the model without the terms that need holdings."""

    def decide(k, train, holdings):
        chosen = clone(model if holdings is not None or first is None else first)
        more = {} if first is None or holdings is None else {"previous_weights": holdings}
        return chosen.fit(X[train], y[train], **more).weights_

    return decide


RATES = np.linspace(0.0, 0.004, 8)
HELD = np.array([0.3, 0, 0, 0.2, 0, 0.1, 0.4, 0])
TURNING = [MaxTurnover(0.05)], [TransactionCost(0.0005)]


@pytest.mark.parametrize("drift", [True, False], ids=["drift", "constant"])
@pytest.mark.parametrize("initial", [None, HELD, 0.5 * HELD], ids=["from cash", "from holdings", "partly from cash"])
@pytest.mark.parametrize(
    ("limits", "prices"),
    [
        ({}, {"rate": 0.001, "fee": 1e-5}),
        ({"budget": 0.7}, {"rate": RATES, "fee": 2e-4}),
        ({"min_weights": -0.3}, {"rate": 0.002}),
        ({"min_weights": -0.3, "budget": 0.0}, {"rate": 0.002, "impact": 0.01}),
        ({}, {"rate": 0.001, "impact": RATES}),
        ({}, {"impact": 0.02, "exponent": 2}),
    ],
    ids=str,
)
def test_accounts_of_independent_trades(market, limits, prices, initial, drift):
    X, y = market
    model = MinTrackingError(**limits)
    terms = {key: prices[key] for key in ("rate", "impact", "exponent") if key in prices}
    costs = prices["rate"] if set(terms) == {"rate"} else TransactionCost(**terms)
    tested = quiet(
        model,
        X,
        y,
        transaction_costs=costs,
        management_fee=prices.get("fee", 0.0),
        initial_weights=initial,
        drift=drift,
    )
    check(tested, account(fitting(model, X, y), X, drift=drift, initial=initial, **prices))
    assert len(tested.sales) == 0


@pytest.mark.parametrize("drift", [True, False])
@pytest.mark.parametrize("initial", [None, HELD], ids=["from cash", "from holdings"])
@pytest.mark.parametrize("limits", [{}, {"min_weights": -0.3}, {"budget": 0.9}], ids=str)
def test_accounts_of_trades_that_look_at_the_drifted_holdings(market, limits, initial, drift):
    X, y = market
    initial = initial if initial is None else initial * limits.get("budget", 1)
    model = MinTrackingError(constraints=TURNING[0], costs=TURNING[1], **limits)
    tested = quiet(model, X, y, transaction_costs=0.001, initial_weights=initial, drift=drift)
    book = account(fitting(model, X, y, MinTrackingError(**limits)), X, rate=0.001, drift=drift, initial=initial)
    check(tested, book, atol=1e-7)  # the solver magnifies the last bits of the holdings
    # With the trades as they were found, the accounts agree to the last bits.
    found = tested.targets.to_numpy()
    check(tested, account(lambda k, *_: found[k], X, rate=0.001, drift=drift, initial=initial))
    later = tested.turnover.to_numpy()[0 if initial is not None else 1 :]
    assert (later <= 0.05 + 1e-8).all()
    assert tested.rebalances["lifted"].tolist() == [
        "maxturnover, transactioncost" if initial is None and k == 0 else "" for k in range(5)
    ]


class HalfWay(BaseEstimator):
    """Goes half of the way from what is held to equal weights."""

    def __init__(self, constraints=None):
        self.constraints = constraints

    def fit(self, X, y=None, *, previous_weights=None):
        held = list(previous_weights.values()) if self.constraints else np.zeros(X.shape[1])
        self.weights_ = (np.array(held) + 1 / X.shape[1]) / 2
        return self


@pytest.mark.parametrize("drift", [True, False])
def test_holdings_that_are_handed_on_are_right_to_the_last_bits(market, drift):
    X, y = market
    tested = quiet(HalfWay([MaxTurnover(1)]), X, y, drift=drift, transaction_costs=0.001)
    book = account(lambda k, train, held: np.full(8, 1 / 16) + (0 if k == 0 else held / 2), X, rate=0.001, drift=drift)
    check(tested, book, atol=1e-15)
    assert tested.rebalances["lifted"].tolist() == ["maxturnover", "", "", "", ""]


def test_a_limit_on_trades_is_lifted_at_the_first_alone():
    X, y = simulate(5, 60)
    model = MinTrackingError(constraints=[("few", MaxTrades(2)), MaxTurnover(0.9)])
    tested = quiet(model, X, y, cv=WalkForward(30, 10))
    assert tested.rebalances["lifted"].tolist() == ["maxtrades, maxturnover", "", ""]
    last_of_each = np.flatnonzero(np.diff(np.arange(30) // 10)) + 1
    held = tested.weights.to_numpy()
    grown = held * (1 + X[30:])
    drifted = (grown / grown.sum(axis=1, keepdims=True))[last_of_each - 1]
    assert ((np.abs(tested.targets.to_numpy()[1:] - drifted) > 1e-6).sum(axis=1) <= 2).all()


def test_buying_the_index_and_holding_it_never_trades_again(market):
    X, _ = market
    cap = np.cumprod(np.vstack([np.ones(8), 1 + X]), axis=0)  # one share of each
    table = pd.DataFrame(cap[1:] / cap[1:].sum(axis=1, keepdims=True), index=pd.bdate_range("2020-01-01", periods=120))
    frame = pd.DataFrame(X, index=table.index, columns=table.columns.astype(str))
    tested = quiet(BenchmarkReplica(table.set_axis(frame.columns, axis=1)), frame, transaction_costs=0.01)
    assert_allclose(tested.turnover.iloc[1:], 0, atol=1e-14)
    assert_allclose(np.prod(1 + np.asarray(tested.gross)), cap[-1].sum() / cap[50].sum(), rtol=1e-12)
    assert_allclose(tested.costs, [0.01, 0, 0, 0, 0], atol=1e-15)


# Benchmarks.


@pytest.mark.parametrize("drift", [True, False])
@pytest.mark.parametrize("with_y", [True, False])
def test_a_replica_has_no_error_against_its_own_benchmark(frames, drift, with_y):
    X, y = frames
    rng = np.random.default_rng(1)
    table = pd.DataFrame(rng.dirichlet(np.ones(8), 40), index=X.index[2::3], columns=X.columns)
    model = BenchmarkReplica(table)
    tested = quiet(model, X, y if with_y else None, drift=drift, transaction_costs=0.001)
    if with_y:
        assert_array_equal(tested.gross.benchmark, y[50:])
        assert tested.gross.benchmark.name == "Index"
        return
    assert tested.gross.tracking_rmse() < 1e-14
    assert tested.net.tracking_rmse() > 1e-5
    known = [table[: X.index[train[-1]]].iloc[-1] for train, _ in CV.split(X)]
    assert_allclose(tested.targets, known, atol=1e-15)


@pytest.mark.parametrize("drift", [True, False])
def test_a_benchmark_by_weights_is_held_like_the_portfolio(frames, drift):
    X, _ = frames
    index = dict(zip(X.columns, np.arange(1, 9) / 36, strict=True))
    tested = quiet(MinTrackingError(benchmark_weights=index, max_weights=0.15), X, drift=drift)
    book = account(lambda *_: list(index.values()), X.to_numpy(), drift=drift)
    assert_allclose(tested.net.benchmark, book["gross"], atol=1e-14)
    assert quiet(EqualWeighted(), X, drift=drift).net.benchmark is None


# The result.


@pytest.fixture(scope="module")
def tested():
    X, y = simulate()
    dates = pd.bdate_range("2020-01-01", periods=len(X), name="Date")
    frame, index = pd.DataFrame(X, index=dates, columns=list("ABCDEFGH")), pd.Series(y, index=dates, name="Index")
    return quiet(MinTrackingError(), frame, index, transaction_costs=0.001, return_estimator=True)


def test_portfolios_are_arrays_of_returns_with_all_measures(tested, frames):
    _, y = frames
    net, gross = tested.net, tested.gross
    assert isinstance(net, Portfolio)
    assert_array_equal(net + 0, net.returns)
    rmse = root_mean_squared_error(y[50:], net)
    assert_allclose(rmse, np.sqrt(np.mean((net.returns.to_numpy() - y[50:].to_numpy()) ** 2)), rtol=1e-14)
    assert net.tracking_rmse() == pytest.approx(rmse, rel=1e-14)
    assert net.periods_per_year == 252
    assert net.dates.equals(y.index[50:])
    assert_array_equal(gross.relative_to(0 * y[50:]).active_returns, gross.returns)
    lower = net.compounded_return() < gross.compounded_return()
    assert lower
    # What is held after the last period.
    grown = tested.weights.to_numpy()[-1] * (1 + frames[0].to_numpy()[-1])
    assert_allclose(net.weights, grown / grown.sum(), atol=1e-15)
    share = net.relative_to(benchmark_weights=np.full(8, 1 / 8)).active_share()
    assert_allclose(share, np.abs(grown / grown.sum() - 1 / 8).sum() / 2, rtol=1e-12)
    assert_array_equal(net.weight_history, tested.weights)
    assert_array_equal(gross.relative_to(y[50:]).weight_history, tested.weights)


def test_nothing_can_be_changed_and_pickles_are_the_same(tested):
    for name in ("net", "targets", "rebalances"):
        with pytest.raises(AttributeError):
            setattr(tested, name, None)
    with pytest.raises(AttributeError, match="immutable"):
        tested.net._weights = None
    history = tested.net.weight_history
    history.iloc[:] = 0
    assert tested.net.weight_history.to_numpy().any()
    for parts in ((tested.net, tested.gross), [pickle.loads(pickle.dumps(tested)).net, tested.net]):
        assert_array_equal(parts[0].weight_history, parts[1].weight_history)
    again = pickle.loads(pickle.dumps(tested))
    assert_array_equal(again.net, tested.net)
    pd.testing.assert_frame_equal(again.rebalances, tested.rebalances)
    pd.testing.assert_frame_equal(again.summary(), tested.summary())
    with pytest.raises(ValueError, match="read-only"):
        again.net._returns[0] = 1


def test_tables_say_when_why_and_how(tested, frames):
    X, _ = frames
    table = tested.rebalances
    assert table.index.equals(X.index[50::16].rename("period"))
    assert tested.targets.index.equals(table.index)
    assert (table["trained to"] == X.index[49::16][:5]).all()
    assert (table["status"] == "optimal").all()
    assert (table["gap"] < 1e-8).all()
    assert (table["seconds"] > 0).all()
    assert_array_equal(tested.names_held, (tested.targets > 1e-6).sum(axis=1))
    assert_array_equal(tested.later_trades["turnover"], tested.turnover.iloc[1:].mean())
    assert len(tested.failures) == 0
    assert_array_equal(tested.fit_seconds, table["seconds"])
    summary = tested.summary()
    assert_allclose(summary["net", "overall"]["tracking difference"], tested.net.tracking_difference(), rtol=1e-12)
    assert_allclose(summary["gross", "per period"]["tracking RMSE"], tested.gross.tracking_rmse(), rtol=1e-12)
    turnover = f"{tested.turnover.iloc[1:].mean():.1%}"
    assert repr(tested) == (
        f"<Backtest: 70 periods from 2020-03-11 to 2020-06-16, 5 rebalances, one-way turnover {turnover} each>"
    )
    assert "<table" in tested._repr_html_()


def test_fitted_estimators_are_kept_where_they_are_asked_for(tested, frames):
    X, y = frames
    assert len(tested.estimators) == 5
    for model, target in zip(tested.estimators, tested.targets.to_numpy(), strict=True):
        assert_array_equal(np.where(model.weights_ > 1e-12, model.weights_, 0), target)
    assert quiet(EqualWeighted(), X, y).estimators is None


def test_several_are_compared_on_the_same_folds(frames):
    X, y = frames
    models = {
        "tracker": MinTrackingError(),
        "turning": MinTrackingError(constraints=[MaxTurnover(0.05)]),
        3: MeanRisk(),
    }
    both = quiet(models, X, y, transaction_costs=0.001)
    assert list(both) == ["tracker", "turning", "3"]
    table = both.compare(["tracking RMSE", "beta"], annualised=True, sort_by="beta")
    assert table["beta"].is_monotonic_increasing
    for name, each in both.items():
        alone = quiet(models[3 if name == "3" else name], X, y, transaction_costs=0.001)
        assert_array_equal(each.net, alone.net)
        assert each.net.name == name
        row = table.loc[name]
        assert_allclose(row["tracking RMSE"], each.net.tracking_rmse(annualised=True), rtol=1e-12)
        assert_allclose(row["turnover"], each.turnover.iloc[1:].mean(), rtol=1e-12)
        assert_allclose(row["cost"], each.costs.iloc[1:].mean(), rtol=1e-12)
    assert "<table" in both._repr_html_()
    assert "turnover" in both.compare()
