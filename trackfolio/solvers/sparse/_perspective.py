"""The perspective relaxation: a diagonal part of the objective, in which a weight costs more if it is held in part."""

import numpy as np
import scipy.linalg

from trackfolio._holdings import States
from trackfolio._search_proof import Relaxation
from trackfolio._validation import Array
from trackfolio.solvers.sparse._engines import Engine, Node

# Improvements of the diagonal, and by how much its proportions change in each.
_ROUNDS, _POWER = 12, 0.5
# With more assets, eigenvalues take too long.
_MOST_REWEIGHTED = 400
# What is left of the diagonal, so that the rest stays positive semidefinite when it is checked.
_SAFE = 1 - 1e-9


def improve_diagonal(engine: Engine, states: States, start: Node, w: Array, cutoff: float) -> Node | None:
    """Make the best diagonal found the relaxation number 1; the bound with it, or None where none says more.

    It begins with what the objective has by its form (specific variances, L2 costs), or with its least eigenvalue.
    Assets whose weight is held in part gain more of it, others less, as far as the rest stays positive semidefinite.
    """
    best: Node | None = None
    for diagonal in _diagonals(engine):
        least = start.bound if best is None else best.bound
        best = engine.improved(Relaxation(diagonal), states, w, least, cutoff) or best
    if best is None or best.bound >= cutoff or len(w) > _MOST_REWEIGHTED:
        return best
    return _reweighted(engine, states, best, cutoff)


def _diagonals(engine: Engine) -> list[Array]:
    Q, specific = engine.program.Q, engine.program.specific * _SAFE
    least = _least_eigenvalue(Q)
    found = [specific] if specific.any() else []
    if least > 1e-9 * float(np.trace(Q)) / len(Q) and not specific.min() >= least * _SAFE:
        found.append(np.full(len(Q), least * _SAFE))
    return found


def _reweighted(engine: Engine, states: States, best: Node, cutoff: float) -> Node:
    Q, d = engine.program.Q, engine.relaxations[1].diagonal
    proportions = np.maximum(d, 1e-3 * d.max())
    for _ in range(_ROUNDS):
        size = np.abs(best.w) / max(float(np.abs(best.w).max()), 1e-300)
        pull = size**2 * (1 / np.clip(best.z, 1e-3, 1.0) - 1)
        pull = pull / max(float(pull.mean()), 1e-300) + 1e-2
        proportions = proportions * pull**_POWER
        proportions /= proportions.max()
        root = np.sqrt(proportions)
        least = _least_eigenvalue(Q / np.outer(root, root))
        if least <= 0:
            break
        better = engine.improved(Relaxation(least * _SAFE * proportions), states, best.w, best.bound, cutoff)
        if better is None:
            break
        best = better
        if best.bound >= cutoff:
            break
    return best


def _least_eigenvalue(matrix: Array) -> float:
    return float(scipy.linalg.eigh(matrix, eigvals_only=True, subset_by_index=[0, 0])[0])
