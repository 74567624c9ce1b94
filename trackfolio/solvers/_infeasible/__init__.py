"""Limits that contradict one another, explained after the fact."""

from trackfolio.solvers._infeasible._explain import are_contradictory, explain

__all__ = ["are_contradictory", "explain"]
