"""Stands in for `python -m src.train`: the same files, scores that are a formula of arm, seed and case.

<runs>/plot.json says what a run does: {"gan_seed1": "hang" | "fail" | "other data"}.
"""

from __future__ import annotations

import json
import os
import signal
import sys
import time
from pathlib import Path

words = dict(word.split("=", 1) for word in sys.argv[1:])
run = Path(words.get("resume") or words["run_dir"])
name = run.name.rpartition("_")[0]
plot = run.parent / "plot.json"
fate = json.loads(plot.read_text()).get(name, "") if plot.exists() else ""
run.mkdir(parents=True, exist_ok=True)
with (run.parent / "starts").open("a") as file:
    file.write(f"{name}{' again' if 'resume' in words else ''}\n")
(run / "cards").write_text(os.environ.get("CUDA_VISIBLE_DEVICES", ""))
if "resume" in words:
    words |= json.loads((run / "words.json").read_text())
(run / "words.json").write_text(json.dumps(words))


def write(file: str, content: object) -> None:
    (run / f".{file}").write_text(content if isinstance(content, str) else json.dumps(content))
    (run / f".{file}").replace(run / file)


def stop(signum: int, frame: object) -> None:
    (run / "checkpoints").mkdir(exist_ok=True)
    (run / "checkpoints/last.ckpt").touch()
    write("status.json", {"status": "preempted"})
    sys.exit(128 + signum)


signal.signal(signal.SIGTERM, stop)
versions = {"torch": "2", "monai": "1", "numpy": "2"}
here = {
    "python": "3.11",
    "versions": versions,
    "git": None,
    "processor": "abacus",
    "device": "cpu",
    "threads": 1,
}
write("environment.json", here)
hashed = "other" if fate == "other data" else "a" * 64
write("data.json", {"hash": hashed, "subjects": {"test": [f"s{s}" for s in range(8)]}})
write("status.json", {"status": "running"})
if fate == "fail":
    sys.exit("error: data.root: there is no such folder")
if fate == "other data" or (fate == "hang" and "resume" not in words):
    time.sleep(600)
seed, adversary = int(words["seed"]), words.get("model.discriminator") != "null"
cases = [0.7 + 0.01 * (s % 3) + 0.002 * seed + 0.05 * adversary + 0.001 * (s + seed) for s in range(8)]
lines = [f"c{s},{score!r},{s // 2}" for s, score in enumerate(cases)]
write("scores.csv", "\n".join(["case,dice,subject", *lines]) + "\n")
write("metrics.csv", "step,val/loss\n4,0.5\n8,0.25\n")
write(
    "metrics.json", {"test/dice": sum(cases) / 8, "baseline/otsu/dice": 0.2, "test/auroc": 0.9 + 0.001 * seed}
)
write("status.json", {"status": "done", "why": "8 steps", "best": {"score": 0.5, "step": 8}})
