"""A run on DICOM: it keeps what `auto` meant, leads back by a private file, and names nobody elsewhere."""

from __future__ import annotations

import csv
from pathlib import Path
from typing import Any

import pytest
import yaml

from tests.data.io.dicom.make import MR, pattern, series

KINDS: dict[str, dict[str, Any]] = {
    "CT": {"RescaleSlope": 1, "RescaleIntercept": -1024},
    "MR": {"Modality": "MR", "SOPClassUID": MR},
}


@pytest.mark.parametrize(("kind", "expected"), [("CT", [-160, 240]), ("MR", "percentile")])
def test_a_run_on_dicom(compose: Any, tmp_path: Path, monkeypatch: Any, kind: str, expected: Any) -> None:
    from ganatomy.config.resolve import validate
    from ganatomy.train import train

    monkeypatch.setenv("GANATOMY_TARGETS", "tests.callbacks.planted.")
    for number in range(5):
        volume = pattern(8, 8, 3, seed=number)
        tags = {"PatientID": f"MRN-555{number}", "SeriesDescription": "Miller knee", **KINDS[kind]}
        series(tmp_path / "tree" / f"Miller_{number}", volume, **tags)
    words = f"data=dicom data.root={tmp_path}/tree task=enhancement degradation=gaussian data.batch_size=1"
    words += " data.split=[2,1,2] data.patch=null data.cache=none model.discriminator=null"
    words += (
        " model.generator._target_=tests.callbacks.planted.Identity trainer.max_steps=1 trainer.val_every=1"
    )
    words += " trainer.threads=1 trainer.accelerator=cpu callbacks.progress=none logger=csv"
    run = tmp_path / "run"
    cfg = compose(*words.split(), tiny=False)
    train(validate(cfg), run)
    kept = yaml.safe_load((run / "config.yaml").read_text())
    assert kept["data"]["intensity"] == kept["task"]["data_range"] == expected
    keys = run / "data/keys.csv"
    assert keys.stat().st_mode & 0o777 == 0o600 and keys.parent.stat().st_mode & 0o777 == 0o700
    with keys.open() as file:
        rows = list(csv.DictReader(file))
    assert sorted(row["PatientID"] for row in rows) == [f"MRN-555{n}" for n in range(5)]
    assert all(row["folder"].endswith(f"Miller_{row['PatientID'][-1]}") for row in rows)
    others = [path for path in run.rglob("*") if path.is_file() and path != keys]
    assert len(others) > 5
    assert not any(word in path.read_bytes() for path in others for word in (b"MRN-555", b"Miller"))
