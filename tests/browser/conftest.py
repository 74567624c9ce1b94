"""A browser, and the pages that it opens: run by `make test-browser`, never by `make test`."""

import re
import shutil
from pathlib import Path
from types import SimpleNamespace

import pytest
from playwright.sync_api import Error, sync_playwright

from tests.browser.subjects import SUBJECTS

CHROMIUMS = ("chromium", "chromium-browser", "google-chrome", "google-chrome-stable")
SIZES = {"desktop": (1280, 900), "phone": (390, 844)}


@pytest.fixture(scope="session")
def browser():
    """Chromium of the system, else the one that Playwright installed."""
    found = next(filter(None, map(shutil.which, CHROMIUMS)), None)
    with sync_playwright() as playwright:
        try:
            started = playwright.chromium.launch(executable_path=found, args=["--no-sandbox", "--disable-gpu"])
        except Error as error:
            pytest.fail(
                f"No browser starts: install one with `apt-get install chromium` (Debian), or with "
                f"`.venv/bin/playwright install chromium`.\n{error}",
                pytrace=False,
            )
        yield started
        started.close()


@pytest.fixture(scope="session")
def pages(tmp_path_factory):
    """Files of the pages, written when they are asked for first."""
    folder, written = tmp_path_factory.mktemp("pages"), {}

    def path_of(name):
        if name not in written:
            written[name] = folder / f"{name}.html"
            SUBJECTS[name](written[name])
        return written[name]

    return path_of


@pytest.fixture
def opened(browser):
    """Open a file, and keep what the console said and what was asked of the network."""
    contexts = []

    def open_file(path: Path, size="desktop", scheme="light"):
        width, height = SIZES[size]
        context = browser.new_context(viewport={"width": width, "height": height}, color_scheme=scheme)
        contexts.append(context)
        said, asked = [], []

        def refuse(route):
            asked.append(route.request.url)
            route.abort()

        context.route(re.compile(r"^(?!file:|data:|blob:)"), refuse)
        page = context.new_page()
        page.on("console", lambda message: said.append(f"{message.type}: {message.text}"))
        page.on("pageerror", lambda error: said.append(f"error: {error}"))
        page.on("dialog", lambda dialog: (said.append(f"dialog: {dialog.message}"), dialog.dismiss()))
        page.goto(path.as_uri())
        return SimpleNamespace(page=page, said=said, asked=asked)

    yield open_file
    for context in contexts:
        context.close()
