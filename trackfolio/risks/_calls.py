"""How values and expressions of risks are called, with sample weights or without, and read."""

import inspect
from typing import Any

import numpy as np
import numpy.typing as npt

from trackfolio._validation import Array


def call_weighted(method: Any, argument: Any, sample_weight: Array | None) -> Any:
    """Call a method of a risk, with sample weights only if there are any, and refuse them by name if it takes none."""
    if sample_weight is None:
        return method(argument)
    if "sample_weight" not in inspect.signature(method).parameters:
        owner = method.__self__
        why = ": the periods form a path, which cannot repeat one of them" if owner.of_path else ""
        raise ValueError(f"sample_weight was given, but {type(owner).__name__} does not take it{why}.")
    return method(argument, sample_weight=sample_weight)


def as_weights(sample_weight: npt.ArrayLike | None) -> Array | None:
    """Sample weights as an array, if there are any."""
    return None if sample_weight is None else np.asarray(sample_weight, dtype=np.float64)


def parts(written: Any) -> tuple[Any, list[Any], Any]:
    """Expression, constraints, and the one through which the returns enter, of what `Risk.expression` returns."""
    if not isinstance(written, tuple):
        return written, [], None
    expression, constraints, *link = written
    return expression, list(constraints), link[0] if link else None


def evaluated(written: Any) -> float:
    """Value of what `Risk.expression` returns at constants, by minimising over auxiliary variables."""
    import cvxpy as cp

    expression, constraints, _ = parts(written)
    if not constraints:
        return float(expression.value)
    program = cp.Problem(cp.Minimize(expression), constraints)
    # Not by program.solve(), which warns where Clarabel stops short of these tolerances: it is right to the digits that
    # are asked of it, and filters of warnings are those of all threads.
    options = dict.fromkeys(("tol_gap_abs", "tol_gap_rel", "tol_feas"), 1e-10)
    data, chain, inverse = program.get_problem_data(cp.CLARABEL, solver_opts=options)
    raw = chain.solve_via_data(program, data, solver_opts=options)
    return float(chain.invert(raw, inverse).opt_val)
