"""Rows that come in parts, or lie elsewhere: the weights are those of `fit` on all rows."""

import pickle
import subprocess
import sys
from itertools import pairwise

import dask
import dask.array as da
import numpy as np
import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from sklearn.base import clone
from sklearn.covariance import LedoitWolf

from trackfolio import MeanRisk, MinTrackingError
from trackfolio._running import Moments
from trackfolio.certificate import certify
from trackfolio.constraints import BetaBounds, MinReturn, RiskLimit
from trackfolio.datasets import load_sp500
from trackfolio.risks import CVaR, RootMeanSquare, StandardDeviation, Variance

from .conftest import MANY

X, y = load_sp500(start="2018-01-01", return_X_y=True)
CUTS = [0, 40, 300, 302, 1000, len(X)]

MODELS = {
    "RMSE": MinTrackingError(max_weights=0.1),
    "standard deviation": MinTrackingError(StandardDeviation()),
    "variance": MinTrackingError(Variance(), constraints=[BetaBounds(0.95, 1.0), MinReturn(0.0005)]),
    "few names": MinTrackingError(cardinality=5),
    "limits": MinTrackingError(
        StandardDeviation(),
        constraints=[RiskLimit(RootMeanSquare(), 0.0033, active=True), StandardDeviation() <= 0.0145],
    ),
}


def in_parts(model, sample_weight=None, cuts=CUTS, **options):
    model = clone(model)
    for start, end in pairwise(cuts):
        s = None if sample_weight is None else sample_weight[start:end]
        model.partial_fit(X.iloc[start:end], y.iloc[start:end], sample_weight=s, **options)
    return model


@pytest.mark.parametrize("name", MODELS)
@pytest.mark.parametrize("weighted", [False, True])
def test_parts_give_what_the_whole_gives(name, weighted):
    s = np.random.default_rng(0).integers(1, 4, len(X)).astype(float) if weighted else None
    whole = clone(MODELS[name]).fit(X, y, sample_weight=s)
    # Limits need not be reachable in a few rows alone.
    cuts = [0, 1200, len(X)] if name in ("limits", "variance") else CUTS
    parts = in_parts(MODELS[name], s, cuts)
    np.testing.assert_allclose(parts.weights_, whole.weights_, rtol=0, atol=1e-10)
    assert parts.solution_.objective == pytest.approx(whole.solution_.objective, abs=1e-13)
    assert parts.n_samples_seen_ == len(X)
    assert parts.solution_.gap < 1e-8
    # The proof holds for the rows themselves.
    assert certify(whole.make_problem(X, y, sample_weight=s), parts.solution_).gap < 1e-7


def test_objective_is_the_risk_of_all_rows():
    model = in_parts(MODELS["RMSE"])
    active = X.to_numpy() @ model.weights_ - y.to_numpy()
    assert model.solution_.objective == pytest.approx(np.sqrt(np.mean(active**2)), rel=1e-12)


def test_forgetting_is_a_weight_for_each_row_however_they_are_split():
    factor = 0.5 ** (1 / 60)
    s = factor ** np.arange(len(X) - 1, -1, -1.0)
    whole = MinTrackingError().fit(X, y, sample_weight=s)
    for cuts in (CUTS, [0, 700, len(X)], [0, len(X)]):
        parts = in_parts(MinTrackingError(), cuts=cuts, forgetting=factor)
        np.testing.assert_allclose(parts.weights_, whole.weights_, rtol=0, atol=1e-10)
    assert np.abs(whole.weights_ - MinTrackingError().fit(X, y).weights_).max() > 0.01


def test_benchmark_by_weights():
    weights = dict(zip(X.columns, np.arange(20) / 190, strict=True))
    model = MinTrackingError(benchmark_weights=weights, max_weights=0.08)
    whole = clone(model).fit(X)
    parts = clone(model).partial_fit(X[:500]).partial_fit(X[500:])
    np.testing.assert_allclose(parts.weights_, whole.weights_, atol=1e-10)


def test_the_benchmark_of_the_last_call_counts_for_all_rows():
    first, last = (dict(zip(X.columns, w / w.sum(), strict=True)) for w in (np.arange(1.0, 21), np.arange(20.0, 0, -1)))
    table = pd.DataFrame([first, last], index=[X.index[0], X.index[500]])
    parts = MinTrackingError(benchmark_weights=table, max_weights=0.08).partial_fit(X[:500]).partial_fit(X[500:])
    whole = MinTrackingError(benchmark_weights=table, max_weights=0.08).fit(X)
    np.testing.assert_allclose(parts.weights_, whole.weights_, atol=1e-10)
    changed = MinTrackingError(benchmark_weights=first, max_weights=0.08).partial_fit(X[:500])
    changed.set_params(benchmark_weights=last).partial_fit(X[500:])
    np.testing.assert_allclose(changed.weights_, whole.weights_, atol=1e-10)
    with pytest.raises(ValueError, match="in all calls of partial_fit, or in none"):
        parts.partial_fit(X[:9], y[:9])


def test_names_that_are_numbers_are_compared_too():
    numbers = X.set_axis(range(20), axis="columns")
    with pytest.raises(ValueError, match="not those of fit, in the same order"):
        MinTrackingError().partial_fit(numbers[:300], y[:300]).partial_fit(numbers.iloc[300:, ::-1], y[300:])


@given(st.data())
@settings(max_examples=40, deadline=None)
def test_moments_are_those_of_numpy(data):
    n = data.draw(st.integers(2, 30))
    rng = np.random.default_rng(data.draw(st.integers(0, 10**6)))
    rows = rng.normal(data.draw(st.sampled_from([0.0, 1.0, 1e6])), 1.0, (n, 4))
    s = rng.integers(0, 3, n).astype(float) if data.draw(st.booleans()) else np.ones(n)
    cut = data.draw(st.integers(1, n - 1))
    s[[0, cut]] = 1.0
    joined = Moments.of(rows[:cut], None, s[:cut]).joined(Moments.of(rows[cut:], None, s[cut:]))
    repeated = np.repeat(rows, s.astype(int), axis=0)
    assert joined.total == len(repeated)
    np.testing.assert_allclose(joined.mean, repeated.mean(axis=0), rtol=1e-12, atol=1e-12)
    expected = np.cov(repeated.T, ddof=0) * len(repeated)
    np.testing.assert_allclose(joined.comoment, expected, atol=1e-7 * max(1.0, np.abs(rows).max() * 1e-6))


def test_fit_begins_anew_and_failed_parts_do_not_count():
    model = MinTrackingError().partial_fit(X[:300], y[:300])
    with pytest.raises(ValueError, match="NaN"):
        model.partial_fit(X[300:400], y[300:400].where(y > 0))
    assert model.n_samples_seen_ == 300
    again = pickle.loads(pickle.dumps(model)).partial_fit(X[300:], y[300:])
    np.testing.assert_allclose(again.weights_, MinTrackingError().fit(X, y).weights_, atol=1e-10)
    fitted = again.fit(X[:100], y[:100])
    assert not hasattr(fitted, "n_samples_seen_")
    np.testing.assert_array_equal(
        fitted.partial_fit(X[:50], y[:50]).weights_, MinTrackingError().partial_fit(X[:50], y[:50]).weights_
    )


def test_only_where_moments_are_enough():
    for model in (MinTrackingError(CVaR()), MinTrackingError(Variance(covariance=LedoitWolf()))):
        assert not hasattr(model, "partial_fit")
    with pytest.raises(AttributeError, match="partial_fit") as raised:
        MinTrackingError(CVaR()).partial_fit(X, y)
    assert "keeps the moments of the returns, from which CVaR() does not follow" in str(raised.value.__cause__)
    with pytest.raises(ValueError, match=r"Only the moments of the returns are kept .* period by period"):
        MinTrackingError(constraints=[CVaR() <= 0.02]).partial_fit(X, y)


@MANY
@pytest.mark.parametrize(
    ("call", "match"),
    [
        (lambda m: m.partial_fit(X, y, forgetting=0), "forgetting must be above 0"),
        (lambda m: m.partial_fit(X, y, forgetting=1.1), "forgetting must be .* at most 1, got 1.1"),
        (lambda m: m.partial_fit(X, y, forgetting=np.nan), "forgetting is NaN"),
        (lambda m: m.partial_fit(X), "requires y"),
        (lambda m: m.partial_fit(X[:9], y[:9]).partial_fit(X.iloc[:9, :4], y[:9]), "feature names"),
        (lambda m: m.partial_fit(X[:9], y[1:10]), "dates of X and y differ"),
        (lambda m: m.set_params(risk=Variance()).partial_fit(X[:1], y[:1]), "more than one period"),
    ],
)
def test_bad_input(call, match):
    with pytest.raises(ValueError, match=match):
        call(MinTrackingError())


# Arrays of Dask.


def blocks(values, size=300):
    return da.from_array(np.asarray(values), chunks=(size, 7)[: np.ndim(values)])


@pytest.mark.parametrize("name", MODELS)
def test_arrays_of_dask_are_fitted_by_blocks(name, monkeypatch):
    lazy = blocks(X)
    fetched = da.Array.__array__

    def only_a_few_rows(array, *args, **kwargs):
        assert array.shape[0] <= 100, "the whole array was fetched"
        return fetched(array, *args, **kwargs)

    monkeypatch.setattr(da.Array, "__array__", only_a_few_rows)
    with dask.config.set(scheduler="threads"):
        model = clone(MODELS[name]).fit(lazy, blocks(y, 250))
    monkeypatch.undo()
    np.testing.assert_allclose(model.weights_, clone(MODELS[name]).fit(X.to_numpy(), y.to_numpy()).weights_, atol=1e-10)
    assert model.n_features_in_ == 20


def test_arrays_of_dask_with_weights_of_periods_and_by_mean_risk():
    s = np.arange(len(X)) % 3.0
    model = MeanRisk(Variance(), max_tracking_error=0.0035)
    expected = clone(model).fit(X.to_numpy(), y.to_numpy(), sample_weight=s).weights_
    np.testing.assert_allclose(model.fit(blocks(X), y.to_numpy(), sample_weight=s).weights_, expected, atol=1e-9)


@pytest.mark.parametrize(
    ("rows", "target", "weights", "match"),
    [
        (X.where(X < 0.1), y, None, r"X \(rows from \d+ on\) contains NaN"),
        (X, y.where(y < 0.05), None, r"y \(rows from \d+ on\) contains NaN"),
        (X, y[:50], None, r"y \(n_periods,\), got"),
        (X, y, -np.ones(len(X)), "sample_weight has negative numbers"),
    ],
)
def test_bad_blocks(rows, target, weights, match):
    with pytest.raises(ValueError, match=match):
        MinTrackingError().fit(blocks(rows), np.asarray(target), sample_weight=weights)


# A file that is larger than the memory it is fitted in.

PROGRAM = """
import sys
import numpy as np
from trackfolio import MinTrackingError

def peak():  # not ru_maxrss, which begins with what the process had that started this one
    return int(next(line for line in open("/proc/self/status") if line.startswith("VmHWM")).split()[1])

path, model = sys.argv[1], MinTrackingError()
rows = np.load(path, mmap_mode="r").shape[0]
model.partial_fit(np.array(np.load(path, mmap_mode="r")[:99, :-1]), np.array(np.load(path, mmap_mode="r")[:99, -1]))
before = peak()
model = MinTrackingError()
for start in range(0, rows, 20_000):
    part = np.load(path, mmap_mode="r")[start : start + 20_000]  # opened anew: pages that were read are given back
    model.partial_fit(part[:, :-1], part[:, -1])
print((peak() - before) / 1024)
np.save(path.replace(".npy", "-weights.npy"), model.weights_)
"""


@pytest.mark.skipif(not sys.platform.startswith("linux"), reason="/proc tells the largest resident memory")
def test_a_file_is_fitted_in_a_fraction_of_its_size(tmp_path):
    rng = np.random.default_rng(0)
    path = tmp_path / "returns.npy"
    rows = rng.normal(0.0, 0.01, (500_000, 41))
    rows[:, -1] = rows[:, :-1].mean(axis=1) + 0.001 * rows[:, -1]
    np.save(path, rows)  # 164 MB
    run = subprocess.run([sys.executable, "-c", PROGRAM, str(path)], capture_output=True, text=True, check=True)
    assert float(run.stdout) < 60
    expected = MinTrackingError().fit(rows[:, :-1], rows[:, -1]).weights_
    np.testing.assert_allclose(np.load(tmp_path / "returns-weights.npy"), expected, atol=1e-10)
