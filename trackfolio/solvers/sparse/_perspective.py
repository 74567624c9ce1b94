"""The perspective relaxation: a diagonal part of the objective, in which a weight costs more if it is held in part."""

import numpy as np
import scipy.linalg

from trackfolio._holdings import States
from trackfolio._search_proof import Relaxation
from trackfolio._validation import Array
from trackfolio.solvers.sparse._engines import Engine, Node

# Improvements of the diagonal, and by how much its proportions change in each.
_ROUNDS, _POWER = 12, 0.5
# What is left of the diagonal, so that the rest stays positive semidefinite when it is checked.
_SAFE = 1 - 1e-9


def improve_diagonal(engine: Engine, states: States, start: Node, w: Array, cutoff: float) -> tuple[Node, int]:
    """Add the best diagonal found to the relaxations; the bound with it, and its number.

    It begins with what the objective has by its form (specific variances, L2 costs), or with its least eigenvalue.
    Assets whose weight is held in part gain more of it, others less, as far as the rest stays positive semidefinite.
    """
    Q = engine.program.Q
    best, best_number = start, 0
    for diagonal in _diagonals(engine, states):
        number = engine.add(Relaxation(diagonal))
        node = engine.relaxed(states, w, number, cutoff)
        if node.bound > best.bound:
            best, best_number = node, number
        if best.bound >= cutoff:
            return best, best_number
    if best_number == 0 or len(Q) > 400:
        return best, best_number
    return _reweighted(engine, states, best, best_number, cutoff)


def _diagonals(engine: Engine, states: States) -> list[Array]:
    Q, specific = engine.program.Q, engine.program.factors[1] * _SAFE
    least = float(scipy.linalg.eigh(Q, eigvals_only=True, subset_by_index=[0, 0])[0])
    found = [specific] if specific.any() else []
    if least > 1e-9 * float(np.trace(Q)) / len(Q) and not specific.min() >= least * _SAFE:
        found.append(np.full(len(Q), least * _SAFE))
    return found


def _reweighted(engine: Engine, states: States, best: Node, number: int, cutoff: float) -> tuple[Node, int]:
    Q, d = engine.program.Q, engine.relaxations[number].diagonal
    proportions = np.maximum(d, 1e-3 * d.max())
    node = best
    for _ in range(_ROUNDS):
        size = np.abs(node.w) / max(float(np.abs(node.w).max()), 1e-300)
        pull = size**2 * (1 / np.clip(node.z, 1e-3, 1.0) - 1)
        pull = pull / max(float(pull.mean()), 1e-300) + 1e-2
        proportions = proportions * pull**_POWER
        proportions /= proportions.max()
        root = np.sqrt(proportions)
        scaled = Q / np.outer(root, root)
        least = float(scipy.linalg.eigh(scaled, eigvals_only=True, subset_by_index=[0, 0])[0])
        if least <= 0:
            break
        tried = engine.add(Relaxation(least * _SAFE * proportions))
        node = engine.relaxed(states, node.w, tried, cutoff)
        if node.bound <= best.bound:
            engine.forget(tried)
            break
        best, number = node, tried
        if best.bound >= cutoff:
            break
    return best, number
