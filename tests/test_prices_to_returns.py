"""Prices to returns, on common dates."""

import re

import hypothesis.extra.numpy as hnp
import hypothesis.strategies as st
import numpy as np
import pandas as pd
import pytest
from hypothesis import given, settings
from numpy.testing import assert_allclose, assert_array_equal

from trackfolio.datasets import prices_to_returns

DAYS = pd.date_range("2020-01-01", periods=4, name="Date")


@pytest.fixture
def prices() -> pd.DataFrame:
    return pd.DataFrame({"A": [10.0, 11.0, 12.1, 12.1], "B": [4.0, 2.0, 3.0, 3.3]}, index=DAYS)


@pytest.fixture
def index() -> pd.Series:
    return pd.Series([100.0, 110.0, 99.0, 99.0], index=DAYS, name="I")


def test_returns_by_hand(prices, index):
    X, y = prices_to_returns(prices, index)
    expected = pd.DataFrame({"A": [0.1, 0.1, 0.0], "B": [-0.5, 0.5, 0.1]}, index=DAYS[1:])
    pd.testing.assert_frame_equal(X, expected, check_freq=False)
    expected_y = pd.Series([0.1, -0.1, 0.0], index=DAYS[1:], name="I")
    pd.testing.assert_series_equal(y, expected_y, check_freq=False)


def test_returns_are_computed_after_the_join(prices, index):
    # The index lacks the second day, the prices the last one: 1 -> 3 January remains, in one step.
    X, y = prices_to_returns(prices.iloc[:3], index.iloc[[0, 2, 3]])
    assert list(X.index) == list(y.index) == [pd.Timestamp("2020-01-03")]
    assert_allclose(X.to_numpy(), [[0.21, -0.25]], rtol=1e-14)
    assert_allclose(y.to_numpy(), [-0.01], rtol=1e-14)


def test_what_the_join_leaves_out_is_not_looked_at(prices, index):
    prices.iloc[1] = [np.nan, -1.0]
    X, y = prices_to_returns(prices, index.drop(DAYS[1]))
    assert_allclose(X["A"], [0.21, 0.0], atol=1e-15)
    assert len(y) == 2


def test_index_of_another_time_unit_gets_the_dates_of_the_prices(prices, index):
    index.index = pd.DatetimeIndex(index.index).as_unit("s").rename("Day")
    X, y = prices_to_returns(prices, index)
    assert X.index.equals(y.index)
    assert X.index.dtype == y.index.dtype
    assert X.index.name == y.index.name == "Date"
    assert y.to_numpy()[0] == 110.0 / 100.0 - 1.0


def test_kinds_in_are_kinds_out(prices, index):
    X = prices_to_returns(prices)
    assert isinstance(X, pd.DataFrame)
    array, y = prices_to_returns(prices.to_numpy(), index.to_numpy())
    assert type(array) is type(y) is np.ndarray
    assert_array_equal(array, X)
    assert y.shape == (3,)
    series = prices_to_returns(prices["A"])
    pd.testing.assert_series_equal(series, X["A"])
    assert prices_to_returns(prices["A"].rename(None)).name is None
    one, level = prices_to_returns(prices["A"], index)
    pd.testing.assert_series_equal(one, X["A"])
    assert level.name == "I"
    assert_allclose(prices_to_returns([10, 11, 22]), [0.1, 1.0], rtol=1e-14)
    assert prices_to_returns(prices.astype("Float64")).dtypes.eq(np.float64).all()
    assert prices_to_returns(prices.round().astype(int)).dtypes.eq(np.float64).all()


def test_inputs_are_not_written_to(prices, index):
    before = prices.copy(), index.copy()
    array = prices.to_numpy().copy()
    array.flags.writeable = False
    prices_to_returns(prices, index)
    prices_to_returns(array)
    pd.testing.assert_frame_equal(prices, before[0])
    pd.testing.assert_series_equal(index, before[1])


def test_labels_need_not_be_dates():
    weekly = pd.DataFrame({"S1": [1.0, 2.0, 3.0]}, index=pd.RangeIndex(3, name="Week"))
    X, y = prices_to_returns(weekly, pd.Series([1.0, 4.0], index=[1, 2]))
    assert_allclose(X.to_numpy(), [[0.5]])
    assert_allclose(y.to_numpy(), [3.0])


@settings(deadline=None)
@given(
    prices=hnp.arrays(
        np.float64,
        st.tuples(st.integers(2, 30), st.integers(1, 5)),
        elements=st.floats(1e-3, 1e6),
    )
)
def test_compounded_returns_give_back_the_prices(prices):
    days = pd.date_range("2020-01-01", periods=len(prices))
    X, y = prices_to_returns(pd.DataFrame(prices, index=days), pd.Series(prices[:, 0], index=days))
    assert X.shape == (len(prices) - 1, prices.shape[1])
    assert (X > -1.0).all(axis=None)
    # A price that falls a billionfold loses nine digits in 1 + r.
    assert_allclose((1.0 + X).cumprod(), prices[1:] / prices[0], rtol=1e-5)
    assert_array_equal(X[0], y)


@settings(deadline=None)
@given(
    kept=st.lists(st.booleans(), min_size=12, max_size=12).filter(lambda keep: sum(keep) >= 2),
    seed=st.integers(0, 2**32 - 1),
)
def test_join_loses_no_performance_between_the_first_and_the_last_common_date(kept, seed):
    days = pd.date_range("2020-01-01", periods=12)
    rng = np.random.default_rng(seed)
    prices = pd.DataFrame(rng.uniform(1, 2, (12, 2)), index=days, columns=["A", "B"])
    level = pd.Series(rng.uniform(1, 2, 12), index=days)[kept]
    X, y = prices_to_returns(prices, level)
    first, last = level.index[0], level.index[-1]
    assert list(X.index) == list(level.index[1:])
    assert_allclose((1 + X).prod(), prices.loc[last] / prices.loc[first], rtol=1e-12)
    assert_allclose((1 + y).prod(), level[last] / level[first], rtol=1e-12)


def test_missing_prices_name_assets_and_first_dates(prices, index):
    prices.iloc[2:, 1] = np.nan
    message = r"in 1 of 2 column\(s\): 'B' \(2, first on 2020-01-03\)\. Nothing is filled.*ffill"
    with pytest.raises(ValueError, match=message):
        prices_to_returns(prices, index)
    index.iloc[0] = np.nan
    with pytest.raises(ValueError, match=r"index: .*'I' \(1, first on 2020-01-01\)"):
        prices_to_returns(prices[["A"]], index)
    with pytest.raises(ValueError, match=r"column 1 \(2, first on row 2\)"):
        prices_to_returns(prices.to_numpy())


def test_many_assets_with_missing_prices_are_counted():
    values = np.ones((3, 9))
    values[1, 1:] = np.nan
    with pytest.raises(ValueError, match=r"in 8 of 9 .*column 5 \(1, first on row 1\) and 3 more\."):
        prices_to_returns(values)


@pytest.mark.parametrize(
    ("value", "message"),
    [
        (0.0, "must be positive, but prices: 'B', 2020-01-03 is 0 "),
        (-2.5, "must be positive, but prices: 'B', 2020-01-03 is -2.5 .*look like returns already"),
        (np.inf, "must be finite, but prices: 'B', 2020-01-03 is inf"),
    ],
)
def test_impossible_prices_name_asset_and_date(prices, value, message):
    prices.loc["2020-01-03", "B"] = value
    with pytest.raises(ValueError, match=message) as error:
        prices_to_returns(prices)
    assert ("returns already" in str(error.value)) == (value < 0)


def test_returns_passed_as_prices_are_recognised(prices):
    with pytest.raises(ValueError, match="look like returns already"):
        prices_to_returns(prices.pct_change())  # begins with a row of NaN


def test_impossible_index_is_called_index(prices, index):
    index.iloc[3] = 0.0
    with pytest.raises(ValueError, match="but index: 'I', 2020-01-04 is 0"):
        prices_to_returns(prices, index)


@pytest.mark.parametrize(
    ("order", "message"),
    [
        ([3, 2, 1, 0], "dates of {} are not ascending: 2020-01-03 comes after 2020-01-04"),
        ([0, 1, 3, 2], "dates of {} are not ascending: 2020-01-03 comes after 2020-01-04"),
        ([0, 1, 1, 2], "{}: more than one row is dated 2020-01-02"),
        ([2, 1, 2, 1], "{}: more than one row is dated 2020-01-03"),
    ],
)
def test_dates_must_ascend_without_duplicates(prices, index, order, message):
    with pytest.raises(ValueError, match=message.format("prices")):
        prices_to_returns(prices.iloc[order], index)
    with pytest.raises(ValueError, match=message.format("index")):
        prices_to_returns(prices, index.iloc[order])


def test_missing_date_and_duplicate_column(prices):
    with pytest.raises(ValueError, match="more than one column is named 'A'"):
        prices_to_returns(prices.set_axis(["A", "A"], axis=1))
    with pytest.raises(ValueError, match="row 1 has no date"):
        prices_to_returns(prices.set_axis([DAYS[0], pd.NaT, *DAYS[2:]]))


@pytest.mark.parametrize(
    "labels",
    [
        DAYS + pd.Timedelta("16h"),
        DAYS.tz_localize("UTC"),
        DAYS + pd.Timedelta("3D"),  # one common date
        DAYS.strftime("%Y-%m-%d"),
        range(4),
    ],
    ids=["time of day", "time zone", "later", "text", "numbers"],
)
def test_too_few_common_dates_show_both_ranges(prices, index, labels):
    message = r"[01] date\(s\) are common.*prices are 2020-01-01 00:00:00 to 2020-01-04.*of index "
    with pytest.raises(ValueError, match=message + re.escape(str(pd.Index(labels)[0]))):
        prices_to_returns(prices, index.set_axis(labels))


def test_too_few_dates_or_assets(prices, index):
    with pytest.raises(ValueError, match="number of rows of prices is 1"):
        prices_to_returns(prices.iloc[:1])
    with pytest.raises(ValueError, match=r"0 date\(s\) are common.*prices are none"):
        prices_to_returns(prices.iloc[:0], index)
    with pytest.raises(ValueError, match="number of rows of prices is 0"):
        prices_to_returns(np.empty((0, 3)))
    with pytest.raises(ValueError, match="no columns in prices"):
        prices_to_returns(prices[[]])


def test_kinds_are_not_mixed(prices, index):
    with pytest.raises(TypeError, match=r"is a ndarray: pass pd\.Series"):
        prices_to_returns(prices, index.to_numpy())
    with pytest.raises(TypeError, match=r"is a DataFrame: pass index\.squeeze\('columns'\)"):
        prices_to_returns(prices, index.to_frame())
    with pytest.raises(TypeError, match="prices are a ndarray without dates"):
        prices_to_returns(prices.to_numpy(), index)
    with pytest.raises(ValueError, match="4 rows of prices and 3 of index"):
        prices_to_returns(prices.to_numpy(), index.to_numpy()[1:])
    with pytest.raises(ValueError, match=r"shape of index is \(4, 1\)"):
        prices_to_returns(prices.to_numpy(), index.to_numpy()[:, None])


def test_only_numbers_are_prices(prices):
    with pytest.raises(TypeError, match=r"column 'Date' of prices has dtype datetime64.*set_index"):
        prices_to_returns(prices.reset_index())
    with pytest.raises(TypeError, match="column 'B' of prices has dtype object"):
        prices_to_returns(prices.assign(B=prices["B"].astype(object)))
    with pytest.raises(TypeError, match="column 'B' of prices has dtype bool"):
        prices_to_returns(prices.assign(B=True))
    with pytest.raises(TypeError, match="dtype of prices is object"):
        prices_to_returns(np.array([[1.0], [None]], dtype=object))
