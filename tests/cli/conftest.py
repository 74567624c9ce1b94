"""The files, and the command line run among them."""

import inspect

import pytest
from click.testing import CliRunner

from tests.cli.support import START, write_files
from trackfolio.cli import main
from trackfolio.datasets import load_sp500


@pytest.fixture(scope="module")
def files(tmp_path_factory):
    folder = tmp_path_factory.mktemp("files")
    write_files(folder)
    return folder


@pytest.fixture(scope="module")
def returns():
    return load_sp500(start=START, return_X_y=True)


@pytest.fixture
def run(files, tmp_path, monkeypatch):
    """Run in a folder of its own, with links to the files."""
    for file in files.iterdir():
        (tmp_path / file.name).symlink_to(file)
    monkeypatch.chdir(tmp_path)
    options = {"mix_stderr": False} if "mix_stderr" in inspect.signature(CliRunner).parameters else {}
    runner = CliRunner(**options)

    def invoke(*arguments, code=0, stdin=None):
        result = runner.invoke(main, [str(each) for each in arguments], input=stdin)
        assert result.exit_code == code, (result.stdout, result.stderr, result.exception)
        return result

    return invoke
