"""Cases with hostile names: nothing is written outside the run, and the names come back as they were."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
from PIL import Image

from ganatomy.config.resolve import validate
from ganatomy.tables import csv_text, read_csv
from ganatomy.train import train

NAMES = [
    "../../ESCAPED", "/tmp/ESCAPED", "C:\\ESCAPED", "con", "a" * 120, "=HYPERLINK(\"http://x\")", "+1+1",
    "@SUM(A1)", "-1+1", "'=1", "<script>alert(1)</script>", "[red]x[/red]", "$\\frac$", ".", "..",
    "%s {0}", "a;b,c\"d", "Ünal ",
]  # fmt: skip


def test_nothing_leaves_the_run(compose: Callable[..., Any], tmp_path: Path) -> None:
    root = tmp_path / "data"
    root.mkdir()
    rng = np.random.default_rng(0)
    rows = []
    for number, name in enumerate(NAMES):
        Image.fromarray(rng.integers(0, 255, (32, 32), np.uint8)).save(root / f"{number}.png")
        split = "test" if number > 3 else ("train", "train", "val", "test")[number]
        rows.append({"image": f"{number}.png", "case": name, "split": split})
    (root / "index.csv").write_text(csv_text(["image", "case", "split"], rows))
    before = set(tmp_path.rglob("*"))
    words = ["task=enhancement", "degradation=gaussian", "data=table", f"data.root={root}", "data.case=case"]
    words += ["data.given_split=split", "data.size=32", "data.batch_size=2", "save_predictions=all"]
    words += ["trainer.max_steps=1", "trainer.val_every=1", "callbacks.report=true", "callbacks.samples=2"]
    words += ["trainer.threads=1", "trainer.accelerator=cpu", "callbacks.progress=none", "logger=csv"]
    made = tmp_path / "run"
    train(validate(compose(*words, "model.generator.channels=[4,8]", tiny=False)), made)
    new = set(tmp_path.rglob("*")) - before
    assert new and all(path == made or path.is_relative_to(made) for path in new)
    assert not list(Path("/tmp").glob("*ESCAPED*"))
    tested = [row["case"].strip() for row in rows if row["split"] == "test"]
    for table in ("scores.csv", "predictions.csv"):
        assert [row["case"] for row in read_csv(made / table)] == tested
    assert len(list((made / "predictions").iterdir())) == len(tested)
    assert "<script>alert" not in (made / "report.html").read_text()
