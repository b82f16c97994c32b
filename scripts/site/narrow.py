"""MkDocs hook: pages fit a narrow screen: long paths break behind their signs, prose in tables has room."""

from __future__ import annotations

import html
import re

from mkdocs.config.defaults import MkDocsConfig
from mkdocs.structure.files import Files
from mkdocs.structure.pages import Page

LONG = 24
"""Characters of code that stay on one line."""
PROSE = 40
"""Characters from which the text of a cell is prose, for which site.css keeps room."""
CELL = re.compile(r"<t([dh])((?: style=[^>]*)?)>(.*?)</t\1>", re.S)
CODE = re.compile(r"<code>(.*?)</code>", re.S)
BLOCK = re.compile(r"(<pre\b.*?</pre>)", re.S)
"""Code that has lines of its own, and scrolls."""
BREAK = re.compile(r"(?:(?<=[/=,_])|(?<=[a-z]\.))(?=[\w{\[])(?![^<]*>)")
"""A place behind a sign, outside tags and numbers."""


def _text(markup: str) -> str:
    return html.unescape(re.sub(r"<[^>]+>", "", markup))


def _code(found: re.Match[str]) -> str:
    if len(_text(found[1])) <= LONG:
        return found[0]
    return f'<code class="long">{BREAK.sub("<wbr>", found[1])}</code>'


def _cell(found: re.Match[str]) -> str:
    kind, style, content = found.groups()
    if not content.strip():
        kind = "d"  # a corner of the table is no heading
    prose = ' class="prose"' if len(_text(content)) > PROSE else ""
    content = CODE.sub(lambda code: code[0].replace(r"\|", "|"), content)  # a sign that tables need on GitHub
    return f"<t{kind}{style}{prose}>{content}</t{kind}>"


def on_page_content(markup: str, page: Page, config: MkDocsConfig, files: Files) -> str:
    """Mark the cells and the long paths of a page."""
    parts = BLOCK.split(CELL.sub(_cell, markup))
    parts[::2] = (CODE.sub(_code, part) for part in parts[::2])
    return "".join(parts)
