"""Follow the links within the built pages, and the anchors that they name.

Offline: other hosts are not asked. LinkChecker does the same in minutes rather than in seconds. Left out are templates
of the theme, and the pages of source code: Sphinx links a class that two modules have from one of them only.
"""

import sys
from collections.abc import Iterator
from html.parser import HTMLParser
from pathlib import Path
from urllib.parse import unquote, urlsplit


class Page(HTMLParser):
    """Anchors of a page, and where its links lead."""

    def __init__(self, path: Path) -> None:
        super().__init__()
        self.anchors: set[str] = set()
        self.links: list[str] = []
        self.feed(path.read_text(encoding="utf-8"))

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        given = dict(attrs)
        self.anchors |= {value for name in ("id", "name") if (value := given.get(name))}
        self.links += [value for name in ("href", "src") if (value := given.get(name))]


def broken(root: Path) -> Iterator[str]:
    """Links that lead nowhere."""
    paths = [path for path in root.rglob("*.html") if not {"_modules", "_static"}.intersection(path.parts)]
    pages = {path.resolve(): Page(path) for path in paths}
    for path, page in pages.items():
        for link in page.links:
            parts = urlsplit(link)
            if parts.scheme or parts.netloc:
                continue
            target = (path.parent / unquote(parts.path)).resolve() if parts.path else path
            anchor = unquote(parts.fragment)
            if not target.exists():
                yield f"{path.relative_to(root.resolve())}: {link} leads nowhere"
            elif anchor and target in pages and anchor not in pages[target].anchors:
                yield f"{path.relative_to(root.resolve())}: {link} names no anchor"


def main() -> None:
    """Print what is broken, and fail if anything is."""
    found = sorted(set(broken(Path(sys.argv[1]))))
    sys.exit("\n".join(found) if found else 0)


if __name__ == "__main__":
    main()
