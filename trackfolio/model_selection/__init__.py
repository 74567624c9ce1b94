"""Folds that walk forward, backtests, and families of portfolios over a parameter."""

from trackfolio.model_selection._backtest import backtest
from trackfolio.model_selection._backtest_result import Backtest, Backtests
from trackfolio.model_selection._cardinality import CardinalityPath, Fewest, cardinality_path
from trackfolio.model_selection._frontier import Frontier, frontier
from trackfolio.model_selection._walk_forward import WalkForward

__all__ = [
    "Backtest",
    "Backtests",
    "CardinalityPath",
    "Fewest",
    "Frontier",
    "WalkForward",
    "backtest",
    "cardinality_path",
    "frontier",
]
