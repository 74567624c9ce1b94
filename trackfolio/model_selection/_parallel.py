"""Loops through joblib, on whatever its configuration names: this process, others, a cluster."""

from collections.abc import Iterable, Iterator
from typing import Any

from joblib import Parallel, effective_n_jobs
from joblib.parallel import get_active_backend
from tqdm.auto import tqdm


def is_sequential(n_jobs: int | None) -> bool:
    """Whether there is one worker only, and it is here, so that what is found can be handed on."""
    backend = get_active_backend()[0]
    return bool(effective_n_jobs(n_jobs) == 1) and type(backend).__module__ == "joblib._parallel_backends"


def run(jobs: Iterable[Any], n_jobs: int | None) -> Iterator[Any]:
    """Results of delayed calls, in order, as they come in where the backend can do that.

    Large arguments of the calls themselves are shipped once to each worker, not once for each call.
    """
    streams = bool(getattr(get_active_backend()[0], "supports_return_generator", False))
    yield from Parallel(n_jobs=n_jobs, return_as="generator" if streams else "list")(jobs)


def listed(function: Any, *arguments: Any, **options: Any) -> Any:
    """What a function gives; all at once of one that gives one thing after the other."""
    result = function(*arguments, **options)
    return list(result) if isinstance(result, Iterator) else result


def with_progress(results: Iterable[Any], total: int, name: str, progress: bool) -> Iterator[Any]:
    """The results, with a bar on stderr where that is a terminal."""
    yield from tqdm(results, total=total, desc=name, disable=None if progress else True)
