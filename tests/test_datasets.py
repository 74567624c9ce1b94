"""Tests of the embedded data, prices to returns, the OR-Library's layout, the market."""

import datetime as dt
import gzip
import hashlib
import io
import re
import time
from importlib.resources import files
from pathlib import Path

import hypothesis.extra.numpy as hnp
import hypothesis.strategies as st
import numpy as np
import pandas as pd
import pytest
from hypothesis import given, settings
from numpy.testing import assert_allclose, assert_array_equal
from scipy import integrate, stats
from sklearn.model_selection import train_test_split

from trackfolio import datasets
from trackfolio.datasets import load_sp500, make_index_market, prices_to_returns, read_orlib
from trackfolio.datasets._student import BoundedStudent

ORLIB = Path(__file__).resolve().parents[2] / "shared" / "data" / "orlib"
DAYS = pd.date_range("2020-01-01", periods=4, name="Date")


@pytest.fixture
def prices() -> pd.DataFrame:
    return pd.DataFrame({"A": [10.0, 11.0, 12.1, 12.1], "B": [4.0, 2.0, 3.0, 3.3]}, index=DAYS)


@pytest.fixture
def index() -> pd.Series:
    return pd.Series([100.0, 110.0, 99.0, 99.0], index=DAYS, name="I")


def test_public_names():
    assert set(datasets.__all__) == {
        "load_sp500",
        "make_index_market",
        "prices_to_returns",
        "read_orlib",
    }


# ---------------------------------------------------------------------------------- load_sp500


def test_sp500_shape_and_known_levels():
    data = load_sp500()
    assert data.prices.shape == (8313, 20)
    assert data.prices.index.name == "Date"
    assert isinstance(data.prices.index, pd.DatetimeIndex)
    assert data.prices.index[0] == pd.Timestamp("1990-01-02")
    assert data.prices.index[-1] == pd.Timestamp("2022-12-28")
    assert data.index.name == "SP500"
    assert data.index.index.equals(data.prices.index)
    # Closing levels of the index as published everywhere.
    assert data.index["1990-01-02"] == 359.69
    assert data.index["2008-09-15"] == 1192.70
    assert data.index["2020-03-23"] == 2237.40
    assert data.index["2022-12-28"] == 3783.22
    assert not data.prices.isna().any(axis=None)


def test_sp500_number_of_training_rows_in_the_published_example():
    X, y = load_sp500(start="2014-01-01", return_X_y=True)
    X_train, X_test, y_train, _ = train_test_split(X, y, test_size=0.33, shuffle=False)
    assert len(X_train) == len(y_train) == 1516
    assert len(X_train) + len(X_test) == len(X) == 2263


def test_sp500_returns_by_hand():
    X, y = load_sp500(start="2014-01-01", return_X_y=True)
    # The index closed at 1831.98, 1831.37 and 1826.77 on the first three days of 2014.
    assert X.index[0] == y.index[0] == pd.Timestamp("2014-01-03")
    assert_allclose(y.iloc[:2], [1831.37 / 1831.98 - 1, 1826.77 / 1831.37 - 1], rtol=1e-13)
    prices = load_sp500().prices["AAPL"]
    assert X.loc["2014-01-03", "AAPL"] == prices["2014-01-03"] / prices["2014-01-02"] - 1
    assert X.index.equals(y.index)


@pytest.mark.parametrize(
    ("start", "end"),
    [
        ("2014-01-02", "2014-12-31"),
        ("2014", "2014"),
        ("2014-01", "2014-12"),
        (pd.Timestamp("2014-01-01"), pd.Timestamp("2014-12-31")),
        (dt.date(2014, 1, 2), dt.date(2014, 12, 31)),
        (np.datetime64("2014-01-02"), np.datetime64("2014-12-31")),
    ],
)
def test_sp500_start_and_end_are_included(start, end):
    data = load_sp500(start=start, end=end)
    assert data.prices.index[0] == data.index.index[0] == pd.Timestamp("2014-01-02")
    assert data.prices.index[-1] == data.index.index[-1] == pd.Timestamp("2014-12-31")
    assert len(data.prices) == len(data.index) == 252


@pytest.mark.parametrize(
    ("start", "end"),
    [("2014-06-01", "2014-01-01"), ("2023", None), (None, "1989"), ("2014-01-04", "2014-01-05")],
)
def test_sp500_empty_selection_names_the_available_range(start, end):
    message = f"{start!r}.*{end!r} select 0 days, 1 needed.*1990-01-02 to 2022-12-28"
    with pytest.raises(ValueError, match=message):
        load_sp500(start=start, end=end)


def test_sp500_one_price_gives_no_return():
    assert len(load_sp500(start="2022-12-28").prices) == 1
    with pytest.raises(ValueError, match="select 1 days, 2 needed"):
        load_sp500(start="2022-12-28", return_X_y=True)


@pytest.mark.parametrize("value", [2014, 2014.5, ["2014"]])
def test_sp500_refuses_what_is_no_date(value):
    with pytest.raises(TypeError, match=re.escape(f"end={value!r} is of type")):
        load_sp500(end=value)


@pytest.mark.parametrize("value", ["soon", "", "now", pd.NaT, pd.Timestamp("2014-01-01", tz="UTC")])
def test_sp500_refuses_dates_that_select_nothing_sensible(value):
    with pytest.raises(ValueError, match=re.escape(f"start={value!r} is not a date to select by")):
        load_sp500(start=value)


def test_sp500_names_its_source_and_licence():
    description = load_sp500().DESCR
    assert "skfolio 1.12.2" in description
    folder = files("trackfolio.datasets").joinpath("data")
    for name in ("sp500_dataset.csv.gz", "sp500_index.csv.gz"):
        digest = hashlib.sha256(folder.joinpath(name).read_bytes()).hexdigest()
        assert f"| `{name}` | `{digest}` |" in description
    licence = folder.joinpath("LICENSE-skfolio.txt").read_text()
    assert licence.startswith("BSD 3-Clause License")
    assert "THIS SOFTWARE IS PROVIDED BY THE COPYRIGHT HOLDERS" in licence


def test_sp500_loads_fast_and_afresh():
    first = load_sp500()
    first.prices.iloc[:] = 1.0
    begin = time.process_time()
    again = load_sp500()
    assert time.process_time() - begin < 0.5  # about 0.02 s
    assert again.prices.iloc[0, 0] == 0.264


# --------------------------------------------------------------------------- prices_to_returns


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


# ---------------------------------------------------------------------------------- read_orlib


def orlib_text(table: pd.DataFrame, *, header: str | None = None, per_line: int = 1) -> str:
    """Write a table (index first) in the layout of the OR-Library."""
    n_stocks, n_prices = table.shape[1] - 1, len(table)
    header = f" {n_stocks} {n_prices - 1} " if header is None else header
    values = [repr(float(v)) for v in table.to_numpy().T.ravel()]
    lines = [" ".join(values[i : i + per_line]) for i in range(0, len(values), per_line)]
    return "\n".join([header, *lines]) + "\n"


@pytest.fixture
def table() -> pd.DataFrame:
    values = np.array([[100.0, 1.0, 20.0], [110.0, 1.5, 19.0], [99.0, 2.0, 21.0], [98.5, 3.0, 22.0]])
    return pd.DataFrame(values, columns=["Index", "S1", "S2"])


@pytest.mark.parametrize("per_line", [1, 4, 5, 100])
def test_orlib_layout_by_hand(table, per_line):
    data = read_orlib(io.StringIO(orlib_text(table, per_line=per_line)))
    assert list(data.prices.columns) == ["S1", "S2"]
    assert list(data.prices["S1"]) == [1.0, 1.5, 2.0, 3.0]
    assert list(data.prices["S2"]) == [20.0, 19.0, 21.0, 22.0]
    assert list(data.index) == [100.0, 110.0, 99.0, 98.5]
    assert data.index.name == "Index"
    assert data.prices.index.equals(data.index.index)
    assert list(data.prices.index) == [0, 1, 2, 3]
    assert data.prices.index.name == "Week"
    assert "2 stocks, 4 prices each (header: N = 2, T = 3)" in data.DESCR


def test_orlib_number_of_values_decides_not_the_header(table):
    data = read_orlib(io.StringIO(orlib_text(table, header="2 4")))
    pd.testing.assert_series_equal(data.index, read_orlib(io.StringIO(orlib_text(table))).index)


def test_orlib_sources(table, tmp_path):
    text = orlib_text(table)
    plain, packed = tmp_path / "indtrack.txt", tmp_path / "indtrack.txt.gz"
    plain.write_text(text)
    packed.write_bytes(gzip.compress(text.encode()))
    expected = read_orlib(io.StringIO(text)).prices
    with plain.open() as as_text, plain.open("rb") as binary, packed.open("rb") as packed_binary:
        for source in (plain, str(plain), packed, as_text, binary, packed_binary):
            data = read_orlib(source)
            pd.testing.assert_frame_equal(data.prices, expected)
            assert str(tmp_path) in data.DESCR
        assert not binary.closed
    with pytest.raises(FileNotFoundError, match="nowhere"):
        read_orlib(tmp_path / "nowhere.txt")


def test_orlib_wrong_number_of_values(table):
    cut = orlib_text(table).rstrip().rsplit("\n", 1)[0]
    with pytest.raises(ValueError, match=r"holds 11 values.*N = 2.*T = 3.* 12 values .* 9 with T"):
        read_orlib(io.StringIO(cut))
    # 6 values divide by the 3 series, but would shift one series against the next.
    half = "\n".join(orlib_text(table).split("\n")[:7])
    with pytest.raises(ValueError, match="holds 6 values"):
        read_orlib(io.StringIO(half))


@pytest.mark.parametrize("text", ["", "31", "a b 1 2", "0 3 1 2 3 4", "2 -1 4", "2.5 3 4", "<html>"])
def test_orlib_bad_header(text):
    with pytest.raises(ValueError, match=r"begins with '.*number of stocks and the number of per"):
        read_orlib(io.StringIO(text))


@pytest.mark.parametrize("token", ["x", "nan", "inf", "1,5"])
def test_orlib_bad_value_is_shown_with_its_place(table, token):
    tokens = orlib_text(table).split()
    tokens[2 + 6] = token
    with pytest.raises(ValueError, match=f"value 7 after the header .* is '{token}'"):
        read_orlib(io.StringIO(" ".join(tokens)))


@pytest.mark.parametrize("per_line", [1, 7])
@pytest.mark.parametrize(("number", "n_stocks"), [(1, 31), (2, 85), (3, 89), (4, 98)])
def test_orlib_round_trip_of_the_published_sets(number, n_stocks, per_line, tmp_path):
    source = ORLIB / f"indtrack{number}.csv.gz"
    if not source.exists():
        pytest.skip(f"the OR-Library sets are no part of the package, and {source} is not there")
    table = pd.read_csv(source)
    path = tmp_path / f"indtrack{number}.txt.gz"
    path.write_bytes(gzip.compress(orlib_text(table, per_line=per_line).encode()))
    data = read_orlib(path)
    assert data.prices.shape == (291, n_stocks)
    assert_array_equal(data.prices, table.drop(columns="Index"))
    assert_array_equal(data.index, table["Index"])
    X, y = prices_to_returns(data.prices, data.index)
    assert X.shape == (290, n_stocks)
    assert y.shape == (290,)


# --------------------------------------------------------------------------- make_index_market


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
