"""The frame of the page: styles for screens light and dark, narrow and wide, and for paper."""

from html import escape
from typing import Any

import pandas as pd

from trackfolio._portfolio_html import held_assets, period_text

# Text has a contrast of at least 4.5 to its background in both themes.
_STYLE = """
:root{color-scheme:light dark;--ink:#1d2530;--soft:#59636f;--line:#d5dae0;--paper:#fff;--tint:#f4f6f8;
--up:#0b5c8f;--down:#a03c00}
@media screen and (prefers-color-scheme:dark){:root{--ink:#e7eaee;--soft:#a5afba;--line:#3c444d;
--paper:#15191e;--tint:#1e242b;--up:#7cc0f0;--down:#f3a26d}}
*{box-sizing:border-box}
body{margin:0 auto;padding:24px 20px 48px;max-width:1080px;background:var(--paper);color:var(--ink);
font:15px/1.5 system-ui,-apple-system,"Segoe UI",Roboto,sans-serif}
h1{font-size:26px;line-height:1.25;margin:0 0 4px;overflow-wrap:anywhere}
h2{font-size:18px;margin:36px 0 10px;padding-top:10px;border-top:1px solid var(--line)}
h3{font-size:15px;margin:18px 0 6px}
p{margin:0 0 10px;max-width:75ch}
.soft,caption{color:var(--soft)}
.tiles{display:grid;grid-template-columns:repeat(auto-fill,minmax(165px,1fr));gap:10px;margin:0}
.tiles div{background:var(--tint);border-radius:8px;padding:10px}
.tiles dt{font-size:13px;color:var(--soft)}
.tiles dd{margin:0;font-size:20px;font-weight:600;font-variant-numeric:tabular-nums}
.tiles small{display:block;font-size:12px;font-weight:400;color:var(--soft)}
figure{margin:0 0 18px}
figure img{display:block;width:100%;height:auto}
.pair{display:grid;grid-template-columns:repeat(auto-fill,minmax(min(100%,460px),1fr));gap:6px 28px}
.scroll{overflow-x:auto}.columns{display:flex;flex-wrap:wrap;gap:18px 48px;align-items:flex-start}
.columns>*{min-width:0}
table{border-collapse:collapse;font-size:14px;font-variant-numeric:tabular-nums}
caption{text-align:left;font-size:13px;padding-bottom:4px}
th,td{padding:3px 12px 3px 0;text-align:right;white-space:nowrap;border-bottom:1px solid var(--line);font-weight:400}
thead th{color:var(--soft)}caption{white-space:nowrap}
tbody th,thead th:first-child{text-align:left}
.names tbody th{white-space:normal;overflow-wrap:anywhere;min-width:11ch;max-width:34ch}
.remarks th:last-child,.remarks td:last-child{text-align:left;white-space:normal;overflow-wrap:anywhere;
min-width:26ch;max-width:60ch}
td.up{color:var(--up)}td.down{color:var(--down)}
td.total{font-weight:600}
dl.facts{display:grid;grid-template-columns:max-content 1fr;gap:2px 18px;margin:0}
dl.facts div{display:contents}dl.facts dt{color:var(--soft)}dl.facts dd{margin:0;overflow-wrap:anywhere}
code{font-size:13px;overflow-wrap:anywhere}
ul{margin:0 0 10px;padding-left:20px}
footer{margin-top:40px;font-size:13px;color:var(--soft)}
@media print{:root{color-scheme:light}body{padding:0;max-width:none;font-size:11px}
h2{break-after:avoid}figure,tr,.tiles div{break-inside:avoid}
.scroll{overflow:visible}
table{font-size:10px}th,td{padding:2px 6px 2px 0}.columns{display:block}
.pair{grid-template-columns:1fr 1fr}}
"""


def page(title: str, portfolio: Any, body: str) -> str:
    """The whole document; `title` and `body` are HTML."""
    benchmark = portfolio.benchmark
    rival = "" if benchmark is None else f", against {escape(str(benchmark.name))}"
    weights = portfolio.weights
    facts = f"{period_text(portfolio.dates, len(portfolio))}{rival} · holds {held_assets(weights.to_numpy())} names"
    return (
        f'<!DOCTYPE html>\n<html lang="en">\n<head>\n<meta charset="utf-8">\n'
        f'<meta name="viewport" content="width=device-width, initial-scale=1">\n<title>{title}</title>\n'
        f"<style>{_STYLE}</style>\n</head>\n<body>\n<main>\n<header><h1>{title}</h1>\n"
        f'<p class="soft">{facts}</p></header>\n{body}</main>\n</body>\n</html>\n'
    )


def section(heading: str, content: str) -> str:
    """A part of the page; nothing where there is nothing to say."""
    return f"<section><h2>{escape(heading)}</h2>\n{content}</section>\n" if content else ""


def table(frame: pd.DataFrame, caption: str, *, classes: Any = None, kind: str = "") -> str:
    """A table of texts, with a heading for each row and column; `classes` gives that of a cell by row and column.

    Of the kind "names", the headings of rows may be long, and of the kind "remarks" the last cells.
    """
    head = "".join(f'<th scope="col">{escape(str(column))}</th>' for column in frame.columns)
    rows = []
    for i, (label, row) in enumerate(zip(frame.index, frame.itertuples(index=False), strict=True)):
        cells = []
        for j, cell in enumerate(row):
            name = classes(i, j) if classes is not None else ""
            cells.append(f'<td class="{name}">{escape(str(cell))}</td>' if name else f"<td>{escape(str(cell))}</td>")
        rows.append(f'<tr><th scope="row">{escape(str(label))}</th>{"".join(cells)}</tr>')
    corner = "<td></td>" if frame.index.name is None else f'<th scope="col">{escape(str(frame.index.name))}</th>'
    caption = escape(caption)
    # What can be scrolled must be reached by the keyboard.
    return (
        f'<div class="scroll" tabindex="0" role="region" aria-label="{caption}">'
        f'<table class="{kind}"><caption>{caption}</caption>'
        f"<thead><tr>{corner}{head}</tr></thead><tbody>{''.join(rows)}</tbody></table></div>\n"
    )
