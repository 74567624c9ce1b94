"""Which functions of the weights the method knows, and in which form."""

from typing import Any

import numpy as np

from trackfolio._functions import AbsoluteSum, Limit, Linear, RiskOf
from trackfolio._quadratic import Quadratic, RowsQuadratic, factors_of
from trackfolio._shape import Shape
from trackfolio._validation import Array
from trackfolio.problem import Problem
from trackfolio.solvers.interior_point._factored import Factored


def unsuited(problem: Problem) -> list[str]:
    """Sentences that say what keeps the method from the problem."""
    sentences = [f"{name} has no form that it knows" for name, _, f in problem.objective if not _is_known(f)]
    for name, limits in problem.limits.items():
        for limit in limits:
            functions = [f for _, f in limit.summands]
            if not all(_is_known(f) for f in functions):
                sentences.append(f"{name} limits a function of no form that it knows")
            elif any(is_square(f) for f in functions) and not is_single(limit):
                sentences.append(f"{name} limits a sum with squares")
            elif any(_is_mixed(f) for f in functions):
                sentences.append(f"{name} limits a function that is square in part")
            elif is_single(limit) and limit.bound <= 0:
                sentences.append(f"{name} limits a root or square by {limit.bound:g}")
    return sentences


def is_sole_root(problem: Problem) -> bool:
    """Whether the objective is one root alone, so that its square can be minimised."""
    return len(problem.objective) == 1 and is_root(problem.objective[0].function)


# More pairs than this, each a few numbers of the method, fill the memory.
_MOST_PAIRS = 5e6


def _is_known(f: Any) -> bool:
    shape = shape_of(f)
    if shape is not None and shape.of == "pairs" and len(shape.upper) > _MOST_PAIRS:
        return False
    return isinstance(f, Linear | AbsoluteSum) or f.quadratic is not None or shape is not None


def shape_of(f: Any) -> Shape | None:
    """The function as a sum of pieces, unless it is a quadratic form or the root of one, or has none."""
    return f.shape if isinstance(f, RiskOf) and not f.is_quadratic else None


def is_root(f: Any) -> bool:
    """Whether the function is a root of squares."""
    shape = shape_of(f)
    return f.is_root if shape is None else shape.is_root


def is_square(f: Any) -> bool:
    """Whether the function is a sum of squares, on one side or both."""
    shape = shape_of(f)
    if shape is None:
        return f.quadratic is not None and not f.is_root
    return shape.curvature is not None and not shape.is_root and not np.isfinite(shape.upper).all()


def _is_mixed(f: Any) -> bool:
    shape = shape_of(f)
    return shape is not None and shape.curvature is not None and bool(np.isfinite(shape.upper).all())


def form_of(quadratic: Quadratic) -> Array | Factored:
    """Matrix of a quadratic form, in factor form where it has one, as that of few periods."""
    if isinstance(quadratic, RowsQuadratic) and quadratic.is_wide:
        R, _ = quadratic.root()
        return Factored(R, np.zeros(R.shape[1]))
    parts = factors_of(quadratic)
    return quadratic.gram()[0] if parts is None else Factored(parts[0], parts[1])


def root_of(quadratic: Quadratic) -> tuple[Array | Factored, Array]:
    """(R, r) with q(w) = ||Rw - r||²."""
    parts = factors_of(quadratic)
    return quadratic.root() if parts is None else (Factored(parts[0], parts[1]), parts[2])


def is_single(limit: Limit) -> bool:
    """Whether the limit is on one root or square alone, which a cone without a scalar of its own holds."""
    f = limit.summands[0][1]
    return len(limit.summands) == 1 and (is_root(f) or is_square(f))
