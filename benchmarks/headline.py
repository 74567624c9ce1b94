"""The headline table of the README, from what the other benchmarks measured: `make headline`."""

import json
import re
from collections.abc import Iterator
from pathlib import Path
from statistics import median
from typing import Any

ROOT = Path(__file__).parents[1]
RESULTS = ROOT / "benchmarks" / "results"
README = ROOT / "README.md"
# The table stands between these lines.
MARKS = ("<!-- headline: written by `make headline` -->\n", "<!-- end of headline -->\n")
SIZES = ("N=20, T=1500", "N=276, T=1761", "N=500, T=1250")
TRACKERS = (
    "skfolio BenchmarkTracker()",
    "Riskfolio-Lib MinRisk on X - y",
    "PyPortfolioOpt min_volatility on X - y, Clarabel",
)

Entry = tuple[float, float]  # seconds, and what is to be small


def _read(name: str) -> dict[str, Any]:
    return json.loads((RESULTS / f"{name}.json").read_text(encoding="utf-8"))


def _trackers() -> Iterator[tuple[str, str, dict[str, Entry]]]:
    """The least tracking error, as standard deviation, which is what the peers minimise."""
    for case in _read("tracking")["cases"]:
        size = f"N={case['n_assets']}, T={case['n_periods']}"
        names = {"trackfolio MinTrackingError(StandardDeviation())": "trackfolio"}
        names |= {name: name.split()[0] for name in TRACKERS}
        rows = {names[row["name"]]: row for row in case["results"] if row["name"] in names and not row["failure"]}
        if size in SIZES:
            yield "index tracker", size, {who: (median(row["seconds"]), row["std"]) for who, row in rows.items()}


def _tails() -> Iterator[tuple[str, str, dict[str, Entry]]]:
    problems = {"min CVaR": "least CVaR", "min CVaR, RMSE limited": "least CVaR, tracking RMSE limited"}
    for problem, words in problems.items():
        for case in _read("tails")["cases"]:
            rows = {row["who"]: row for row in case["rows"] if row["problem"] == problem and row.get("ms")}
            peers = {who: row for who, row in rows.items() if who in {"trackfolio", "skfolio", "Riskfolio-Lib"}}
            if case["case"] in SIZES:
                yield words, case["case"], {who: (row["ms"] / 1000, row["objective"]) for who, row in peers.items()}


def table() -> str:
    """Time of trackfolio, and of each peer as a multiple of it, with what each lost against the best."""
    peers = ("skfolio", "Riskfolio-Lib", "PyPortfolioOpt")
    header = ("problem", "size", "trackfolio", *peers)
    lines = [f"| {' | '.join(header)} |", "| --- | --- |" + " ---: |" * (len(peers) + 1)]
    for words, size, entries in [*_trackers(), *_tails()]:
        best = min(value for _, value in entries.values())
        seconds = entries["trackfolio"][0]
        cells = [f"{seconds * 1000:.3g} ms, {_loss(entries['trackfolio'][1], best)}"]
        for peer in peers:
            found = entries.get(peer)
            cells.append(f"{found[0] / seconds:.3g}x, {_loss(found[1], best)}" if found else "")
        lines.append(f"| {words} | {size} | {' | '.join(cells)} |")
    return "\n".join(lines) + "\n"


def _loss(value: float, best: float) -> str:
    excess = value / best - 1
    return "0" if excess < 1e-11 else f"{excess:.0e}".replace("e-0", "e-")


def main() -> None:
    """Write the table into the README."""
    start, end = MARKS
    text = README.read_text(encoding="utf-8")
    pattern = re.escape(start) + ".*?" + re.escape(end)
    README.write_text(re.sub(pattern, lambda _: start + table() + end, text, flags=re.DOTALL), encoding="utf-8")


if __name__ == "__main__":
    main()
