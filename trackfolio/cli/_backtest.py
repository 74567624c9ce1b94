"""`trackfolio backtest`: how the limits would have done, out of sample and net of costs."""

from collections.abc import Iterator
from typing import Any

import click

from trackfolio.cli._errors import STOPPED, InputError
from trackfolio.cli._interrupts import one_ends_all
from trackfolio.cli._options import FILE, Limits, Number, Output, Source, limit_options, output_options, source_options
from trackfolio.cli._places import check_places, format_of
from trackfolio.cli._speech import counted, say


@click.command()
@source_options
@click.option(
    "--train",
    required=True,
    metavar="LENGTH",
    help="Length of each training set: rows (252), or a span of time (365D) with a calendar.",
)
@click.option(
    "--rebalance",
    required=True,
    metavar="WHEN",
    help="Ends of months ME, quarters QE, years YE, weeks W-FRI, third Fridays WOM-3FRI; or every so many rows.",
)
@click.option("--expanding", is_flag=True, help="Train on all rows so far; --train is the length of the first set.")
@click.option(
    "--cost",
    type=Number(min=0),
    metavar="SHARE",
    default=0.0,
    show_default=True,
    help="Cost of trading, as a share of each amount bought or sold (0.001 is ten basis points).",
)
@click.option(
    "--fee",
    type=Number(0, 1),
    metavar="SHARE",
    default=0.0,
    show_default=True,
    help="Management fee per year, as a share of the value.",
)
@limit_options
@click.option(
    "--jobs", type=click.IntRange(min=-1), metavar="N", help="Fits at once, -1 for a job per core.  [default: 1]"
)
@click.option(
    "--memory",
    type=click.Path(exists=True, file_okay=False, writable=True),
    metavar="DIR",
    help="Folder where finished fits are kept (as pickles: one that only you can write to).",
)
@output_options
@click.option("--weights-out", type=FILE, metavar="FILE", help="Write the weights after each trade, as shares of 1.")
def backtest(
    source: Source,
    limits: Limits,
    output: Output,
    weights_out: str | None,
    memory: str | None,
    jobs: int | None,
    **calendar: Any,
) -> None:
    """Rebalance, hold and pay out of sample, as a fund would have.

    The table has a row per period: returns of the portfolio net and gross of costs, and of the index. Holdings drift
    between rebalances. --max-turnover is against the drifted holdings; without --previous the first trade buys all,
    and is free of it.

    \b
    Examples:
      trackfolio backtest prices.csv -b SPX --train 252 --rebalance ME --cost 0.001 --out net.csv
      trackfolio backtest prices.csv -b SPX --train 365D --rebalance QE --fee 0.002 --max-turnover 0.1
      trackfolio backtest prices.csv -b SPX --train 500 --rebalance 21 --expanding --report test.html
    """  # noqa: D301 (click reads the character)
    format_of(output.out, output.format)
    if weights_out:
        format_of(weights_out)
    inputs = [source.prices, source.benchmark, limits.previous, limits.groups]
    check_places([output.out, weights_out, output.report], inputs, force=output.force)
    say(f"Testing {source.where} against {source.benchmark} ...")
    try:
        with one_ends_all():
            tested = _run(source, limits, calendar, {"n_jobs": jobs, "memory": memory})
    except click.Abort:
        if memory:
            say(f"What is finished is kept in {memory}: the same command goes on from there.")
        raise
    _write(tested, output, weights_out, f"{tested.net.benchmark.name}, tracked out of sample")


def _run(source: Source, limits: Limits, calendar: dict[str, Any], running: dict[str, Any]) -> Any:
    from trackfolio.cli._market import read_market
    from trackfolio.cli._model import estimator, holdings, with_time_limit
    from trackfolio.model_selection import backtest
    from trackfolio.tracking import MinTrackingError

    market = read_market(source)
    assets = list(market.X.columns)
    initial = holdings(limits, source, assets)
    model = estimator(MinTrackingError, limits, source, assets)
    # Which search is able does not depend on the holdings: any will do for the question.
    model = with_time_limit(model, limits, market.X, market.y, dict.fromkeys(assets, 1 / len(assets)))
    return backtest(
        model,
        market.X,
        market.y,
        cv=_folds(calendar["train"], calendar["rebalance"], calendar["expanding"], market.X),
        transaction_costs=calendar["cost"],
        management_fee=_fee_per_period(calendar["fee"], market.X),
        initial_weights=initial,
        **running,
    )


def _folds(train: str, rebalance: str, expanding: bool, X: Any) -> Any:
    """Folds by rows or by the calendar; rows in the training set count as rows in either case."""
    from trackfolio.model_selection import WalkForward

    if rebalance.isdigit():
        if not train.isdigit():
            raise InputError(f"--train {train} is not a number of rows; spans go with a calendar: --rebalance ME.")
        return WalkForward(int(train), int(rebalance), expanding=expanding)
    if not train.isdigit():
        return WalkForward(train, freq=rebalance, expanding=expanding)
    folds = list(_with_rows(WalkForward(1, freq=rebalance, expanding=True).split(X), int(train), expanding))
    if not folds:
        raise InputError(f"--train {train} rows and a period of {rebalance} do not fit into {len(X)} rows.")
    return folds


def _with_rows(folds: Any, rows: int, expanding: bool) -> Iterator[tuple[Any, Any]]:
    if rows < 1:
        raise InputError("--train must be at least one row.")
    for train, test in folds:
        if len(train) >= rows:
            yield train if expanding else train[-rows:], test


def _fee_per_period(fee: float, X: Any) -> float:
    from trackfolio._frequency import infer_periods_per_year

    if not fee:
        return 0.0
    periods = infer_periods_per_year(X.index)
    if periods is None:
        raise InputError("--fee is per year, and the dates do not tell how many periods a year has.")
    return fee / periods


def _write(tested: Any, output: Output, weights_out: str | None, title: str) -> None:
    import pandas as pd

    from trackfolio.cli._findings import say_portfolio, say_stopped, write_report
    from trackfolio.cli._tables import write_table

    later = tested.later_trades
    say(f"{counted(len(tested.rebalances), 'rebalance')}, one-way turnover {later['turnover']:.1%} and "
        f"{later['cost']:.3%} of costs each after the first.")  # fmt: skip
    say_portfolio(tested.net, "out of sample and net")
    stopped = say_stopped(list(tested.rebalances["status"]), list(tested.rebalances["gap"]))
    columns = {"net": tested.net.returns, "gross": tested.gross.returns, "benchmark": tested.net.benchmark}
    table = pd.DataFrame(columns).rename_axis("date").reset_index()
    if weights_out:
        targets = tested.targets.rename_axis("date").reset_index()
        write_table(targets, weights_out, "Weights after each trade", force=output.force)
    write_table(table, output.out, "Returns", force=output.force, given=output.format)
    write_report(tested, output.report, title, force=output.force)
    if stopped and output.strict:
        click.get_current_context().exit(STOPPED)
