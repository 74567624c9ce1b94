"""How far one limit has to give way where few names are held: one mixed-integer program with a column for the give."""

from collections.abc import Iterator

import numpy as np
import scipy.optimize
import scipy.sparse as sp

from trackfolio._constraint import Rows
from trackfolio._validation import Array
from trackfolio.certificate import implied_bounds
from trackfolio.problem import Problem
from trackfolio.solvers.sparse._feasible import Integers, is_infeasible

# HiGHS stops at this relative gap.
_GAP = 1e-4

_Block = tuple[sp.csr_array, Array, Array, Array]


def least_give_of_few(
    own: Problem,
    relaxed: Problem,
    far: Problem,
    *,
    given: float,
    most: float,
    is_whole: bool,
    unit: float,
    seconds: float,
) -> tuple[float, float] | None:
    """Least give of one limit by a mixed-integer solver: its bound, and what it found; None where none is enough.

    `relaxed` is the problem with something `given` by the limit, in proportion to which all that depends on it gives
    way up to `far`, the problem with all that it can give.

    Raises
    ------
    TimeoutError
        If the program was not solved in time.
    """
    is_bound = not (np.array_equal(own.lower, far.lower) and np.array_equal(own.upper, far.upper))
    is_bound = is_bound or not _are_equal(own.min_position, far.min_position)
    within = None if is_bound else implied_bounds(far)
    first, second = (Integers(problem, within=within, unit=unit) for problem in (own, relaxed))
    last = Integers(far, within=within, unit=unit) if is_bound else second
    triples = zip(first.rows(), second.rows(), last.rows(), strict=True)
    blocks = [block for triple in triples for block in _blocks(*triple, given / unit)]
    size = 1.0 if is_whole else max(float(np.abs(column).max(initial=0.0)) for _, column, _, _ in blocks) / given or 1.0
    cost = np.append(np.zeros(last.n_columns), 1.0)
    wide = [
        scipy.optimize.LinearConstraint(sp.hstack([A, sp.csr_array(column[:, None] / (size * given))]), low, high)
        for A, column, low, high in blocks
    ]
    result = scipy.optimize.milp(
        cost,
        constraints=wide,
        bounds=scipy.optimize.Bounds(np.append(last.lower, 0.0), np.append(last.upper, most * size)),
        integrality=np.append(last.integral, float(is_whole)),
        options={"time_limit": seconds, "mip_rel_gap": _GAP},
    )
    if is_infeasible(result):
        return None
    if result.status != 0:
        raise TimeoutError
    low, high = float(result.mip_dual_bound) / size, float(result.x[-1]) / size
    return low, round(high) if is_whole else high


def _are_equal(one: Array | None, other: Array | None) -> bool:
    return one is other or (one is not None and other is not None and np.array_equal(one, other))


def _blocks(own: Rows, relaxed: Rows, far: Rows, given: float) -> Iterator[_Block]:
    """Rows with what the last column adds to them; bounds get what is `given`, as far as other limits let them."""
    (A, low, high), (B, low_relaxed, high_relaxed) = _arrays(own), _arrays(relaxed)
    moved = np.asarray(abs(B - A).sum(axis=1)).ravel()
    if moved.any():
        # A bound of what is held gives way where it is held, as far as it can.
        push = np.where(moved > 0, given, 0.0)
        yield A, push if np.isfinite(low).any() else -push, low, high
        last, low, high = _arrays(far)
        yield last, np.zeros(len(low)), low, high
        return
    with np.errstate(invalid="ignore"):
        below, above = np.nan_to_num(low - low_relaxed), np.nan_to_num(high_relaxed - high)
    free, kept = np.full(len(low), np.inf), np.zeros(len(low))
    yield A, kept, np.where(below > 0, -free, low), np.where(above > 0, free, high)
    if below.any():
        yield A, below, np.where(below > 0, low, -free), free
    if above.any():
        yield A, -above, -free, np.where(above > 0, high, free)


def _arrays(block: Rows) -> tuple[sp.csr_array, Array, Array]:
    low, high = (np.broadcast_to(np.asarray(end, dtype=float), (block.A.shape[0],)) for end in block[1:])
    return block.A, low, high
