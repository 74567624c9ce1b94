"""`trackfolio track`: weights that follow an index."""

import click

from trackfolio.cli._options import (
    FILE,
    Limits,
    Number,
    Output,
    Source,
    limit_options,
    output_options,
    source_options,
)
from trackfolio.cli._places import check_places, format_of
from trackfolio.cli._speech import say


@click.command(short_help="Find the weights that follow an index most closely.")
@source_options
@limit_options
@output_options
@click.option(
    "--value",
    type=Number(min=0, min_open=True),
    metavar="AMOUNT",
    help="Amount to invest, cash included, in the money of the prices; goes with --shares.",
)
@click.option(
    "--shares",
    type=FILE,
    metavar="FILE",
    help="Write whole shares to hold at the last prices of the file; goes with --value.",
)
def track(source: Source, limits: Limits, output: Output, value: float | None, shares: str | None) -> None:
    """Find the weights that follow an index most closely, within limits, and prove it.

    PRICES is a CSV or Parquet file, or - for stdin: dates in the first column, an asset in each other one. The table
    has the names held and their weights as shares of 1, the largest first.

    \b
    Examples:
      trackfolio track prices.csv --benchmark SPX --cardinality 30 --max-weight 0.05 --out weights.csv
      trackfolio track prices.csv --benchmark index.csv --start 2019 --value 1e6 --shares orders.csv
      trackfolio track prices.csv -b SPX --groups sectors.csv --max-group 0.3 --max-group tech=0.2
      trackfolio track prices.csv -b SPX --previous weights.csv --max-turnover 0.2
      trackfolio track - -b SPX < prices.csv | head
    """  # noqa: D301 (click reads the character)
    if (value is None) != (shares is None):
        raise click.UsageError("--value and --shares go together: an amount, and where its whole shares are written.")
    if shares is not None and source.returns:
        raise click.UsageError("--shares needs prices, with --returns there are none.")
    if limits.max_turnover is not None and limits.previous is None:
        raise click.UsageError("--max-turnover needs --previous, the holdings before the trade.")
    for name in (output.out, *([shares] if shares else [])):
        format_of(name, output.format if name == output.out else None)
    inputs = [source.prices, source.benchmark, limits.previous, limits.groups]
    check_places([output.out, shares, output.report], inputs, force=output.force)
    say(f"Tracking {source.benchmark} with {source.where} ...")
    _track(source, limits, output, value, shares)


def _track(source: Source, limits: Limits, output: Output, value: float | None, shares: str | None) -> None:
    from trackfolio.cli._findings import end, say_portfolio, say_proof, write_report
    from trackfolio.cli._market import read_market
    from trackfolio.cli._model import estimator, holdings, with_time_limit
    from trackfolio.cli._tables import weights_table, write_table
    from trackfolio.tracking import MinTrackingError

    market = read_market(source)
    assets = list(market.X.columns)
    previous = holdings(limits, source, assets)
    model = estimator(MinTrackingError, limits, source, assets)
    model = with_time_limit(model, limits, market.X, market.y, previous)
    model.fit(market.X, market.y, previous_weights=previous)
    portfolio = model.predict(market.X).relative_to(market.y)
    say_portfolio(portfolio, "in sample")
    say_proof(model.solution_, limits.risk or "rmse")
    table = weights_table(portfolio.weights)
    write_table(table, output.out, "Weights", force=output.force, given=output.format)
    if shares is not None and value is not None:
        rounded = portfolio.to_shares(market.last_prices, value)
        orders = rounded.table.rename_axis("asset").reset_index()
        write_table(orders, shares, "Whole shares", force=output.force)
        say(f"They leave {rounded.cash:,.2f} in cash, and differ from the weights by {rounded.distance:.2%}.")
    write_report(portfolio, output.report, f"{market.y.name}, tracked", force=output.force)
    end(output, [model.solution_])
