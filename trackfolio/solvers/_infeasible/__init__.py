"""Limits that contradict one another, explained after the fact."""

from trackfolio.solvers._infeasible._explain import Search, contradiction, explain

__all__ = ["Search", "contradiction", "explain"]
