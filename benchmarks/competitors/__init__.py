"""Who is measured. To add a competitor, write one decorated function, in any file of this folder.

The function takes a `Case` and returns its weights; all that it does is timed. Its package is imported
inside, so that one that is not installed is reported rather than stops the run.
"""

import importlib
import pkgutil
from collections.abc import Callable
from dataclasses import dataclass

from benchmarks.problems import Array, Case, Task


@dataclass(frozen=True)
class Competitor:
    """A way from returns to weights."""

    name: str
    task: Task
    fit: Callable[[Case], Array]
    #: Distributions whose versions the report gives.
    packages: tuple[str, ...]
    #: What a reader must know to judge the figures, said once below the tables.
    note: str = ""
    #: All that cannot be avoided: a Gram matrix and a solver, with no checks and no proof.
    is_bare: bool = False


_registry: dict[str, Competitor] = {}


def competitor(
    name: str, task: Task, *packages: str, note: str = "", is_bare: bool = False
) -> Callable[[Callable[[Case], Array]], Callable[[Case], Array]]:
    """Enter a function into the benchmark under a name."""

    def enter(fit: Callable[[Case], Array]) -> Callable[[Case], Array]:
        if name in _registry:
            raise ValueError(f"two competitors have the name {name!r}")
        _registry[name] = Competitor(name, task, fit, packages, note, is_bare)
        return fit

    return enter


def all_competitors() -> dict[str, Competitor]:
    """All competitors by name, in the order of the tasks, ours first."""
    for module in pkgutil.iter_modules(__path__):
        importlib.import_module(f"{__name__}.{module.name}")
    tasks = list(Task)
    ordered = sorted(
        _registry.values(),
        key=lambda c: (tasks.index(c.task), c.is_bare, "trackfolio" not in c.packages),
    )
    return {c.name: c for c in ordered}
