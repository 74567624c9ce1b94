"""What files may look like, and what is said of those that are wrong."""

import contextlib
import os
import threading
from pathlib import Path

import pandas as pd
import pytest
from numpy.testing import assert_allclose

from tests.cli.support import table, write


def variants(prices):
    swapped = prices.iloc[::-1]
    return {
        "german": (prices.to_csv(sep=";", decimal=",", date_format="%d.%m.%Y"), []),
        "british": (prices.to_csv(date_format="%d/%m/%Y"), []),
        "american": (prices.to_csv(sep="\t", date_format="%m/%d/%Y"), []),
        "compact": (prices.to_csv(sep="|", date_format="%Y%m%d"), []),
        "told": (prices.to_csv(date_format="%d %b %y"), ["--date-format", "%d %b %y"]),
        "zones": (prices.to_csv(date_format="%Y-%m-%d 00:00:00-05:00"), []),
        "last first": ("\ufeff" + swapped.to_csv(), []),
        "crlf": ("\n" + prices.to_csv().replace("\n", ",\r\n"), []),
    }


@pytest.mark.parametrize("variant", variants(pd.DataFrame({"A": [1.0]}, index=pd.to_datetime(["2020-01-31"]))))
def test_files_of_all_kinds_give_the_same(run, files, variant):
    prices = pd.read_csv(files / "prices.csv", index_col="Date", parse_dates=True)
    text, options = variants(prices)[variant]
    found = run("track", "-", "-b", "SP500", *options, stdin=text.encode("utf-8"))
    assert found.stdout == run("track", "prices.csv", "-b", "SP500").stdout
    assert ("sorted by date" in found.stderr) == (variant == "last first")


@pytest.mark.parametrize("as_index", [True, False])
def test_parquet_gives_the_same_as_csv(run, files, as_index):
    prices = pd.read_csv(files / "prices.csv", index_col="Date", parse_dates=True)
    (prices if as_index else prices.reset_index()).to_parquet("prices.parquet")
    run("track", "prices.parquet", "-b", "SP500", "-o", "weights.parquet")
    run("track", "prices.csv", "-b", "SP500", "-o", "weights.csv")
    assert_allclose(
        pd.read_parquet("weights.parquet")["weight"], pd.read_csv("weights.csv")["weight"], rtol=0, atol=1e-15
    )
    run("track", "prices.csv", "-b", "SP500", "--previous", "weights.parquet", "--max-turnover", 0.1)


GOOD = ("2020-01-01,1,2,2", "2020-01-02,1.1,2.1,2.2", "2020-01-03,1,2,2.1", "2020-01-13,1,2.1,2.1")
PROBLEMS = {
    "empty": ("", "f.csv is empty"),
    "no rows": ("Date,A,I\n", "has a header, but no rows"),
    "too few rows": (table(*GOOD[:2]), "has 2 rows of numbers, 3 are needed"),
    "no header": ("\n".join(GOOD), "line 1 holds numbers, where names are expected"),
    "one field": ("Date A I\n", "line 1 has one field only"),
    "no dates": ("A,B,I\n1,2,3\n4,5,6\n", "line 2: '1' in the first column is not a date"),
    "bad date": (table(GOOD[0], "", "2020-01-35,1,1,1"), "f.csv, line 4: '2020-01-35' is not a date"),
    "other form": (table(GOOD[0], "03.01.2020,1,1,1"), "line 3: '03.01.2020' is not a date of the same form"),
    "missing date": (table(GOOD[0], ",1,1,1"), "line 3: there is no date"),
    "short year": (table("31.12.20,1,1,1"), "'31.12.20' in the first column is not a date that is recognised"),
    "ambiguous": (table(*(f"0{day}/01/2020,1,1,1" for day in (1, 2, 3))), "'02/01/2020' in line 3: say their form"),
    "dates twice": (table(*GOOD[:2], GOOD[0]), "line 4: the date 2020-01-01 is in line 2 already"),
    "names twice": ("Date,A,A,I\n2020-01-01,1,2,3\n", "more than one column is named 'A'"),
    "no name": (table(*GOOD, header="Date,A,,I"), "column 3 has numbers, but no name"),
    "zero": (table(*GOOD[:2], "2020-01-03,0,1,1"), "a price must be positive, but prices: 'A', 2020-01-03 is 0"),
    "negative": (table(*GOOD[:2], "2020-01-03,-1,1,1"), "Give --returns if they are."),
    "infinite": (table(*GOOD[:2], "2020-01-03,inf,1,1"), "line 4, column 'A': inf is no number"),
    "text": (table(*GOOD[:2], "2020-01-03,x,1,1"), "line 4, column 'A': 'x' is no number"),
    "long text": (table(*GOOD[:2], f"2020-01-03,{'x' * 999},1,1"), f"column 'A': '{'x' * 60}...' is no number"),
    "long date": (table(f"{'9' * 999},1,1,1"), f"line 2: '{'9' * 60}...' in the first column is not a date"),
    "truth": (table("2020-01-03,True,1,1"), "column 'A': 'True' is no number"),
    "thousands": (table(*GOOD[:2], '2020-01-03,"1,200.5",1,1'), "Thousands separators are not read"),
    "thousands, german": (table("13.2.2020;1.200,5;1", header="Date;A;I"), "'1.200,5' is no number. Thousands"),
    "comma or thousand": (table("13.2.2020;1,200;1", header="Date;A;I"), "'1,200' can be a decimal mark, or stand"),
    "decimal comma": (table("2020-01-03,1,5,1,5,1,5"), "line 2: there are more fields than the 4 of"),
    "one field more": (table("2020-01-03,1,5,1,5"), "there are more fields than the 4 of the header"),
    "gap": (table(*GOOD[:2], "2020-01-03,,1,1"), "missing in 1 of 2 columns: 'A' (1, first in line 4)"),
    "gap in the index": (table(*GOOD[:2], "2020-01-03,1,1"), "'I' (1, first in line 4). Give --missing drop-dates,"),
}  # fmt: skip


@pytest.mark.parametrize("problem", PROBLEMS)
def test_what_is_wrong_with_a_file_is_said(run, problem):
    text, message = PROBLEMS[problem]
    result = run("track", write(text), "-b", "I", code=2)
    assert message in result.stderr
    assert result.stdout == ""
    assert "Traceback" not in result.stderr


def test_files_that_are_not_text(run):
    Path("f.csv").write_bytes(b"Date,A,\xe4\n2020-01-01,1,2\n")
    assert "line 1: the text is not in UTF-8 (byte 0xe4)" in run("track", "f.csv", "-b", "I", code=2).stderr
    Path("f.csv").write_bytes("Date,A,I\n".encode("utf-16"))
    assert "in UTF-16" in run("track", "f.csv", "-b", "I", code=2).stderr
    Path("f.csv").write_bytes(b"PAR1 and nothing else")
    assert "cannot be read as Parquet" in run("track", "f.csv", "-b", "I", code=2).stderr
    dates = pd.to_datetime(["2020-01-01", None, "2020-01-03"])
    pd.DataFrame({"A": [1.0, 1.1, 1.0], "I": [1.0, 1.1, 1.2]}, index=dates).to_parquet("f.parquet")
    assert "f.parquet, row 2: there is no date." in run("track", "f.parquet", "-b", "I", code=2).stderr


def test_files_that_are_too_large(run):
    assert "kB, the limit is 10 kB" in run("track", "prices.csv", "-b", "SP500", "--max-size", "10kB", code=2).stderr
    result = run("track", "-", "-b", "I", "--max-size", "10", code=2, stdin="Date,A,I\n2020-01-01,1,2")
    assert "standard input has more than 10 bytes" in result.stderr
    assert "is not a size" in run("track", "prices.csv", "-b", "SP500", "--max-size", "much", code=2).stderr


def test_ambiguous_dates_can_be_told(run):
    rows = [f"0{day}/01/2020,{price}" for day, price in ((1, "1,2,2"), (2, "1.1,2,2.1"), (3, "1,2.1,2"))]
    file = write(table(*rows))
    assert "from 2020-01-02 to 2020-01-03" in run("track", file, "-b", "I", "--date-format", "%d/%m/%Y").stderr
    assert "from 2020-02-01 to 2020-03-01" in run("track", file, "-b", "I", "--date-format", "%m/%d/%Y").stderr
    assert "line 2" in run("track", file, "-b", "I", "--date-format", "%Y-%m-%d", code=2).stderr


def test_names_that_are_not_there_bring_a_suggestion(run):
    assert "Did you mean 'SP500'?" in run("track", "prices.csv", "-b", "SP50", code=2).stderr
    assert "Did you mean 'AAPL'?" in run("track", "prices.csv", "-b", "SP500", "--exclude", "appl", code=2).stderr
    limits = ["--groups", "sectors.csv", "--max-group", "tec=0.1"]
    assert "Did you mean 'tech'?" in run("track", "prices.csv", "-b", "SP500", *limits, code=2).stderr
    holdings = write("asset,weight\nAAPLE,1\n")
    limits = ["--previous", holdings, "--max-turnover", "0.1"]
    assert "Did you mean 'AAPL'?" in run("track", "prices.csv", "-b", "SP500", *limits, code=2).stderr


def test_columns_that_are_excluded_may_hold_anything(run):
    file = write(table("2020-01-01,1,x,2", "2020-01-02,1.1,y,2.1", "2020-01-03,1,z,2"))
    assert run("track", file, "-b", "I", "--exclude", "B").stdout == "asset,weight\nA,1.0\n"


def test_gaps_are_dropped_as_told_and_never_in_silence(run):
    assert (
        "'AAPL' (1, first in line 7), 'BAC' (2, first in line 12)"
        in run("track", "gaps.csv", "-b", "SP500", code=2).stderr
    )
    assets = run("track", "gaps.csv", "-b", "SP500", "--missing", "drop-assets", "-q")
    assert assets.stderr == ""
    said = run("track", "gaps.csv", "-b", "SP500", "--missing", "drop-assets")
    assert "2 of 20 assets left out: AAPL, BAC." in said.stderr
    assert said.stdout == run("track", "prices.csv", "-b", "SP500", "--exclude", "AAPL", "--exclude", "BAC").stdout
    dates = run("track", "gaps.csv", "-b", "SP500", "--missing", "drop-dates")
    assert "3 of 1006 dates left out: 2019-01-09, 2019-01-16, 2019-01-17." in dates.stderr
    assert run("track", "gaps.csv", "-b", "SP500", "--start", "2019-02").exit_code == 0


def test_dates_of_an_index_in_a_file_of_its_own_are_joined(run):
    file = write(table(*GOOD))
    index = write(table("2020-01-01,2", "2020-01-03,2.1", "2020-01-13,2.2", "2020-01-14,2.1", header="Date,I"), "i.csv")
    result = run("track", file, "-b", index, "--exclude", "I")
    assert "2 dates that only one of f.csv and i.csv has are left out." in result.stderr
    assert "2 assets, 2 returns from 2020-01-03 to 2020-01-13" in result.stderr
    assert "cannot be joined" in run("track", file, "-b", index, "--exclude", "I", "--returns", code=2).stderr
    assert "must have one column besides the dates" in run("track", "stocks.csv", "-b", "gaps.csv", code=2).stderr


@pytest.mark.skipif(not hasattr(os, "mkfifo"), reason="there are no pipes with names")
def test_no_more_is_read_of_a_pipe_than_its_limit(run):
    os.mkfifo("pipe")
    written = []

    def feed():
        with open("pipe", "wb", buffering=0) as pipe, contextlib.suppress(BrokenPipeError):
            for _ in range(1000):  # without a limit, all 64 MB would be read
                written.append(pipe.write(b"\0" * 65_536))

    feeder = threading.Thread(target=feed)
    feeder.start()
    result = run("track", "pipe", "-b", "I", "--max-size", "1MB", code=2)
    feeder.join(20)
    assert "pipe has more than 1 MB" in result.stderr
    assert sum(written) < 3_000_000


def test_parquet_from_elsewhere_gives_the_same(run, files):
    pyarrow = pytest.importorskip("pyarrow")
    pytest.importorskip("pyarrow.parquet")
    prices = pd.read_csv(files / "prices.csv")
    expected = run("track", "prices.csv", "-b", "SP500").stdout
    plain = pyarrow.Table.from_pandas(prices.assign(Note="x"), preserve_index=False).replace_schema_metadata(None)
    for kind in (pyarrow.string(), pyarrow.large_string(), pyarrow.dictionary(pyarrow.int32(), pyarrow.string())):
        dates = plain.column("Date").cast(pyarrow.string()).combine_chunks()
        dates = dates.dictionary_encode() if pyarrow.types.is_dictionary(kind) else dates.cast(kind)
        pyarrow.parquet.write_table(plain.set_column(0, "Date", dates), "f.parquet")
        assert run("track", "f.parquet", "-b", "SP500", "--exclude", "Note").stdout == expected
    days = pd.to_datetime(prices["Date"])
    for dates in (days.dt.date, days.dt.strftime("%Y%m%d").astype(int)):
        prices.assign(Date=dates).to_parquet("f.parquet")
        assert run("track", "f.parquet", "-b", "SP500").stdout == expected
