"""Mutation tests: small changes of the code, each of which some test must notice. Run by ``make mutate``.

mutmut makes the changes (mutants) and runs the tests. Files are taken one by one, each with the few test files that are
about it, in a copy of the tree: the working tree is not touched. With files as arguments, such as ``metrics.py``, these
alone are tested, and the results of the others stay.
"""

import argparse
import json
import random
import shutil
import subprocess
import sys
import tempfile
import time
import tomllib
from collections import Counter
from pathlib import Path
from typing import Any

from mutmut.stats import status_by_exit_code

from benchmarks.machine import machine
from benchmarks.mutants import Mutant, mutants_of
from benchmarks.mutation_page import render

ROOT = Path(__file__).parents[1]
RAW = ROOT / "benchmarks" / "results" / "mutation.json"
PAGE = ROOT / "docs" / "mutation.md"
#: Mutants that no test can notice, with the reason.
EQUIVALENTS = ROOT / "benchmarks" / "equivalent_mutants.toml"

#: Outcomes that count as killed.
NOTICED = ("killed", "timeout")
#: All mutants of a file up to this number, else a sample of as many.
MOST = 200
SEED = 0

RISKS = ["risk_roles", "risk_sets", "risk_positions", "risks"]
CONSTRAINTS = ["constraint_rows", "constraints"]
#: The tests that are about each file; they take some seconds together.
TESTS = {
    "metrics.py": ["metrics", "portfolio"],
    "_metric_input.py": ["metrics", "portfolio"],
    "_weight_measures.py": ["metrics"],
    "portfolio.py": ["portfolio", "portfolio_summary", "portfolio_display"],
    "_portfolio_summary.py": ["portfolio", "portfolio_summary"],
    "certificate.py": ["certificate", "certificate_parts"],
    "risks/_base.py": RISKS,
    "risks/_calls.py": RISKS,
    "risks/_sample.py": RISKS,
    "risks/_quadratic.py": RISKS,
    "risks/_dispersion.py": RISKS,
    "risks/_huber.py": RISKS,
    "risks/_tail.py": RISKS,
    "risks/_drawdown.py": RISKS,
    "risks/_gini.py": RISKS,
    "constraints/_linear.py": CONSTRAINTS,
    "constraints/_groups.py": CONSTRAINTS,
    "constraints/_absolute.py": CONSTRAINTS,
    "constraints/_return.py": CONSTRAINTS,
    "constraints/_holdings.py": ["constraint_rows"],
}
# The first looks at the file from which a warning comes, where mutmut puts a function of its own; the second is slow.
LEFT_OUT = "point_at_the_caller or stay_above"

SETTINGS = """
[tool.mutmut]
source_paths = ["trackfolio"]
only_mutate = ["trackfolio/{file}"]
pytest_add_cli_args_test_selection = {tests}
pytest_add_cli_args = ["-p", "no:cacheprovider", "-p", "no:xdist", "-q", "-k", "not ({left_out})"]
also_copy = ["benchmarks", "docs", "README.md", "Makefile"]
track_dependencies = false
use_git_change_detection = false
timeout_multiplier = 10.0
"""


def main() -> None:
    """Test the files, one by one, and write results and page after each."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks.mutate", description=__doc__)
    parser.add_argument("files", nargs="*", help=f"of {', '.join(TESTS)}; by default all")
    parser.add_argument("--render", action="store_true", help="write the page from old results")
    parser.add_argument("--fresh", type=int, metavar="SEED", help="take another sample, shown apart")
    options = parser.parse_args()
    for file in [] if options.render else options.files or TESTS:
        _store(file, tested(file, SEED if options.fresh is None else options.fresh), fresh=options.fresh)
    PAGE.write_text(render(_stored(), equivalents), encoding="utf-8")


def _store(file: str, outcome: dict[str, Any], *, fresh: int | None) -> None:
    """Put the outcome of a file next to those that are there."""
    results = {"files": {}, "fresh": {}} | _stored()
    results |= {"machine": machine(["mutmut", "pytest", "hypothesis"]), "most": MOST, "seed": SEED}
    results["files" if fresh is None else "fresh"][file] = outcome | {"seed": SEED if fresh is None else fresh}
    for kind in ("files", "fresh"):
        results[kind] = {name: results[kind][name] for name in TESTS if name in results[kind]}
    RAW.write_text(json.dumps(results, indent=1, ensure_ascii=False) + "\n", encoding="utf-8")


def _stored() -> dict[str, Any]:
    return json.loads(RAW.read_text(encoding="utf-8")) if RAW.exists() else {}


def tested(file: str, seed: int) -> dict[str, Any]:
    """Outcome of the mutants of a file."""
    start = time.time()
    with tempfile.TemporaryDirectory(prefix="mutate-") as folder:
        tree = Path(folder) / "tree"
        _copy_tree(file, tree)
        mutants = mutants_of(tree, file)
        kept = [m for m in mutants if m.excluded is None]
        tried = kept if len(kept) <= MOST else random.Random(seed).sample(kept, MOST)
        _run(tree, tried)
        meta = json.loads((tree / "mutants" / "trackfolio" / f"{file}.meta").read_text(encoding="utf-8"))
    outcome = {m.name: status_by_exit_code[meta["exit_code_by_key"][m.name]] for m in tried}
    return _result(file, mutants, tried, outcome, time.time() - start)


def _copy_tree(file: str, tree: Path) -> None:
    shutil.copytree(ROOT, tree, ignore=shutil.ignore_patterns(".*", "__pycache__", "_build", "generated", "browser"))
    tests = [f"tests/test_{name}.py" for name in TESTS[file]]
    for test in tests:
        # mutmut hands names of tests back to pytest, which does not find those with line breaks.
        path = tree / test
        path.write_text(path.read_text(encoding="utf-8").replace("ids=repr", "ids=None"), encoding="utf-8")
    with (tree / "pyproject.toml").open("a", encoding="utf-8") as settings:
        settings.write(SETTINGS.format(file=file, tests=json.dumps(tests), left_out=LEFT_OUT))


def _run(tree: Path, tried: list[Mutant]) -> None:
    mutmut = Path(sys.executable).with_name("mutmut")
    done = subprocess.run(
        [mutmut, "run", "--max-children", "1", *(m.name for m in tried)], cwd=tree, capture_output=True, text=True
    )
    if done.returncode:
        raise SystemExit(f"mutmut failed:\n{done.stdout[-3000:]}\n{done.stderr[-3000:]}")


def _result(
    file: str, mutants: list[Mutant], tried: list[Mutant], outcome: dict[str, str], seconds: float
) -> dict[str, Any]:
    """What a file's mutants came to; those that no test noticed with what they change."""
    states = Counter(outcome.values())
    known = equivalents(file)
    for m in tried:
        if m.change in known and outcome[m.name] in NOTICED:
            print(f"{file}: listed as equivalent, but {outcome[m.name]}: {m.change}")
    left = [
        {"function": m.function, "removed": m.removed, "added": m.added, "state": outcome[m.name]}
        for m in tried
        if outcome[m.name] not in NOTICED
    ]
    print(f"{file}: {states['killed']} killed, {states['timeout']} timeouts, {len(left)} of {len(tried)} left")
    for entry in left:
        if (entry["function"], entry["removed"], entry["added"]) not in known:
            print(
                f"  {entry['function']} ({entry['state']})\n    - {entry['removed']}\n    + {entry['added']}",
                flush=True,
            )
    return {
        "mutants": len(mutants),
        "excluded": sum(m.excluded is not None for m in mutants),
        "tried": len(tried),
        "killed": states["killed"],
        "timeouts": states["timeout"],
        "left": left,
        "minutes": round(seconds / 60, 1),
    }


def equivalents(file: str) -> dict[tuple[str, str, str], str]:
    """Changes of a file that are listed as equivalent, each with its reason."""
    listed = tomllib.loads(EQUIVALENTS.read_text(encoding="utf-8")).get(file, [])
    return {
        (entry["function"], removed, added): entry["reason"] for entry in listed for removed, added in entry["changes"]
    }


if __name__ == "__main__":
    main()
