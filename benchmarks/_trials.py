"""Short trials of a sweep: the whole command beside that of an earlier version."""

from __future__ import annotations

import os
import statistics
import subprocess
import sys
import tempfile
import time
from dataclasses import dataclass, field
from pathlib import Path

from benchmarks._results import table

COMMON = ["+sweep=segmentation", "sampler.name=random", "pruner.name=none", "jobs=2", "trainer.max_steps=20"]
COMMON += ["trainer.threads=1", "trainer.accelerator=cpu"]
SIZES = {
    "96x96, batch 16 (default)": ([], 0.60),
    "32x32, batch 4": (["data.size=32", "data.batch_size=4"], 0.40),
}
"""Words of a size, and the most that a sweep of MANY trials may take of the earlier one's time."""
MANY = 100


@dataclass
class Times:
    """Wall clock of sweeps: seconds of each, and seconds between the ends of its trials, two at a time."""

    sweeps: list[float] = field(default_factory=list)
    each: list[float] = field(default_factory=list)

    def of_many(self, trials: int) -> float:
        """Return the seconds of MANY trials: those measured, and the others at the rate of the later ones."""
        return statistics.median(self.sweeps) + (MANY - trials) * statistics.fmean(self.each)


def sweep(root: Path, folder: Path, words: list[str], trials: int, times: Times) -> None:
    """Run a sweep with the code of `root` in an empty folder."""
    environment = {**os.environ, "PYTHONPATH": str(root), "OMP_NUM_THREADS": "1"}
    environment |= {"GANATOMY_CACHE": str(folder.parent / "cache")}
    folder.mkdir(parents=True)
    begun = time.perf_counter()
    subprocess.run(
        [sys.executable, "-m", "src.sweep", *COMMON, *words, f"trials={trials}", "directory=sweep"],
        cwd=folder,
        env=environment,
        check=True,
        capture_output=True,
    )
    times.sweeps.append(time.perf_counter() - begun)
    ends = sorted(file.stat().st_mtime for file in (folder / "sweep/trials").glob("*/seed_0/status.json"))
    assert len(ends) == trials, f"{root}: {len(ends)} of {trials} trials ended"
    times.each.append((ends[-1] - ends[1]) / (trials - 2))  # the first two wait for data and imports


def compare(old: Path, new: Path, trials: int, rounds: int) -> str:
    """Return a table of both versions, in turn."""
    rows = []
    with tempfile.TemporaryDirectory() as temporary:
        for number, (name, (words, target)) in enumerate(SIZES.items()):
            times = {old: Times(), new: Times()}
            for turn in range(rounds):
                for which, (root, found) in enumerate(times.items()):
                    sweep(root, Path(temporary) / f"{number}_{which}/{turn}", words, trials, found)
            ratios = [b / a for a, b in zip(times[old].each, times[new].each, strict=True)]
            whole = times[new].of_many(trials) / times[old].of_many(trials)
            rows.append(
                [
                    name,
                    f"{whole:.2f}",
                    target,
                    f"{statistics.median(ratios):.2f} ({min(ratios):.2f} to {max(ratios):.2f})",
                    f"{statistics.fmean(times[old].each):.1f} and {statistics.fmean(times[new].each):.1f} s",
                    " and ".join(f"{statistics.median(found.sweeps):.0f}" for found in times.values()) + " s",
                ]
            )
    measured = "measured" if trials == MANY else f"EXTRAPOLATED from {trials}"
    text = "`src.sweep jobs=2` of trials of 20 steps, the earlier version and this one in turn, "
    text += (
        f"{rounds} rounds;\nwall clock, one thread a trial, data read in the first round. {MANY} trials are "
    )
    text += f"{measured}.\n\n"
    head = [f"size, ratio for {MANY} trials", "ratio", "at most", "a further trial, ratio", "a further trial"]
    return text + table([*head, f"{trials} trials"], rows)
