"""Market data to try things on: embedded prices, a reader of test sets, a synthetic market."""

from trackfolio.datasets._orlib import read_orlib
from trackfolio.datasets._prices import prices_to_returns
from trackfolio.datasets._sp500 import load_sp500
from trackfolio.datasets._synthetic import make_index_market

__all__ = ["load_sp500", "make_index_market", "prices_to_returns", "read_orlib"]
