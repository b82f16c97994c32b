"""Made-up runs: what a run directory holds as far as an overview reads it, in a moment."""

from __future__ import annotations

import io
import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
import yaml
from PIL import Image

from ganatomy.runs.integrity.checksums import record

SCORES = {
    "segmentation": ("dice", "hd95", "nsd"),
    "enhancement": ("psnr", "ssim", "mae"),
    "synthesis": ("swd", "coverage"),
}
CLASSES = {"segmentation": "SegmentationTask", "enhancement": "EnhancementTask", "synthesis": "SynthesisTask"}
CLOCK = 1_790_000_000


def config(
    task: str = "segmentation", seed: int = 0, data: str = "busi", alone: bool = False, **more: Any
) -> dict[str, Any]:
    """The configuration of a run; `alone` is its twin, without discriminator."""
    discriminator = {"_target_": "monai.networks.nets.PatchDiscriminator", "channels": 32, "num_layers_d": 2}
    return {
        "task": {"_target_": f"ganatomy.tasks.{task}.{CLASSES[task]}", "monitor": f"val/{SCORES[task][0]}"},
        "data": {
            "_target_": "ganatomy.data.sources.folder.Folder",
            "root": f"/data/{data}",
            "size": [64, 64],
            "batch_size": 4,
        },
        "model": {
            "generator": {
                "_target_": "monai.networks.nets.UNet",
                "channels": [16, 32, 64],
                "strides": [2, 2],
            },
            "discriminator": None if alone else discriminator,
            "adversarial": {"loss": "hinge", "weight": 0.01, "penalties": []},
        },
        "trainer": {"max_steps": 300, "val_every": 100},
        "degradation": None,
        "seed": seed,
        **more,
    }


def metrics(task: str, value: float) -> dict[str, float]:
    """Flat scores around a value, with one baseline."""
    names = SCORES[task]
    own = {f"test/{name}": value + place for place, name in enumerate(names)}
    return own | {f"baseline/otsu/{name}": 0.5 + place for place, name in enumerate(names)}


def run(
    place: Path,
    status: Mapping[str, Any] | None = None,
    settings: Mapping[str, Any] | None = None,
    scores: Mapping[str, Any] | None = None,
    checksums: bool = False,
    picture: bytes = b"",
) -> Path:
    """Write a run directory; what is None is left out, but for the status, which is then `done`."""
    place.mkdir(parents=True)
    files: dict[str, bytes] = {
        "status.json": json.dumps(
            {"status": "done", "why": "300 steps", "seconds": 61.0, "game": "healthy"}
            if status is None
            else status
        ).encode(),
        "config.yaml": yaml.dump(
            dict(settings or config()), Dumper=getattr(yaml, "CSafeDumper", yaml.SafeDumper), sort_keys=False
        ).encode(),
        "report.html": b"<p>report",
    }
    if scores is not None:
        files["metrics.json"] = json.dumps(scores).encode()
    if checksums:
        record(place, files)
    for name, content in files.items():
        (place / name).write_bytes(content)
    if picture:
        (place / "samples").mkdir()
        (place / "samples/test.png").write_bytes(picture)
    return place


def picture(size: tuple[int, int] = (480, 640), seed: int = 0) -> bytes:
    """A picture as a PNG file."""
    file = io.BytesIO()
    pixels = np.random.default_rng(seed).integers(0, 255, (*size, 3), np.uint8)
    Image.fromarray(pixels).save(file, "PNG")
    return file.getvalue()


def many(root: Path, count: int) -> None:
    """Write runs of all states, tasks and kinds of damage at several depths, each with a picture."""
    drawn, tasks = picture((120, 480)), list(SCORES)
    states: list[dict[str, Any]] = [
        {"status": "done", "why": "300 steps", "seconds": 61.0, "game": "healthy"},
        {"status": "done", "why": "300 steps", "seconds": 7300.0, "game": "collapse"},
        {"status": "preempted", "why": "stopped by SIGTERM after 40 steps"},
        {"status": "failed", "why": "data.root: case patient_4711 is broken"},
        {"status": "running", "why": ""},
    ]
    for number in range(count):
        task = tasks[number % 3]
        folder = (
            root / task,
            root / "sweeps/first/trials" / str(number),
            root / "multirun/2026-01-01_00-00-00",
        )[number % 3]
        place = (
            folder / f"2026-{1 + number % 12:02d}-{1 + number % 28:02d}_10-{number % 60:02d}-00_run{number}"
        )
        status = states[number % 7 if number % 7 < 5 else 0]
        scored = metrics(task, 0.3 + 0.5 * (number % 97) / 97) if status["status"] == "done" else None
        run(
            place,
            status,
            config(task, number % 5, f"set{number % 4}", alone=number % 6 == 0),
            scored,
            picture=drawn,
        )
        if number % 50 == 7:
            (place / "metrics.json").write_bytes(b'{"test/dice": 0.')
        if number % 50 == 11:
            (place / "config.yaml").write_bytes(b"task: [1, 2")
        if number % 50 == 13:
            (place / "status.json").write_bytes(b"\0" * 200)
