"""The portfolio as an array: numpy, pandas and scikit-learn take it for its returns."""

import operator

import numpy as np
import pandas as pd
import pytest
from sklearn import metrics as sk
from sklearn.base import BaseEstimator, RegressorMixin
from sklearn.ensemble import BaggingRegressor, StackingRegressor, VotingRegressor
from sklearn.inspection import permutation_importance
from sklearn.linear_model import LinearRegression
from sklearn.metrics import PredictionErrorDisplay
from sklearn.model_selection import (
    GridSearchCV,
    KFold,
    cross_val_predict,
    cross_val_score,
    learning_curve,
)
from sklearn.utils.validation import validate_data

from trackfolio.portfolio import Portfolio


class Tracker(RegressorMixin, BaseEstimator):
    """Least squares whose predictions are a portfolio, or (to compare with) a plain array."""

    def __init__(self, ridge=0.0, plain=False):
        self.ridge = ridge
        self.plain = plain

    def fit(self, X, y):
        X, y = validate_data(self, X, y)
        gram = X.T @ X + self.ridge * np.eye(X.shape[1])
        self.weights_ = np.linalg.solve(gram, X.T @ y)
        return self

    def predict(self, X):
        validate_data(self, X, reset=False)
        portfolio = Portfolio(X, self.weights_)
        return np.array(portfolio) if self.plain else portfolio


@pytest.fixture(name="X")
def returns_of_the_assets():
    dates = pd.bdate_range("2023-01-02", periods=120)
    values = np.random.default_rng(5).normal(0.0005, 0.01, (120, 4))
    return pd.DataFrame(values, index=dates, columns=list("ABCD"))


@pytest.fixture
def y(X):
    noise = np.random.default_rng(6).normal(0, 0.002, 120)
    return pd.Series(X.to_numpy() @ [0.4, 0.3, 0.2, 0.1] + noise, index=X.index)


@pytest.fixture
def portfolio(X):
    return Portfolio(X, [0.25, 0.25, 0.25, 0.25])


@pytest.fixture
def r(X):
    return X.to_numpy() @ np.full(4, 0.25)


class TestNumpy:
    def test_shape(self, portfolio, r):
        assert (len(portfolio), portfolio.shape, portfolio.ndim) == (120, (120,), 1)
        assert portfolio.dtype == np.float64
        assert list(portfolio) == list(r)
        assert (np.shape(portfolio), np.size(portfolio), np.ndim(portfolio)) == ((120,), 120, 1)

    def test_indexing_gives_plain_arrays(self, portfolio, r):
        assert portfolio[3] == r[3]
        for key in (slice(2, 9), [1, 5], r > 0, np.array([-1, 0]), (slice(3), ...)):
            assert type(portfolio[key]) is np.ndarray
            np.testing.assert_array_equal(portfolio[key], r[key])
        with pytest.raises(IndexError):
            portfolio[120]

    def test_array_protocol(self, portfolio, r):
        np.testing.assert_array_equal(np.asarray(portfolio), r)
        assert np.shares_memory(np.asarray(portfolio), np.asarray(portfolio, copy=False))
        assert np.asarray(portfolio, dtype=np.float32).dtype == np.float32
        assert portfolio.__array__(np.float32).dtype == np.float32
        own = np.array(portfolio)
        assert own.flags.writeable
        assert not np.shares_memory(own, np.asarray(portfolio))
        with pytest.raises(ValueError, match=r"[Uu]nable to avoid copy"):
            np.array(portfolio, dtype=np.float32, copy=False)

    @pytest.mark.parametrize("name", ["mean", "std", "var", "sum", "min", "max", "median", "prod"])
    def test_reductions(self, portfolio, r, name):
        assert getattr(np, name)(portfolio) == getattr(np, name)(r)

    @pytest.mark.parametrize(
        "function",
        [
            np.cumsum,
            np.sort,
            np.abs,
            np.exp,
            np.isfinite,
            np.ravel,
            np.copy,
            np.argsort,
            lambda a: np.reshape(a, (2, -1)),
            lambda a: np.percentile(a, [5, 95]),
            lambda a: np.quantile(a, 0.1),
            lambda a: np.concatenate([a, a]),
            lambda a: np.stack([a, a]),
            lambda a: np.column_stack([a, a]),
            lambda a: np.corrcoef(a, a),
            lambda a: np.where(np.asarray(a) > 0, a, 0),
            lambda a: np.add.reduce(a),
            lambda a: np.multiply.outer(a, a),
            lambda a: np.maximum.accumulate(a),
            lambda a: a.ravel(),
            lambda a: a.ravel(order="F"),
            lambda a: a.reshape(-1, 1),
            lambda a: a.reshape((60, 2), order="F"),
            lambda a: a @ a,
            lambda a: np.ones((2, 120)) @ a,
            lambda a: np.dot(a, a),
        ],
    )
    def test_functions_give_plain_arrays(self, portfolio, r, function):
        result = function(portfolio)
        assert type(result) is type(function(r))
        np.testing.assert_array_equal(result, function(r))

    @pytest.mark.parametrize(
        "operate",
        [operator.add, operator.sub, operator.mul, operator.truediv, operator.lt, operator.eq],
    )
    def test_arithmetic_gives_plain_arrays(self, portfolio, r, operate):
        for left, right, expected in [
            (portfolio, 0.5, operate(r, 0.5)),
            (0.5, portfolio, operate(0.5, r)),
            (portfolio, r[::-1], operate(r, r[::-1])),
            (r[::-1], portfolio, operate(r[::-1], r)),
            (portfolio, portfolio, operate(r, r)),
        ]:
            result = operate(left, right)
            assert type(result) is np.ndarray
            np.testing.assert_array_equal(result, expected)
        np.testing.assert_array_equal(-portfolio, -r)
        np.testing.assert_array_equal(sum([portfolio, portfolio]), r + r)

    def test_cannot_be_written_to(self, portfolio, r):
        with pytest.raises(TypeError, match="Portfolio is immutable"):
            portfolio += 1
        with pytest.raises(TypeError, match="immutable"):
            np.add(portfolio, 1, out=portfolio)
        with pytest.raises(TypeError, match="item assignment"):
            portfolio[0] = 1
        with pytest.raises(TypeError, match="immutable"):
            np.add.at(portfolio, [0], 1)
        counts = np.zeros(120)
        np.add.at(counts, np.arange(120), portfolio)
        np.testing.assert_array_equal(counts, r)
        out = np.empty(120)
        assert np.add(portfolio, 1, out=out) is out
        np.testing.assert_array_equal(out, r + 1)

    def test_no_hash_where_equality_is_elementwise(self, portfolio):
        assert (portfolio == portfolio).all()
        with pytest.raises(TypeError, match="unhashable"):
            hash(portfolio)

    def test_no_attribute_takes_the_place_of_an_array_method(self):
        public = {name for name in dir(Portfolio) if not name.startswith("_")}
        assert public & set(dir(np.ndarray)) == {"shape", "ndim", "dtype", "ravel", "reshape"}

    def test_pandas(self, portfolio, y, r):
        pd.testing.assert_series_equal(y - portfolio, y - r)
        pd.testing.assert_series_equal(portfolio - y, r - y)
        np.testing.assert_array_equal(pd.Series(portfolio), r)
        frame = pd.DataFrame({"p": portfolio, "y": y}, index=y.index)
        np.testing.assert_array_equal(frame["p"], r)


class TestScikitLearn:
    @pytest.mark.parametrize(
        "metric",
        [
            sk.r2_score,
            sk.root_mean_squared_error,
            sk.mean_squared_error,
            sk.mean_absolute_error,
            sk.median_absolute_error,
            sk.max_error,
            sk.explained_variance_score,
            sk.mean_pinball_loss,
            sk.d2_absolute_error_score,
        ],
    )
    def test_metrics(self, portfolio, y, r, metric):
        assert metric(y, portfolio) == metric(y, r)
        assert metric(portfolio, y) == metric(r, y)

    def test_validation(self, X, y):
        plain, ours = Tracker(plain=True), Tracker()
        folds = KFold(5)
        np.testing.assert_array_equal(cross_val_predict(ours, X, y, cv=folds), cross_val_predict(plain, X, y, cv=folds))
        np.testing.assert_array_equal(
            cross_val_score(ours, X, y, scoring="neg_root_mean_squared_error"),
            cross_val_score(plain, X, y, scoring="neg_root_mean_squared_error"),
        )
        for ours_part, plain_part in zip(learning_curve(ours, X, y), learning_curve(plain, X, y), strict=True):
            np.testing.assert_array_equal(ours_part, plain_part)
        grid = {"ridge": [0.0, 0.01, 1.0]}
        searches = [GridSearchCV(model, grid).fit(X, y) for model in (ours, plain)]
        assert searches[0].best_score_ == searches[1].best_score_
        assert isinstance(searches[0].predict(X), Portfolio)

    @pytest.mark.parametrize(
        "ensemble",
        [
            lambda model: StackingRegressor([("a", model), ("b", model)], LinearRegression()),
            lambda model: VotingRegressor([("a", model), ("b", model)]),
            lambda model: BaggingRegressor(model, n_estimators=4, random_state=0),
            lambda model: BaggingRegressor(
                model, n_estimators=4, max_features=2, oob_score=True, max_samples=0.3
            ).set_params(random_state=1),
        ],
    )
    @pytest.mark.filterwarnings("ignore:Some inputs do not have OOB scores")
    def test_ensembles(self, X, y, ensemble):
        ours, plain = (ensemble(Tracker(plain=plain)).fit(X, y) for plain in (False, True))
        np.testing.assert_allclose(ours.predict(X), plain.predict(X), rtol=1e-12)

    def test_permutation_importance(self, X, y):
        ours, plain = (
            permutation_importance(Tracker(plain=plain).fit(X, y), X, y, random_state=0) for plain in (False, True)
        )
        np.testing.assert_array_equal(ours.importances, plain.importances)

    # Older matplotlib uses what newer pyparsing deprecates.
    @pytest.mark.filterwarnings("ignore::DeprecationWarning")
    @pytest.mark.parametrize("kind", ["residual_vs_predicted", "actual_vs_predicted"])
    def test_prediction_error_display(self, X, y, kind):
        import matplotlib

        matplotlib.use("Agg")
        from matplotlib import pyplot as plt

        model = Tracker().fit(X, y)
        drawn = [
            PredictionErrorDisplay.from_estimator(model, X, y, kind=kind, subsample=None),
            PredictionErrorDisplay.from_predictions(y, model.predict(X), kind=kind, subsample=None),
            PredictionErrorDisplay(y_true=y, y_pred=model.predict(X)).plot(kind=kind),
        ]
        predicted = np.array(model.predict(X))
        shown = y - predicted if kind == "residual_vs_predicted" else y
        for display in drawn:
            np.testing.assert_allclose(display.scatter_.get_offsets(), np.column_stack([predicted, shown]), rtol=1e-12)
        sampled = PredictionErrorDisplay.from_estimator(model, X, y, subsample=50, random_state=0)
        assert len(sampled.scatter_.get_offsets()) == 50
        plt.close("all")
