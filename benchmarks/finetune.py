"""Do weights of another run help, where few images have labels? (docs/results.md)

    python benchmarks/finetune.py             run what has not run yet, and print the table
    python benchmarks/finetune.py --write     also put it into docs/results.md
    python benchmarks/finetune.py --report    run nothing

Lesions of BUSI with the labels of 51 of 540 training images, from random weights and from those of two runs
on virtual brains: one segmented planted lesions, one the tissues. Same data, order, steps and rates; only
`init` differs. A run that has ended is not run again.
"""

from __future__ import annotations

import argparse
import csv
import json
import re
import subprocess
import sys
from collections.abc import Sequence
from pathlib import Path

ROOT = Path(__file__).resolve().parents[1]
sys.path.insert(0, str(ROOT))  # run as a script, from any folder

import numpy as np  # noqa: E402

from benchmarks._results import processor, table, versions  # noqa: E402
from ganatomy.metrics.differences.statistics import estimate  # noqa: E402

PAGE = ROOT / "docs" / "results.md"
MARKS = "<!-- fine-tuning: written by the script -->", "<!-- end of fine-tuning -->"
COMMAND = "python benchmarks/finetune.py --write"
ALWAYS = (
    "task=segmentation",
    "model.discriminator=null",
    "data.batch_size=8",
    "model.generator.channels=[16,32,64,128,256]",
    "model.generator.strides=[2,2,2,2]",
    "model.optimizer.generator.lr=1e-3",
    "trainer.precision=bf16-mixed",
    "trainer.threads=1",
    "callbacks.samples=0",
    "callbacks.report=false",
    "logger=csv",
)
SOURCES = {
    "lesions": ("data=brain_lesions", "data.size=128", "trainer.max_steps=1000", "trainer.val_every=500"),
    "tissues": ("data=brain", "data.size=128", "trainer.max_steps=1000", "trainer.val_every=500"),
}
"""Runs to start from, by name; lesions was named as the first choice before anything was trained on BUSI."""
ARMS = {
    "": "random weights",
    "lesions": "`init=` of a run on planted lesions of virtual brains",
    "tissues": "`init=` of a run on tissues of virtual brains",
}
TARGET = (
    "data=busi",
    "data.resize=stretch",
    "data.label_fraction=0.1",
    "task.mirror_axes=[1]",
    "trainer.max_steps=300",
    "trainer.val_every=100",
)
SEEDS = (0, 1, 2)
STEPS = (100, 200, 300)
"""Validations of a run."""


def place(runs: Path, arm: str, seed: int) -> Path:
    """Return the directory of a run on BUSI."""
    return runs / f"{arm or 'random'}_{seed}"


def train(directory: Path, words: Sequence[str]) -> None:
    """Run one command of `train`, unless it has ended already."""
    if (directory / "metrics.json").is_file():
        return
    again = [f"resume={directory}"] if (directory / "checkpoints" / "last.ckpt").is_file() else []
    command = [sys.executable, "-m", "src.train", *(again or [*words, f"run_dir={directory}"])]
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True)
    if done.returncode not in (0, 3):  # 3: the game failed, and the scores say how much
        raise SystemExit(f"{directory}: {done.stderr.strip().splitlines()[-1]}")
    print(f"{directory.name}: {seconds(directory):.0f} s", flush=True)


def run_all(runs: Path) -> None:
    """Train the runs to start from, then every arm and seed."""
    for name, words in SOURCES.items():
        train(runs / f"source_{name}", [*ALWAYS, *words])
    for seed in SEEDS:
        for arm in ARMS:
            start = [f"init={runs / f'source_{arm}'}"] if arm else []
            train(place(runs, arm, seed), [*ALWAYS, *TARGET, *start, f"seed={seed}"])


def seconds(directory: Path) -> float:
    found = json.loads((directory / "status.json").read_text())
    return float(found["seconds"])


def cases(directory: Path) -> tuple[list[str], list[float]]:
    """Return the test images that show a lesion, and their Dice."""
    with (directory / "scores.csv").open(newline="") as file:
        rows = [row for row in csv.DictReader(file) if row["dice"] not in ("", "nan")]
    return [row["subject"] for row in rows], [float(row["dice"]) for row in rows]


def validations(directory: Path) -> dict[int, float]:
    """Return the Dice of each validation by step."""
    with (directory / "metrics.csv").open(newline="") as file:
        return {int(row["step"]): float(row["val/dice"]) for row in csv.DictReader(file) if row["val/dice"]}


def report(runs: Path) -> str:
    """Return the table, and what it says."""
    scores = {arm: [cases(place(runs, arm, seed)) for seed in SEEDS] for arm in ARMS}
    subjects = scores[""][0][0]
    values = {arm: np.array([dice for _, dice in each]) for arm, each in scores.items()}
    rows = []
    for arm, label in ARMS.items():
        dice = values[arm].mean(1)
        history = [validations(place(runs, arm, seed)) for seed in SEEDS]
        early = [f"{np.mean([each[step] for each in history]):.3f}" for step in STEPS]
        row = [label, *early, f"{dice.mean():.3f} ± {dice.std(ddof=1):.3f}"]
        gain = estimate(values[arm] - values[""], [int(subject) for subject in subjects]) if arm else None
        low, high = gain.interval() if gain else (0.0, 0.0)
        rows.append([*row, f"{gain.mean:+.3f} ({low:+.3f} to {high:+.3f})" if gain else ""])
    head = [
        f"{len(SEEDS)} seeds, {len(subjects)} test images with a lesion",
        *(f"val Dice, step {step}" for step in STEPS),
        "test Dice",
        "gain, paired, 95 % interval",
    ]
    about = f"*{versions(('torch', 'monai'))}; {processor()}; one thread.*"
    return f"{table(head, rows)}\n\n{about}".replace("-0.", "−0.")


def write(text: str, page: Path = PAGE) -> None:
    """Put the table between the marks of a page."""
    begin, end = MARKS
    before = page.read_text(encoding="utf-8")
    if before.count(begin) != 1 or before.count(end) != 1:
        raise SystemExit(f"{page}: needs one line {begin} and, below, one {end}")
    new = f"{begin}\n`{COMMAND}`\n\n{text}\n{end}"
    page.write_text(
        re.sub(f"(?s){re.escape(begin)}.*{re.escape(end)}", lambda _: new, before), encoding="utf-8"
    )


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--runs", type=Path, default=Path("runs/finetune"), help="where the runs are kept")
    parser.add_argument("--report", action="store_true", help="run nothing, show what has run")
    parser.add_argument("--write", action="store_true", help="put the table into docs/results.md")
    options = parser.parse_args()
    runs = options.runs.resolve()
    if not options.report:
        run_all(runs)
    text = report(runs)
    print(text)
    if options.write:
        write(text)


if __name__ == "__main__":
    main()
