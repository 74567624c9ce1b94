"""The command line as a process: pipes, interrupts, warnings; and its page."""

import os
import re
import signal
import subprocess
import sys
import time

import pandas as pd
import pytest

from tests.cli.support import COMMAND, ENVIRONMENT, ROOT, write_files
from trackfolio.datasets import make_index_market

PAGE = ROOT / "docs" / "command_line.md"


def process(*arguments, folder, **options):
    return subprocess.run(
        [*COMMAND, *arguments], cwd=folder, env=ENVIRONMENT, capture_output=True, text=True, **options
    )


def started(*arguments, folder):
    pipes = dict.fromkeys(["stdin", "stdout", "stderr"], subprocess.PIPE)
    return subprocess.Popen([*COMMAND, *arguments], cwd=folder, env=ENVIRONMENT, text=True, **pipes)


def test_help_and_version_are_there_at_once(files):
    process("--version", folder=files)  # with a warm cache
    for option in ("--help", "--version"):
        start = time.perf_counter()
        assert process(option, folder=files).returncode == 0
        # 0.06 s where nothing else runs; never what scikit-learn takes to load.
        assert time.perf_counter() - start < 1.0
    command = [sys.executable, "-X", "importtime", "-m", "trackfolio", "--help"]
    modules = subprocess.run(command, cwd=files, env=ENVIRONMENT, capture_output=True, text=True).stderr
    assert {"numpy", "pandas", "sklearn"}.intersection(modules.replace("|", " ").split()) == set()


def test_a_pipe_that_closes_ends_quietly(files):
    line = f"{sys.executable} -m trackfolio backtest - -b SP500 --train 252 --rebalance QE -q < prices.csv | head -n 2"
    run = subprocess.run(
        ["bash", "-o", "pipefail", "-c", line], cwd=files, env=ENVIRONMENT, capture_output=True, text=True
    )
    assert run.stdout.startswith("date,net,gross,benchmark\n")
    assert (run.stderr, run.returncode) == ("", 0)
    # A reader that is gone before anything is written.
    reading, writing = os.pipe()
    os.close(reading)
    with open(writing, "w") as gone:
        command = [*COMMAND, "track", "prices.csv", "-b", "SP500", "-q"]
        run = subprocess.run(command, cwd=files, env=ENVIRONMENT, stdout=gone, stderr=subprocess.PIPE, text=True)
    assert (run.stderr, run.returncode) == ("", 0)


def test_an_interrupt_exits_with_130(files):
    with started("track", "-", "-b", "SP500", folder=files) as running:
        assert running.stderr.readline() == "Tracking SP500 with standard input ...\n"
        time.sleep(0.2)
        running.send_signal(signal.SIGINT)
        _, errors = running.communicate(timeout=20)
    assert running.returncode == 130, errors
    assert errors.strip() == "Interrupted."


def test_an_interrupted_search_writes_the_best_so_far(tmp_path):
    X, y = make_index_market(120, 300, random_state=0, return_X_y=True)
    X.join(y).to_csv(tmp_path / "returns.csv")
    with started(
        "track", "returns.csv", "--returns", "-b", "Index", "-k", "15", "-o", "w.csv", folder=tmp_path
    ) as running:
        while "120 assets" not in running.stderr.readline():
            pass
        time.sleep(3)
        running.send_signal(signal.SIGINT)
        _, errors = running.communicate(timeout=30)
    assert running.returncode == 130, errors
    assert "Traceback" not in errors
    # On a busy machine, the interrupt may come before the search has found anything.
    if "Stopped (interrupt)" in errors:
        assert len(pd.read_csv(tmp_path / "w.csv")) <= 15
    else:
        assert errors.strip().endswith("Interrupted.")


def test_warnings_are_one_line(files, tmp_path):
    code = (
        "import sys, warnings\n"
        "from trackfolio.cli import main\n"
        "import trackfolio.tracking as t\n"
        "fit = t.MinTrackingError.fit\n"
        "def warned(self, *a, **k):\n"
        "    warnings.warn('max_weights is\\nodd', UserWarning)\n"
        "    return fit(self, *a, **k)\n"
        "t.MinTrackingError.fit = warned\n"
        "main(['track', 'prices.csv', '-b', 'SP500', '-q'])\n"
    )
    run = subprocess.run([sys.executable, "-c", code], cwd=files, env=ENVIRONMENT, capture_output=True, text=True)
    assert run.stderr == "Warning: --max-weight is odd\n"
    assert run.stdout.startswith("asset,weight\n")


NOISE = """\
import ctypes, os, sys
import trackfolio.tracking as t
from trackfolio.cli import main
fit = t.MinTrackingError.fit
def loud(self, *a, **k):
    os.write(1, b"noise from below\\n")
    ctypes.CDLL(None).puts(b"noise from C")  # which stays in a buffer until it is flushed
    return fit(self, *a, **k)
t.MinTrackingError.fit = loud
try:
    main(["track", "prices.csv", "-b", "SP500", "-q", *sys.argv[1:]])
except SystemExit:
    print("after")
"""


@pytest.mark.skipif(os.name == "nt", reason="no puts by this name")
@pytest.mark.parametrize("options", [[], ["--format", "csv", "--force", "-o", "/dev/stdout"]])
def test_stdout_has_nothing_but_tables(files, options):
    command = [sys.executable, "-c", NOISE, *options]
    run = subprocess.run(command, cwd=files, env=ENVIRONMENT, capture_output=True, text=True)
    assert run.stdout == process("track", "prices.csv", "-b", "SP500", folder=files).stdout + "after\n"
    assert sorted(run.stderr.splitlines()) == ["noise from C", "noise from below"]


def test_streams_that_are_closed_are_no_error(files):
    for closed, out in (("2>&-", "asset,weight\n"), (">&-", "")):
        line = f"{sys.executable} -m trackfolio track prices.csv -b SP500 -o {'w.csv' if not out else '-'} -q {closed}"
        run = subprocess.run(
            ["sh", "-c", line + " --force"], cwd=files, env=ENVIRONMENT, capture_output=True, text=True
        )
        assert (run.returncode, run.stdout[: len("asset,weight\n")]) == (0, out), run.stderr
    (files / "w.csv").unlink()


# The page.


def shell_blocks():
    """Line, commands and what is shown right below."""
    text = PAGE.read_text("utf-8")
    for match in re.finditer(r"^```sh\n(.*?)^```\n\n```text\n(.*?)^```", text, re.MULTILINE | re.DOTALL):
        yield text.count("\n", 0, match.start()) + 1, match[1], match[2]


def without_effort(text):
    """Output without what differs from machine to machine: seconds, gaps, the last digits of numbers."""
    text = re.sub(r"gap -?[\d.e-]+; (\w+), [\d.e-]+ s", r"gap; \1", text)
    return re.sub(r"-?\d+\.\d{7,}", lambda match: f"{float(match[0]):.5g}", text)


def printed_by(block, folder):
    """What a terminal shows of a block, run by a shell with the program `trackfolio`."""
    program = folder / "bin" / "trackfolio"
    program.parent.mkdir(exist_ok=True)
    program.write_text(f'#!/bin/sh\nexec "{sys.executable}" -m trackfolio "$@"\n')
    program.chmod(0o755)
    environment = {**ENVIRONMENT, "PATH": f"{program.parent}{os.pathsep}{os.environ['PATH']}"}
    return subprocess.run(
        ["sh", "-c", block], cwd=folder, env=environment, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True
    ).stdout


def test_the_page_shows_what_its_commands_print(tmp_path):
    write_files(tmp_path)
    blocks = list(shell_blocks())
    assert len(blocks) == PAGE.read_text("utf-8").count("```sh") > 4
    for line, block, shown in blocks:
        assert without_effort(printed_by(block, tmp_path)) == without_effort(shown), f"block at line {line}"
