"""What pages are made of: each part is HTML, or an empty string where there is nothing to say."""

import json
from collections.abc import Collection, Mapping, Sequence
from html import escape
from typing import Any

from tradeready_gym.rendering.report.style import STYLE
from tradeready_gym.rendering.words import typeset

_FOOT = "<footer>Times are UTC. Money, fees and slippage are in what the prices are in.</footer>"


def document(title: str, body: Sequence[str]) -> str:
    """The parts as one HTML document, those that are empty left out."""
    return (
        '<!doctype html>\n<html lang="en"><head><meta charset="utf-8">'
        '<meta name="viewport" content="width=device-width, initial-scale=1">'
        f"<title>{escape(title)}</title><style>{STYLE}</style></head>\n<body><main>\n"
        + "\n".join(part for part in body if part)
        + f"\n{_FOOT}\n</main></body></html>\n"
    )


def header(title: str, subtitle: str, badges: Sequence[tuple[str, str]]) -> str:
    """The title, and labels of the kinds good, bad and plain."""
    labels = "".join(f'<li class="{escape(kind)}">{escape(text)}</li>' for text, kind in badges)
    listed = f'<ul class="badges">{labels}</ul>' if labels else ""
    return f"<header><h1>{escape(title)}</h1><p>{escape(typeset(subtitle))}</p>{listed}</header>"


def facts(found: Sequence[tuple[str, str, str]]) -> str:
    """Headings with a value in large type and an explanation in small."""
    cells = "".join(
        f"<div><dt>{escape(heading)}</dt><dd>{escape(typeset(value))}</dd><p>{escape(typeset(explained))}</p></div>"
        for heading, value, explained in found
    )
    return f'<dl class="facts">{cells}</dl>' if cells else ""


def section(title: str, content: str, aside: str = "") -> str:
    """A titled box; none without content."""
    if not content:
        return ""
    small = f"<small>{escape(typeset(aside))}</small>" if aside else ""
    return f"<section><h2>{escape(title)}{small}</h2>{content}</section>"


def remarks(lines: Sequence[str]) -> str:
    """Sentences, one below the other."""
    listed = "".join(f"<li>{escape(typeset(line))}</li>" for line in lines)
    return f'<ul class="remarks">{listed}</ul>' if listed else ""


def table(rows: Sequence[Mapping[str, str]], quiet: Collection[str] = (), words: Collection[str] = ()) -> str:
    """Rows under the headings of the first; those whose first cell is in `quiet` in a quiet colour. Columns in `words` are
    text, as the first always is; the others are numbers."""
    if not rows:
        return ""
    headings = list(rows[0])
    sides = {heading: ' class="words"' if heading in words else "" for heading in headings}
    head = "".join(f"<th{sides[heading]}>{escape(heading)}</th>" for heading in headings)
    lines = []
    for row in rows:
        kind = ' class="baseline"' if row[headings[0]] in quiet else ""
        cells = "".join(f"<td{sides[heading]}>{escape(typeset(row[heading]))}</td>" for heading in headings)
        lines.append(f"<tr{kind}>{cells}</tr>")
    return f'<div class="scroll"><table><thead><tr>{head}</tr></thead><tbody>{"".join(lines)}</tbody></table></div>'


def key(entries: Sequence[tuple[str, str]], *, boxes: bool = False, marks: str = "") -> str:
    """What the colours of lines stand for, or of `boxes`, or of `marks`, a character for each entry."""
    drawn = [
        f'<b style="color:{colour}">{mark}</b>' if mark else f'<i style="background:{colour}"></i>'
        for (colour, _), mark in zip(entries, marks or [""] * len(entries), strict=True)
    ]
    items = "".join(f"<li>{sign}{escape(name)}</li>" for sign, (_, name) in zip(drawn, entries, strict=True))
    return f'<ul class="legend{" boxes" if boxes else ""}">{items}</ul>'


def glossary(entries: Sequence[tuple[str, str]]) -> str:
    """Words and what they mean."""
    lines = "".join(f"<dt>{escape(word)}</dt><dd>{escape(meaning)}</dd>" for word, meaning in entries)
    return section("How to read this", f'<dl class="glossary">{lines}</dl>' if lines else "")


def card(found: Mapping[str, Any]) -> str:
    """Everything as JSON: to be unfolded by people, and to be read by programs."""
    if not found:
        return ""
    text = json.dumps(found, indent=2, allow_nan=False)
    # in a script nothing is markup, but for what would end it
    data = text.replace("<", "\\u003c")
    return section(
        "Result card",
        f"<details><summary>Everything that is needed to do this again</summary><pre>{escape(text)}</pre></details>"
        f'<script type="application/json" id="result-card">{data}</script>',
    )


def empty(words: str) -> str:
    """What is said where there is nothing to show."""
    return f'<p class="empty">{escape(words)}</p>'
