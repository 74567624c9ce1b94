"""What the pages of benchmarks share: the command line that writes them, and the section on the machine."""

import argparse
import json
from collections.abc import Callable
from pathlib import Path
from typing import Any


def measure_and_write(
    program: str, run: Callable[[], dict[str, Any]], render: Callable[[dict[str, Any]], str], raw: Path, page: Path
) -> None:
    """Measure, unless the page is to be written from old results, and write."""
    parser = argparse.ArgumentParser(prog=program)
    parser.add_argument("--render", action="store_true", help="write the page from old results")
    if not parser.parse_args().render:
        raw.write_text(json.dumps(run(), indent=1) + "\n", encoding="utf-8")
    page.write_text(render(json.loads(raw.read_text(encoding="utf-8"))), encoding="utf-8")


def machine_section(results: dict[str, Any]) -> str:
    """What it ran on, and for how long."""
    description = results["machine"]
    versions = ", ".join(f"{name} {version}" for name, version in description["versions"].items())
    return (
        f"## Machine\n\n* {description['date']}, in {results['minutes']:.0f} minutes\n* {description['cpu']}, "
        f"{description['cores']} cores; {description['system']}; Python {description['python']}\n* {versions}\n"
    )
