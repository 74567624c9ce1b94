"""What notebooks show, in a bare page."""

import pytest

from tests.browser.checks import check_fits, check_pictures, check_quiet, violations
from tests.browser.conftest import SIZES
from tests.browser.subjects import CARDS, ESTIMATORS


@pytest.mark.parametrize("scheme", ["light", "dark"])
@pytest.mark.parametrize("size", SIZES)
@pytest.mark.parametrize("name", CARDS)
def test_cards(name, size, scheme, pages, opened):
    shown = opened(pages(name), size, scheme)
    check_fits(shown.page)
    check_pictures(shown.page)
    assert violations(shown.page) == []
    check_quiet(shown)


@pytest.mark.parametrize("scheme", ["light", "dark"])
@pytest.mark.parametrize("name", ESTIMATORS)
def test_estimators(name, scheme, pages, opened):
    """scikit-learn draws them: here the console is asked, and that the parameters can be read."""
    shown = opened(pages(name), scheme=scheme)
    shown.page.get_by_text("Parameters", exact=True).click()
    cell = shown.page.locator("td.param", has_text="cardinality")
    assert cell.is_visible()
    assert cell.get_attribute("title").startswith("cardinality: int")
    check_quiet(shown)
