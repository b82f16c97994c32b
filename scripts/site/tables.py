"""MkDocs hook: tables fit a narrow screen: long paths break behind their signs, prose keeps its width."""

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
    return f"<t{kind}{style}{prose}>{CODE.sub(_code, content)}</t{kind}>"


def on_page_content(markup: str, page: Page, config: MkDocsConfig, files: Files) -> str:
    """Mark the cells of a page."""
    return CELL.sub(_cell, markup)
