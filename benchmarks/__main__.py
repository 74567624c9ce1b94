"""Command line of the benchmarks: `python -m benchmarks --help`."""

import argparse
import json
import re
import time
from pathlib import Path
from typing import Any

from benchmarks.competitors import Competitor, all_competitors
from benchmarks.machine import machine
from benchmarks.measure import Budget, Measurement, measure, say, start_workers
from benchmarks.phases import time_phases
from benchmarks.problems import QUICK_SIZES, SIZES, Case, make_case
from benchmarks.report import render
from benchmarks.worker import Failure, in_own_process

_ROOT = Path(__file__).parents[1]
_RAW = _ROOT / "benchmarks" / "results" / "tracking.json"
_PAGE = _ROOT / "docs" / "benchmarks.md"


def main() -> None:
    """Measure, and write the raw results and the page."""
    options = _options()
    if options.render:
        _PAGE.write_text(render(json.loads(_RAW.read_text(encoding="utf-8"))), encoding="utf-8")
        return
    results = run(_chosen_sizes(options), _chosen_competitors(options), _budget(options))
    page = render(results)
    # Only a complete run replaces the published figures.
    if options.quick or options.sizes or options.only:
        print(page)
        return
    _RAW.parent.mkdir(exist_ok=True)
    _RAW.write_text(_compact(results), encoding="utf-8")
    _PAGE.write_text(page, encoding="utf-8")
    say(f"Wrote {_PAGE.relative_to(_ROOT)} and {_RAW.relative_to(_ROOT)}.")


def _compact(results: dict[str, Any]) -> str:
    """JSON with lists of numbers on one line."""
    text = json.dumps(results, indent=1) + "\n"
    numbers = re.compile(r"\[\s+([-+.,e\d\s]+?)\s+\]")
    return numbers.sub(lambda match: f"[{' '.join(match[1].split())}]", text)


def run(sizes: tuple[tuple[int, int], ...], competitors: dict[str, Competitor], budget: Budget) -> dict[str, Any]:
    """Measure competitors at all sizes; the result is plain data."""
    description = machine(p for c in competitors.values() for p in c.packages)
    say(f"Starting {len(competitors)} processes")
    workers = start_workers(list(competitors))
    cases = []
    for n_assets, n_periods in sizes:
        case = make_case(n_assets, n_periods)
        say(f"{case.name}, {budget.left / 60:.0f} minutes left")
        measured = measure(case, competitors, workers, budget)
        cases.append(_case_record(case, competitors, measured))
    for worker in workers.values():
        worker.close()
    minutes = (time.monotonic() - budget.start) / 60
    return {"machine": description, "minutes": round(minutes, 1), "cases": cases}


def _case_record(case: Case, competitors: dict[str, Competitor], measured: dict[str, Measurement]) -> dict[str, Any]:
    phases = in_own_process(time_phases, case, 15 if case.n_assets <= 500 else 5)
    return {
        "n_assets": case.n_assets,
        "n_periods": case.n_periods,
        "source": case.source,
        "scale": case.scale,
        "rmse_limit": case.rmse_limit,
        "results": [_result_record(competitors[name], m) for name, m in measured.items()],
        "phases": {"failure": phases.reason} if isinstance(phases, Failure) else phases,
    }


def _result_record(competitor: Competitor, measurement: Measurement) -> dict[str, Any]:
    accuracy = measurement.accuracy
    return {
        "name": competitor.name,
        "task": competitor.task.value,
        "packages": competitor.packages,
        "note": competitor.note,
        "is_bare": competitor.is_bare,
        "failure": measurement.failure,
        "warnings": measurement.warnings,
        "first_call_counts": measurement.first_call_counts,
        "seconds": [round(t, 6) for t in measurement.seconds],
        "cpu_seconds": round(measurement.cpu_seconds, 4),
        **({} if accuracy is None else vars(accuracy)),
    }


def _options() -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="python -m benchmarks", description=main.__doc__)
    parser.add_argument("--quick", action="store_true", help="the two small sizes, to the screen only")
    parser.add_argument("--sizes", help="numbers of assets, such as 20,276; to the screen only")
    parser.add_argument("--only", help="parts of names, such as skfolio,PIQP; to the screen only")
    parser.add_argument("--render", action="store_true", help="write the page from old results")
    parser.add_argument("--time-limit", type=float, default=120, help="seconds for one call")
    parser.add_argument("--minutes", type=float, default=14, help="for everything")
    return parser.parse_args()


def _chosen_sizes(options: argparse.Namespace) -> tuple[tuple[int, int], ...]:
    if not options.sizes:
        return QUICK_SIZES if options.quick else SIZES
    known = {str(size[0]): size for size in SIZES}
    wanted = options.sizes.split(",")
    unknown = [w for w in wanted if w not in known]
    if unknown:
        raise SystemExit(f"--sizes: {', '.join(unknown)} is not among {', '.join(known)}.")
    return tuple(known[w] for w in wanted)


def _chosen_competitors(options: argparse.Namespace) -> dict[str, Competitor]:
    competitors = all_competitors()
    if not options.only:
        return competitors
    parts = [part.strip().lower() for part in options.only.split(",")]
    chosen = {k: c for k, c in competitors.items() if any(part in k.lower() for part in parts)}
    if not chosen:
        raise SystemExit(f"--only: no competitor has such a name: {'; '.join(competitors)}.")
    return chosen


def _budget(options: argparse.Namespace) -> Budget:
    return Budget(per_call=options.time_limit, total=60 * options.minutes)


if __name__ == "__main__":
    main()
