"""The floor: a Gram matrix and one call of a QP solver, with no checks, no names and no proof."""

import numpy as np

from benchmarks.competitors import competitor
from benchmarks.problems import Array, Case, Task


def _scaled_gram(case: Case) -> tuple[Array, Array]:
    """P and c of ½w'Pw + c'w, divided by the mean diagonal of P."""
    P, c = case.X.T @ case.X, -(case.y @ case.X)
    s = np.trace(P) / len(P)
    P /= s
    return P, c / s


def _piqp(case: Case, accuracy: float) -> Array:
    import piqp

    P, c = _scaled_gram(case)
    n = len(c)
    solver = piqp.DenseSolver()
    settings = solver.settings
    settings.eps_abs = settings.eps_duality_gap_abs = accuracy
    settings.eps_rel = settings.eps_duality_gap_rel = 0.0
    # P' = P in the column order that PIQP reads.
    solver.setup(P.T, c, np.ones((1, n)), np.ones(1), None, None, None, np.zeros(n), np.ones(n))
    status = solver.solve()
    if status != piqp.PIQP_SOLVED:
        raise RuntimeError(f"PIQP ended with {status}")
    return np.array(solver.result.x)


@competitor("Gram + PIQP, 1e-7", Task.LEAST_RMSE, "piqp", is_bare=True)
def piqp_7(case: Case) -> Array:
    """PIQP to an absolute tolerance of 1e-7, as our first stage asks."""
    return _piqp(case, 1e-7)


@competitor("Gram + PIQP, 1e-9", Task.LEAST_RMSE, "piqp", is_bare=True)
def piqp_9(case: Case) -> Array:
    """PIQP to 1e-9."""
    return _piqp(case, 1e-9)


@competitor("Gram + PIQP, 1e-11", Task.LEAST_RMSE, "piqp", is_bare=True)
def piqp_11(case: Case) -> Array:
    """PIQP to 1e-11."""
    return _piqp(case, 1e-11)


@competitor("Gram + ProxQP, 1e-9", Task.LEAST_RMSE, "proxsuite", is_bare=True)
def proxqp(case: Case) -> Array:
    """Augmented Lagrangian method of proxsuite, dense."""
    from proxsuite import proxqp

    P, c = _scaled_gram(case)
    n = len(c)
    qp = proxqp.dense.QP(n, 1, 0, True)
    qp.settings.eps_abs, qp.settings.eps_rel = 1e-9, 0.0
    qp.init(P, c, np.ones((1, n)), np.ones(1), None, None, None, np.zeros(n), np.ones(n))
    qp.solve()
    if qp.results.info.status != proxqp.PROXQP_SOLVED:
        raise RuntimeError(f"ProxQP ended with {qp.results.info.status}")
    return np.array(qp.results.x)


@competitor("Gram + DAQP", Task.LEAST_RMSE, "daqp", is_bare=True)
def daqp(case: Case) -> Array:
    """Dual active-set method."""
    import daqp

    P, c = _scaled_gram(case)
    n = len(c)
    equality = 5
    sense = np.append(np.zeros(n), equality).astype(np.int32)
    upper, lower = np.ones(n + 1), np.append(np.zeros(n), 1.0)
    x, _, flag, _ = daqp.solve(P, c, np.ones((1, n)), upper, lower, sense)
    if flag < 1:
        raise RuntimeError(f"DAQP ended with exit flag {flag}")
    return np.array(x)


@competitor(
    "Gram + quadprog",
    Task.LEAST_RMSE,
    "quadprog",
    is_bare=True,
    note="needs a definite matrix, so 1e-12 is added to the diagonal of the scaled one",
)
def quadprog(case: Case) -> Array:
    """Dual active-set method of Goldfarb and Idnani."""
    import quadprog

    P, c = _scaled_gram(case)
    n = len(c)
    P[np.diag_indices(n)] += 1e-12
    limits = np.vstack([np.ones((1, n)), np.eye(n)]).T
    found: Array = quadprog.solve_qp(P, -c, limits, np.append(1.0, np.zeros(n)), 1)[0]
    return found


@competitor("Gram + OSQP, 1e-7, polished", Task.LEAST_RMSE, "osqp", is_bare=True)
def osqp(case: Case) -> Array:
    """First-order method, with a last solve for the active limits."""
    import osqp
    import scipy.sparse as sp

    P, c = _scaled_gram(case)
    n = len(c)
    A = sp.vstack([np.ones((1, n)), sp.eye(n)], format="csc")
    solver = osqp.OSQP()
    options = {"eps_abs": 1e-7, "eps_rel": 0.0, "max_iter": 20_000, "polishing": True}
    solver.setup(
        sp.csc_matrix(np.triu(P)),
        c,
        A,
        np.append(1.0, np.zeros(n)),
        np.ones(n + 1),
        verbose=False,
        **options,
    )
    result = solver.solve()
    if result.info.status != "solved":
        raise RuntimeError(f"OSQP ended with status {result.info.status!r}")
    found: Array = result.x
    return found
