"""The page on mutation tests, from what was found."""

from collections.abc import Callable
from typing import Any

_HEAD = """# Mutation tests

<!-- Written by `make mutate`. Change benchmarks/mutation_page.py, not this page. -->

Do the tests notice when the code is wrong? mutmut changes one thing at a time (an operator, a number, an argument, a
text), and runs the tests that are about the file. A change, or mutant, that makes a test fail is *killed*; one that no
test notices *survived*.

"""

_NOTES = """
* **mutants**: all changes that mutmut makes in the file. Functions with a decorator, so all properties, are not
  changed, nor is what stands outside of functions.
* **excluded**: changes of nothing but the text of a message (constant texts within `raise` and `warn`, and what an
  error calls a value), of `repr`, or of a type in `cast`; they are not run.
* **tried**: the others, or where there are more than {most}, a random sample of as many (seed {seed}).
* **killed**: by a failing test; *timeouts* count as killed, an endless loop is noticed.
* **equivalent**: no test can notice the change: benchmarks/equivalent_mutants.toml gives the reason of each, and a
  mutant that is listed there and killed after all is reported.
* **share**: killed of tried, equivalents apart.

The tests of each file are few (`TESTS` in benchmarks/mutate.py) and take some seconds: the whole suite kills at
least as many.
"""


_FRESH = """## Another sample

Tests were written for survivors of the samples above. These are other samples, `make mutate ARGS="--fresh SEED FILE"`,
for which no test had been written when they were drawn, and of which no equivalents were looked for:

"""

#: Reasons by function, what is removed and what is added.
Reasons = dict[tuple[str, str, str], str]


def render(results: dict[str, Any], equivalents: Callable[[str], Reasons]) -> str:
    """Tables, what the columns are, survivors, equivalents, and versions."""
    machine = results["machine"]
    versions = ", ".join(f"{name} {version}" for name, version in machine["versions"].items())
    survivors, reasons = [], []
    for file, outcome in results["files"].items():
        survivors += _changes(file, *_split(outcome, equivalents(file))[1:], {})
        reasons += _changes(file, _split(outcome, equivalents(file))[0], equivalents(file))
    return "\n".join(
        [
            f"{_HEAD}{_table(results['files'], equivalents)}",
            _NOTES.format(most=results["most"], seed=results["seed"]),
            *([f"{_FRESH}{_table(results['fresh'], equivalents)}\n"] if results["fresh"] else []),
            *("## Survivors\n", *survivors, "## Equivalents\n", *reasons),
            f"## Versions\n\n* {machine['date']}; {machine['system']}; Python {machine['python']}\n* {versions}\n",
        ]
    )


def _table(outcomes: dict[str, Any], equivalents: Callable[[str], Reasons]) -> str:
    counted = {}
    for file, outcome in outcomes.items():
        equal, survived = _split(outcome, equivalents(file))
        numbers = [outcome[name] for name in ("mutants", "excluded", "tried", "killed", "timeouts")]
        counted[file] = [*numbers, len(equal), len(survived)]
    return "\n".join(
        [
            "| file | mutants | excluded | tried | killed | timeouts | equivalent | survived | share |",
            "| --- | ---: | ---: | ---: | ---: | ---: | ---: | ---: | ---: |",
            *(_line(f"`{file}`", counts) for file, counts in counted.items()),
            _line("**all**", [sum(column) for column in zip(*counted.values(), strict=True)]),
        ]
    )


def _split(outcome: dict[str, Any], known: Reasons) -> tuple[list[dict[str, str]], list[dict[str, str]]]:
    """What no test noticed: equivalents, and survivors."""
    equal = [entry for entry in outcome["left"] if _key(entry) in known]
    return equal, [entry for entry in outcome["left"] if _key(entry) not in known]


def _key(entry: dict[str, str]) -> tuple[str, str, str]:
    return entry["function"], entry["removed"], entry["added"]


def _line(name: str, counts: list[int]) -> str:
    _, _, tried, killed, timeouts, equivalent, _ = counts
    share = 100 * (killed + timeouts) / (tried - equivalent)
    return f"| {name} | {' | '.join(str(n) for n in counts)} | {share:.1f} % |"


def _changes(file: str, entries: list[dict[str, str]], reasons: Reasons) -> list[str]:
    """A block of changes for the file, if there are any."""
    shown = []
    for entry in entries:
        reason = reasons.get(_key(entry))
        shown.append(f"# {entry['function']}" + ("" if reason is None else f": {reason}"))
        shown += [_signed(entry["removed"], "-"), _signed(entry["added"], "+")]
    return [f"`{file}`\n", "```diff", *shown, "```\n"] if shown else []


def _signed(text: str, sign: str) -> str:
    return "\n".join(f"{sign} {line}" for line in text.splitlines())
