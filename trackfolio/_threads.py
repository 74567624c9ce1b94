"""Threads of BLAS: NumPy and SciPy bring pools of their own, which hinder one another when they take turns."""

import contextlib
import threading
from collections.abc import Iterator
from functools import cache
from typing import Any

# Below so many operations an iteration, a second thread costs more than it brings.
_WORTH_IT = 5e8

# The numbers of threads are those of the process: with several solves at once, the first limits and the last restores.
_lock = threading.Lock()
_running: list[Any] = []
_depth = 0


@cache
def _pools() -> Any:
    from threadpoolctl import ThreadpoolController

    return ThreadpoolController().select(user_api="blas")


@contextlib.contextmanager
def threads_for(operations: float) -> Iterator[None]:
    """One thread for small problems, and for SciPy's pool in any case; afterwards all is as it was.

    Without the limit, a matrix product by NumPy after a factorisation by SciPy takes four times as long.
    """
    _enter(operations)
    try:
        yield
    finally:
        _leave()


def _enter(operations: float) -> None:
    global _depth
    with _lock:
        _depth += 1
        if _depth > 1:
            return
        pools = _pools()
        if operations >= _WORTH_IT:
            of_scipy = [pool.filepath for pool in pools.lib_controllers if "scipy.libs" in pool.filepath]
            pools = pools.select(filepath=of_scipy) if of_scipy and len(pools.lib_controllers) > 1 else None
        if pools is not None:
            _running.append(pools.limit(limits=1))


def _leave() -> None:
    global _depth
    with _lock:
        _depth -= 1
        if _depth == 0 and _running:
            _running.pop().restore_original_limits()
