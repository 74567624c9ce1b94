"""The synthetic market, against its stated truth."""

import re
import time

import numpy as np
import pandas as pd
import pytest
from numpy.testing import assert_allclose, assert_array_equal
from scipy import integrate, stats

from trackfolio.datasets import make_index_market
from trackfolio.datasets._student import BoundedStudent


def test_market_shapes_and_labels():
    market = make_index_market(n_assets=12, n_periods=30, n_factors=3, n_sectors=5, random_state=0)
    assert market.X.shape == (30, 12)
    assert list(market.X.columns[[0, 11]]) == ["A0001", "A0012"]
    assert market.X.index[0] == pd.Timestamp("2000-01-03")
    assert market.X.index.day_of_week.max() == 4
    assert market.X.index.equals(market.y.index)
    assert market.loadings.shape == (12, 3)
    assert market.factor_covariance.shape == (3, 3)
    assert market.loadings.columns.equals(market.factor_covariance.columns)
    named = ("weights", "sectors", "loadings", "specific_variance", "covariance")
    for name in (*named, "expected_returns"):
        assert market[name].index.equals(market.X.columns), name
    assert market.covariance.columns.equals(market.X.columns)
    assert sorted(market.sectors.value_counts()) == [2, 2, 2, 3, 3]
    assert set(market.sectors) == {f"Sector {i}" for i in range(1, 6)}
    assert "12 assets in 5 sectors over 30 days" in market.DESCR


def test_market_index_is_weighted_by_capitalisation():
    market = make_index_market(n_assets=500, n_periods=50, random_state=0)
    assert_allclose(market.y, market.X.to_numpy() @ market.weights.to_numpy(), rtol=0, atol=1e-15)
    assert_allclose(market.weights.sum(), 1.0, rtol=1e-14)
    assert market.weights.min() > 0.0
    # Lognormal capitalisations: the largest tenth holds about half, as in real indices.
    assert 0.35 < market.weights.nlargest(50).sum() < 0.65
    assert_allclose(np.log(market.weights).std(), 1.2, rtol=0.1)


def test_market_covariance_is_that_of_the_factor_model():
    market = make_index_market(n_assets=9, n_periods=2, n_factors=4, random_state=1)
    F, omega = market.loadings.to_numpy(), market.factor_covariance.to_numpy()
    expected = np.einsum("ik,kl,jl->ij", F, omega, F) + np.diag(market.specific_variance)
    assert_allclose(market.covariance, expected, rtol=1e-12)
    assert_array_equal(market.covariance, market.covariance.T)
    assert np.linalg.eigvalsh(market.covariance)[0] > 0.0
    assert (np.abs(omega - np.diag(np.diag(omega))) > 0).any()
    assert_allclose(np.sqrt(252 * omega[0, 0]), 0.16, rtol=1e-12)
    assert_allclose(market.expected_returns, market.loadings["Market"] * 0.05 / 252, rtol=1e-12)


@pytest.mark.parametrize("tail", [3.0, 5.0, np.inf])
def test_market_sample_moments_converge_to_the_truth(tail):
    market = make_index_market(n_assets=6, n_periods=60_000, n_factors=3, tail=tail, index_noise=0.002, random_state=2)
    scale = np.sqrt(np.diag(market.covariance))
    error = (market.X.cov() - market.covariance) / np.outer(scale, scale)
    # Standard errors of a variance: sqrt((kurtosis - 1) / T), below 0.02 here.
    assert np.abs(error).max(axis=None) < 0.06
    drift = (market.X.mean() - market.expected_returns) / (scale / np.sqrt(60_000))
    assert drift.abs().max() < 4.0
    w, noise = market.weights, market.y - market.X @ market.weights
    assert_allclose(noise.std(), 0.002, rtol=0.03)
    assert abs(noise.corr(market.X @ w)) < 0.02
    assert_allclose(market.y.var(), w @ market.covariance @ w + 0.002**2, rtol=0.06)


def test_market_factors_have_their_covariance():
    market = make_index_market(n_assets=60, n_periods=20_000, n_factors=3, random_state=6)
    # Factors as a least-squares regression on the loadings sees them, with its known error.
    projection = np.linalg.pinv(market.loadings)
    factors = (market.X - market.expected_returns) @ projection.T
    error = projection @ np.diag(market.specific_variance) @ projection.T
    truth = market.factor_covariance.to_numpy() + error
    scale = np.sqrt(np.diag(truth))
    assert_allclose(factors.cov() / np.outer(scale, scale), truth / np.outer(scale, scale), atol=0.04)


def test_market_tails():
    def kurtosis(tail: float) -> float:
        X, _ = make_index_market(5, 50_000, tail=tail, random_state=3, return_X_y=True)
        return float(stats.kurtosis(X, fisher=False).mean())

    assert_allclose(kurtosis(np.inf), 3.0, atol=0.1)
    assert 3.5 < kurtosis(10.0) < kurtosis(5.0) < kurtosis(2.5)


@pytest.mark.parametrize("tail", [2.001, 2.5, 5.0])
def test_market_returns_stay_above_minus_one(tail):
    X, y = make_index_market(300, 5_000, tail=tail, index_noise=0.05, random_state=4, return_X_y=True)
    assert X.min(axis=None) > -0.96
    assert y.min() > -1.0


def test_market_assets_of_a_sector_move_together():
    market = make_index_market(n_assets=200, n_periods=1, random_state=5)
    scale = np.sqrt(np.diag(market.covariance))
    correlation = market.covariance.to_numpy() / np.outer(scale, scale)
    same = market.sectors.to_numpy()[:, None] == market.sectors.to_numpy()[None, :]
    apart = ~np.eye(200, dtype=bool)
    assert correlation[same & apart].mean() > correlation[~same].mean() + 0.03


def test_market_random_state():
    a = make_index_market(5, 20, random_state=0)
    b = make_index_market(5, 20, random_state=np.random.RandomState(0))
    c = make_index_market(5, 20, random_state=1)
    pd.testing.assert_frame_equal(a.X, b.X)
    assert not np.allclose(a.X, c.X)
    longer = make_index_market(5, 40, random_state=0)
    pd.testing.assert_frame_equal(a.covariance, longer.covariance)
    pd.testing.assert_series_equal(a.weights, longer.weights)
    X, y = make_index_market(5, 20, random_state=0, return_X_y=True)
    pd.testing.assert_frame_equal(a.X, X)
    pd.testing.assert_series_equal(a.y, y)


def test_market_small_and_large():
    one = make_index_market(1, 1, n_factors=1, n_sectors=1, random_state=0)
    assert one.weights.to_list() == [1.0]
    assert make_index_market(3, 5, random_state=0).sectors.nunique() == 3
    assert make_index_market(2, 65_000, random_state=0).X.index[-1].year < 2262
    begin = time.process_time()
    X, _ = make_index_market(12_000, 100, random_state=0, return_X_y=True)
    make_index_market(2_000, 1_000, random_state=0)
    assert time.process_time() - begin < 5.0  # about half a second
    assert list(X.columns[[0, -1]]) == ["A00001", "A12000"]


@pytest.mark.parametrize("name", ["n_assets", "n_periods", "n_factors", "n_sectors"])
def test_market_counts_are_checked(name):
    for value in (0, -3):
        with pytest.raises(ValueError, match=f"{name}={value} is out of range"):
            make_index_market(**{name: value})
    for value in (2.0, "3", True, None):
        with pytest.raises(TypeError, match=re.escape(f"{name}={value!r} is not an int")):
            make_index_market(**{name: value})
    assert make_index_market(**{"n_periods": 2, name: np.int64(3)}).X.size > 0


@pytest.mark.parametrize(
    ("parameters", "message"),
    [
        ({"tail": 2}, "tail=2 must be above 2"),
        ({"tail": np.nan}, "tail=nan must be above 2"),
        ({"index_noise": -0.1}, r"index_noise=-0\.1 must be at least 0"),
        ({"index_noise": np.nan}, "index_noise=nan must be at least 0"),
        ({"index_noise": np.inf}, "index_noise=inf is not finite"),
        ({"index_noise": 0.3}, r"index_noise=0\.3 .* could take a return below -1"),
        ({"n_factors": 500, "index_noise": 0.15}, "n_factors=500 .* could take a return below -1"),
        ({"n_periods": 65_001}, "n_periods=65001 is out of range: .* from 1 to 65000"),
        ({"random_state": "seed"}, "seed"),
    ],
)
def test_market_ranges_are_checked(parameters, message):
    with pytest.raises(ValueError, match=message):
        make_index_market(**parameters)


@pytest.mark.parametrize("name", ["tail", "index_noise"])
def test_market_numbers_are_checked(name):
    for value in ("5", None, True):
        with pytest.raises(TypeError, match=re.escape(f"{name}={value!r} is not a number")):
            make_index_market(**{name: value})


@pytest.mark.parametrize("tail", [2.01, 3.0, 5.0, 30.0, np.inf])
@pytest.mark.parametrize("cut", [0.5, 3.0, 12.0])
def test_scale_of_bounded_shocks_by_numerical_integration(tail, cut):
    law = stats.norm if np.isinf(tail) else stats.t(tail)
    inside, _ = integrate.quad(law.pdf, 0, cut, epsabs=0)
    second, _ = integrate.quad(lambda t: t * t * law.pdf(t), 0, cut, epsabs=0)
    assert_allclose(BoundedStudent(tail, cut).scale, np.sqrt(second / inside), rtol=1e-9)


@pytest.mark.parametrize("tail", [2.0001, 2.5, 5.0, np.inf])
@pytest.mark.parametrize("bound", [4.0, 17.0, 40.0])
def test_bounded_shocks_keep_their_bound(tail, bound):
    law = BoundedStudent.with_bound(tail, bound)
    assert_allclose(law.bound, bound, rtol=1e-9)
    draws = law.draw(np.random.RandomState(0), (200_000,))
    assert np.abs(draws).max() <= bound
    assert_allclose(draws.std(), 1.0, rtol=0.12)
    if bound == 4.0 and tail < 6.0:
        assert np.abs(draws).max() > 0.99 * bound
