"""Whole shares: the nearest to the weights by trying all, never more than the cash allows, and trades that add up."""

import itertools
import pickle
from types import MappingProxyType

import numpy as np
import pandas as pd
import pytest
import scipy.optimize
from hypothesis import given, settings
from hypothesis import strategies as st

from trackfolio import Portfolio
from trackfolio._held_portfolio import HeldPortfolio
from trackfolio.shares import Shares, _closest_lots

NAMES = ["A", "B", "C"]


@pytest.fixture(name="X")
def returns_of_the_assets():
    rng = np.random.default_rng(3)
    dates = pd.bdate_range("2023-01-02", periods=60)
    return pd.DataFrame(rng.normal(0.0005, 0.01, (60, 3)), index=dates, columns=NAMES)


@pytest.fixture
def shares(X):
    return Portfolio(X, [0.5, 0.3, 0.2]).to_shares([170.0, 44.0, 9.5], 2_000)


def rounded(weights, prices, value, lot_size=1):
    X = np.random.default_rng(0).normal(0, 0.01, (20, len(weights)))
    return Portfolio(X, weights).to_shares(prices, value, lot_size=lot_size)


def distance(lots, target, unit):
    """Half the L1 distance of the amounts, cash included; cash is what both leave of the value."""
    off = lots * unit - target
    return (np.abs(off).sum(axis=-1) + np.abs(off.sum(axis=-1))) / 2


def least_distance(target, unit, reach):
    """By trying every vector of lots within `reach` of the targets that has their signs and does not overdraw."""
    kept = []
    for t, below in zip(target, np.floor(target / unit).astype(int), strict=True):
        kept.append([n for n in range(below - reach, below + reach + 2) if n * np.sign(t) >= 0])
    grid = np.array(list(itertools.product(*kept)), dtype=float)
    allowed = grid @ unit <= target.sum() + 1e-9 * np.abs(target).sum()
    return distance(grid[allowed], target, unit).min()


def by_milp(target, unit):
    """The same by a mixed-integer program over lots and amounts short of the targets, longs only."""
    n, scale = len(target), unit.mean()
    covers = np.hstack([np.diag(unit), np.eye(n) * scale]) / scale
    spent = np.concatenate([unit, np.zeros(n)])[None] / scale
    result = scipy.optimize.milp(
        np.concatenate([np.zeros(n), np.ones(n)]),
        constraints=[(covers, target / scale, np.inf), (spent, -np.inf, target.sum() / scale)],
        integrality=np.concatenate([np.ones(n), np.zeros(n)]),
        options={"mip_rel_gap": 0.0, "time_limit": 20},
    )
    assert result.status == 0
    return result.fun * scale


def few_assets(most):
    """Targets and units of 2 to `most` assets: prices in whole numbers make ties and exact sums."""
    amount = st.integers(-400, 400).filter(bool).map(float) | st.floats(-400, 400).filter(lambda t: abs(t) > 1e-3)
    unit = st.integers(5, 120).map(float) | st.floats(5, 120)
    return st.lists(st.tuples(amount, unit), min_size=2, max_size=most).map(lambda pairs: np.array(pairs).T)


class TestNearest:
    @given(few_assets(3))
    @settings(max_examples=150, deadline=None)
    def test_no_other_whole_lots_nearby_are_nearer(self, drawn):
        target, unit = drawn
        self.check(target, unit, reach=6)

    @given(few_assets(5))
    @settings(max_examples=60, deadline=None)
    def test_no_other_whole_lots_of_more_assets_are_nearer(self, drawn):
        target, unit = drawn
        self.check(target, unit, reach=2)

    def check(self, target, unit, reach):
        lots, unproven = _closest_lots.closest_lots(target, unit)
        assert unproven == 0
        assert (lots == np.floor(lots)).all()
        assert (lots * np.sign(target) >= 0).all()
        gross = np.abs(target).sum()
        assert lots @ unit <= target.sum() + 1e-9 * gross
        assert distance(lots, target, unit) <= least_distance(target, unit, reach) + 1e-9 * gross

    @given(st.integers(0, 10_000), st.sampled_from([20.0, 100.0, 1000.0]))
    @settings(max_examples=25, deadline=None)
    def test_a_mixed_integer_program_finds_none_nearer(self, seed, scale):
        rng = np.random.default_rng(seed)
        target, unit = rng.exponential(scale, 12), rng.lognormal(3, 1, 12).round(2)
        lots, unproven = _closest_lots.closest_lots(target, unit)
        assert unproven == 0
        assert distance(lots, target, unit) == pytest.approx(by_milp(target, unit), rel=1e-6, abs=1e-5)

    def test_cheap_lots_are_given_up_for_a_dear_one_that_covers_more(self):
        # 60 of B are not covered by the nearest below, 40 of A pay for it.
        shares = rounded([1000 / 1160, 160 / 1160], [1.0, 100.0], 1160)
        assert shares.holdings.tolist() == [960, 2]
        assert shares.distance == pytest.approx(40 / 1160)
        assert shares.gap == 0

    def test_shortfall_is_never_a_whole_lot_above(self):
        rng = np.random.default_rng(2)
        w, prices = rng.dirichlet(np.ones(80)), rng.lognormal(4, 1, 80).round(2)
        shares = rounded(w, prices, 1e5)
        assert (shares.table["amount"] < shares.table["target"] * 1e5 + prices).all()
        assert shares.cash >= -1e-7

    @pytest.mark.parametrize("n", [50, 500])
    @pytest.mark.parametrize("value", [1e5, 1e7])
    def test_many_names_are_proven(self, n, value):
        rng = np.random.default_rng(n)
        w, prices = rng.dirichlet(np.full(n, 0.7)), rng.lognormal(4, 1, n).round(2)
        shares = rounded(w, prices, value)
        assert shares.gap == 0
        plain = np.floor(w * value / prices)
        assert shares.distance < distance(plain, w * value, prices) / value

    def test_too_many_choices_leave_a_gap_that_is_true(self, monkeypatch):
        # Each lot beyond covers half of itself: a subset-sum problem, the hardest kind.
        rng = np.random.default_rng(1)
        unit = rng.lognormal(4, 1, 14).round(2)
        target = unit * (rng.integers(0, 3, 14) + 0.5)
        exact, unproven = _closest_lots.closest_lots(target, unit)
        assert unproven == 0
        monkeypatch.setattr(_closest_lots, "_WIDEST", 5)
        lots, unproven = _closest_lots.closest_lots(target, unit)
        missed = distance(lots, target, unit) - distance(exact, target, unit)
        assert 0 <= missed <= unproven + 1e-9
        assert unproven > 0
        assert lots @ unit <= target.sum() * (1 + 1e-9)
        monkeypatch.setattr(_closest_lots, "_MOST_WORK", 3)
        _, after_little = _closest_lots.closest_lots(target, unit)
        assert after_little > 0
        shares = rounded(target / target.sum(), unit, target.sum())
        assert shares.gap == pytest.approx(after_little / target.sum())
        assert "gap" in repr(shares)

    def test_hardest_kind_of_many_names_ends_with_a_small_gap(self):
        rng = np.random.default_rng(0)
        unit = 100 * rng.lognormal(4, 1, 300).round(2)
        target = unit * 0.5
        lots, unproven = _closest_lots.closest_lots(target, unit)
        assert 0 <= unproven < 1e-4 * target.sum()
        assert lots @ unit <= target.sum() * (1 + 1e-12)


class TestMoney:
    def test_exact_multiples_stay(self):
        prices = np.array([0.1, 0.3, 7.7])
        held = np.array([3, 1000, 12])
        value = float(held @ prices)
        shares = rounded(held * prices / value, prices, value)
        assert shares.holdings.tolist() == held.tolist()
        assert shares.distance == pytest.approx(0, abs=1e-15)
        assert shares.cash == pytest.approx(0, abs=1e-12)
        assert shares.gap == 0
        assert shares.tracking_error() == pytest.approx(0, abs=1e-16)
        assert "cash 0.00 (0.00%)" in repr(shares)

    @given(
        st.lists(st.integers(-100_000, 100_000).filter(bool), min_size=1, max_size=6),
        st.floats(0.001, 5000),
        st.floats(1, 1e7),
    )
    @settings(max_examples=60, deadline=None)
    def test_any_exact_multiples_stay(self, held, price, value):
        prices = price * np.linspace(1, 2, len(held))
        shares = rounded(np.array(held) * prices / value, prices, value)
        assert shares.holdings.tolist() == held

    def test_shorts_stay_short(self):
        shares = rounded([0.9, -0.305, 0.405], [33.0, 50.0, 20.0], 1000)
        lots = shares.holdings.to_numpy()
        assert lots[1] < 0
        target, unit = 1000 * np.array([0.9, -0.305, 0.405]), np.array([33.0, 50.0, 20.0])
        assert distance(lots, target, unit) == pytest.approx(least_distance(target, unit, 8))
        assert shares.cash >= -1e-9

    @pytest.mark.parametrize(("weights", "cash"), [([0.8, 0.7], -500.0), ([0.3, 0.25], 450.0), ([0.5, -0.5], 1000.0)])
    def test_cash_is_at_least_what_the_weights_leave(self, weights, cash):
        shares = rounded(weights, [37.0, 41.0], 1000)
        assert cash - 1e-9 <= shares.cash < cash + 41
        assert shares.cash == pytest.approx(1000 - shares.table["amount"].sum())
        off = (shares.table["weight"] - shares.table["target"]).abs().sum() + abs(shares.cash - cash) / 1000
        assert shares.distance == pytest.approx(off / 2)

    def test_value_that_buys_nothing_is_cash(self):
        shares = rounded([0.5, 0.5], [100.0, 200.0], 10)
        assert shares.holdings.tolist() == [0, 0]
        assert (shares.cash, shares.distance, shares.gap) == (10, 1, 0)
        assert shares.trades().empty
        assert len(shares.table) == 2

    def test_value_for_one_of_the_two(self):
        assert rounded([0.5, 0.5], [9.0, 200.0], 10).holdings.tolist() == [1, 0]

    def test_huge_and_tiny_prices(self):
        shares = rounded([0.3, 0.3, 0.4], [612_000.0, 0.0001, 1e9], 2_000_000)
        table = shares.table
        assert table["shares"].tolist() == [1, 6_000_000_000, 0]
        assert table["amount"].sum() + shares.cash == pytest.approx(2_000_000)
        assert shares.gap == 0
        # A long position of little worth can be given up in part, but is never turned round.
        assert (rounded([0.001, 0.999], [0.5, 999.0], 1000).holdings >= 0).all()

    def test_price_far_below_what_rounding_overdraws(self):
        shares = rounded([1.0], [0.01], 1e8 - 1e-5)
        assert shares.holdings.tolist() == [10**10]
        assert shares.gap == 0

    def test_lots_are_whole(self):
        prices = {"A": 3.0, "B": 7.0, "C": 11.0}
        X = pd.DataFrame(np.random.default_rng(0).normal(0, 0.01, (5, 3)), columns=NAMES)
        portfolio = Portfolio(X, [0.5, 0.3, 0.2])
        shares = portfolio.to_shares(prices, 10_000, lot_size=100)
        assert (shares.holdings % 100 == 0).all()
        target, unit = 10_000 * np.array([0.5, 0.3, 0.2]), 100 * np.array([3.0, 7.0, 11.0])
        assert shares.distance * 10_000 == pytest.approx(least_distance(target, unit, 8))
        some = portfolio.to_shares(prices, 10_000, lot_size={"B": 50})
        assert some.holdings["B"] % 50 == 0
        assert (some.holdings[["A", "C"]] % 50 != 0).any()
        each = portfolio.to_shares(prices, 10_000, lot_size=np.array([1, 50, 1]))
        pd.testing.assert_frame_equal(each.table, some.table)
        series = portfolio.to_shares(prices, 10_000, lot_size=pd.Series({"B": 50, "A": 1}))
        pd.testing.assert_frame_equal(series.table, some.table)

    def test_no_weights_are_no_shares(self):
        shares = rounded([0.0, 0.0], {}, 100)
        assert shares.table.empty
        assert (shares.cash, shares.distance, shares.gap) == (100, 0, 0)
        assert shares.tracking_error() == 0


class TestShares:
    def test_table(self, X, shares):
        table = shares.table
        assert list(table.columns) == ["shares", "price", "amount", "weight", "target"]
        assert table["shares"].dtype == np.int64
        assert list(table.index) == NAMES
        np.testing.assert_allclose(table["amount"], table["shares"] * table["price"])
        np.testing.assert_allclose(table["weight"], table["amount"] / 2_000)
        np.testing.assert_array_equal(table["target"], [0.5, 0.3, 0.2])
        assert shares.value == 2_000

    def test_assets_without_a_target_are_left_out(self, X):
        for prices in (
            [10.0, np.nan, 5.0],
            {"A": 10, "C": 5},
            {"A": 10, "B": None, "C": 5},
            {"A": 10, "B": -1, "C": 5},
        ):
            shares = Portfolio(X, [0.5, 0.0, 0.5]).to_shares(prices, 101)
            assert list(shares.table.index) == ["A", "C"]
            assert shares.weights["B"] == 0
        assert shares.holdings.tolist() == [5, 0, 10]

    def test_prices_by_name_or_place(self, X, shares):
        portfolio = Portfolio(X, [0.5, 0.3, 0.2])
        by_name = {"C": 9.5, "A": 170.0, "B": 44}
        last_row = pd.DataFrame([by_name]).iloc[-1]
        for prices in (by_name, last_row, MappingProxyType(by_name), (170, 44, 9.5), last_row.astype(object)):
            pd.testing.assert_frame_equal(portfolio.to_shares(prices, 2_000).table, shares.table)

    def test_weights_make_a_portfolio(self, X, shares):
        again = Portfolio(X, shares.weights)
        np.testing.assert_allclose(again.weights, shares.table["weight"])
        assert shares.weights.sum() == pytest.approx(1 - shares.cash / shares.value)

    def test_tracking_error_is_that_of_the_difference(self, X, shares):
        active = X.to_numpy() @ (shares.weights.to_numpy() - [0.5, 0.3, 0.2])
        assert shares.tracking_error() == pytest.approx(np.std(active, ddof=1), rel=1e-12)
        assert shares.tracking_error(annualised=True) == pytest.approx(np.std(active, ddof=1) * np.sqrt(252))
        np.testing.assert_allclose(shares.active_returns, active, rtol=1e-10)
        assert shares.active_returns.index.equals(X.index)
        original = Portfolio(X, [0.5, 0.3, 0.2])
        assert Portfolio(X, shares.weights).relative_to(original).tracking_error() == pytest.approx(
            shares.tracking_error()
        )

    def test_tracking_error_needs_periods(self, X, shares):
        undated = Portfolio(X.to_numpy(), [0.5, 0.3, 0.2]).to_shares([170.0, 44.0, 9.5], 2_000)
        with pytest.raises(ValueError, match=r"cannot be told from the dates.*periods_per_year=252"):
            undated.tracking_error(annualised=True)
        weekly = Portfolio(X, [0.5, 0.3, 0.2], periods_per_year=52).to_shares([170.0, 44.0, 9.5], 2_000)
        assert weekly.tracking_error(annualised=True) == pytest.approx(shares.tracking_error() * np.sqrt(52))
        single = Portfolio(X[:1], [0.5, 0.3, 0.2]).to_shares([170.0, 44.0, 9.5], 2_000)
        with pytest.raises(ValueError, match="two periods or more with returns of all 3 assets with a target: 1 of 1"):
            single.tracking_error()

    def test_large_single_precision_is_read_in_parts(self, X, shares, monkeypatch):
        monkeypatch.setattr("trackfolio._products.CHUNK", 7)
        again = Portfolio(X, [0.5, 0.3, 0.2]).to_shares([170.0, 44.0, 9.5], 2_000)
        np.testing.assert_allclose(again.active_returns, shares.active_returns)

    def test_last_holdings_of_a_backtest(self, X):
        values = X.to_numpy().copy()
        values[:, 1] = np.nan  # never held
        values[:4, 2] = np.nan  # listed later
        final = np.array([0.6, 0.0, 0.4])
        history = np.tile(final, (60, 1))
        held = HeldPortfolio.of_history(values, NAMES, X.index, np.nansum(values * history, axis=1), history, final)
        shares = held.to_shares({"A": 70.0, "C": 9.5}, 2_000)
        active = values[4:, [0, 2]] @ (shares.weights.to_numpy() - final)[[0, 2]]
        assert shares.tracking_error() == pytest.approx(np.std(active, ddof=1), rel=1e-12)
        assert shares.active_returns.isna().to_numpy().nonzero()[0].tolist() == [0, 1, 2, 3]
        values = np.where(np.arange(3) == 2, np.nan, values)
        blind = HeldPortfolio.of_history(values, NAMES, X.index, np.nansum(values * history, axis=1), history, final)
        with pytest.raises(ValueError, match="0 of 60 have them"):
            blind.to_shares({"A": 70.0, "C": 9.5}, 2_000).tracking_error()

    def test_frozen_shown_and_pickled(self, shares):
        with pytest.raises(AttributeError):
            shares.cash = 0.0
        assert repr(shares).startswith("<Shares: 3 of 3 targeted assets held, value 2,000, cash ")
        assert "gap" not in repr(shares)
        assert "<table" in shares._repr_html_()
        again = pickle.loads(pickle.dumps(shares))
        assert isinstance(again, Shares)
        pd.testing.assert_frame_equal(again.table, shares.table)


class TestTrades:
    def test_everything_is_bought_at_first(self, shares):
        trades = shares.trades()
        assert list(trades.columns) == ["shares", "price", "amount"]
        pd.testing.assert_series_equal(trades["shares"], shares.table["shares"])
        assert trades["amount"].sum() == pytest.approx(shares.value - shares.cash)

    @given(st.lists(st.integers(-50, 50), min_size=3, max_size=3))
    @settings(max_examples=30, deadline=None)
    def test_previous_and_trades_are_the_shares(self, previous):
        prices = np.array([170.0, 44.0, 9.5])
        shares = rounded([0.5, 0.3, 0.2], prices, 2_000)
        trades = shares.trades(previous)
        assert (trades["shares"] != 0).all()
        after = pd.Series(previous, index=["x0", "x1", "x2"]).add(trades["shares"], fill_value=0)
        assert after.tolist() == shares.holdings.tolist()
        assert trades["amount"].sum() + np.array(previous) @ prices + shares.cash == pytest.approx(2_000)

    def test_by_name(self, X, shares):
        held = {"B": int(shares.holdings["B"]), "A": 1}
        for previous in (held, pd.Series(held), MappingProxyType(held)):
            trades = shares.trades(previous)
            assert list(trades.index) == ["A", "C"]
            assert trades["shares"].dtype == np.int64
        assert shares.trades(shares.holdings).empty

    def test_what_has_no_target_any_more_is_sold(self, X):
        portfolio = Portfolio(X, [0.6, 0.0, 0.4])
        trades = portfolio.to_shares([10.0, 20.0, 5.0], 100).trades({"A": 6, "B": 7})
        assert trades.loc["B"].tolist() == [-7, 20.0, -140.0]
        unknown = portfolio.to_shares({"A": 10.0, "C": 5.0}, 100)
        assert list(unknown.trades({"A": 6}).index) == ["C"]
        with pytest.raises(ValueError, match="'B' is traded, but its price is nan: give a positive"):
            unknown.trades({"B": 7})

    @pytest.mark.parametrize(
        ("previous", "message"),
        [
            ({"AA": 3}, r"previous names the asset 'AA', which is not there. Did you mean 'A'\?"),
            ({"A": 2.5}, r"previous of 'A' is 2.5, no whole number of shares"),
            ({"A": np.nan}, "previous of 'A' is NaN"),
            ({"A": np.inf}, "previous of 'A' is inf, no whole"),
            ([1, 2], r"previous has shape \(2,\)"),
            (3, "previous must give shares per asset, by name or as an array, got 3"),
        ],
    )
    def test_refused(self, shares, previous, message):
        with pytest.raises(ValueError, match=message):
            shares.trades(previous)


GOOD = {"A": 10.0, "B": 20.0, "C": 5.0}


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"prices": GOOD | {"D": 1.0}}, "prices names the asset 'D', which is not there"),
        ({"prices": GOOD | {"D": np.nan}}, "prices names the asset 'D', which is not there"),
        ({"prices": pd.Series([1.0, 2, 3, 4], index=["A", "A", "B", "C"])}, "prices names the asset 'A' twice"),
        ({"prices": {"A": 10.0, "C": 5.0}}, r"'B' has a target \(weight 0.3\), but its price is nan"),
        ({"prices": GOOD | {"B": np.nan}}, r"'B' has a target .*price is nan: give a positive, finite price \(1 such"),
        ({"prices": GOOD | {"C": 0.0}}, "'C' has a target .* price is 0"),
        ({"prices": GOOD | {"C": -5.0}}, "'C' has a target .* price is -5"),
        ({"prices": GOOD | {"C": np.inf}}, "'C' has a target .* price is inf"),
        ({"prices": GOOD | {"C": "dear"}}, "prices of 'C' must be a number, got 'dear'"),
        ({"prices": [10.0, 20.0]}, r"prices has shape \(2,\), but there are 3 assets"),
        ({"prices": 10.0}, r"prices has shape \(\), but there are 3 assets"),
        ({"prices": ["a", "b", "c"]}, "prices must be numbers"),
        ({"value": 0}, "value must be a positive, finite amount of money, got 0"),
        ({"value": -3.0}, "value must be a positive, finite amount of money, got -3.0"),
        ({"value": np.inf}, "value must be a positive, finite"),
        ({"value": np.nan}, "value is NaN"),
        ({"value": None}, "value must be a positive, finite amount of money, got None"),
        ({"value": "1000"}, "value must be one number"),
        ({"value": 1e30}, "'A' has the target amount 5e[+]29 at a price of 10 .* too large a number"),
        ({"lot_size": 0}, "lot_size of 'A' is 0: a lot is a whole number of shares"),
        ({"lot_size": -1}, "lot_size of 'A' is -1"),
        ({"lot_size": {"B": 1.5}}, "lot_size of 'B' is 1.5"),
        ({"lot_size": {"B": np.nan}}, "lot_size of 'B' is NaN"),
        ({"lot_size": [1, 1, np.inf]}, "lot_size of 'C' is inf"),
        ({"lot_size": {"BB": 10}}, r"lot_size names the asset 'BB', .* Did you mean 'B'\?"),
        ({"lot_size": [1, 2]}, r"lot_size has shape \(2,\)"),
    ],
)
def test_refused(X, change, message):
    arguments = {"prices": GOOD, "value": 1000} | change
    with pytest.raises(ValueError, match=message):
        Portfolio(X, [0.5, 0.3, 0.2]).to_shares(**arguments)
