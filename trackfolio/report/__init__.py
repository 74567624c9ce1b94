"""A tear sheet: all that is to be known of a portfolio or a backtest, in one page that needs nothing else."""

from trackfolio.report._report import report

__all__ = ["report"]
