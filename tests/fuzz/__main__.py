"""Command: many random cases, or one of them in words."""

import argparse
import json
import signal
import sys
from collections import Counter
from contextlib import suppress
from pathlib import Path

from .cases import make_case
from .outcomes import BUG, run_case
from .pool import outcomes
from .report import LISTED, page


def main():
    arguments = _arguments()
    if arguments.replay is not None:
        print(make_case(arguments.replay).describe())
        print(run_case(arguments.replay))
        return 0
    seeds = range(arguments.seed, arguments.seed + arguments.cases)
    found, counts = [], Counter()
    signal.signal(signal.SIGTERM, signal.default_int_handler)  # as Ctrl-C, which runs in the background do not get
    with suppress(KeyboardInterrupt):  # what there is is told all the same
        for outcome in outcomes(seeds, arguments.jobs, arguments.time_limit):
            found.append(outcome)
            counts[outcome.kind] += 1
            if outcome.kind in LISTED:
                where = f"{outcome.estimator}, {outcome.risk}"
                print(f"{outcome.kind} {outcome.seed} ({where}): {outcome.detail}", flush=True)
            if len(found) % 500 == 0:
                print(f"{len(found)}: {dict(counts)}", file=sys.stderr, flush=True)
    print(dict(counts))
    found.sort(key=lambda outcome: outcome.seed)
    if arguments.out:
        arguments.out.write_text(json.dumps([outcome.as_dict() for outcome in found], indent=0))
    if arguments.page:
        arguments.page.write_text(page(found))
    return int(counts[BUG] > 0 or counts["failure"] > 0.005 * len(found))


def _arguments():
    parser = argparse.ArgumentParser(prog="python -m tests.fuzz", description=__doc__)
    parser.add_argument("--cases", type=int, default=20_000, help="number of cases")
    parser.add_argument("--seed", type=int, default=0, help="seed of the first case; the others follow it")
    parser.add_argument("--jobs", type=int, default=2, help="processes")
    parser.add_argument("--time-limit", type=float, default=300.0, help="seconds after which a case is a hang")
    parser.add_argument("--out", type=Path, help="outcomes as JSON")
    parser.add_argument("--page", type=Path, help="counts by outcome as a Markdown page")
    parser.add_argument("--replay", type=int, metavar="SEED", help="print and run the case of one seed")
    return parser.parse_args()


if __name__ == "__main__":
    sys.exit(main())
