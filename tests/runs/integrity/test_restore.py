"""Before a run goes on: damage is restored from copies, an edit is refused with what differs."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import yaml

from ganatomy.callbacks.history import History
from ganatomy.errors import UserError
from ganatomy.runs.directory import Run
from ganatomy.runs.integrity.restore import COPIED, restore, restore_resumed

CONFIG = {
    "task": {"_target_": "ganatomy.tasks.segmentation.task.SegmentationTask"},
    "data": {"subjects": 6, "root": "/scans", "spacing": [1.0, 1.0]},
    "trainer": {"max_steps": 8, "deterministic": True},
    "seed": 0,
}
DATA = {"subjects": {"train": ["a", "b"], "test": ["c"]}, "cases": {"train": 2}, "hash": "0123abcd"}


@pytest.fixture
def stopped(tmp_path: Path) -> Path:
    """A run directory as a run leaves it, without its checkpoints."""
    run = Run(tmp_path / "run")
    run.write("config.yaml", CONFIG)
    run.write("environment.json", {"python": "3.12"})
    run.write("data.json", DATA)
    run.status("preempted", "stopped")
    history = History(run.path / "metrics.csv")
    for step in range(1, 5):
        history.log_metrics({"loss": 0.5 * step}, step)
    history.save()
    run.keep_copy("metrics.csv")
    for step in (5, 6):
        history.log_metrics({"loss": 9.0}, step)
    history.save()
    return run.path


def files(run: Path) -> dict[str, bytes]:
    return {str(path): path.read_bytes() for path in run.rglob("*") if path.is_file()}


DAMAGE: dict[str, Callable[[bytes], bytes | None]] = {
    "missing": lambda content: None,
    "empty": lambda content: b"",
    "cut": lambda content: content[: len(content) // 2],
    "cut at the end of a line": lambda content: content[: content[:-1].rindex(b"\n") + 1],
    "zeros": lambda content: bytes(len(content)),
    "no UTF-8": lambda content: b"\xff\xfe" + content,
    "another type": lambda content: b"[1, 2]\n",
    "garbage": lambda content: content + b"\n}{\t:garbage\n",
}


@pytest.mark.parametrize("kind", DAMAGE)
@pytest.mark.parametrize("name", COPIED)
def test_a_damaged_file_is_restored_with_one_line(
    stopped: Path, name: str, kind: str, capsys: pytest.CaptureFixture[str]
) -> None:
    path, copy = stopped / name, (stopped / "copies" / name).read_bytes()
    content = DAMAGE[kind](path.read_bytes())
    path.unlink() if content is None else path.write_bytes(content)
    (line,) = restore(stopped)
    assert line.startswith(f"{path}: ") and line.endswith("restored from its copy")
    assert capsys.readouterr().err == line + "\n" and path.read_bytes() == copy
    assert restore(stopped) == []


def test_a_file_as_it_was_written_is_left_alone(stopped: Path) -> None:
    before = files(stopped)
    assert restore(stopped) == [] and files(stopped) == before


EDITS: dict[str, tuple[str, Callable[[Any], Any], str]] = {
    "seed": ("config.yaml", lambda c: c | {"seed": 1}, "seed: 0 -> 1"),
    "data": ("config.yaml", lambda c: c | {"data": c["data"] | {"subjects": 7}}, "data.subjects: 6 -> 7"),
    "a key more": ("config.yaml", lambda c: c | {"name": "x"}, "name: (none) -> x"),
    "a key less": ("config.yaml", lambda c: {k: v for k, v in c.items() if k != "seed"}, "seed: 0 -> (none)"),
    "any key": (
        "config.yaml",
        lambda c: c | {"trainer": {"max_steps": 8}},
        "trainer.deterministic: True -> ",
    ),
    "the split": (
        "data.json",
        lambda c: c | {"subjects": {"train": ["a"], "test": ["b", "c"]}},
        "subjects.train: ['a', 'b'] -> ['a'], subjects.test: ['c'] -> ['b', 'c']",
    ),
}


@pytest.mark.parametrize(("name", "change", "shown"), EDITS.values(), ids=EDITS)
def test_an_edit_is_refused_with_the_difference(
    stopped: Path, name: str, change: Callable[[Any], Any], shown: str
) -> None:
    path = stopped / name
    edited = change(yaml.safe_load(path.read_text()))
    dump = yaml.safe_dump if name.endswith(".yaml") else json.dumps
    path.write_text(dump(edited))
    before = files(stopped)
    with pytest.raises(UserError) as refusal:
        restore(stopped)
    assert shown in str(refusal.value) and str(path) in str(refusal.value)
    assert "resume_force=true" in str(refusal.value) and "\n" not in str(refusal.value)
    assert files(stopped) == before, "nothing is written"
    (line,) = restore(stopped, force=True)
    assert shown in line and yaml.safe_load(path.read_text()) == edited
    assert restore(stopped) == [], "once accepted it is the run's own"


def test_the_way_back_that_the_refusal_names(stopped: Path) -> None:
    path, before = stopped / "config.yaml", files(stopped)
    path.write_text(path.read_text().replace("seed: 0", "seed: 7"))
    with pytest.raises(UserError, match=r"delete config\.yaml, and its copy is restored"):
        restore_resumed([f"resume='{stopped}'", "save_predictions=1"])
    path.unlink()
    restore_resumed([f"resume={stopped}"])
    assert files(stopped) == before


def test_a_change_of_layout_is_no_edit(stopped: Path) -> None:
    path = stopped / "config.yaml"
    path.write_text("# mine\n" + path.read_text())
    (line,) = restore(stopped)
    assert "layout" in line and "# mine" not in path.read_text()


@pytest.mark.parametrize(
    ("old", "new", "restored"),
    [
        ("seed: 0", "seed: 1", False),  # one bit, and a person's edit
        ("subjects: 6", "subjects: 7", False),
        ("seed: 0", "sead: 0", True),  # one bit
        ("seed: 0", "seed: p", True),
        ("/scans", "/scant", False),  # three bits
        ("/scans", "/scanr", True),
    ],
)
def test_a_flipped_bit_is_told_from_an_edit(stopped: Path, old: str, new: str, restored: bool) -> None:
    path = stopped / "config.yaml"
    path.write_text(path.read_text().replace(old, new))
    if restored:
        (line,) = restore(stopped)
        assert "flipped bit" in line and old in path.read_text()
    else:
        with pytest.raises(UserError, match="was changed since the run wrote it"):
            restore(stopped)


@pytest.mark.parametrize("content", [None, b"", b"zeros: \0", b"one line\n"])
def test_damaged_checksums_are_one_line(stopped: Path, content: bytes | None) -> None:
    path = stopped / "checksums.txt"
    path.unlink() if content is None else path.write_bytes(content)
    (line,) = restore(stopped)
    assert line.startswith(f"{path}: ") and restore(stopped) == []


def test_without_checksums_an_edit_is_refused_too(stopped: Path) -> None:
    (stopped / "checksums.txt").unlink()
    path = stopped / "config.yaml"
    path.write_text(path.read_text().replace("seed: 0", "seed: 7"))
    with pytest.raises(UserError, match=r"differs from its copy \(seed: 0 -> 7\)"):
        restore(stopped)


@pytest.mark.parametrize("name", COPIED)
def test_a_damaged_copy_is_written_anew(stopped: Path, name: str) -> None:
    copy = stopped / "copies" / name
    copy.write_bytes(b"")
    (line,) = restore(stopped)
    assert line.startswith(f"{copy}: ") and copy.read_bytes() == (stopped / name).read_bytes()


@pytest.mark.parametrize("name", COPIED)
def test_a_file_and_its_copy_may_both_be_damaged(stopped: Path, name: str) -> None:
    for path in (stopped / name, stopped / "copies" / name):
        path.write_bytes(b"\0")
    if name in ("environment.json", "status.json"):  # no number depends on them
        (line,) = restore(stopped)
        assert "goes on without what it held" in line and Run(stopped).read(name) == {}
    else:
        with pytest.raises(UserError, match=f"{name}: holds bytes of zero, and its copy "):
            restore(stopped)


def test_several_files_are_named_together(stopped: Path) -> None:
    for name in ("config.yaml", "metrics.csv", "status.json"):
        (stopped / name).write_bytes(b"")
    assert [Path(line.split(": ")[0]).name for line in restore(stopped)] == [
        "config.yaml",
        "status.json",
        "metrics.csv",
    ]


def old_version(run: Path) -> None:
    """What a run of an earlier version has: neither checksums nor copies."""
    (run / "checksums.txt").unlink()
    for path in (run / "copies").iterdir():
        path.unlink()
    (run / "copies").rmdir()


def test_a_run_of_an_earlier_version_is_read_as_before(stopped: Path) -> None:
    old_version(stopped)
    path = stopped / "config.yaml"
    path.write_text(path.read_text().replace("seed: 0", "seed: 7"))
    assert restore(stopped) == [] and not (stopped / "checksums.txt").exists()


@pytest.mark.parametrize("name", COPIED)
def test_damage_to_a_run_of_an_earlier_version_is_one_line(stopped: Path, name: str) -> None:
    old_version(stopped)
    (stopped / name).write_bytes(b"\xff\xfe")
    with pytest.raises(UserError, match=f"{name}: is no text in UTF-8") as refusal:
        restore(stopped)
    assert "\n" not in str(refusal.value)
