"""Benchmarks against the peers: `make bench`, or `python -m benchmarks`.

problems.py says what is solved, competitors/ who solves it (one function each), measure.py how it is
timed, accuracy.py how good the answer is, phases.py where our own time goes, report.py what is written.
"""

import os

# Every pool of threads is limited before numpy loads, here and in the processes that inherit this.
ONE_THREAD = {f"{pool}_NUM_THREADS": "1" for pool in ("OMP", "OPENBLAS", "MKL", "BLIS", "NUMBA", "RAYON")}
os.environ.update(ONE_THREAD)
