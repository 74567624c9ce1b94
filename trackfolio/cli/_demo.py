"""`trackfolio demo`: the S&P 500 by twenty of its stocks, on embedded prices."""

from typing import Any

import click

from trackfolio.cli._options import FILE, common_options
from trackfolio.cli._places import check_places
from trackfolio.cli._speech import say

_MAX_WEIGHT = 0.1
_MEASURES = ["tracking RMSE", "tracking error", "tracking difference", "beta"]


@click.command(short_help="Track the S&P 500 with twenty stocks, on embedded prices.")
@click.option("--report", type=FILE, metavar="FILE", help="Write a tear sheet of 2020 to 2022 in HTML.")
@click.option("--force", is_flag=True, help="Overwrite a file that exists.")
@common_options
def demo(report: str | None, force: bool) -> None:
    """Track the S&P 500 with twenty of its stocks, on prices that come with trackfolio.

    Weights are found on 2014 to 2019, at most 10 % each, and judged on 2020 to 2022.

    \b
    Examples:
      trackfolio demo
      trackfolio demo --report sheet.html
    """  # noqa: D301 (click reads the character)
    check_places([report], [], force=force)
    say("Tracking the S&P 500 with twenty of its stocks ...")
    from trackfolio.cli._findings import write_report
    from trackfolio.datasets import load_sp500
    from trackfolio.tracking import MinTrackingError

    X, y = load_sp500(start="2014", return_X_y=True)
    model = MinTrackingError(max_weights=_MAX_WEIGHT).fit(X.loc[:"2019"], y.loc[:"2019"])
    before = model.predict(X.loc[:"2019"]).relative_to(y.loc[:"2019"])
    after = model.predict(X.loc["2020":]).relative_to(y.loc["2020":])
    _print(before, after, model.solution_)
    write_report(after, report, "The S&P 500, tracked by twenty of its stocks, out of sample", force=force)


def _print(before: Any, after: Any, solution: Any) -> None:
    import pandas as pd

    columns = {"2014 to 2019": before, "2020 to 2022 (out of sample)": after}
    measures = {label: each.summary().loc[_MEASURES] for label, each in columns.items()}
    yearly = pd.DataFrame({k: t["annualised"].fillna(t["overall"]) for k, t in measures.items()}).rename_axis(None)
    click.echo("A year, of weights found on 2014 to 2019:\n")
    click.echo(yearly.to_string(float_format="{:.4f}".format))
    click.echo("\nWeights")
    for name, weight in after.weights.sort_values(ascending=False).items():
        limit = "  at its limit" if weight > _MAX_WEIGHT - 1e-9 else ""
        click.echo(f"  {name:<6}{weight:7.2%}{limit}")
    click.echo(
        f"\nProof: RMSE {solution.objective:.6%} per day in sample; no portfolio within the limits has less than "
        f"{solution.lower_bound:.6%}."
    )
