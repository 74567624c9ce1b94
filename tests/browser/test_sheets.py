"""Tear sheets as a reader sees them: on desktops, phones and paper, light and dark."""

import re

import pytest

from tests.browser.checks import check_fits, check_headings, check_pictures, check_quiet, sticking_out, violations
from tests.browser.conftest import SIZES
from tests.browser.subjects import SHEETS


@pytest.mark.parametrize("scheme", ["light", "dark"])
@pytest.mark.parametrize("size", SIZES)
@pytest.mark.parametrize("name", SHEETS)
def test_on_screen(name, size, scheme, pages, opened):
    shown = opened(pages(name), size, scheme)
    check_fits(shown.page)
    check_headings(shown.page)
    check_pictures(shown.page)
    assert violations(shown.page) == []
    check_quiet(shown)


@pytest.mark.parametrize("name", SHEETS)
def test_pictures_follow_the_scheme(name, pages, opened):
    sources = [
        opened(pages(name), scheme=scheme).page.evaluate("[...document.images].map(image => image.currentSrc)")
        for scheme in ("light", "dark")
    ]
    assert len(sources[0]) > 0
    assert all(light != dark for light, dark in zip(*sources, strict=True))


@pytest.mark.parametrize("scheme", ["light", "dark"])
@pytest.mark.parametrize("name", SHEETS)
def test_on_paper(name, scheme, pages, opened):
    page = opened(pages(name), scheme=scheme).page
    page.emulate_media(media="print", color_scheme=scheme)
    # A4 with margins of 1 cm, at 96 pixels an inch. Nothing scrolls on paper.
    page.set_viewport_size({"width": 718, "height": 1047})
    assert sticking_out(page, scrolls="none") == []
    ink, paper = page.evaluate(
        "[getComputedStyle(document.body).color, getComputedStyle(document.body).backgroundColor]"
    )
    assert sum(map(int, re.findall(r"\d+", ink)[:3])) < 200, "dark text"
    assert paper == "rgb(255, 255, 255)"
    document = page.pdf(format="A4", margin=dict.fromkeys(("top", "right", "bottom", "left"), "1cm"))
    n_pages = len(re.findall(rb"/Type\s*/Page\b(?!s)", document))
    assert n_pages > 1 or name == "sheet_nearly_nothing"


def test_names_stay_text(pages, opened):
    shown = opened(pages("sheet_portfolio"))
    assert shown.page.locator("script").count() == 0
    assert shown.page.get_by_text("<script>alert(1)</script>").first.is_visible()
    check_quiet(shown)


def test_wide_tables_scroll_in_their_own_box_by_keyboard(pages, opened):
    page = opened(pages("sheet_backtest"), "phone").page
    box = page.locator(".scroll").filter(has_text="Dec").first
    assert box.evaluate("box => box.scrollWidth > box.clientWidth")
    box.focus()
    page.keyboard.press("ArrowRight")
    page.wait_for_function("box => box.scrollLeft > 0", arg=box.element_handle())
