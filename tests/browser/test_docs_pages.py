"""Some pages of the documentation, where it has been built."""

import re
from pathlib import Path

import pytest

from tests.browser.checks import violations
from tests.browser.conftest import SIZES

BUILT = Path(__file__).parents[2] / "docs" / "_build" / "html"
SHOWN = ["index.html", "how_to/turnover.html", "api.html", "generated/trackfolio.MinTrackingError.html"]
pytestmark = pytest.mark.skipif(not BUILT.is_dir(), reason="no documentation there: `make docs` builds it")


@pytest.mark.parametrize("scheme", ["light", "dark"])
@pytest.mark.parametrize("size", SIZES)
@pytest.mark.parametrize("name", SHOWN)
def test_page(name, size, scheme, opened):
    if not (BUILT / name).exists():
        pytest.skip(f"{name} has not been built")
    shown = opened(BUILT / name, size, scheme)
    # Search loads its index when it is used; pages opened as files cannot.
    errors = [text for text in shown.said if re.match("error|dialog", text)]
    assert errors == []
    assert shown.asked == []
    check_pictures_of_ours(shown.page)
    assert violations(shown.page, within="article", impacts=("serious", "critical")) == []


def check_pictures_of_ours(page):
    silent = page.evaluate("[...document.querySelectorAll('article img')].filter(img => !img.alt).map(i => i.src)")
    assert silent == []
