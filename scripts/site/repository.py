"""MkDocs hook: files outside docs/ that pages link to become pages, and the links lead to them.

In the repository a page links to `../CHANGELOG.md` or `../conf/data/folder.yaml`. In the site each such file
lies below `repository/`: Markdown as it is, other text as a listing, anything else as a file.
"""

from __future__ import annotations

import posixpath
import re
from pathlib import Path

from mkdocs.config.defaults import MkDocsConfig
from mkdocs.structure.files import File, Files
from mkdocs.structure.pages import Page

PLACE = "repository/"
LISTED = {".yaml": "yaml", ".yml": "yaml", ".py": "python", ".sh": "sh", ".cff": "yaml", ".csv": "text"}
"""Suffix of a file that is shown as a listing -> its language."""
CODE = re.compile(r"(^ *```.*?^ *```|``.+?``|`[^`\n]+`)", re.S | re.M)
LINK = re.compile(r"(\]\(|src=\"|href=\")([^)\s#:\"]+)(?=[)#\"])")
"""What a link begins with, and its target within the repository."""


def _uri(path: str) -> str:
    """Return where in the site a file of the repository lies."""
    if path.startswith("docs/"):
        return path.removeprefix("docs/")
    return f"{PLACE}{path}.md" if Path(path).suffix in LISTED else f"{PLACE}{path}"


def on_files(files: Files, config: MkDocsConfig) -> Files:
    """Add the files that pages link to, and those that these link to."""
    root = Path(config.config_file_path).parent
    waiting = [f"docs/{file.src_uri}" for file in files.documentation_pages() if file.generated_by is None]
    seen = set(waiting)
    while waiting:
        page = waiting.pop()
        prose = "".join(CODE.split((root / page).read_text(encoding="utf-8"))[::2])
        for link in LINK.finditer(prose):
            path = posixpath.normpath(posixpath.join(posixpath.dirname(page), link[2]))
            if path in seen or path.startswith("docs/") or not (root / path).is_file():
                continue
            seen.add(path)
            if path.endswith(".md"):
                waiting.append(path)
            files.append(_file(root, path, config))
    return files


def _file(root: Path, path: str, config: MkDocsConfig) -> File:
    if language := LISTED.get(Path(path).suffix):
        text = (root / path).read_text(encoding="utf-8").rstrip()
        return File.generated(config, _uri(path), content=f"# `{path}`\n\n```{language}\n{text}\n```\n")
    return File.generated(config, _uri(path), abs_src_path=str(root / path))


def on_page_markdown(markdown: str, page: Page, config: MkDocsConfig, files: Files) -> str:
    """Turn links within the repository into links within the site."""
    here = page.file.src_uri
    place = here.removeprefix(PLACE) if here.startswith(PLACE) else f"docs/{here}"

    def moved(found: re.Match[str]) -> str:
        path = posixpath.normpath(posixpath.join(posixpath.dirname(place), found[2]))
        return found[1] + posixpath.relpath(_uri(path), posixpath.dirname(here) or ".")

    parts = CODE.split(markdown)
    parts[::2] = (LINK.sub(moved, part) for part in parts[::2])
    return "".join(parts)
