"""The index tracker against closed forms, published examples and textbook programs."""

import cvxpy as cp
import numpy as np
import pandas as pd
import polars as pl
import pytest
from numpy.testing import assert_allclose
from sklearn.base import clone
from sklearn.covariance import LedoitWolf
from sklearn.decomposition import PCA, FactorAnalysis
from sklearn.metrics import r2_score, root_mean_squared_error

from trackfolio import MinTrackingError, Portfolio
from trackfolio.constraints import (
    ActiveBounds,
    Exposure,
    GroupBounds,
    LinearConstraint,
    MaxTurnover,
)
from trackfolio.datasets import load_sp500, make_index_market
from trackfolio.risks import RootMeanSquare, StandardDeviation, Variance
from trackfolio.solvers import Conic

from .conftest import MANY, simulate

SOLVERS = pytest.mark.parametrize("solver", [None, Conic()], ids=["automatic", "conic"])
BONDS = np.array([[1, 0.2, 0.1], [0.2, 1.5, 0.3], [0.1, 0.3, 2]]) * 1e-4
INDEX = np.array([0.4, 0.3, 0.3])


def textbook(X, y, constraints=lambda w: [], risk="rmse"):
    """The program as a textbook writes it, T rows and all, scaled by hand."""
    w = cp.Variable(X.shape[1])
    a = 100 * (X @ w - y)
    if risk == "std":
        a = a - cp.sum(a) / len(y)
    cp.Problem(cp.Minimize(cp.sum_squares(a)), [cp.sum(w) == 1, w >= 0, *constraints(w)]).solve(
        solver="CLARABEL", tol_gap_abs=1e-12, tol_gap_rel=1e-12, tol_feas=1e-12
    )
    return w.value


# The bond case: the answer is the index itself, where solvers that stop at objectives of 1e-5 return 1/3 each.


@SOLVERS
@pytest.mark.parametrize("risk", [Variance("precomputed"), StandardDeviation("precomputed")])
def test_bond_desk_holds_exactly_the_index(solver, risk):
    model = MinTrackingError(risk, benchmark_weights=INDEX, solver=solver).fit(BONDS)
    assert_allclose(model.weights_, INDEX, atol=1e-9 if solver is None else 1e-6)
    assert model.solution_.objective < (1e-16 if solver is None else 1e-8)
    assert model.solution_.lower_bound == 0
    assert model.solution_.status == "optimal"


def test_bond_desk_matches_duration_without_one_bond():
    durations = np.array([2.0, 5.0, 9.0])
    target = durations @ INDEX
    model = MinTrackingError(
        Variance("precomputed"),
        benchmark_weights=INDEX,
        max_weights={"x1": 0.0},
        constraints=[Exposure(durations, lower=0, upper=0, active=True)],
    ).fit(BONDS)
    # Two equations, two bonds left: no choice remains.
    third = (target - durations[0]) / (durations[2] - durations[0])
    assert_allclose(model.weights_, [1 - third, 0, third], atol=1e-12)
    active = model.weights_ - INDEX
    assert_allclose(model.solution_.objective, active @ BONDS @ active, rtol=1e-12)


def test_excluded_bond_against_the_closed_form():
    model = MinTrackingError(Variance("precomputed"), benchmark_weights=INDEX, max_weights=[1, 0, 1]).fit(BONDS)
    # Minimise (t-.4, -.3, 1-t-.3) in t: a parabola.
    direction, start = np.array([1.0, 0, -1]), np.array([-0.4, -0.3, 0.7])
    t = -(direction @ BONDS @ start) / (direction @ BONDS @ direction)
    assert_allclose(model.weights_, [t, 0, 1 - t], atol=1e-12)


# Four assets: tracking by returns and by weights is the same with the sample covariance.

MEAN = np.array([0.05, 0.1, 0.12, 0.18])
COVARIANCE = np.array(
    [
        [0.0064, 0.00408, 0.00192, 0],
        [0.00408, 0.0289, 0.0204, 0.0119],
        [0.00192, 0.0204, 0.0576, 0.0336],
        [0, 0.0119, 0.0336, 0.1225],
    ]
)


def maximum_sharpe():
    """Long-only, by the homogenised textbook program."""
    v = cp.Variable(4)
    cp.Problem(cp.Minimize(cp.quad_form(v, COVARIANCE)), [MEAN @ v == 1, v >= 0]).solve(
        solver="CLARABEL", tol_gap_abs=1e-12, tol_gap_rel=1e-12
    )
    return v.value / v.value.sum()


def test_benchmark_by_returns_and_by_weights_give_the_same_portfolio():
    benchmark = maximum_sharpe()
    assert_allclose(benchmark, [0.66081, 0.16223, 0.06263, 0.11433], atol=1e-5)  # published
    X = np.random.default_rng(0).multivariate_normal(MEAN, COVARIANCE, 1000)
    limits = {"max_weights": [0.5, 1, 1, 1]}  # so that holding the benchmark is not allowed
    by_returns = MinTrackingError(Variance(), **limits).fit(X, X @ benchmark)
    by_weights = MinTrackingError(Variance(), benchmark_weights=benchmark, **limits).fit(X)
    given = MinTrackingError(Variance("precomputed"), benchmark_weights=benchmark, **limits).fit(np.cov(X.T))
    assert_allclose(by_returns.weights_, by_weights.weights_, atol=1e-8)
    assert_allclose(by_returns.weights_, given.weights_, atol=1e-8)
    assert_allclose(by_returns.solution_.objective, given.solution_.objective, rtol=1e-9)
    free = MinTrackingError(Variance()).fit(X, X @ benchmark)
    assert_allclose(free.weights_, benchmark, atol=1e-8)


# Against the textbook program, for both solvers, in shapes that hurt.


@MANY
@SOLVERS
@pytest.mark.parametrize(
    ("n_assets", "n_periods"),
    [(8, 120), (30, 12), (5, 2), (1, 50), (40, 400)],
    ids=["usual", "T<N", "two rows", "one asset", "larger"],
)
def test_objective_is_that_of_the_textbook_program(solver, n_assets, n_periods):
    X, y = simulate(n_assets, n_periods, seed=n_assets)
    for risk, form in ((RootMeanSquare(), "rmse"), (StandardDeviation(), "std")):
        model = MinTrackingError(risk, solver=solver).fit(X, y)
        reference = textbook(X, y, risk=form)
        s = np.mean((X - y[:, None]) ** 2)
        assert risk.value(X @ model.weights_ - y) ** 2 <= risk.value(X @ reference - y) ** 2 + 1e-9 * s
        assert model.solution_.primal_violation < 1e-9


@MANY
def test_solvers_agree_on_singular_data():
    X, y = simulate()
    X = np.column_stack([X, X[:, 0], X[:, 0], np.zeros(len(X)), np.full(len(X), 1e-4)])  # duplicates and constants
    for risk in (RootMeanSquare(), StandardDeviation(), Variance()):
        direct, conic = (MinTrackingError(risk, solver=s).fit(X, y) for s in (None, Conic()))
        s = np.mean((X - y[:, None]) ** 2)
        power = 2 if risk.is_root else 1
        assert direct.solution_.solver == "DenseQP"
        assert abs(direct.solution_.objective**power - conic.solution_.objective**power) <= 1e-9 * s
        assert direct.solution_.gap <= 1e-8 >= conic.solution_.gap


def test_perfect_replication_is_found_to_the_last_digit():
    X, _ = simulate()
    w = np.array([0.3, 0, 0.2, 0.1, 0, 0.4, 0, 0])
    model = MinTrackingError().fit(X, X @ w)
    assert_allclose(model.weights_, w, atol=1e-13)
    assert model.solution_.objective < 1e-15
    assert model.solution_.multipliers == {}  # the RMSE has no derivative at 0


def test_unbounded_weights_give_least_squares():
    X, y = simulate()
    model = MinTrackingError(min_weights=None, max_weights=None, budget=(-np.inf, np.inf)).fit(X, y)
    assert_allclose(model.weights_, np.linalg.lstsq(X, y, rcond=None)[0], atol=1e-10)
    assert 0 <= model.solution_.gap < 1e-8  # proven by the curvature of the objective, as no bound is there


def test_long_short_with_budget_against_the_normal_equations():
    X, y = simulate()
    model = MinTrackingError(min_weights=-5, max_weights=5, budget=1.3).fit(X, y)
    n = X.shape[1]
    kkt = np.block([[X.T @ X, np.ones((n, 1))], [np.ones((1, n)), np.zeros((1, 1))]])
    assert_allclose(model.weights_, np.linalg.solve(kkt, np.append(X.T @ y, 1.3))[:n], atol=1e-10)


@SOLVERS
def test_every_constraint_against_the_textbook(solver):
    X, y = simulate()
    groups, beta = ["a", "a", "b", "b", "b", "c", "c", None], np.arange(8.0)
    previous, benchmark = np.full(8, 1 / 8), np.arange(1, 9) / 36
    constraints = [
        GroupBounds(groups, lower={"a": 0.3}, upper={"b": 0.2}),
        Exposure(beta, 3.2, 3.4),
        LinearConstraint(
            [[1, -1, 0, 0, 0, 0, 0, 0], [0, 0, 1, 0, 0, 0, 0, 1]],
            lower=[0.01, -np.inf],
            upper=[np.inf, 0.3],
        ),
        ActiveBounds(-0.15, {"x7": -0.05}),
        MaxTurnover(0.3),
    ]
    model = MinTrackingError(constraints=constraints, benchmark_weights=benchmark, solver=solver)
    model.fit(X, y, previous_weights=previous)

    def by_hand(w):
        return [
            w[0] + w[1] >= 0.3, w[2] + w[3] + w[4] <= 0.2, beta @ w >= 3.2, beta @ w <= 3.4, w[0] - w[1] >= 0.01, w[2]
            + w[7] <= 0.3, w - benchmark >= -0.15, w[7] - benchmark[7] <= -0.05, cp.norm1(w - previous) / 2 <= 0.3,
        ]  # fmt: skip

    assert_allclose(model.weights_, textbook(X, y, by_hand), atol=1e-5)
    assert model.solution_.gap < 1e-8
    without = MinTrackingError(constraints=constraints[:-1], benchmark_weights=benchmark, solver=solver).fit(X, y)
    assert without.solution_.solver == ("DenseQP" if solver is None else "Conic")
    assert_allclose(without.weights_, textbook(X, y, lambda w: by_hand(w)[:-1]), atol=1e-5)


# Covariance estimators.


def joint_variance(estimator, X, y, w):
    z = np.append(w, -1)
    fitted = clone(estimator).fit(np.column_stack([X, y]))
    covariance = fitted.covariance_ if hasattr(fitted, "covariance_") else fitted.get_covariance()
    return z @ covariance @ z


@SOLVERS
@pytest.mark.parametrize(
    "estimator",
    [LedoitWolf(), FactorAnalysis(2, random_state=0), PCA(3)],
    ids=lambda e: type(e).__name__,
)
def test_covariance_of_assets_and_benchmark_together(estimator, solver, market):
    X, y = market
    model = MinTrackingError(Variance(estimator), solver=solver).fit(X, y)
    assert not {"components_", "covariance_"} & vars(estimator).keys()  # terms are not fitted
    value = joint_variance(estimator, X, y, model.weights_)
    assert_allclose(model.solution_.objective, value, rtol=1e-9)
    assert model.solution_.gap < 1e-8
    rng = np.random.default_rng(0)
    assert all(joint_variance(estimator, X, y, w) >= value for w in rng.dirichlet(np.ones(8), 200))


def test_factor_covariance_by_weights_is_the_textbook_formula():
    data = make_index_market(n_assets=30, n_periods=300, n_factors=3, random_state=0)
    X, w_b = data.X, data.weights
    estimator = FactorAnalysis(3, random_state=0)
    model = MinTrackingError(StandardDeviation(estimator), benchmark_weights=w_b, max_weights=0.06).fit(X)
    d = model.weights_ - w_b.to_numpy()
    assert_allclose(
        model.solution_.objective,
        np.sqrt(d @ estimator.fit(X.to_numpy()).get_covariance() @ d),
        rtol=1e-9,
    )
    assert model.solution_.gap < 1e-8


# Weights of periods.


@pytest.mark.parametrize("risk", [RootMeanSquare(), StandardDeviation(), Variance()], ids=lambda r: type(r).__name__)
@SOLVERS
def test_sample_weight_two_is_the_row_twice(risk, solver, market):
    X, y = market
    repeats = np.random.default_rng(0).integers(0, 4, len(X))
    weighted = MinTrackingError(risk, solver=solver).fit(X, y, sample_weight=repeats)
    repeated = MinTrackingError(risk, solver=solver).fit(np.repeat(X, repeats, axis=0), np.repeat(y, repeats))
    assert_allclose(weighted.weights_, repeated.weights_, atol=1e-9 if solver is None else 1e-5)
    assert_allclose(weighted.solution_.objective, repeated.solution_.objective, rtol=1e-9)


# Names, dates, benchmarks.


def test_names_are_used_and_columns_are_not_reordered(frames):
    X, y = frames
    by_name = MinTrackingError(max_weights={"C": 0.05, "A": 0.1}).fit(X, y)
    by_place = MinTrackingError(max_weights=[0.1, 1, 0.05, 1, 1, 1, 1, 1]).fit(X.to_numpy(), y.to_numpy())
    assert_allclose(by_name.weights_, by_place.weights_, atol=1e-12)
    as_series = MinTrackingError(max_weights=pd.Series({"A": 0.1, "C": 0.05})).fit(X, y)
    assert_allclose(as_series.weights_, by_place.weights_, atol=1e-12)
    assert by_name.predict(X).weights.index.tolist() == list("ABCDEFGH")


def test_polars_goes_in(frames):
    X, y = frames
    model = MinTrackingError(max_weights={"C": 0.05}).fit(pl.from_pandas(X), pl.Series(y.to_numpy()))
    assert_allclose(model.weights_, MinTrackingError(max_weights={"C": 0.05}).fit(X, y).weights_, atol=1e-12)
    portfolio = model.predict(pl.from_pandas(X))
    assert_allclose(np.asarray(portfolio), X.to_numpy() @ model.weights_, atol=1e-15)


def test_benchmark_weights_stand_in_for_y(frames):
    X, _ = frames
    weights = pd.Series(np.arange(1, 9) / 36, index=X.columns)
    model = MinTrackingError(benchmark_weights=weights[::-1], max_weights=0.15).fit(X)
    reference = MinTrackingError(max_weights=0.15).fit(X, X @ weights)
    assert_allclose(model.weights_, reference.weights_, atol=1e-10)
    assert_allclose(model.score(X), r2_score(X @ weights, X @ model.weights_))
    assert_allclose(model.predict(X).tracking_rmse(), root_mean_squared_error(X @ weights, X @ model.weights_))


def test_benchmark_weights_by_date_take_the_last_known_row(frames):
    X, _ = frames
    last = X.index[-1]
    table = pd.DataFrame(
        [np.eye(8)[0], np.eye(8)[1], np.eye(8)[2]],
        index=[X.index[0], last - pd.Timedelta(days=3), last + pd.Timedelta(days=1)],
        columns=X.columns,
    )
    model = MinTrackingError(benchmark_weights=table).fit(X)
    assert_allclose(model.benchmark_weights_, np.eye(8)[1])
    assert_allclose(model.weights_, np.eye(8)[1], atol=1e-12)


def test_predict_gives_a_portfolio_and_score_is_r2(frames):
    X, y = frames
    model = MinTrackingError().fit(X[:80], y[:80])
    portfolio = model.predict(X[80:])
    assert isinstance(portfolio, Portfolio)
    assert_allclose(np.asarray(portfolio), X[80:].to_numpy() @ model.weights_, atol=1e-16)
    assert_allclose(model.score(X[80:], y[80:]), r2_score(y[80:], X[80:] @ model.weights_))
    assert_allclose(np.asarray(model.fit_predict(X, y)), np.asarray(model.fit(X, y).predict(X)))


def test_embedded_data_in_and_out_of_sample():
    X, y = load_sp500(start="2014-01-01", return_X_y=True)
    train, test = slice(0, 1516), slice(1516, None)
    model = MinTrackingError().fit(X[train], y[train])
    reference = textbook(X[train].to_numpy(), y[train].to_numpy())
    assert_allclose(model.weights_, reference, atol=1e-6)
    rmse = root_mean_squared_error(y[test], model.predict(X[test]))
    assert_allclose(
        rmse,
        np.sqrt(np.mean((X[test].to_numpy() @ reference - y[test].to_numpy()) ** 2)),
        rtol=1e-6,
    )


def test_read_only_input_stays_as_it_is(market):
    X, y = (a.copy() for a in market)
    X.setflags(write=False)
    y.setflags(write=False)
    previous = np.full(8, 1 / 8)
    previous.setflags(write=False)
    MinTrackingError(constraints=[MaxTurnover(0.5)], benchmark_weights=previous).fit(X, y, previous_weights=previous)
