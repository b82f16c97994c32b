"""report.html: whole, small, alone, and silent about who was scanned."""

from __future__ import annotations

import base64
import io
import json
from html.parser import HTMLParser
from pathlib import Path

import numpy as np
import pytest
import yaml
from PIL import Image

from ganatomy.pictures.animation import animation
from ganatomy.pictures.panel import save_png
from ganatomy.pictures.report import write_report


class Page(HTMLParser):
    """Tags, addresses and text of a page."""

    def __init__(self, path: Path) -> None:
        super().__init__()
        self.tags: list[str] = []
        self.addresses: list[str] = []
        self.text = ""
        self.open: list[str] = []
        self.feed(path.read_text(encoding="utf-8"))

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.append(tag)
        self.addresses += [
            value or "" for name, value in attrs if name in ("src", "href", "action", "srcset")
        ]
        if tag not in ("meta", "img", "br", "link"):
            self.open.append(tag)

    def handle_endtag(self, tag: str) -> None:
        assert self.open.pop() == tag

    def handle_data(self, data: str) -> None:
        self.text += data

    def pictures(self) -> list[Image.Image]:
        head = "data:image/png;base64,"
        assert all(address.startswith(head) for address in self.addresses)
        return [Image.open(io.BytesIO(base64.b64decode(a[len(head) :]))) for a in self.addresses]


@pytest.fixture
def run(tmp_path: Path) -> Path:
    config = {
        "task": {"_target_": "ganatomy.tasks.segmentation.SegmentationTask"},
        "data": {"subjects": 24, "cache_dir": "/home/somebody"},
        "model": {"adversarial": {"loss": "hinge"}},
        "name": "<script>alert(1)</script>",
        "seed": 3,
    }
    metrics = {"test/dice": 0.871, "test/dice/gm": 0.9, "baseline/mean_label_map/dice": 0.612}
    data = {
        "cases": {"train": 2, "test": 1},
        "subjects": {"train": ["Mr Smith", "x"], "test": ["y"]},
        "hash": "ab12",
    }
    environment = {
        "command": ["train.py", "name=a b"],
        "versions": {"torch": "2.13.0"},
        "git": {"commit": "f" * 40},
    }
    (tmp_path / "config.yaml").write_text(yaml.safe_dump(config))
    for name, content in {
        "metrics": metrics,
        "data": data,
        "environment": environment,
        "status": {"status": "done", "why": "600 steps"},
    }.items():
        (tmp_path / f"{name}.json").write_text(json.dumps(content))
    (tmp_path / "metrics.csv").write_text("step,loss/generator/total,val/dice\n10,2.5,\n20,1.5,0.8\n")
    (tmp_path / "scores.csv").write_text("case,dice,dice/gm\nMr Smith,0.9,0.9\n")
    for name, value in (("step_000500", 50), ("test", 200)):
        save_png(tmp_path / "samples" / f"{name}.png", np.full((40, 60, 3), value, np.uint8))
    return tmp_path


def test_it_says_what_was_run_and_what_came_out(run: Path) -> None:
    text = Page(write_report(run)).text
    said = [
        "0.871",
        "mean label map 0.612",
        "0.900",
        "seed 3",
        "600 steps",
        "done",
        "fffffffff",
        "subjects: 24",
        "hinge",
    ]
    for word in [*said, "python -m src.train 'name=a b'", "2.13.0", "ab12"]:
        assert word in text, word


@pytest.mark.parametrize(
    ("seconds", "words"), [(75.4, "took 75 s"), (600, "took 10 min"), (9000, "took 2.5 h")]
)
def test_it_says_how_long_it_took_and_that_pictures_have_no_millimetres(
    run: Path, seconds: float, words: str
) -> None:
    (run / "status.json").write_text(json.dumps({"status": "done", "seconds": seconds}))
    (run / "data.json").write_text(json.dumps({"units": "px"}))
    (run / "metrics.json").write_text(json.dumps({"test/hd95": 3.0, "test/dice": 0.9}))
    text = Page(write_report(run)).text
    assert words in text and "HD95 px" in text and "HD95 mm" not in text


def test_a_failed_game_stands_above_the_scores_and_warnings_apart(run: Path) -> None:
    event = {"step": 100, "player": "", "cause": "it <b>stands</b> still", "advice": "call `check`"}
    events = [
        {**event, "name": "collapse", "fatal": True, "healed": False},
        {**event, "name": "falling", "fatal": True, "healed": True},
        {**event, "name": "few_images", "fatal": False, "healed": False},
    ]
    (run / "status.json").write_text(json.dumps({"status": "done", "game": "collapse", "events": events}))
    page = Page(write_report(run))
    failed, _, rest = page.text.partition("The game failed: collapse")[2].partition("Warnings")
    assert failed == "collapse (step 100): it <b>stands</b> still.What to do: call check."
    assert "collapse" not in rest and "few_images (step 100)" in rest and "Dice" in rest
    assert "falling (step 100, no longer so at the end)" in rest and "code" in page.tags
    (run / "status.json").write_text(json.dumps({"status": "done", "game": "healthy", "events": events[1:]}))
    text = Page(write_report(run)).text
    assert "The game failed" not in text and "Warnings" in text


def test_a_table_of_many_scores_has_a_line_each(run: Path) -> None:
    """Five scores of three sources would be cut at the edge of the page."""
    names = [f"{source}/{score}" for source in ("test", "baseline/otsu", "baseline/mean_label_map")
             for score in ("dice", "hd95", "nsd", "asd", "iou")]  # fmt: skip
    (run / "metrics.json").write_text(json.dumps(dict.fromkeys(names, 0.5)))
    text = write_report(run).read_text()
    assert text.count('<th class="baseline">otsu</th>') == 1


def test_it_needs_nothing_from_elsewhere(run: Path) -> None:
    page = Page(write_report(run))
    assert not {"script", "link", "iframe", "object"} & set(page.tags)
    assert "<script>alert(1)</script>" in page.text and not page.open
    assert "http" not in (run / "report.html").read_text()
    *figures, sample = page.pictures()
    assert len(figures) == 2 and np.asarray(sample)[0, 0].tolist() == [200] * 3, (
        "the test picture, not an earlier one"
    )


def test_pictures_of_the_test_as_a_whole_and_the_animation_are_there_too(run: Path) -> None:
    for n, name in enumerate(("nearest", "interpolation")):
        save_png(run / "samples" / f"{name}.png", np.full((30, 30, 3), n, np.uint8))
    (run / "samples/training.gif").write_bytes(animation(sorted((run / "samples").glob("step_*.png"))))
    page = Page(write_report(run))
    kinds = [address.partition(";")[0] for address in page.addresses]
    assert kinds == ["data:image/png"] * 5 + ["data:image/gif"] and not page.open
    (run / "samples/training.gif").write_bytes(b"x" * 500_000)
    assert len(Page(write_report(run)).addresses) == 5, "one that would make the page large stays outside"


def test_nobody_is_named(run: Path) -> None:
    text = write_report(run).read_text()
    assert "Smith" not in text and "somebody" not in text


def test_a_large_picture_is_shrunk_so_that_the_page_stays_small(run: Path) -> None:
    noise = np.random.default_rng(0).integers(0, 256, (1500, 1500, 3), dtype=np.uint8)
    save_png(run / "samples" / "test.png", noise)
    path = write_report(run)
    assert path.stat().st_size < 1_000_000
    assert Page(path).pictures()[-1].width > 300


@pytest.mark.parametrize(
    "missing", ["metrics.json", "data.json", "environment.json", "metrics.csv", "config.yaml"]
)
def test_a_run_that_ended_early_is_reported_as_far_as_it_came(run: Path, missing: str) -> None:
    (run / missing).unlink()
    assert not Page(write_report(run)).open


def test_an_empty_run_is_reported_too(tmp_path: Path) -> None:
    assert "unknown" in Page(write_report(tmp_path)).text
