"""Links in a run directory that goes on: those that lead out of it are refused, others are not."""

from __future__ import annotations

from pathlib import Path

import pytest

from ganatomy.errors import UserError
from ganatomy.runs.integrity.checksums import LINE
from ganatomy.runs.integrity.links import refuse_links


@pytest.fixture
def run(tmp_path: Path) -> Path:
    (tmp_path / "runs/run/checkpoints").mkdir(parents=True)
    return tmp_path / "runs/run"


@pytest.mark.parametrize("name", ["samples", "metrics.csv", ".reserve", "wandb", "checkpoints/last.ckpt"])
@pytest.mark.parametrize("place", ["{}/outside", "../../outside", "/", "../../none"])
def test_a_link_out_of_a_run_is_refused(run: Path, name: str, place: str, tmp_path: Path) -> None:
    (tmp_path / "outside").mkdir()
    (run / name).symlink_to(place.format(tmp_path))
    with pytest.raises(UserError, match=rf"^resume: {run}/{name} is a link to /[^\n]*$"):
        refuse_links(run)
    refuse_links(run, force=True)


def test_a_link_to_itself_is_refused(run: Path) -> None:
    (run / "samples").symlink_to("samples")
    with pytest.raises(UserError, match="is a link to"):
        refuse_links(run)


def test_links_within_a_run_and_those_of_wandb_stay(run: Path, tmp_path: Path) -> None:
    (run / "wandb/offline-run-1").mkdir(parents=True)
    (run / "wandb/latest-run").symlink_to("offline-run-1")
    (run / "wandb/debug.log").symlink_to(tmp_path / "moved/run/wandb/debug.log")
    (run / "best").symlink_to("checkpoints/best.ckpt")
    (tmp_path / "linked").symlink_to(tmp_path / "runs")
    for path in (run, tmp_path / "linked/run"):
        refuse_links(path)


@pytest.mark.parametrize("name", ["/etc/hostname", "../x", "copies/../../x"])
def test_a_checksum_names_files_of_the_run(name: str) -> None:
    assert LINE.fullmatch(f"{'0' * 64}  copies/config.yaml")
    assert not LINE.fullmatch(f"{'0' * 64}  {name}")
