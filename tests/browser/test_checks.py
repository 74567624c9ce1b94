"""The checks find what is wrong."""

import pytest

from tests.browser.checks import check_fits, check_headings, check_pictures, check_quiet, violations

GOOD = """<!DOCTYPE html><html lang="en"><head><meta charset="utf-8"><title>Page</title></head>
<body><main><h1>Page</h1>{}</main></body></html>"""


@pytest.fixture
def shown(opened, tmp_path):
    def show(body, size="phone", scheme="light"):
        path = tmp_path / "page.html"
        path.write_text(GOOD.format(body), encoding="utf-8")
        return opened(path, size, scheme)

    return show


def test_nothing_wrong(shown):
    page = shown("<h2>Part</h2><p>Text</p>")
    check_quiet(page)
    check_fits(page.page)
    check_headings(page.page)
    check_pictures(page.page)
    assert violations(page.page) == []


@pytest.mark.parametrize(
    "body",
    [
        "<script>alert(1)</script>",
        "<script>console.warn(1)</script>",
        "<script>undefined.x</script>",
        "<img src='http://localhost:9/a.png' alt='a'>",
        "<style>@import 'https://localhost:9/a.css'</style>",
    ],
)
def test_noise(body, shown):
    with pytest.raises(AssertionError):
        check_quiet(shown(body))


@pytest.mark.parametrize("body", ["<h1>Again</h1>", "<h3>Deep</h3>"])
def test_headings(body, shown):
    with pytest.raises(AssertionError):
        check_headings(shown(body).page)


@pytest.mark.parametrize(
    "body", ["<svg role='img'></svg>", "<img src='data:image/gif;base64,'>", "<img src='file:///nowhere' alt='none'>"]
)
def test_pictures(body, shown):
    with pytest.raises(AssertionError):
        check_pictures(shown(body).page)


def test_width(shown):
    with pytest.raises(AssertionError, match="px wide"):
        check_fits(shown("<div style='width:600px'>wide</div>").page)
    check_fits(shown("<div style='overflow-x:auto' tabindex='0'><div style='width:600px'>wide</div></div>").page)


@pytest.mark.parametrize(("scheme", "colour"), [("light", "#999"), ("dark", "#444")])
def test_contrast(scheme, colour, shown):
    style = "<style>@media (prefers-color-scheme:dark){body{background:#111;color:#eee}}</style>"
    found = violations(shown(f"{style}<p style='color:{colour}'>pale</p>", scheme=scheme).page)
    assert [text.partition(" ")[0] for text in found] == ["color-contrast"]
