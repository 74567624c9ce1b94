"""What was found and what is proven, in sentences, and the tear sheet."""

from typing import Any

import click

from trackfolio._portfolio_html import held_assets
from trackfolio.cli._errors import INTERRUPTED, STOPPED
from trackfolio.cli._options import Output
from trackfolio.cli._speech import counted, say


def say_portfolio(portfolio: Any, what: str) -> None:
    """Names held and tracking RMSE."""
    held = held_assets(portfolio.weights.to_numpy())
    a_year = ""
    if portfolio.periods_per_year is not None:
        a_year = f" ({portfolio.tracking_rmse(annualised=True):.2%} a year)"
    rmse = portfolio.tracking_rmse()
    say(
        f"{held} of {counted(len(portfolio.weights), 'asset')} held; "
        f"tracking RMSE {rmse:.3%} per period{a_year}, {what}."
    )


def say_proof(solution: Any, risk: str) -> None:
    """What is proven: how much better any other portfolio could be."""
    value, bound = f"{solution.objective:.6g}", f"{solution.lower_bound:.6g}"
    gap, effort = max(solution.gap, 0.0), f"{solution.solver}, {solution.seconds:.2g} s"
    if solution.status == "stopped":
        say(
            f"Stopped ({solution.stopped_by}) before a proof: {risk} is {value}, and no portfolio within the limits "
            f"has less than {bound}; the gap is {gap:.2%} ({effort})."
        )
    elif solution.status == "optimal":
        claims = {"bound": "Proven", "residuals": "Proven up to its residuals", "reported": "By the solver's word"}
        say(
            f"{claims[solution.certificate.kind]}: no portfolio within the limits has a lower {risk} than {bound} "
            f"(found {value}, gap {gap:.1e}; {effort})."
        )


def say_stopped(statuses: list[str], gaps: list[float]) -> int:
    """How many searches stopped before a proof, and the largest gap that they left."""
    open_gaps = [gap for status, gap in zip(statuses, gaps, strict=True) if status == "stopped"]
    if open_gaps:
        say(
            f"{len(open_gaps)} of {len(statuses)} searches stopped before a proof; "
            f"their largest gap is {max(open_gaps):.2%}."
        )
    return len(open_gaps)


def end(output: Output, solutions: list[Any]) -> None:
    """Exit with what stopped a search, where that counts; whatever there is has been written."""
    if any(solution.stopped_by == "interrupt" for solution in solutions):
        click.get_current_context().exit(INTERRUPTED)
    if output.strict and any(solution.status == "stopped" for solution in solutions):
        click.get_current_context().exit(STOPPED)


def write_report(subject: Any, output_name: str | None, title: str, *, force: bool) -> None:
    """Write the tear sheet, if there is a place for it."""
    if output_name is None:
        return
    from trackfolio.report import report

    report(subject, output_name, title=title, overwrite=force)
    say(f"Report written to {output_name}.")
