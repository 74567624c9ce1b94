"""Families of portfolios over a parameter."""

from trackfolio.model_selection._cardinality import CardinalityPath, Fewest, cardinality_path
from trackfolio.model_selection._frontier import Frontier, frontier

__all__ = ["CardinalityPath", "Fewest", "Frontier", "cardinality_path", "frontier"]
