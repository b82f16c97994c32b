"""Made-up finished runs with scores of cases, as a comparison reads them."""

from __future__ import annotations

import io
import json
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import yaml
from PIL import Image

from ganatomy.text.tables import csv_text


def names(count: int) -> list[str]:
    return [f"patient_{number:03d}" for number in range(count)]


def config(seed: int = 0, task: str = "segmentation", **model: Any) -> dict[str, Any]:
    kind, monitor = {
        "segmentation": ("ganatomy.tasks.segmentation.SegmentationTask", "val/dice"),
        "enhancement": ("ganatomy.tasks.enhancement.EnhancementTask", "val/psnr"),
        "detection": ("ganatomy.tasks.detection.DetectionTask", "val/map50"),
        "synthesis": ("ganatomy.tasks.synthesis.SynthesisTask", "val/swd"),
    }[task]
    return {
        "task": {"_target_": kind, "monitor": monitor, "scored": "file"},
        "data": {"_target_": "ganatomy.data.sources.folder.Folder", "root": "/data/busi", "workers": seed},
        "model": {"generator": {"_target_": "monai.networks.nets.UNet"}, "discriminator": None, **model},
        "paths": {"runs": f"/somewhere/{seed}"},
        "seed": seed,
    }


def run(
    place: Path,
    scores: Mapping[str, Sequence[float]],
    cases: Sequence[str] | None = None,
    subjects: Sequence[str] | None = None,
    settings: Mapping[str, Any] | None = None,
    whole: Mapping[str, float] | None = None,
    digests: Mapping[str, str] | None = None,
    predictions: Mapping[str, np.ndarray] | None = None,
    **status: Any,
) -> Path:
    """Write a finished run.

    Args:
        place: Its directory.
        scores: Score to its value for each case.
        cases: Names of the cases.
        subjects: Subject of each case; each its own otherwise.
        settings: Configuration.
        whole: Scores of the whole test set besides the means of those of cases.
        digests: Digest of a case, where it is not that of its name.
        predictions: Case to its predicted label map.
        status: Keys of status.json.
    """
    count = len(next(iter(scores.values()), ()))
    known = list(cases or names(count))[:count] if scores else list(cases or [])
    owners = list(subjects or known)
    numbers = {name: number for number, name in enumerate(sorted(set(owners)))}
    rows = [
        {
            "case": case,
            **{name: values[place] for name, values in scores.items()},
            "subject": numbers[owners[place]],
        }
        for place, case in enumerate(known)
    ]
    means = {f"test/{name}": float(np.nanmean(values)) for name, values in scores.items()}
    data = {
        "subjects": {"test": sorted(numbers)},
        "contents": {"test": {case: f"digest of {case}" for case in known} | dict(digests or {})},
        "units": "px",
    }
    place.mkdir(parents=True)
    (place / "status.json").write_text(json.dumps({"status": "done", "why": "300 steps", **status}))
    (place / "config.yaml").write_text(yaml.safe_dump(dict(settings or config())))
    (place / "metrics.json").write_text(
        json.dumps(means | {f"test/{k}": v for k, v in (whole or {}).items()})
    )
    (place / "data.json").write_text(json.dumps(data))
    if scores:
        (place / "scores.csv").write_text(csv_text(list(rows[0]), rows))
    if predictions:
        (place / "predictions").mkdir()
        for case, values in predictions.items():
            file = io.BytesIO()
            Image.fromarray(values).save(file, "PNG")
            (place / f"predictions/case_{known.index(case) + 1:04d}.png").write_bytes(file.getvalue())
        listed = [{"prediction": f"case_{known.index(case) + 1:04d}", "case": case} for case in predictions]
        (place / "predictions.csv").write_text(csv_text(("prediction", "case"), listed))
    return place


def discs(count: int, radius: float, seed: int = 0) -> dict[str, np.ndarray]:
    """Return label maps of a disc for each case."""
    rng, grid = np.random.default_rng(seed), np.indices((64, 64))
    found = {}
    for name in names(count):
        centre = rng.uniform(20, 44, 2)[:, None, None]
        found[name] = (((grid - centre) ** 2).sum(0) < radius**2).astype(np.uint8)
    return found
