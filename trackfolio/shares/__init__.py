"""Weights as whole shares: what to hold, what to trade, and what rounding costs. `Portfolio.to_shares` gives them."""

from trackfolio.shares._shares import Shares

__all__ = ["Shares"]
