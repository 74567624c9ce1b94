"""The command line of a benchmark: raw results to a file, and a page rendered from them."""

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
