"""`index`: what it says of runs of every kind, damaged ones too, and its page in a real browser."""

from __future__ import annotations

import errno
import html
import json
import os
import re
import subprocess
import sys
import time
from collections.abc import Iterator
from dataclasses import asdict
from pathlib import Path
from typing import Any

import pytest

from ganatomy.errors import UserError
from ganatomy.index.__main__ import start
from ganatomy.index.folders import find
from ganatomy.index.page import refuse_foreign
from ganatomy.index.rows import Row, read_rows
from ganatomy.index.selection import Filter, select
from ganatomy.index.small_files import SmallFiles, parsed
from ganatomy.index.thumbnails import thumbnails
from ganatomy.runs.process_identity import Holder
from tests import commands
from tests.index.browser import CHROMIUM, Browser, browser
from tests.index.inside import Inside
from tests.index.made_up import config, many, metrics, picture, run

HOSTILE = "<img src=x onerror=alert(1)>\u202e'\"&"
NOTHING: dict[str, list[str]] = {"task": [], "data": [], "model": [], "status": [], "name": []}


@pytest.fixture
def index(capsys: pytest.CaptureFixture[str]) -> Inside:
    return Inside("index", start, capsys)


def rows(root: Path) -> dict[str, Row]:
    return {row.name: row for row in read_rows(find(root).runs, root, lambda: None)}


@pytest.fixture(scope="module")
def crowd(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with 2000 runs, and the page of them."""
    folder = tmp_path_factory.mktemp("crowd")
    many(folder / "runs", 2000)
    line = [sys.executable, "-m", "ganatomy", "index"]
    result = commands.run(line, folder)
    assert result.returncode == 0, result.stderr
    (folder / "out.txt").write_text(result.stdout)
    return folder


@pytest.fixture(scope="module")
def chromium() -> Iterator[Browser]:
    if CHROMIUM is None:
        pytest.skip("no Chromium on this machine")
    with browser() as found:
        yield found


def test_the_states_of_runs(tmp_path: Path) -> None:
    run(tmp_path / "fine", scores=metrics("segmentation", 0.8))
    run(tmp_path / "collapsed", {"status": "done", "why": "300 steps", "game": "collapse"})
    run(tmp_path / "stopped", {"status": "preempted", "why": "stopped by SIGTERM"})
    run(tmp_path / "broken", {"status": "failed", "why": "out of memory"})
    run(tmp_path / "cut").joinpath("status.json").write_bytes(b'{"status": "do')
    run(tmp_path / "zeros").joinpath("status.json").write_bytes(b"\0" * 40)
    run(tmp_path / "strange", {"version": 3, "services": ["web"]})
    (run(tmp_path / "mute") / "status.json").unlink()
    (tmp_path / "mute/checkpoints").mkdir()
    found = {name: row.state for name, row in rows(tmp_path).items()}
    assert found == {
        "fine": "done",
        "collapsed": "game",
        "stopped": "preempted",
        "broken": "failed",
        "cut": "damaged",
        "zeros": "damaged",
        "strange": "foreign",
        "mute": "damaged",
    }
    assert rows(tmp_path)["collapsed"].label == "game failed: collapse"


def test_a_run_whose_process_is_gone_is_not_running(tmp_path: Path) -> None:
    here, ended = Holder.here(), subprocess.Popen(["true"])
    ended.wait()
    gone = {**asdict(here), "who": {**asdict(here.who), "pid": ended.pid, "begun": "1"}}
    away = {**asdict(here), "who": {**asdict(here.who), "host": "elsewhere", "boot": "x"}}
    locks = {"lives": asdict(here), "gone": gone, "away": away, "silent": away, "half": None}
    for name, lock in locks.items():
        place = run(tmp_path / name, {"status": "running", "why": ""}, checksums=True)
        (place / ".lock").write_text("{" if lock is None else json.dumps(lock))
    old = time.time() - 3600
    os.utime(tmp_path / "silent/.lock", (old, old))
    run(tmp_path / "unlocked", {"status": "running", "why": ""}, checksums=True)
    run(tmp_path / "earlier", {"status": "running", "why": ""})  # of a version without checksums and locks
    found = rows(tmp_path)
    assert {name for name, row in found.items() if row.state == "dead"} == {"gone", "silent", "unlocked"}
    assert found["silent"].why == "no sign on elsewhere for 60 min"
    assert "perhaps it ended" in found["earlier"].why
    assert sorted(path.name for path in tmp_path.glob("*/.lock*")) == [".lock"] * 5  # none was touched


@pytest.mark.parametrize(
    ("name", "content", "words"),
    [
        ("metrics.json", b'{"test/dice": 0.', "metrics.json is no JSON"),
        ("metrics.json", b"[1, 2]", "metrics.json holds no keys"),
        ("metrics.json", b"[" * 100_000, "metrics.json is no JSON"),
        ("config.yaml", b"task: [1, 2", "config.yaml is no YAML"),
        ("config.yaml", b"\xff\xfe", "config.yaml is no YAML"),
        ("config.yaml", b"- " * 50_000, "config.yaml is no YAML"),  # ends a process that reads it in C
        ("config.yaml", b"? " * 50_000, "config.yaml is no YAML"),
        ("config.yaml", b"task: !!python/object/apply:os.system [ls]", "config.yaml is no YAML"),
        ("config.yaml", b"", "config.yaml is empty"),
        ("status.json", b"", "status.json is empty"),
    ],
)
def test_a_damaged_file_is_a_row_that_says_so(tmp_path: Path, name: str, content: bytes, words: str) -> None:
    (run(tmp_path / "a", scores=metrics("segmentation", 0.8)) / name).write_bytes(content)
    run(tmp_path / "b", scores=metrics("segmentation", 0.7))
    found = rows(tmp_path)
    assert words in found["a"].faults and not found["b"].faults
    assert found["b"].score is not None and found["b"].score.number == 0.7


def test_values_of_wrong_types_are_no_crash(tmp_path: Path, index: Inside) -> None:
    for number, value in enumerate([None, [1], {"a": 1}, "text", True, 10**400, float("nan")]):
        settings = {**config(), "seed": value, "trainer": value, "model": value, "data": value, "task": value}
        if value == 10**400:
            settings = {**config(), "seed": 3}
        status = {"status": "done", "why": value, "seconds": value, "game": value}
        place = run(tmp_path / str(number), status, settings, {"test/dice": 0.5})
        (place / "metrics.json").write_text(
            json.dumps({"test/dice": value, "baseline/x/dice": value, "/": 1})
        )
        (place / "environment.json").write_text(json.dumps({"command": value}))
    result = index(tmp_path, ".", "top=all")
    assert result.returncode == 0 and "7 of 7 runs shown" in result.stdout, result.stderr


def test_pipes_folders_links_and_closed_folders(tmp_path: Path, index: Inside) -> None:
    place = run(tmp_path / "deep/er/a")
    os.mkfifo(place / "metrics.json")
    (run(tmp_path / "b") / "config.yaml").unlink()
    (tmp_path / "b/config.yaml").mkdir()
    (tmp_path / "b/samples").mkdir()
    os.mkfifo(tmp_path / "b/samples/test.png")
    (tmp_path / "loop").symlink_to(tmp_path)
    (tmp_path / "latest").symlink_to(place)
    run(tmp_path.with_name(f"{tmp_path.name}_away") / "c")
    (tmp_path / "linked").symlink_to(tmp_path.with_name(f"{tmp_path.name}_away"))
    found = rows(tmp_path)
    assert sorted(found) == ["b", "deep/er/a", "linked/c"]
    assert "metrics.json is no file" in found["deep/er/a"].faults
    assert index(tmp_path, ".").returncode == 0


def test_a_runs_copies_are_no_runs_and_count_for_its_size(tmp_path: Path) -> None:
    place = run(tmp_path / "a", checksums=True)
    run(place / "copies")
    run(place / "checkpoints/nested")
    run(place / "inner")
    found = rows(tmp_path)
    assert sorted(found) == ["a", "a/inner"]
    size = sum(path.stat().st_size for path in place.rglob("*") if path.is_file())
    assert found["a"].size == size > found["a/inner"].size


def test_a_file_that_was_changed_is_read_from_its_copy(tmp_path: Path) -> None:
    from ganatomy.runs.integrity.checksums import record

    place = run(tmp_path / "a", checksums=True, scores=metrics("segmentation", 0.8))
    good = (place / "config.yaml").read_bytes()
    record(place, {"copies/config.yaml": good})
    (place / "copies").mkdir()
    (place / "copies/config.yaml").write_bytes(good)
    (place / "config.yaml").write_bytes(good.replace(b"seed: 0", b"seed: 9"))
    row = rows(tmp_path)["a"]
    assert row.seed == 0
    assert row.faults == ("config.yaml was changed since the run wrote it; read from its copy",)


def test_scores_have_their_direction_the_best_baseline_and_the_twin(tmp_path: Path) -> None:
    scores = {
        "test/hd95": 4.0,
        "test/dice": 0.8,
        "test/dice/lesion": 0.8,
        "test/volumes": 3,
        "baseline/a/hd95": 9.0,
    }
    run(
        tmp_path / "gan",
        scores={**scores, "baseline/b/hd95": 6.0, "floor/hd95": 0.0},
        settings={**config(), "task": {**config()["task"], "monitor": "val/hd95"}},
    )
    twin = config(alone=True)
    run(
        tmp_path / "twin",
        scores={"test/hd95": 5.0},
        settings={**twin, "task": {**twin["task"], "monitor": "val/hd95"}},
    )
    run(
        tmp_path / "other_seed",
        scores={"test/hd95": 1.0},
        settings={**twin, "task": {**twin["task"], "monitor": "val/hd95"}, "seed": 1},
    )
    row = rows(tmp_path)["gan"]
    assert row.score is not None
    assert (row.score.heading, row.score.number, row.score.baseline, row.twin) == (
        "HD95 ↓",
        4.0,
        ("b", 6.0),
        5.0,
    )
    assert [value.name for value in row.scores] == ["hd95", "dice"]
    assert rows(tmp_path)["twin"].twin is None
    assert row.behind == "" and rows(tmp_path)["other_seed"].behind == ""


@pytest.mark.parametrize(
    ("known", "behind"),
    [
        (None, "otsu, twin"),  # a run of an earlier version: the plain difference
        ([], "twin"),
        ([{"than": "mean_label", "level": False}], "mean label, twin"),
        ([{"than": "mean_label", "level": True}], "twin"),
        ("damaged", "otsu, twin"),
    ],
)
def test_who_is_behind_is_told(tmp_path: Path, known: Any, behind: str) -> None:
    status = {"status": "done", "why": "300 steps", "game": "healthy"}
    scores = {"test/dice": 0.5, "baseline/otsu/dice": 0.7, "baseline/mean_label/dice": 0.6}
    run(tmp_path / "gan", status | ({} if known is None else {"behind": known}), config(), scores)
    run(tmp_path / "twin", settings=config(alone=True), scores={"test/dice": 0.65, "baseline/otsu/dice": 0.6})
    found = rows(tmp_path)
    assert (found["gan"].behind, found["twin"].behind) == (behind, "")


def test_aliases_of_yaml_do_not_unfold_without_end(tmp_path: Path) -> None:
    lines = ["a0: &a0 [x, x, x, x, x, x, x, x, x]"]
    lines += [f"a{n}: &a{n} [{', '.join([f'*a{n - 1}'] * 9)}]" for n in range(1, 12)]
    text = "\n".join([*lines, "data: *a11", "task: {_target_: x.SegmentationTask}", "seed: 0"])
    text += "\nmodel: {generator: *a11, discriminator: null}\ntrainer: {max_steps: 3}\n"
    (run(tmp_path / "a") / "config.yaml").write_text(text)
    assert rows(tmp_path)["a"].task == "segmentation"


def test_selection_by_words_and_columns(tmp_path: Path) -> None:
    run(tmp_path / "x/a", scores=metrics("segmentation", 0.8), settings=config(data="busi"))
    run(
        tmp_path / "x/b",
        {"status": "done", "game": "collapse"},
        config(data="oct"),
        metrics("segmentation", 0.6),
    )
    run(tmp_path / "y/c", {"status": "failed"}, config("enhancement", alone=True))
    found = list(rows(tmp_path).values())

    def names(sort: str = "name", **wanted: list[str]) -> list[str]:
        return [row.name for row in select(found, Filter.from_plain({**NOTHING, **wanted}), sort)]

    assert names(task=["seg"]) == ["x/a", "x/b"] and names(task=["seg*", "enh*"]) == ["x/a", "x/b", "y/c"]
    assert names(status=["collapse"]) == names(status=["game"]) == ["x/b"]
    assert names(model=["no discriminator"]) == ["y/c"] and names(name=["x/*"]) == ["x/a", "x/b"]
    assert names("score") == ["x/a", "x/b", "y/c"] and names("-score") == ["x/b", "x/a", "y/c"]
    assert names("hd95") == ["x/b", "x/a", "y/c"]  # lower is better
    with pytest.raises(UserError, match="task: no run here has 'segmentatoin'; did you mean 'segmentation'"):
        names(task=["segmentatoin"])
    with pytest.raises(UserError, match="status: no run here has 'faild'; did you mean 'failed'"):
        names(status=["faild"])
    with pytest.raises(UserError, match="sort: no such column 'dize'; did you mean"):
        names("dize")


@pytest.mark.parametrize(
    ("words", "line"),
    [
        (["nowhere"], "runs: nowhere is no folder"),
        (["empty"], "runs: there is no run under empty"),
        (["runs", "output=notes.html"], "output: notes.html is there and is no page of index"),
        (["runs", "output=page.txt"], "output: page.txt is no name of a page"),
        (["runs", "output=empty.html"], "output: empty.html is a folder"),
        (["runs", "top=0"], "top: "),
        (["runs", "thumbnail=3"], "thumbnail: no such key; did you mean 'thumbnails'?"),
        (["runs", "filter.taks=x"], "filter.taks: no such key; did you mean 'filter.task'?"),
    ],
)
def test_a_mistake_is_one_line(tmp_path: Path, index: Inside, words: list[str], line: str) -> None:
    run(tmp_path / "runs/a")
    (tmp_path / "empty").mkdir()
    (tmp_path / "empty.html").mkdir()
    (tmp_path / "notes.html").write_text("mine")
    before = sorted(tmp_path.rglob("*"))
    result = index(tmp_path, *words)
    assert (
        result.returncode == 2
        and result.stderr.startswith(f"error: {line}")
        and result.stderr.count("\n") == 1
    )
    assert sorted(tmp_path.rglob("*")) == before and not result.stdout


def test_nothing_is_written_into_the_runs(tmp_path: Path, index: Inside) -> None:
    run(tmp_path / "runs/a", scores=metrics("segmentation", 0.8), checksums=True, picture=picture())
    before = {path: path.stat().st_mtime_ns for path in (tmp_path / "runs").rglob("*")}
    assert index(tmp_path).returncode == 0
    assert {path: path.stat().st_mtime_ns for path in (tmp_path / "runs").rglob("*")} == before
    assert sorted(path.name for path in tmp_path.iterdir()) == ["index.html", "runs"]


def test_a_page_that_cannot_be_written(tmp_path: Path, index: Inside) -> None:
    run(tmp_path / "runs/a")
    result = index(tmp_path, "output=/proc/nowhere/index.html")
    assert result.returncode == 2 and result.stderr.count("\n") == 1
    assert result.stderr.startswith("error: output: /proc/nowhere/index.html is a device where a file")


@pytest.mark.parametrize("width", [60, 80, 120, 200])
def test_the_table_fits_its_width(tmp_path: Path, index: Inside, width: int) -> None:
    for number in range(3):
        run(tmp_path / f"runs/sweeps/a_long_name_of_a_study/{number}", scores=metrics("segmentation", 0.8))
    result = index(tmp_path, "output=null", width=width)
    table = result.stdout.split("\n3 of 3 runs shown")[0]
    assert max(map(len, table.splitlines())) <= width
    assert all(f"/{number} " in table for number in range(3)) and "done" in table and "0.800" in table


@pytest.mark.slow
def test_two_thousand_runs_make_a_page_of_less_than_five_megabytes(crowd: Path) -> None:
    page, text = crowd / "index.html", (crowd / "out.txt").read_text()
    assert page.stat().st_size < 5_000_000
    assert page.read_text().count("<tr") == 2001 and page.read_text().count("<img") == 150
    assert "20 of 2000 runs shown" in text and "left out: the pictures of 1850 older runs" in text
    assert "patient_4711" not in page.read_text()  # why a run failed may name a case


def test_pictures_end_where_the_room_does(tmp_path: Path) -> None:
    for number in range(6):
        run(tmp_path / f"2026-01-0{number + 1}_10-00-00", picture=picture(seed=number))
    (run(tmp_path / "2026-01-07_10-00-00", picture=picture()) / "samples/test.png").write_bytes(
        b"\x89PNG cut"
    )
    read = read_rows(find(tmp_path).runs, tmp_path, lambda: None)
    sources, left_out = thumbnails(read, 100, 10**6, lambda: None)
    assert [bool(source) for source in sources] == [False, *[True] * 6] and left_out == 0
    some, left_out = thumbnails(read, 100, len("".join(sources[:4])), lambda: None)
    assert some == [*sources[:4], "", "", ""] and left_out == 3
    few, left_out = thumbnails(read, 2, 10**6, lambda: None)
    assert few == [*sources[:3], "", "", "", ""] and left_out == 4


@pytest.mark.slow
def test_the_page_in_a_browser(crowd: Path, chromium: Browser) -> None:
    chromium.open(crowd / "index.html")
    assert chromium.ask("document.getElementById('count').value") == "2000 runs"
    for key in ("/", *"run12"):
        chromium.press(key, key)
    shown = "[...document.querySelectorAll('#runs tbody tr:not([hidden])')]"
    names = chromium.ask(f"{shown}.map(row => row.cells[1].textContent)")
    assert len(names) == 111 and all("run12" in name for name in names)
    chromium.ask("document.getElementById('words').value = ''")
    chromium.ask("document.getElementById('task').value = 'segmentation'")
    chromium.ask("document.getElementById('task').dispatchEvent(new Event('input'))")
    head = "[...document.querySelectorAll('th button')].find(button => button.textContent === 'score')"
    chromium.ask(f"{head}.focus()")
    chromium.press("Enter")
    column = chromium.ask(f"{shown}.map(row => row.cells[6].dataset.v).filter(Boolean).map(Number)")
    assert column == sorted(column, reverse=True) and len(column) > 100
    chromium.press("Enter")
    assert chromium.ask(f"{head}.parentElement.getAttribute('aria-sort')") == "ascending"
    hd95 = "[...document.querySelectorAll('th')].find(head => head.textContent.startsWith('HD95'))"
    visible = f"getComputedStyle({hd95}).display"
    assert chromium.ask(visible) == "table-cell"
    chromium.ask("document.getElementById('task').value = ''")
    chromium.ask("document.getElementById('task').dispatchEvent(new Event('input'))")
    assert chromium.ask(visible) == "none"  # scores of several tasks have no columns of their own
    assert chromium.complaints == []


def test_hostile_names_are_text(tmp_path: Path, index: Inside, chromium: Browser) -> None:
    place = tmp_path / "runs" / f"{HOSTILE.replace('/', '')}"
    settings = config(data=HOSTILE)
    settings["task"] = {"_target_": f"x.{HOSTILE}Task", "monitor": f"val/{HOSTILE}"}
    settings["model"]["generator"]["_target_"] = f"x.{HOSTILE}"
    scores = {f"test/{HOSTILE}": 0.5, f"baseline/{HOSTILE}/{HOSTILE}": 0.4, "test/dice": 0.1}
    run(place, {"status": "done", "game": f"{HOSTILE}\x1b[31m"}, settings, scores)
    run(tmp_path / "runs" / "javascript:alert(1)")
    result = index(tmp_path, 'output="pages/a b#?.html"')
    assert result.returncode == 0 and "\x1b" not in result.stdout
    chromium.open(tmp_path / "pages/a b#?.html")
    assert chromium.ask("document.images.length") == 0
    links = chromium.ask("[...document.links].map(link => link.href)")
    assert len(links) == 2 and all(link.startswith("file:///") for link in links)
    for link in links:
        chromium.open(Path(chromium.ask(f"decodeURIComponent(new URL({json.dumps(link)}).pathname)")))
        assert chromium.ask("document.body.textContent") == "report"
    assert chromium.complaints == []
    text = (tmp_path / "pages/a b#?.html").read_text()
    assert html.escape("<img src=x") in text and not re.search(r"<img src=x", text) and "\u202e" not in text


def test_a_name_that_is_not_utf8(tmp_path: Path, index: Inside) -> None:
    run(tmp_path / "runs" / os.fsdecode(b"caf\xe9"))
    assert index(tmp_path).returncode == 0
    text = (tmp_path / "index.html").read_text(encoding="utf-8")
    assert 'href="runs/caf%E9/report.html"' in text and "caf\\udce9" in text


def test_the_picture_is_the_first_row_of_the_panel(tmp_path: Path) -> None:
    import io

    import numpy as np
    from PIL import Image

    from ganatomy.index.thumbnails import small
    from ganatomy.pictures.panel import panel, png

    tiles = np.zeros((2, 192, 192, 3), np.uint8)
    tiles[0], tiles[1] = 200, 90
    found = np.asarray(Image.open(io.BytesIO(small(png(panel({"a": tiles, "b": tiles}, "title")))))).astype(
        int
    )
    assert found.shape[:2] == (44, 89) and abs(found[:, 5:40] - 200).max() < 12


def test_the_reader_in_c_says_what_the_reader_in_python_says(tmp_path: Path) -> None:
    import yaml

    place = run(tmp_path / "a")
    text = (place / "config.yaml").read_text()
    assert parsed("config.yaml", text.encode())[0] == yaml.safe_load(text)
    assert SmallFiles(place).read("config.yaml") == config()


def test_a_page_that_cannot_be_read_or_written(
    tmp_path: Path, index: Inside, monkeypatch: pytest.MonkeyPatch
) -> None:
    run(tmp_path / "a", scores=metrics("segmentation", 0.8))

    def full(path: Path, content: bytes) -> None:
        raise OSError(errno.ENOSPC, "No space left on device", path)

    monkeypatch.setattr("ganatomy.runs.directory.write_atomically", full)
    code, _, text = index(tmp_path, ".", "output=page.html")
    line = "error: output: page.html cannot be written (No space left on device); choose another place\n"
    assert (code, text) == (2, line)
    (tmp_path / "page.html").write_text("mine")

    def closed(path: Path) -> bytes:
        raise PermissionError(errno.EACCES, "Permission denied", path)

    monkeypatch.setattr(Path, "read_bytes", closed)
    with pytest.raises(UserError, match=r"page.html cannot be read \(Permission denied\); give another "):
        refuse_foreign(tmp_path / "page.html")
