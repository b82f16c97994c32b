"""MkDocs hook: each `reference/MODULE.md` of the navigation is a page of that module's docstrings."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import PurePosixPath
from typing import Any

from mkdocs.config.defaults import MkDocsConfig
from mkdocs.structure.files import File, Files

FOLDER = "reference"


def pages(nav: Any) -> Iterator[str]:
    """Yield the pages of this kind in a navigation."""
    if isinstance(nav, str):
        if nav.startswith(f"{FOLDER}/"):
            yield nav
    else:
        for part in nav.values() if isinstance(nav, dict) else nav:
            yield from pages(part)


def on_files(files: Files, config: MkDocsConfig) -> Files:
    """Add the pages."""
    for page in pages(config.nav):
        module = PurePosixPath(page).stem
        files.append(File.generated(config, page, content=f"# `{module}`\n\n::: {module}\n"))
    return files
