"""No decision sees the future, none depends on how folds are run, and a failed one is no trade."""

import warnings

import numpy as np
import pandas as pd
import pytest
from numpy.testing import assert_allclose, assert_array_equal
from sklearn.base import BaseEstimator
from sklearn.covariance import LedoitWolf
from sklearn.exceptions import FitFailedWarning
from sklearn.feature_selection import SelectKBest, f_regression
from sklearn.model_selection import GridSearchCV, KFold, ShuffleSplit, TimeSeriesSplit
from sklearn.pipeline import make_pipeline
from threadpoolctl import threadpool_info, threadpool_limits

from trackfolio import BenchmarkReplica, EqualWeighted, MeanRisk, MinTrackingError
from trackfolio.constraints import MaxTurnover, MinReturn
from trackfolio.costs import TransactionCost
from trackfolio.model_selection import WalkForward, backtest
from trackfolio.risks import CVaR, Variance

from .conftest import simulate
from .test_backtest import CV, account, check, quiet

TABLE = pd.DataFrame(
    np.random.default_rng(2).dirichlet(np.ones(8), 120),
    index=pd.bdate_range("2020-01-01", periods=120),
    columns=list("ABCDEFGH"),
)
SEARCH = GridSearchCV(
    MinTrackingError(), {"max_weights": [0.2, 0.3, 1.0]}, cv=WalkForward(20, 10), scoring="neg_root_mean_squared_error"
)
SELECTION = make_pipeline(
    SelectKBest(f_regression, k=4).set_output(transform="pandas"), MinTrackingError(max_weights=0.5)
)
TURNING = MinTrackingError(constraints=[MaxTurnover(0.05)], costs=[TransactionCost(0.0005)])
MODELS = {
    "tracker": MinTrackingError(),
    "shrunk": MinTrackingError(Variance(LedoitWolf())),
    "tail": MeanRisk(CVaR(0.9), tracking_penalty=100),
    "search": SEARCH,
    "selection": SELECTION,
    "turning": TURNING,
    "search that turns": GridSearchCV(TURNING, {"max_weights": [0.95, 1.0]}, cv=WalkForward(20, 10)),
}


# What a decision sees.


SEEN = []


class Witness(BaseEstimator):
    """Writes down what it is given."""

    def fit(self, X, y=None):
        SEEN.append((X, y))
        self.weights_ = np.full(X.shape[1], 1 / X.shape[1])
        return self


@pytest.mark.parametrize("gap", [0, 2])
def test_an_estimator_sees_its_training_rows_and_nothing_else(frames, gap):
    X, y = frames
    SEEN.clear()
    cv = WalkForward(50, 16, gap=gap)
    quiet(Witness(), X, y, cv=cv)
    quiet(Witness(), X.to_numpy(), y.to_numpy(), cv=cv)
    folds = list(cv.split(X))
    assert len(SEEN) == 2 * len(folds)
    for (train, _), (seen, of_y), (array, of_array) in zip(folds, SEEN[: len(folds)], SEEN[len(folds) :], strict=True):
        pd.testing.assert_frame_equal(seen, X.iloc[train], check_freq=False)
        pd.testing.assert_series_equal(of_y, y.iloc[train], check_names=False, check_freq=False)
        assert isinstance(array, np.ndarray)
        assert_array_equal(array, X.iloc[train])
        assert_array_equal(of_array, y.iloc[train])


def test_rows_of_training_sets_may_have_holes(frames):
    X, y = frames
    SEEN.clear()
    folds = [(np.arange(0, 50, 2), np.arange(50, 60)), (np.r_[0:10, 30:60], range(60, 70))]
    tested = quiet(Witness(), X, y, cv=folds)
    for (train, _), (seen, _) in zip(folds, SEEN, strict=True):
        pd.testing.assert_frame_equal(seen, X.iloc[train], check_freq=False)
    assert len(tested.net) == 20


def scrambled(values, start, rng, missing=0.0):
    """Other numbers from a row on; some of them missing."""
    new = values.copy()
    later = new.to_numpy(copy=True)[start:]
    later = rng.permuted(later, axis=0) + 0.05 * rng.standard_normal(later.shape)
    later[rng.uniform(size=later.shape) < missing] = np.nan
    new.iloc[start:] = later
    return new


@pytest.mark.parametrize("k", [0, 2, 4])
@pytest.mark.parametrize("name", MODELS)
def test_the_future_changes_no_decision(frames, name, k):
    X, y = frames
    start = list(CV.split(X))[k][1][0]
    rng = np.random.default_rng(k)
    before = quiet(MODELS[name], X, y)
    missing = 0.05 if k == 4 else 0.0
    after = quiet(MODELS[name], scrambled(X, start, rng, missing), scrambled(y, start, rng))
    assert_array_equal(before.targets[: k + 1], after.targets[: k + 1])
    assert_array_equal(before.net[: start - 50], after.net[: start - 50])
    assert k == 4 or not np.array_equal(before.targets, after.targets)


@pytest.mark.parametrize("model", [BenchmarkReplica, lambda w: MinTrackingError(benchmark_weights=w, max_weights=0.2)])
def test_later_weights_of_the_benchmark_change_no_decision(frames, model):
    X, _ = frames
    start = list(CV.split(X))[2][1][0]
    other = TABLE.copy()
    other.iloc[start:] = TABLE.iloc[start:].to_numpy()[:, ::-1]
    before, after = (quiet(model(table), X) for table in (TABLE, other))
    assert_array_equal(before.targets[:3], after.targets[:3])
    assert_array_equal(before.net.benchmark[: start + 16 - 50], after.net.benchmark[: start + 16 - 50])
    assert not np.array_equal(before.targets.iloc[3], after.targets.iloc[3])
    # The row of the last date before the trade is the one that counts.
    other.iloc[start - 1] = TABLE.iloc[start - 1].to_numpy()[::-1]
    assert not np.array_equal(before.targets.iloc[2], quiet(model(other), X).targets.iloc[2])


# The order in which folds are run.


@pytest.mark.filterwarnings("ignore::pytest.PytestUnraisableExceptionWarning")  # as in test_frontier
def test_numbers_do_not_depend_on_the_jobs(frames):
    X, y = frames
    X = X.mask(np.random.default_rng(0).uniform(size=X.shape) < 0.002)
    options = {"transaction_costs": 0.001, "return_estimator": True}
    one, two = (quiet(MODELS, X, y, n_jobs=n, **options) for n in (1, 2))
    for name in MODELS:
        for part in ("net", "gross", "weights", "targets", "turnover", "costs"):
            assert_array_equal(getattr(one[name], part), getattr(two[name], part))
        assert one[name].rebalances.drop(columns="seconds").equals(two[name].rebalances.drop(columns="seconds"))
    for name in ("tracker", "turning"):
        assert_array_equal(quiet(MODELS[name], X, y, n_jobs=2, **options).net, one[name].net)


@pytest.mark.filterwarnings("ignore::pytest.PytestUnraisableExceptionWarning")
def test_large_data_that_are_mapped_into_the_workers_give_the_same():
    X, y = simulate(60, 2400)
    assert X.nbytes > 1e6
    models = {"tracker": MinTrackingError(), "turning": TURNING}
    one, two = (quiet(models, X, y, cv=WalkForward(1800, 300), n_jobs=n) for n in (1, 2))
    for name in models:
        assert_array_equal(one[name].weights, two[name].weights)
        assert_array_equal(one[name].net, two[name].net)


def test_the_bar_is_silent_where_there_is_no_terminal(frames, capsys):
    backtest(EqualWeighted(), *frames, cv=CV)
    assert capsys.readouterr().err == ""


# Failed fits.


def day_of(date):
    return int(f"{date:%j}")


class Moody(BaseEstimator):
    """Fails where the training set begins at certain rows; else leans towards one asset."""

    def __init__(self, fails=()):
        self.fails = fails

    def fit(self, X, y):
        start = day_of(X.index[0])
        if start in self.fails:
            raise ZeroDivisionError(f"no mood at {start}")
        self.weights_ = np.full(X.shape[1], 0.1) + 0.2 * (np.arange(X.shape[1]) == start % X.shape[1])
        return self


def starts(X):
    return [day_of(X.index[train[0]]) for train, _ in CV.split(X)]


@pytest.mark.parametrize("failing", [[1, 3], [4], [0, 1], [0, 2, 3]], ids=str)
@pytest.mark.parametrize("initial", [None, np.full(8, 0.1)], ids=["from cash", "from holdings"])
@pytest.mark.parametrize("drift", [True, False])
def test_a_failed_fit_is_no_trade(frames, failing, initial, drift):
    X, y = frames
    days = starts(X)
    model = Moody([days[k] for k in failing])
    with pytest.warns(FitFailedWarning, match=rf"{len(failing)} of 5 fits failed.*no mood at {days[failing[0]]}"):
        tested = quiet(
            model,
            X,
            y,
            error_score="hold",
            transaction_costs=0.001,
            initial_weights=initial,
            drift=drift,
            return_estimator=True,
        )

    def decide(k, train, held):
        if k in failing:
            return np.zeros(8) if held is None else held
        return 0.1 + 0.2 * (np.arange(8) == days[k] % 8)

    check(tested, account(decide, X.to_numpy(), rate=0.001, initial=initial, drift=drift))
    assert_array_equal(tested.turnover.iloc[failing], 0)
    assert_array_equal(tested.costs.iloc[failing], 0)
    assert tested.failures.index.equals(X.index[50::16][failing])
    assert tested.failures.iloc[0] == f"ZeroDivisionError: no mood at {days[failing[0]]}"
    assert [each is None for each in tested.estimators] == [k in failing for k in range(5)]
    assert f"{len(failing)} failed" in repr(tested)


@pytest.mark.filterwarnings("ignore::sklearn.exceptions.FitFailedWarning")
def test_the_first_trade_that_succeeds_is_the_one_with_lifted_limits(frames):
    X, y = frames
    days = starts(X)
    model = TURNING.__class__(constraints=[MaxTurnover(0.05)], min_weights={"A": 0.3})

    class LateStarter(MinTrackingError):  # noqa: N818
        def fit(self, X, y=None, **more):
            if day_of(X.index[0]) in days[:2]:
                raise ArithmeticError("not yet")
            return super().fit(X, y, **more)

    tested = quiet(LateStarter(**model.get_params(deep=False)), X, y, error_score="hold", transaction_costs=0.001)
    assert tested.rebalances["lifted"].tolist() == ["", "", "maxturnover", "", ""]
    assert_array_equal(tested.net[:32], 0)
    assert_array_equal(tested.weights[:32], 0)
    assert_allclose(tested.turnover.iloc[2], 0.5, atol=1e-12)
    assert (tested.turnover.iloc[3:] <= 0.05 + 1e-8).all()
    assert tested.rebalances["names held"].tolist()[:2] == [0, 0]


@pytest.mark.filterwarnings("ignore::sklearn.exceptions.FitFailedWarning")
@pytest.mark.parametrize("drift", [True, False])
def test_a_benchmark_by_weights_is_held_on_where_a_fit_fails(frames, drift):
    X, _ = frames
    days = starts(X)

    class Gaps(BenchmarkReplica):
        def fit(self, X, y=None):
            if day_of(X.index[0]) in (days[2], days[3]):
                raise ArithmeticError("no weights today")
            return super().fit(X, y)

    index = np.arange(1, 9) / 36
    tested = quiet(Gaps(index), X, drift=drift, error_score="hold")
    book = account(lambda k, _, held: held if k in (2, 3) else index, X.to_numpy(), drift=drift)
    assert_allclose(tested.net.benchmark, book["gross"], atol=1e-15)
    assert_allclose(tested.net, book["gross"], atol=1e-15)


def test_if_all_fail_it_is_an_error(frames):
    X, y = frames
    with pytest.raises(ValueError, match=r"All 5 fits failed.*nothing was ever traded.*no mood"):
        quiet(Moody(starts(X)), X, y, error_score="hold")
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", FitFailedWarning)
        with pytest.raises(ValueError, match="All 5 fits of 'bad' failed"):
            quiet({"good": EqualWeighted(), "bad": Moody(starts(X))}, X, y, error_score="hold")


@pytest.mark.filterwarnings("ignore::pytest.PytestUnraisableExceptionWarning")
@pytest.mark.parametrize("n_jobs", [1, 2])
def test_an_error_names_the_fold(frames, n_jobs):
    X, y = frames
    with pytest.raises(ValueError, match="max_weights add up") as caught:
        quiet(MinTrackingError(max_weights=0.1), X, y, n_jobs=n_jobs)
    fold = "from 2020-01-01 to 2020-03-10" if n_jobs == 1 else "from 2020-"  # the one that is the first to fail
    (note,) = caught.value.__notes__
    assert note.startswith(f"In the backtest's fold that is fitted on 50 periods {fold}")


# Splitters.


@pytest.mark.parametrize(
    ("cv", "said"),
    [
        (KFold(3), "Fold 0 of cv looks ahead"),
        (KFold(3, shuffle=True, random_state=0), "Fold 0 of cv looks ahead"),
        (ShuffleSplit(2, random_state=0), "Fold 0 of cv looks ahead"),
        ([(range(50), range(49, 60))], r"Fold 0 of cv looks ahead.*to row 49.*from row 49.*WalkForward"),
        ([(range(50)[::-1], range(50, 60))], "Fold 0 of cv looks ahead"),
        ([(range(50), range(50, 60)), (range(50), range(58, 70))], r"fold 1 of cv.*row 58, expected 60"),
        ([(range(50), range(50, 60)), (range(50), range(62, 70))], r"fold 1 of cv.*without a break"),
        ([(range(50), [50, 51, 53])], "fold 0 of cv does not follow"),
        ([(range(50), [51, 50])], "fold 0 of cv does not follow"),
        ([(range(60), range(60, 70)), (range(50), range(50, 60))], "fold 1 of cv does not follow"),
        ([(range(50), range(50, 121))], "Fold 0 of cv has no rows, or rows that are not there"),
        ([(range(-1, 50), range(50, 60))], "Fold 0 of cv has no rows"),
        ([([], range(50))], "Fold 0 of cv has no rows"),
        ([(range(50), [])], "Fold 0 of cv has no rows"),
        ([], r"\[\] gives no fold"),
    ],
    ids=lambda value: str(value)[:40],
)
def test_folds_that_look_ahead_or_leave_breaks_are_refused(frames, cv, said):
    with pytest.raises(ValueError, match=said):
        quiet(EqualWeighted(), *frames, cv=cv)


def test_other_splitters_and_lists_of_pairs_are_taken(frames):
    X, y = frames
    folds = TimeSeriesSplit(3)
    pairs = [(train.tolist(), test) for train, test in folds.split(X)]
    tested = [quiet(MinTrackingError(), X, y, cv=cv) for cv in (folds, pairs, iter(pairs))]
    for other in tested[1:]:
        assert_array_equal(other.net, tested[0].net)
    fits = [MinTrackingError().fit(X.iloc[train], y.iloc[train]).weights_ for train, _ in pairs]
    assert_allclose(tested[0].targets, fits, atol=1e-12)
    for cv in (5, None):
        with pytest.raises(TypeError, match=f"cv must be a splitter such as WalkForward.*got {cv}"):
            quiet(EqualWeighted(), X, y, cv=cv)


class CountsThreads(BaseEstimator):
    """Tells how many threads the linear algebra may use while it is fitted."""

    def fit(self, X, y=None):
        self.threads_ = [pool["num_threads"] for pool in threadpool_info() if pool["user_api"] == "blas"]
        self.weights_ = np.full(X.shape[1], 1 / X.shape[1])
        return self


@pytest.mark.parametrize("n_jobs", [1, 2])
def test_each_fit_has_one_thread(market, n_jobs):
    with threadpool_limits(2, user_api="blas"):
        tested = quiet(CountsThreads(), *market, n_jobs=n_jobs, return_estimator=True)
    assert {count for fitted in tested.estimators for count in fitted.threads_} == {1}


def test_dates_in_reverse_and_unsigned_rows_are_no_way_to_look_ahead(frames):
    X, y = frames
    for cv in (TimeSeriesSplit(3), [(range(50), range(50, 60))]):
        with pytest.raises(ValueError, match="The dates of X are not in order"):
            quiet(EqualWeighted(), X[::-1], y[::-1], cv=cv)
    mixed = np.array([0, 1, 70, 3], dtype=np.uint64)
    with pytest.raises(ValueError, match="looks ahead"):
        quiet(EqualWeighted(), X, y, cv=[(mixed, np.arange(50, 60))])


class Spoils(BaseEstimator):
    """Writes into what it is given."""

    def fit(self, X, y=None):
        X -= 1.0
        self.weights_ = np.full(X.shape[1], 1 / X.shape[1])
        return self


def test_returns_cannot_be_written_to(market):
    X, _ = market
    before = X.copy()
    with pytest.raises(ValueError, match="read-only"):
        quiet(Spoils(), X)
    assert_array_equal(X, before)


def test_costs_within_a_constraint_are_lifted_without_it(frames):
    X, y = frames
    least = MinReturn(-0.01, costs=[TransactionCost(0.001)])
    tested = quiet(MinTrackingError(constraints=[least, MaxTurnover(0.1)]), X, y)
    assert tested.rebalances["lifted"].tolist()[:2] == ["transactioncost, maxturnover", ""]


def test_the_mean_turnover_leaves_out_the_first_purchase_whenever_it_is(frames):
    late = quiet(EqualWeighted(), *frames, cv=CV)
    assert late.later_trades["turnover"] == late.turnover.iloc[1:].mean()
    given = quiet(EqualWeighted(), *frames, initial_weights=[1 / 8] * 8)
    assert given.later_trades["turnover"] == given.turnover.mean()


class IsInterrupted(BaseEstimator):
    """Interrupted within compiled code, which makes it the cause of a SystemError."""

    def fit(self, X, y=None):
        raise SystemError("returned a result with an exception set") from KeyboardInterrupt()


def test_an_interrupt_within_compiled_code_is_no_failed_fit(market):
    with pytest.raises(KeyboardInterrupt):
        quiet(IsInterrupted(), *market, error_score="hold")
