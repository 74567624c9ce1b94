"""What is asked of every page."""

from itertools import pairwise

from axe_playwright_python.sync_playwright import Axe

RULES = ["wcag2a", "wcag2aa", "wcag21a", "wcag21aa", "best-practice"]
_AXE = Axe()


def violations(page, *, within=None, impacts=None):
    """Texts of what axe finds, of all impacts or of some."""
    options = {"runOnly": {"type": "tag", "values": RULES}, "resultTypes": ["violations"]}
    found = _AXE.run(page, context=within, options=options).response["violations"]
    return [
        f"{each['id']} ({each['impact']}): {each['help']}: {node['target']} {node.get('failureSummary', '')[:300]}"
        for each in found
        if impacts is None or each["impact"] in impacts
        for node in each["nodes"][:3]
    ]


def check_quiet(opened):
    """Nothing on the console, nothing from the network."""
    assert opened.said == []
    assert opened.asked == []


def check_fits(page):
    """The page does not scroll sideways, and no text sticks out of it other than in a box that scrolls."""
    wide, window = page.evaluate("[document.documentElement.scrollWidth, document.documentElement.clientWidth]")
    assert wide <= window, f"the page is {wide} px wide in a window of {window} px"
    assert sticking_out(page) == []


def sticking_out(page, scrolls="auto"):
    """Elements that end beyond the window, but those within boxes that scroll."""
    return page.evaluate(
        """(scrolls) => [...document.querySelectorAll('body *')].filter(element => {
            if (element.getBoundingClientRect().right <= document.documentElement.clientWidth + 1) return false;
            for (let box = element.parentElement; box; box = box.parentElement)
                if ([scrolls, 'hidden'].includes(getComputedStyle(box).overflowX)) return false;
            return true;
        }).map(element => element.outerHTML.slice(0, 120))""",
        scrolls,
    )


def check_headings(page):
    """One heading of the first level, the first of all, and no level is left out."""
    levels = page.evaluate("[...document.querySelectorAll('h1,h2,h3,h4,h5,h6')].map(h => +h.tagName[1])")
    assert levels[0] == 1
    assert levels.count(1) == 1
    assert all(after <= before + 1 for before, after in pairwise(levels)), levels


def check_pictures(page):
    """Each picture is loaded, and says in words what it shows."""
    silent = page.evaluate(
        """[...document.querySelectorAll('img')].filter(img => !img.alt || !img.complete || !img.naturalWidth)
        .concat([...document.querySelectorAll('svg')].filter(svg =>
            svg.getAttribute('role') !== 'img' || !svg.getAttribute('aria-label')))
        .map(picture => picture.outerHTML.slice(0, 120))"""
    )
    assert silent == []
