"""Cases in processes of their own: one that hangs, even in compiled code, is ended and reported."""

import multiprocessing as mp
import time
import traceback
from multiprocessing.connection import wait

from .outcomes import BUG, Outcome, run_case


class _Worker:
    """A process, the case it is at, and since when."""

    def __init__(self):
        context = mp.get_context("spawn")
        self.pipe, other = context.Pipe()
        self.process = context.Process(target=_work, args=(other,), daemon=True)
        self.process.start()
        other.close()
        self.seed, self.since = None, 0.0

    def give(self, seed):
        self.pipe.send(seed)
        self.seed, self.since = seed, time.monotonic()

    def end(self):
        self.process.kill()
        self.process.join()


def _work(pipe):
    while True:
        try:
            seed = pipe.recv()
        except EOFError:
            return
        try:
            outcome = run_case(seed)
        except Exception as error:  # the fuzzer's own faults are reported too
            outcome = Outcome(
                seed, BUG, f"in the fuzzer: {type(error).__name__}: {error}\n{traceback.format_exc()[-600:]}"
            )
        pipe.send(outcome)


def outcomes(seeds, jobs, time_limit):
    """Outcomes in the order in which they come."""
    left = iter(seeds)
    workers = [_Worker() for _ in range(jobs)]
    busy = [worker for worker in workers if _next(worker, left)]
    try:
        while busy:
            wait([worker.pipe for worker in busy], timeout=1.0)
            for worker in list(busy):
                outcome = _answer(worker, time_limit)
                if outcome is None:
                    continue
                yield outcome
                busy.remove(worker)
                if not worker.process.is_alive():
                    workers.remove(worker)
                    worker = _Worker()
                    workers.append(worker)
                if _next(worker, left):
                    busy.append(worker)
    finally:
        for worker in workers:
            worker.end()


def _next(worker, left):
    seed = next(left, None)
    if seed is not None:
        worker.give(seed)
    return seed is not None


def _answer(worker, time_limit):
    """What a worker says, or what is said in its place; None while it works."""
    try:
        if worker.pipe.poll():
            return worker.pipe.recv()
    except EOFError:
        worker.end()
        return Outcome(worker.seed, BUG, f"the process died with code {worker.process.exitcode}")
    if time.monotonic() - worker.since <= time_limit:
        return None
    worker.end()
    return Outcome(worker.seed, BUG, f"a hang: more than {time_limit:g} s", seconds=time_limit)
