"""The program `trackfolio`: its commands, and how each of them may end."""

import sys
import traceback
from typing import Any

import click

from trackfolio._interrupts import interrupt_within
from trackfolio._version import __version__
from trackfolio.cli._backtest import backtest
from trackfolio.cli._demo import demo
from trackfolio.cli._errors import INTERRUPTED, understandable
from trackfolio.cli._frontier import frontier
from trackfolio.cli._speech import forget_the_pipe, one_line_warnings
from trackfolio.cli._stdout import stdout_for_tables
from trackfolio.cli._track import track

_WIDTH = 100


class _Program(click.Group):
    """A group of commands that ends with a sentence and an exit code, never with a traceback."""

    def main(self, *args: Any, **options: Any) -> Any:
        """Run, and leave with the exit code."""
        options["standalone_mode"] = False  # else click would end an interrupt with 1, as if nothing could be solved
        try:
            code = super().main(*args, **options)
        except click.ClickException as error:
            error.show()
            code = error.exit_code
        except click.Abort:
            click.echo("Interrupted.", err=True)
            code = INTERRUPTED
        sys.exit(code if isinstance(code, int) else 0)

    def invoke(self, ctx: click.Context) -> Any:
        """Run a command; errors from within become sentences."""
        try:
            with stdout_for_tables(), one_line_warnings():
                return super().invoke(ctx)
        except (click.ClickException, click.Abort, click.exceptions.Exit):
            raise
        except BrokenPipeError:
            forget_the_pipe()
            return None
        except Exception as error:
            if interrupt_within(error) is not None:
                raise click.Abort from error
            if ctx.meta.get("trackfolio.debug"):
                traceback.print_exc()
            raise understandable(error) from error


@click.group(cls=_Program, context_settings={"help_option_names": ["-h", "--help"], "max_content_width": _WIDTH})
@click.version_option(__version__, prog_name="trackfolio", message="%(prog)s %(version)s")
def main() -> None:
    """Track an index with few assets, test how it would have done, and prove that it is the best.

    Prices go in as CSV or Parquet, a row per date and a column per asset; tables come out as CSV, Parquet or JSON.
    Sentences go to stderr, tables to files or to stdout.

    \b
    Examples:
      trackfolio demo
      trackfolio track prices.csv --benchmark SPX --cardinality 30 --out weights.csv
      trackfolio backtest prices.csv --benchmark SPX --train 252 --rebalance ME --cost 0.001
      trackfolio frontier prices.csv --benchmark SPX --risk cvar --points 10

    \b
    Exit codes:
      0    done
      1    the problem cannot be solved
      2    options or files are not as they should be
      3    a search stopped before its proof (with --strict)
      130  interrupted
    """  # noqa: D301 (click reads the character)


for command in (demo, track, backtest, frontier):
    main.add_command(command)
