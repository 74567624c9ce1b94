"""Options, output and exit codes."""

import io
import json
import re
import sys
import types
from pathlib import Path

import click
import pandas as pd
import pytest
from numpy.testing import assert_allclose

from trackfolio import MinTrackingError
from trackfolio.cli import main


@pytest.mark.parametrize(("options", "message"), [
    (["--start", "31.12.2020"], "write 2020-12-31, 2020-12 or 2020"),
    (["--start", "2020-02-31"], "is not a date"),
    (["--start", "2030"], "none of them from 2030 to the last"),
    (["--value", "100"], "--value and --shares go together"),
    (["--max-turnover", "0.1"], "--max-turnover needs --previous"),
    (["--max-group", "0.1"], "--groups and --max-group go together"),
    (["--groups", "sectors.csv", "--max-group", "x=y"], "neither a weight"),
    (["--groups", "index.csv", "--max-group", "0.3"], "leaves out"),
    (["--confidence", "0.9"], "--confidence is of --risk cvar"),
    (["--risk", "fear"], "Invalid value for '--risk'"),
    (["--time-limit", "5"], "give --cardinality or --min-position"),
    (["--cardinalty", "5"], "--cardinality"),
    (["--sep", ";"], "the header has one field only, if columns are separated by ';'"),
    (["--max-weight", "5"], "--max-weight 5 is above 1: weights are shares of 1, 5 % is 0.05."),
    (["--max-weight", "-1"], "-1.0 is not in the range x>=0"),
    (["--max-weight", "nan"], "'--max-weight': 'nan' is not a number"),
    (["--min-weight", "nan"], "'nan' is not a number"),
    (["--max-group", "tech=nan", "--groups", "sectors.csv"], "'tech=nan' is neither a weight"),
    (["--max-turnover", "nan", "--previous", "sectors.csv"], "'nan' is not a number"),
    (["-k", "5", "--time-limit", "nan"], "'nan' is not a number"),
    (["--value", "nan", "--shares", "a.csv"], "'nan' is not a number"),
    (["--max-group", "tech=30", "--groups", "sectors.csv"], "--max-group 30 is above 1"),
    (["--sep", "ab"], "is not one character"),
    (["--out", "weights.txt"], "ends with none of .csv, .parquet, .json"),
    (["--out", "none/weights.csv"], "there is no folder none"),
    (["--out", "prices.csv", "--force"], "is read by this command"),
    (["--out", "a.csv", "--shares", "a.csv", "--value", "1"], "the place for two tables"),
])  # fmt: skip
def test_options_that_cannot_be(run, options, message):
    result = run("track", "prices.csv", "-b", "SP500", *options, code=2)
    assert message in result.stderr
    assert result.stdout == ""


def test_backtest_options_that_cannot_be(run):
    for train, rebalance, message in (
        ("9999", "ME", "do not fit into"), ("365D", "21", "is not a number of rows"), ("0", "ME", "at least one row"),
        ("100", "XX", "--rebalance must be a frequency"), ("9999", "21", "No fold in"),
    ):  # fmt: skip
        options = ["--train", train, "--rebalance", rebalance]
        assert message in run("backtest", "prices.csv", "-b", "SP500", *options, code=2).stderr


@pytest.mark.parametrize("option", ["--cost", "--fee"])
def test_costs_are_numbers(run, option):
    options = ["--train", "252", "--rebalance", "ME", option, "nan"]
    assert "'nan' is not a number" in run("backtest", "prices.csv", "-b", "SP500", *options, code=2).stderr


def test_nothing_is_overwritten_without_force(run):
    arguments = ["track", "prices.csv", "-b", "SP500", "--start", "2022", "--out", "weights.csv"]
    Path("weights.csv").write_text("mine")
    assert "weights.csv exists" in run(*arguments, code=2).stderr
    assert Path("weights.csv").read_text() == "mine"
    run(*arguments, "--force")
    assert Path("weights.csv").read_text().startswith("asset,weight\n")


def test_formats_go_by_suffix_or_option(run):
    arguments = ["track", "prices.csv", "-b", "SP500", "--start", "2022"]
    expected = pd.read_csv(io.StringIO(run(*arguments).stdout))
    assert_allclose(pd.DataFrame(json.loads(run(*arguments, "--format", "json").stdout))["weight"], expected["weight"])
    run(*arguments, "--format", "parquet", "--out", "weights")
    pd.testing.assert_frame_equal(pd.read_parquet("weights"), expected, check_dtype=False)


def test_limits_that_contradict_one_another_exit_with_1(run):
    result = run("track", "prices.csv", "-b", "SP500", "--max-weight", 0.04, code=1)
    assert "the weights must add up to 1, but --max-weight add up to only 0.8: raise --max-weight." in result.stderr
    assert "This is enough: raise --max-weight from 0.04 to at least 0.05.\n" in result.stderr
    run("track", "prices.csv", "-b", "SP500", "--max-weight", 0.05, "--out", "even.csv")
    limits = ["--previous", "even.csv", "--max-turnover", 0.01, "--groups", "sectors.csv", "--max-group", "tech=0.05"]
    result = run("track", "prices.csv", "-b", "SP500", *limits, code=1)
    assert "together: --max-turnover, --max-group." in result.stderr


def test_a_search_that_stops_is_said_and_strict_exits_with_3(run):
    arguments = ["track", "prices.csv", "-b", "SP500", "-k", 10, "--time-limit", 0.01, "--out", "weights.csv"]
    result = run(*arguments, "--strict", code=3)
    assert re.search(r"Stopped \(time\) before a proof: .* the gap is \d+\.\d+%", result.stderr)
    assert len(pd.read_csv("weights.csv")) <= 10
    run(*arguments, "--force")


def test_searches_that_stop_within_backtests_and_frontiers_are_counted(run):
    limits = ["-k", 10, "--time-limit", 0.01, "--start", "2021", "--strict", "-o", "out.csv", "--force"]
    result = run("backtest", "prices.csv", "-b", "SP500", "--train", 252, "--rebalance", "QE", *limits, code=3)
    assert "3 of 3 searches stopped before a proof; their largest gap is" in result.stderr
    result = run("frontier", "prices.csv", "-b", "SP500", "--points", 2, *limits, code=3)
    assert re.search(r"of 2 searches stopped before a proof", result.stderr)
    assert len(pd.read_csv("out.csv")) == 2


def test_tracebacks_are_for_debug(run, monkeypatch, capfd):
    def fail(*args, **options):
        raise RuntimeError("of ours")

    monkeypatch.setattr(MinTrackingError, "fit", fail)
    result = run("track", "prices.csv", "-b", "SP500", code=1)
    assert result.stderr.splitlines()[-1] == "Error: RuntimeError: of ours (--debug shows where)"
    assert "Traceback" in run("track", "prices.csv", "-b", "SP500", "--debug", code=1).stderr


def test_reports_are_written_by_the_report_module(run, monkeypatch):
    calls = []
    stub = types.ModuleType("trackfolio.report")
    stub.report = lambda subject, path, *, title=None, overwrite=False: calls.append((subject, path, title, overwrite))
    monkeypatch.setitem(sys.modules, "trackfolio.report", stub)
    common = ["prices.csv", "-b", "SP500", "--start", "2021", "--report", "sheet.html"]
    run("track", *common)
    run("backtest", *common, "--train", 252, "--rebalance", "QE", "--force")
    run("frontier", *common, "--points", 3)
    run("demo", "--report", "sheet.html")
    kinds = [type(subject).__name__ for subject, *_ in calls]
    assert kinds == ["Portfolio", "Backtest", "Portfolio", "Portfolio"]
    assert [call[1] for call in calls] == ["sheet.html"] * 4
    assert [call[3] for call in calls] == [False, True, False, False]
    Path("sheet.html").touch()
    assert "sheet.html exists" in run("demo", "--report", "sheet.html", code=2).stderr


def test_help_names_every_option_and_its_unit():
    for command in main.commands.values():
        context = click.Context(command, info_name=command.name, max_content_width=100)
        text = " ".join(command.get_help(context).split())
        for parameter in command.params:
            if isinstance(parameter, click.Option):
                assert parameter.opts[0] in text
                assert parameter.help, parameter.name
            is_number = isinstance(parameter.type, click.types.FloatRange | click.types.FloatParamType)
            if is_number:
                assert re.search(r"share of|Seconds|[Ll]evel|per year|money", parameter.help), parameter.name
        assert "Examples:" in text
        assert "\b" not in text
