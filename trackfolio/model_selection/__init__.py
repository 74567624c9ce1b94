"""Families of portfolios over a parameter."""

from trackfolio.model_selection._frontier import Frontier, frontier

__all__ = ["Frontier", "frontier"]
