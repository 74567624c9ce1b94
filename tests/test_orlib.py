"""The OR-Library's layout."""

import gzip
import io
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from numpy.testing import assert_array_equal

from trackfolio.datasets import prices_to_returns, read_orlib

ORLIB = Path(__file__).resolve().parents[2] / "shared" / "data" / "orlib"


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
