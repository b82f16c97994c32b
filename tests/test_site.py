"""The site of the documentation: built without a warning, whole, and it loads nothing from the network."""

from __future__ import annotations

import os
import re
import subprocess
import sys
from html.parser import HTMLParser
from pathlib import Path
from urllib.parse import unquote

import pytest
import yaml

from tests.conftest import ROOT
from tests.test_doctests import ROOMS

CONFIG = (ROOT / "mkdocs.yml").read_text(encoding="utf-8")


class Html(HTMLParser):
    """The anchors of a page, and what it links to and loads."""

    def __init__(self, path: Path) -> None:
        super().__init__()
        self.anchors: set[str] = set()
        self.links: list[str] = []
        self.loads: list[str] = []
        self.pictures: list[str] = []
        self.feed(path.read_text(encoding="utf-8"))

    def handle_starttag(self, tag: str, attributes: list[tuple[str, str | None]]) -> None:
        values = {name: value or "" for name, value in attributes}
        self.anchors |= {values[name] for name in ("id", "name") if name in values}
        if tag == "a" and "href" in values:
            self.links.append(values["href"])
        elif tag == "link" and values.get("rel") not in ("prev", "next", "canonical"):
            self.loads.append(values["href"])
        elif "src" in values:
            self.loads.append(values["src"])
        if tag == "img":
            self.pictures.append(values.get("alt", ""))


@pytest.fixture(scope="module")
def site(tmp_path_factory: pytest.TempPathFactory) -> Path:
    pytest.importorskip("mkdocs", reason="the extra `docs` is not installed")
    folder = tmp_path_factory.mktemp("site")
    command = [sys.executable, "-m", "mkdocs", "build", "--quiet", "--site-dir", str(folder)]
    done = subprocess.run(
        command, cwd=ROOT, env={**os.environ, "NO_MKDOCS_2_WARNING": "1"}, capture_output=True, text=True
    )
    assert done.returncode == 0, done.stdout + done.stderr
    assert "WARNING" not in done.stdout + done.stderr
    return folder


@pytest.fixture(scope="module")
def pages(site: Path) -> dict[Path, Html]:
    return {path: Html(path) for path in site.rglob("*.html")}


@pytest.mark.slow
def test_every_link_and_anchor_is_there(site: Path, pages: dict[Path, Html]) -> None:
    wrong = []
    for path, page in pages.items():
        if path.name == "404.html":
            continue
        for link in page.links:
            if re.match(r"[a-z]+:", link):
                continue
            place, _, anchor = link.partition("#")
            target = (path.parent / unquote(place)).resolve() if place else path
            target = target / "index.html" if target.is_dir() else target
            if not target.is_file() or (
                anchor and target in pages and unquote(anchor) not in pages[target].anchors
            ):
                wrong.append(f"{path.relative_to(site)}: {link}")
    assert not wrong and len(pages) > 80


@pytest.mark.slow
def test_nothing_is_loaded_from_the_network(site: Path, pages: dict[Path, Html]) -> None:
    loaded = {(path.relative_to(site), load) for path, page in pages.items() for load in page.loads}
    assert not [item for item in loaded if re.match(r"(https?:)?//", item[1])]
    for path, load in loaded:
        if path.name != "404.html" and not load.startswith("data:"):
            assert (site / path.parent / load).is_file(), f"{path}: {load}"
    for style in site.rglob("*.css"):
        assert not re.findall(r"url\([\"']?(?:https?:)?//", style.read_text(encoding="utf-8")), style


@pytest.mark.slow
def test_every_picture_says_what_it_shows(pages: dict[Path, Html]) -> None:
    assert sum(len(page.pictures) for page in pages.values()) > 20
    for path, page in pages.items():
        for text in page.pictures:
            assert len(text.split()) >= 2 and not re.search(r"\.(png|svg)$", text), f"{path}: {text!r}"


@pytest.mark.slow
def test_a_long_path_may_break_at_its_signs_and_a_short_one_stays_whole(site: Path) -> None:
    page = (site / "architecture.html").read_text(encoding="utf-8")
    assert '<code class="long">src/<wbr>data/<wbr>sources/<wbr>annotations/</code>' in page
    assert "<code>src/text/</code>" in page
    page = (site / "reference/ganatomy.metrics.registry.html").read_text(encoding="utf-8")
    assert re.search(r'<h1 id="[^"]*"><code class="long">ganatomy.<wbr>metrics.<wbr>registry</code>', page)
    assert "ganatomy completion fish | source</code>" in (site / "install.html").read_text(encoding="utf-8")
    listing = (site / "repository/src/metrics/registry.py.html").read_text(encoding="utf-8")
    assert "<wbr>" not in listing[listing.index("<pre>") :]


@pytest.mark.slow
def test_the_star_of_a_shape_is_no_emphasis(site: Path) -> None:
    pages = [path.read_text(encoding="utf-8") for path in (site / "reference").glob("*.html")]
    assert not [text for text in pages if re.search(r"<em>(?:spatial|dims|size|shape)\b", text)]
    assert any("[C,*spatial]" in text for text in pages)


@pytest.mark.slow
def test_formulas_are_drawn_and_the_search_has_its_index(site: Path) -> None:
    game = (site / "game.html").read_text(encoding="utf-8")
    assert game.count('display="block"') == (ROOT / "docs/game.md").read_text(encoding="utf-8").count(
        "```math"
    )
    assert (
        game.count("<math") > 50
        and "$`" not in game
        and "\\mathbb" not in re.sub(r"<annotation.*?</annotation>", "", game)
    )
    assert "new Blob" in (site / "search/iframe-worker.js").read_text(encoding="utf-8")
    assert "zero-sum" in (site / "search/search_index.js").read_text(encoding="utf-8")


def test_the_navigation_has_every_page_and_every_entry_room() -> None:
    named = re.findall(r"[\w/.]+\.md$", CONFIG, re.M)
    assert len(named) == len(set(named))
    ours = {path.name for path in (ROOT / "docs").glob("*.md")}
    assert {name for name in named if "/" not in name} == ours
    reference = {
        name.removeprefix("reference/").removesuffix(".md") for name in named if name.startswith("reference/")
    }
    assert reference == set(ROOMS)
    for name in named:
        if name.startswith("repository/"):
            assert (ROOT / name.removeprefix("repository/")).is_file(), name


def test_the_site_is_strict_and_loads_no_font() -> None:
    plain = yaml.safe_load(re.sub(r"!!python/\S+ \{.*\}", "null", CONFIG))
    assert plain["strict"] is True and plain["theme"]["font"] is False
    assert "offline" in plain["plugins"] and not plain["use_directory_urls"]
    assert all((ROOT / hook).is_file() for hook in plain["hooks"])
