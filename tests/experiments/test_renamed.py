"""Old names in the files of an experiment: read as today's, with a line each and the same hashes."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest
import yaml

from ganatomy.config import renamed, translate
from ganatomy.errors import UserError
from ganatomy.experiments.fingerprint import fingerprint_of_file
from ganatomy.experiments.plan import runs
from ganatomy.experiments.spec import read

OLD, NEW = "trainer.look", "trainer.val_every"


@pytest.fixture(autouse=True)
def planted(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(renamed, "MOVED_KEYS", {NEW: OLD})
    monkeypatch.setattr(translate, "_announced", set())


def read_at(folder: Path, key: str, small: Callable[..., Path]) -> tuple[list[str], list[str], str]:
    """The hashes and first words of the runs with this key in both files, and the hash of experiment.yaml."""
    small(base=["task=segmentation", f"{key}=4"])
    pinned = [{"arms": "all", "values": {key: 2, "trainer.log_every": 2}}]
    (folder / "configuration.yaml").write_text(yaml.safe_dump(pinned))
    planned = runs(read(folder.parent, folder.name), Path("runs"))
    digest = fingerprint_of_file(folder / "experiment.yaml")
    return [run.config for run in planned], list(planned[0].words), digest


def test_an_old_key_in_both_files(small: Callable[..., Path], capsys: pytest.CaptureFixture[str]) -> None:
    folder = small()
    today = read_at(folder, NEW, small)
    assert capsys.readouterr().err == ""
    assert read_at(folder, OLD, small) == today
    lines = [f"{OLD}: renamed to {NEW} (in {folder}/{name}.yaml)" for name in ("experiment", "configuration")]
    assert capsys.readouterr().err.splitlines() == lines
    assert f"{NEW}=4" in today[1] and f"{NEW}=2" in today[1], "the one over the other"


def test_both_names_in_one_place_are_refused(small: Callable[..., Path]) -> None:
    folder = small(base=[f"{OLD}=4", f"{NEW}=3"])
    with pytest.raises(UserError, match=rf"experiment\.yaml: {OLD}: is called {NEW} now, which is given too"):
        read(folder.parent, folder.name)
    small()
    pinned = [{"arms": "all", "values": {OLD: 2, NEW: 3}}]
    (folder / "configuration.yaml").write_text(yaml.safe_dump(pinned))
    with pytest.raises(UserError, match=rf"configuration\.yaml: {OLD}: is called {NEW} now, which is given"):
        runs(read(folder.parent, folder.name), Path("runs"))
