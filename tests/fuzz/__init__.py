"""Random problems over all terms, each judged by an oracle: `python -m tests.fuzz --help`."""
