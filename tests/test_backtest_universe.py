"""Assets that enter and leave: when they can be bought, what their end costs, and how parameters by asset are cut."""

import numpy as np
import pandas as pd
import pytest
import scipy.sparse as sp
from numpy.testing import assert_allclose, assert_array_equal
from sklearn.base import BaseEstimator, clone
from sklearn.model_selection import GridSearchCV
from sklearn.pipeline import make_pipeline

from trackfolio import BenchmarkReplica, EqualWeighted, MeanRisk, MinTrackingError
from trackfolio.constraints import (
    ActiveBounds,
    Exposure,
    GroupBounds,
    GroupCardinality,
    LinearConstraint,
    MaxTurnover,
    MinReturn,
)
from trackfolio.costs import ManagementFee, TransactionCost
from trackfolio.model_selection import WalkForward

from .test_backtest import CV, HalfWay, account, check, quiet

NAMES = list("ABCDEFGH")
RATES = np.linspace(0.001, 0.008, 8)


@pytest.fixture
def changing(frames):
    """B enters in row 45, C leaves in row 70 and D in row 100; E has no price in row 55 alone, G in row 98."""
    X, y = frames
    X = X.copy()
    X.iloc[:45, 1] = np.nan
    X.iloc[70:, 2] = np.nan
    X.iloc[100:, 3] = np.nan
    X.iloc[55, 4] = np.nan
    X.iloc[98, 6] = np.nan  # the first of a test set
    return X, y


def tradable(X, train):
    return ~X.iloc[train].isna().any().to_numpy()


def spread(weights, inside):
    everywhere = np.zeros(len(inside))
    everywhere[inside] = weights
    return everywhere


# The accounts.


@pytest.mark.parametrize("drift", [True, False])
@pytest.mark.parametrize(
    "prices", [{"rate": RATES, "fee": 1e-4}, {"rate": 0.001, "impact": 0.01}], ids=["rates", "impact"]
)
@pytest.mark.parametrize("limits", [{}, {"min_weights": -0.3}, {"budget": 0.8}], ids=str)
def test_accounts_with_assets_that_enter_and_leave(changing, limits, prices, drift):
    X, y = changing
    model, values = MinTrackingError(min_position=None, **limits), X.to_numpy()

    def decide(k, train, held):
        inside = tradable(X, train)
        return spread(clone(model).fit(values[train][:, inside], y.to_numpy()[train]).weights_, inside)

    costs = TransactionCost(prices["rate"], prices.get("impact", 0.0))
    tested = quiet(model, X, y, transaction_costs=costs, management_fee=prices.get("fee", 0.0), drift=drift)
    book = account(decide, values, drift=drift, **prices)
    check(tested, book)
    sold = {(X.index.get_loc(row.period), NAMES.index(row.asset)): row.weight for row in tested.sales.itertuples()}
    expected = {(row, asset): weight for row, asset, weight in book["sales"] if abs(weight) > 1e-12}
    assert len(sold) == len(tested.sales) >= 2
    assert sold == pytest.approx(expected, abs=1e-12)


@pytest.mark.parametrize("drift", [True, False])
def test_what_is_handed_on_has_what_was_sold_spread_over_the_others(changing, drift):
    X, y = changing

    def decide(k, train, held, sold):
        inside = tradable(X, train)
        kept = np.zeros(inside.sum()) if k == 0 else held[inside]
        gone = 0.0 if k == 0 else held[~inside].sum() + sold
        kept = kept + gone * kept / kept.sum() if gone else kept
        return spread((kept + 1 / inside.sum()) / 2, inside)

    tested = quiet(HalfWay([MaxTurnover(1)]), X, y, drift=drift, transaction_costs=0.001)
    check(tested, account(decide, X.to_numpy(), rate=0.001, drift=drift, sales_too=True), atol=1e-14)


def test_sales_are_told_and_paid_in_their_period():
    X = np.zeros((12, 2))
    X[7:, 0] = np.nan
    X[4:7, 0] = 1.0  # doubles three times
    tested = quiet(EqualWeighted(), X, cv=WalkForward(4, 8), transaction_costs=0.01)
    share = 4 / 4.5
    assert tested.sales.to_dict("records") == [
        {"period": 7, "asset": "x0", "weight": pytest.approx(share), "cost": pytest.approx(share / 100)}
    ]
    expected = [0.99 * 1.5 - 1, 2.5 / 1.5 - 1, 4.5 / 2.5 - 1, -0.01 * share, 0, 0, 0, 0]
    assert_allclose(tested.net, expected, atol=1e-15)
    assert_allclose(tested.gross[3:], 0, atol=1e-15)
    assert_allclose(tested.weights.iloc[3:], [[0, 1 - share]] * 5, atol=1e-15)
    assert_allclose(tested.net.weights, [0, 1 - share], atol=1e-15)
    assert_allclose(tested.costs, [0.01])
    # What does not come back from one missing price is cash until the next trade.
    X[8:, 0] = 5.0
    again = quiet(EqualWeighted(), X, cv=WalkForward(4, 8), transaction_costs=0.01)
    assert_allclose(again.net, tested.net, atol=1e-15)


class Fixed(BaseEstimator):
    """Weights that are given."""

    def __init__(self, weights=None):
        self.weights = weights

    def fit(self, X, y=None):
        self.weights_ = np.array(self.weights)
        return self


@pytest.mark.parametrize("drift", [True, False])
def test_a_short_position_without_prices_is_bought_back(drift):
    X = np.random.default_rng(0).normal(0, 0.02, (20, 3))
    X[13:, 0] = X[16:, 1] = np.nan
    weights = [-0.4, 0.5, 0.7]
    tested = quiet(Fixed(weights), X, cv=WalkForward(10, 10), transaction_costs=0.01, drift=drift)
    book = account(lambda *_: weights, X, WalkForward(10, 10), rate=0.01, drift=drift)
    check(tested, book, atol=1e-15)
    assert_allclose(tested.sales["weight"], [weight for *_, weight in book["sales"]], atol=1e-15)
    assert tested.sales["weight"].iloc[0] < -0.3


def test_an_asset_is_bought_when_its_training_set_is_complete(changing):
    X, y = changing
    tested = quiet(EqualWeighted(), X, y)
    inside = np.array([tradable(X, train) for train, _ in CV.split(X)])
    assert_array_equal(tested.targets.to_numpy() > 0, inside)
    assert_array_equal(inside[:, 1], [False, False, False, True, True])  # B, in row 98 for the first time
    assert_array_equal(inside[:, 4], [True, False, False, False, True])  # E, which had no price in row 55
    X.iloc[:60] = np.nan
    with pytest.raises(ValueError, match="No asset has all its returns") as caught:
        quiet(EqualWeighted(), X, y)
    assert "from 2020-01-01" in caught.value.__notes__[0]


# Parameters by asset. What is cut is compared with an estimator that never knew the other assets.

GROUPS = ["new", "new", "old", "old", "x", "x", "x", None]
INSIDE = np.array([True, False, True, True, True, False, True, True])  # B and F have no prices yet
CUT = [name for name, is_in in zip(NAMES, INSIDE, strict=True) if is_in]
CAPS = np.array([0.1, 0.9, 0.2, 0.3, 0.25, 0.9, 0.3, 0.15])
FIRST = [(np.arange(50), np.arange(50, 60))]
INDEX = np.array([0.2, 0, 0.1, 0.1, 0.3, 0, 0.2, 0.1])


def masked(X):
    return X.mask(np.broadcast_to(~INSIDE, X.shape) & (np.arange(120)[:, None] < 45))


def by_name(values, names=NAMES):
    return dict(zip(names, values, strict=True))


def pairs():
    """Parameters for all assets, and the same for those that can be traded."""
    caps, few = CAPS, CAPS[INSIDE]
    yield {"max_weights": caps}, {"max_weights": few}
    yield {"max_weights": caps.tolist()}, {"max_weights": few}
    yield {"max_weights": by_name(caps)}, {"max_weights": few}
    yield {"max_weights": pd.Series(caps, NAMES)[::-1]}, {"max_weights": few}
    yield {"max_weights": {"A": 0.01, "B": 0.9}}, {"max_weights": {"A": 0.01}}
    yield {"min_weights": by_name(caps / 4)}, {"min_weights": few / 4}
    yield {"min_position": caps / 9, "cardinality": 3}, {"min_position": few / 9, "cardinality": 3}
    labels = [g for g, i in zip(GROUPS, INSIDE, strict=True) if i]
    for groups in (GROUPS, tuple(GROUPS), np.array(GROUPS, dtype=object), by_name(GROUPS), pd.Series(GROUPS, NAMES)):
        yield (
            {"constraints": [GroupBounds(groups, lower={"new": 0.05}, upper={"x": 0.2, "old": 0.9})]},
            {"constraints": [GroupBounds(labels, lower={"new": 0.05}, upper={"x": 0.2, "old": 0.9})]},
        )
    vanishing = ["a", "gone", "a", "b", "b", "gone", "c", "c"]
    kept = ["a", "a", "b", "b", "c", "c"]
    yield (
        {"constraints": [GroupBounds(vanishing, lower={"gone": 0.0, "a": 0.4}, upper={"gone": 0.1, "b": 0.1})]},
        {"constraints": [GroupBounds(kept, lower={"a": 0.4}, upper={"b": 0.1})]},
    )
    yield (
        {"constraints": [("few", GroupCardinality(vanishing, most={"gone": 1, "b": 1}))]},
        {"constraints": [GroupCardinality(kept, most={"b": 1})]},
    )
    A = np.vstack([CAPS, np.arange(8)])
    for all_of_it in (A, A.tolist(), sp.csr_array(A), pd.DataFrame(A, columns=NAMES)[NAMES[::-1]]):
        yield (
            {"constraints": [LinearConstraint(all_of_it, upper=[0.2, 3.0])]},
            {"constraints": [LinearConstraint(A[:, INSIDE], upper=[0.2, 3.0])]},
        )
    yield {"constraints": [LinearConstraint(CAPS, 0.3)]}, {"constraints": [LinearConstraint(few, 0.3)]}
    for values in (CAPS, by_name(CAPS), pd.Series(CAPS, NAMES)):
        yield {"constraints": [Exposure(values, upper=0.18)]}, {"constraints": [Exposure(few, upper=0.18)]}
    yield {"costs": [ManagementFee(CAPS / 1e2)]}, {"costs": [ManagementFee(few / 1e2)]}
    yield {"costs": [ManagementFee({"B": 1.0, "A": 1e-2})]}, {"costs": [ManagementFee({"A": 1e-2})]}


@pytest.mark.parametrize(("given", "cut"), list(pairs()), ids=lambda value: str(value)[:60].replace("\n", ""))
def test_parameters_by_asset_are_cut(frames, given, cut):
    X, y = frames
    expected = MinTrackingError(**cut).fit(X.iloc[:50][CUT], y[:50]).weights_
    free = MinTrackingError().fit(X.iloc[:50][CUT], y[:50]).weights_
    assert np.abs(expected - free).max() > 1e-3  # the parameter matters
    tested = quiet(MinTrackingError(**given), masked(X), y, cv=FIRST)
    assert_allclose(tested.targets.to_numpy()[0], spread(expected, INSIDE), atol=1e-10)
    if type(next(iter(given.values()))) is np.ndarray:  # the same without names
        unnamed = quiet(MinTrackingError(**given), masked(X).to_numpy(), y.to_numpy(), cv=FIRST)
        assert_array_equal(unnamed.targets, tested.targets)


@pytest.mark.parametrize("form", ["array", "list", "dict", "Series", "DataFrame"])
@pytest.mark.parametrize(
    "make",
    [
        lambda w: BenchmarkReplica(w),
        lambda w: MinTrackingError(benchmark_weights=w, max_weights=0.25),
        lambda w: MinTrackingError(benchmark_weights=w, max_weights=0.25, constraints=[ActiveBounds([-0.1] * 8)]),
    ],
    ids=["replica", "tracker", "active bounds"],
)
def test_the_benchmark_loses_assets_of_weight_zero(frames, form, make):
    X, _ = frames
    given = {
        "array": INDEX,
        "list": INDEX.tolist(),
        "dict": by_name(INDEX),
        "Series": pd.Series(INDEX, NAMES),
        "DataFrame": pd.DataFrame([INDEX, INDEX[::-1]], X.index[[10, 50]], NAMES),
    }[form]
    tested = quiet(make(given), masked(X), cv=FIRST)
    cut = clone(make(by_name(INDEX[INSIDE], CUT)))
    if getattr(cut, "constraints", None):
        cut.set_params(constraints=[ActiveBounds([-0.1] * 6)])
    cut.fit(X.iloc[:50][CUT])
    assert_allclose(tested.targets.to_numpy()[0], spread(cut.weights_, INSIDE), atol=1e-10)
    book = account(lambda *_: INDEX, X.to_numpy(), cv=WalkForward(50, 10))
    assert_allclose(tested.net.benchmark, book["gross"][:10], atol=1e-15)


def test_a_benchmark_in_assets_without_prices_is_refused(frames):
    X, _ = frames
    weights = by_name(INDEX + np.where(INSIDE, 0, 0.05) - 0.0125)
    for model in (BenchmarkReplica(weights), MinTrackingError(benchmark_weights=weights)):
        with pytest.raises(ValueError, match="'B'"):
            quiet(model, masked(X), cv=FIRST)


@pytest.mark.parametrize(
    "limit",
    [
        GroupBounds(["a", "gone", "a", "b", "b", "gone", "c", "c"], lower={"gone": 0.1}),
        GroupCardinality(["a", "gone", "a", "b", "b", "gone", "c", "c"], fewest={"gone": 1}),
    ],
    ids=["bounds", "cardinality"],
)
def test_a_lower_limit_of_a_group_that_is_gone_is_an_error(frames, limit):
    X, y = frames
    with pytest.raises(ValueError, match="gone"):
        quiet(MinTrackingError(constraints=[limit], min_position=0.01), masked(X), y, cv=FIRST)


@pytest.mark.parametrize(
    "model",
    [
        MinTrackingError(max_weights={"Z": 0.1}),
        MinTrackingError(constraints=[Exposure({**by_name(CAPS), "Z": 1.0}, upper=0.5)]),
        MinTrackingError(constraints=[GroupBounds({**by_name(GROUPS), "Z": "x"}, upper=0.5)]),
        BenchmarkReplica({**by_name(INDEX), "Z": 0.0}),
    ],
    ids=repr,
)
def test_names_of_no_asset_at_all_stay_an_error(frames, model):
    X, y = frames
    with pytest.raises(ValueError, match="Z"):
        quiet(model, masked(X), y, cv=FIRST)


@pytest.mark.parametrize("model", [MinTrackingError(max_weights=[0.5] * 7), MinTrackingError(max_weights=[0.5] * 6)])
def test_arrays_of_the_wrong_length_stay_an_error(frames, model):
    X, y = frames
    for data in (X, masked(X)):  # of which six can be traded
        with pytest.raises(ValueError, match=r"max_weights has shape .* but there are 8 assets"):
            quiet(model, data, y, cv=FIRST)


def test_expected_returns_and_models_within_models_are_cut(frames):
    X, y = frames
    mu = np.array([1, 9, 2, 3, 4, 9, 5, 6]) / 1e4
    model = MeanRisk(expected_returns=mu, constraints=[MinReturn(4e-4)])
    expected = MeanRisk(expected_returns=mu[INSIDE], constraints=[MinReturn(4e-4)]).fit(X.iloc[:50][CUT], y[:50])
    tested = quiet(model, masked(X), y, cv=FIRST)
    assert_allclose(tested.targets.to_numpy()[0], spread(expected.weights_, INSIDE), atol=1e-10)
    capped = MinTrackingError(max_weights=CAPS)
    search = GridSearchCV(capped, {"budget": [1.0, 0.9]}, cv=WalkForward(20, 10))
    for wrapped in (search, make_pipeline("passthrough", capped), make_pipeline(search)):
        found = quiet(wrapped, masked(X), y, cv=FIRST).targets.iloc[0]
        assert (found[["B", "F"]] == 0).all()
        assert (found <= CAPS + 1e-8).all()
        assert found.sum() > 0.89
    assert capped.max_weights is CAPS  # nothing was written to what was given


class Half(BaseEstimator):
    """Of another library: half in the first asset that it is shown."""

    def fit(self, X, y=None):
        self.weights_ = np.eye(X.shape[1])[0] / 2
        return self


def test_estimators_of_others_get_the_assets_that_can_be_traded(frames):
    X, y = frames
    X = X.mask(np.broadcast_to(np.arange(8) == 0, X.shape) & (np.arange(120)[:, None] < 45))
    for data in ((X, y), (X.to_numpy(), None)):
        tested = quiet(Half(), *data, cv=FIRST)
        assert_array_equal(tested.targets.to_numpy()[0], np.eye(8)[1] / 2)


def test_a_delisting_does_not_make_a_limit_on_turnover_impossible(frames):
    X, y = frames
    X = X.copy()
    X.iloc[60:, 0] = np.nan
    tested = quiet(MinTrackingError(min_weights={"A": 0.2}, constraints=[MaxTurnover(0.02)]), X, y)
    [(period, asset, weight, cost)] = tested.sales.itertuples(index=False)
    assert (period, asset, cost) == (X.index[60], "A", 0.0)
    # At the next trade the cash, half of the turnover, is invested, and two percent more may be exchanged.
    assert weight / 2 < tested.turnover.iloc[1] < weight / 2 + 0.02 + 0.01
    assert tested.turnover.iloc[2:].max() <= 0.02 + 1e-9
    assert_allclose(tested.targets.sum(axis=1), 1, atol=1e-9)


def test_grids_of_parameters_by_asset_are_not_cut_but_refused(frames):
    X, y = frames
    search = GridSearchCV(MinTrackingError(), {"max_weights": [CAPS, 2 * CAPS]}, cv=WalkForward(20, 10))
    with pytest.raises(ValueError, match=r"max_weights has shape \(8,\), but there are 6 assets"):
        quiet(search, masked(X), y, cv=FIRST)


def test_a_scalar_least_of_a_group_without_assets_is_an_error_too(frames):
    X, y = frames
    X = X.copy()
    X.iloc[:90, 7] = np.nan
    model = MinTrackingError(constraints=[GroupBounds(list("aaaabbbz"), lower=0.1)])
    with pytest.raises(ValueError, match="'z'"):
        quiet(model, X, y, cv=FIRST)


def test_what_is_handed_on_of_longs_and_shorts_stays_of_their_size(frames):
    X, y = frames
    X = X.copy()
    X.iloc[60:, 0] = np.nan
    model = MinTrackingError(min_weights=-1, budget=0, constraints=[MaxTurnover(0.5)])
    tested = quiet(model.set_params(min_weights={"A": 0.2, **dict.fromkeys("BCDEFGH", -1)}), X, y)
    assert tested.turnover.iloc[2:].max() <= 0.5 + 1e-9
    assert tested.targets.abs().to_numpy().max() < 2


class Draws(BaseEstimator):
    """Weights from a generator of its own."""

    def __init__(self, random_state=None):
        self.random_state = random_state

    def fit(self, X, y=None):
        self.weights_ = self.random_state.dirichlet(np.ones(X.shape[1]))
        return self


def test_generators_are_those_of_the_user_at_every_date_and_stay_as_they_are(frames):
    X, _ = frames
    generator = np.random.RandomState(0)
    before = generator.get_state()[1].copy()
    tested = quiet(Draws(generator), masked(X))
    assert_array_equal(generator.get_state()[1], before)
    assert_array_equal(tested.targets.to_numpy()[0], tested.targets.to_numpy()[1])
