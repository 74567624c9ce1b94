"""`trackfolio frontier`: what distance from the index buys."""

import click

from trackfolio.cli._interrupts import one_ends_all
from trackfolio.cli._options import FILE, Limits, Output, Source, limit_options, output_options, source_options
from trackfolio.cli._places import check_places, format_of
from trackfolio.cli._speech import say


@click.command(short_help="Find the least risk at each distance from the index.")
@source_options
@limit_options
@click.option(
    "--points", type=click.IntRange(min=2), metavar="N", default=10, show_default=True, help="Number of portfolios."
)
@output_options
@click.option("--weights-out", type=FILE, metavar="FILE", help="Write the weights of each portfolio, as shares of 1.")
def frontier(source: Source, limits: Limits, output: Output, points: int, weights_out: str | None) -> None:
    """Find portfolios of least risk, from the nearest to the index to the one of least risk of all.

    A row per portfolio, all figures per period and in sample: the limit on the tracking RMSE, the risk, the mean
    return, the tracking RMSE, what one unit more of it would take off the risk (multiplier), names held and the gap
    of the proof.
    --report shows the portfolio at the middle of the frontier.

    \b
    Examples:
      trackfolio frontier prices.csv -b SPX --risk cvar --points 10 --out frontier.csv
      trackfolio frontier prices.csv -b SPX --risk variance --max-weight 0.1 --min-weight -0.05
    """  # noqa: D301 (click reads the character)
    if limits.max_turnover is not None and limits.previous is None:
        raise click.UsageError("--max-turnover needs --previous, the holdings before the trade.")
    format_of(output.out, output.format)
    if weights_out:
        format_of(weights_out)
    inputs = [source.prices, source.benchmark, limits.previous, limits.groups]
    check_places([output.out, weights_out, output.report], inputs, force=output.force)
    say(f"Looking for {points} portfolios between {source.benchmark} and the least risk ...")
    with one_ends_all():
        _frontier(source, limits, output, points, weights_out)


def _frontier(source: Source, limits: Limits, output: Output, points: int, weights_out: str | None) -> None:
    import pandas as pd

    from trackfolio.cli._findings import end, say_stopped, write_report
    from trackfolio.cli._market import read_market
    from trackfolio.cli._model import estimator, holdings, with_time_limit
    from trackfolio.cli._tables import write_table
    from trackfolio.mean_risk import MeanRisk
    from trackfolio.model_selection import frontier

    market = read_market(source)
    assets = list(market.X.columns)
    previous = holdings(limits, source, assets)
    model = estimator(MeanRisk, limits, source, assets)
    model = with_time_limit(model, limits, market.X, market.y, previous)
    found = frontier(model, market.X, market.y, values=points, previous_weights=previous)
    table = found.table
    say(f"Tracking RMSE from {table['tracking RMSE'].iloc[0]:.3%} to {table['tracking RMSE'].iloc[-1]:.3%} per period, "
        f"risk from {table['risk'].iloc[0]:.6g} to {table['risk'].iloc[-1]:.6g}.")  # fmt: skip
    say_stopped([each.solution_.status for each in found], [each.solution_.gap for each in found])
    if weights_out:
        weights = pd.DataFrame([each.weights_ for each in found], table.index, assets)
        write_table(weights.reset_index(), weights_out, "Weights of each portfolio", force=output.force)
    write_table(table.reset_index(), output.out, "Frontier", force=output.force, given=output.format)
    middle = found.portfolios[len(found) // 2]
    write_report(middle, output.report, f"Near {market.y.name}, at the middle of the frontier", force=output.force)
    end(output, [each.solution_ for each in found])
