"""Threads of BLAS: NumPy and SciPy bring pools of their own, which hinder one another when they take turns."""

import contextlib
from collections.abc import Iterator
from functools import cache
from typing import Any

# Below so many operations an iteration, a second thread costs more than it brings.
_WORTH_IT = 5e8


@cache
def _pools() -> Any:
    from threadpoolctl import ThreadpoolController

    return ThreadpoolController().select(user_api="blas")


@contextlib.contextmanager
def threads_for(operations: float) -> Iterator[None]:
    """One thread for small problems, and for SciPy's pool in any case; afterwards all is as it was.

    Without the limit, a matrix product by NumPy after a factorisation by SciPy takes four times as long.
    """
    pools = _pools()
    if operations >= _WORTH_IT and len(pools.lib_controllers) > 1:
        paths = [pool.filepath for pool in pools.lib_controllers if "scipy.libs" in pool.filepath]
        pools = pools.select(filepath=paths) if paths else pools
    elif operations >= _WORTH_IT:
        yield
        return
    with pools.limit(limits=1):
        yield
