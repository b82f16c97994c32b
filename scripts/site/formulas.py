"""MkDocs hook: formulas become MathML when the site is built, so that no script draws them.

They are written as GitHub reads them: a block of the language `math`, or $`...`$ within a line.
"""

from __future__ import annotations

import re
import textwrap

from latex2mathml.converter import convert
from mkdocs.config.defaults import MkDocsConfig
from mkdocs.structure.files import Files
from mkdocs.structure.pages import Page

SIGN = re.compile(r"(<mo[^>]*>(?:&#x0(?:0028|003D|2248|2264);|\[)</mo>)<mo>(?=&#x02212;)")
"""A minus behind a bracket or a relation: a sign, which has no space on either side."""


def on_page_markdown(markdown: str, page: Page, config: MkDocsConfig, files: Files) -> str:
    """Replace the formulas of a page."""
    markdown = re.sub(r"^```math\n(.*?)^```$", _block, markdown, flags=re.S | re.M)
    return re.sub(r"\$`([^`\n]+)`\$", lambda found: f"<span>{_mathml(found[1])}</span>", markdown)


def _mathml(formula: str, display: str = "inline") -> str:
    return SIGN.sub(r'\1<mo form="prefix">', convert(formula, display=display))


def _block(found: re.Match[str]) -> str:
    formula = _mathml(textwrap.dedent(found[1]).strip(), display="block")
    return f'<div class="formula">{formula}</div>'
