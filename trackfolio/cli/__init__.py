"""The command line: `trackfolio track`, `backtest`, `frontier` and `demo`.

Nothing here needs more than click until a command runs, so that help appears at once, and a command says what it does
before numpy, pandas and scikit-learn are loaded.
"""

from trackfolio.cli._program import main as main

# A program, not a library: what it does is documented in `trackfolio --help` and docs/command_line.md.
__all__: list[str] = []
