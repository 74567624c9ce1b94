"""The embedded prices of the S&P 500."""

import datetime as dt
import hashlib
import re
import time
from importlib.resources import files

import numpy as np
import pandas as pd
import pytest
from numpy.testing import assert_allclose
from sklearn.model_selection import train_test_split

from trackfolio import datasets
from trackfolio.datasets import load_sp500


def test_public_names():
    assert set(datasets.__all__) == {
        "load_sp500",
        "make_index_market",
        "prices_to_returns",
        "read_orlib",
    }


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
