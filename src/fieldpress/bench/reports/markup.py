"""The HTML that the pages of studies and benches are built from."""

import re
from collections.abc import Iterable, Mapping, Sequence
from html import escape
from importlib.resources import files

_HEAD = """<!doctype html>
<html lang="en">
<head>
<meta charset="utf-8">
<meta name="viewport" content="width=device-width, initial-scale=1">
<meta name="color-scheme" content="light dark">
<title>{title}</title>
<link rel="icon" href="data:,">
<style>
{style}</style>
</head>
<body>
<main>
"""
FOOT = "</main>\n</body>\n</html>\n"
"""Of a page, after its last words."""


def head(title: str, *sheets: str) -> str:
    """Of a page, up to its first words.

    Args:
        title: In plain text.
        sheets: Names of style sheets of this package.
    """
    return _HEAD.format(title=escape(title), style="".join(map(resource, sheets)))


def resource(name: str) -> str:
    """A style sheet or a script of this package."""
    return files("fieldpress.bench.reports").joinpath(name).read_text()


def table(
    columns: Sequence[str], lines: Iterable[Sequence[str]], words: int, meanings: Mapping[str, str] | None = None
) -> str:
    """A table that scrolls by itself where the page is narrow.

    Args:
        columns: Their heads.
        lines: Cells in HTML, such as :func:`cell` gives.
        words: How many columns hold words; those after them hold numbers.
        meanings: What is shown of a head that is pointed at, in plain text.
    """
    numbers = ["" if i < words else ' class="n"' for i in range(len(columns))]
    told = [f' title="{escape(meanings[name])}"' if meanings and name in meanings else "" for name in columns]
    top = "".join(f"<th{n}{title}>{name}</th>" for n, title, name in zip(numbers, told, columns, strict=True))
    rows = ("".join(f"<td{n}>{text}</td>" for n, text in zip(numbers, line, strict=True)) for line in lines)
    body = "".join(f"<tr>{row}</tr>" for row in rows)
    return f'<div class="scroll" tabindex="0"><table><thead><tr>{top}</tr></thead><tbody>{body}</tbody></table></div>'


def tables(
    columns: Sequence[str],
    lines: Iterable[Sequence[str]],
    words: int,
    by: int,
    meanings: Mapping[str, str] | None = None,
) -> str:
    """A table for all lines that begin alike, under a heading of what they begin with.

    Args:
        columns: As of :func:`table`.
        lines: Cells in plain text.
        words: As of :func:`table`.
        by: How many columns go into the heading.
        meanings: As of :func:`table`.
    """
    groups: dict[str, list[list[str]]] = {}
    for line in lines:
        groups.setdefault(", ".join(line[:by]), []).append(list(map(cell, line[by:])))
    return "".join(
        f"<h3>{escape(name)}</h3>{table(columns[by:], group, words - by, meanings)}" for name, group in groups.items()
    )


def cell(text: str) -> str:
    """Plain text as HTML that may be broken inside a name, but not before a percent sign.

    Example:
        >>> cell("x265:veryslow"), cell("-8.3 %")
        ('x265:<wbr>veryslow', '-8.3&nbsp;%')
    """
    return re.sub(r"(?<=\w)([:_-])(?=\w)", r"\1<wbr>", escape(text)).replace(" %", "&nbsp;%")


def figure(drawn: str, caption: str) -> str:
    """A drawing and what it shows, as HTML both."""
    return f"<figure>{drawn}<figcaption>{caption}</figcaption></figure>"


def listing(items: Iterable[str]) -> str:
    """A list of what is HTML already."""
    return f"<ul>{''.join(f'<li>{item}</li>' for item in items)}</ul>"


def impossible(what: str, failures: Mapping[str, str]) -> str:
    """A section that says what could not be made and why; nothing if all could."""
    if not failures:
        return ""
    items = (f"<code>{escape(name)}</code>: {escape(reason)}" for name, reason in failures.items())
    return f"<section><h2>{what} that were impossible</h2>{listing(items)}</section>"


def method(facts: Mapping[str, str]) -> str:
    """A section that says how figures came about; the facts are HTML."""
    lines = "".join(f"<dt>{name}</dt><dd>{value}</dd>" for name, value in facts.items())
    return f"<section><h2>How it was measured</h2><dl>{lines}</dl></section>"
