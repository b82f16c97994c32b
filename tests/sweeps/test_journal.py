"""The journal of a study: a checksum in each line, damage named in one line, and Optuna's own format."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import optuna
import pytest
from optuna.storages.journal import JournalFileBackend

from ganatomy.errors import UserError
from ganatomy.sweeps.journal import CheckedJournal


def study_of(backend: JournalFileBackend) -> optuna.Study:
    return optuna.create_study(
        study_name="a", storage=optuna.storages.JournalStorage(backend), load_if_exists=True
    )


@pytest.fixture
def path(tmp_path: Path) -> Path:
    """A study of three trials."""
    path = tmp_path / "journal.log"
    study_of(CheckedJournal(path)).optimize(lambda trial: trial.suggest_float("x", 0, 1), n_trials=3)
    return path


def values(backend: JournalFileBackend) -> list[float | None]:
    return [trial.value for trial in study_of(backend).trials]


def test_optuna_reads_what_is_written(path: Path) -> None:
    assert (
        values(JournalFileBackend(str(path))) == values(CheckedJournal(path))
        and len(values(CheckedJournal(path))) == 3
    )


def test_a_journal_of_optunas_own_is_read_and_goes_on(tmp_path: Path) -> None:
    path = tmp_path / "journal.log"
    study_of(JournalFileBackend(str(path))).optimize(lambda trial: 1.0, n_trials=1)
    study_of(CheckedJournal(path)).optimize(lambda trial: 2.0, n_trials=1)
    assert values(CheckedJournal(path)) == [1.0, 2.0]


def test_a_flipped_bit_of_any_line_is_named(path: Path) -> None:
    content = path.read_bytes()
    lines = content.count(b"\n")
    ends = [place for place, byte in enumerate(content) if byte == 0x0A]
    for place in range(ends[0] + 1, ends[-2], 7):  # what is lost of the last line is run again
        changed = content[:place] + bytes([content[place] ^ (1 << place % 8)]) + content[place + 1 :]
        if _says(changed) == _says(content):
            continue  # 1e-05 and 1E-05 are one number, and so are two that differ in a 17th digit
        path.write_bytes(changed)
        with pytest.raises(UserError, match=r"journal\.log: line \d+ is damaged; .*study=NAME") as named:
            values(CheckedJournal(path))
        line = int(str(named.value).split("line ")[1].split(" ")[0])
        assert 1 < line <= lines and "\n" not in str(named.value)


def _says(content: bytes) -> list[Any] | None:
    try:
        return [json.loads(line) for line in content.splitlines()]
    except ValueError:
        return None


def test_a_page_of_zeros_is_named(path: Path) -> None:
    content = path.read_bytes()
    path.write_bytes(content[:200] + bytes(300) + content[500:])
    with pytest.raises(UserError, match=r"line \d+ is damaged"):
        values(CheckedJournal(path))


def test_a_line_that_a_full_disk_cut_is_dropped(path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    before = values(CheckedJournal(path))
    with path.open("ab") as file:
        file.write(b'{"op_code":5,"wor')
    study_of(CheckedJournal(path)).optimize(lambda trial: 3.0, n_trials=1)
    assert values(CheckedJournal(path)) == [*before, 3.0]
    assert "its last line was cut and is dropped" in capsys.readouterr().err
    assert all(json.loads(line) for line in path.read_text().splitlines())


@pytest.mark.parametrize("line", ["[]", "5", "{}"])
def test_a_line_that_is_no_entry_is_named(path: Path, line: str) -> None:
    path.write_text(f"{line}\n{path.read_text()}")
    with pytest.raises(UserError, match=r"journal\.log: line 1 is damaged"):
        values(CheckedJournal(path))
