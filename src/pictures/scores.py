"""From flat score names to rows and columns: `test/dice/gm`, `baseline/mean_label_map/dice`, `floor/swd`."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from math import isnan, nan

OURS = "this run"
MOST = 4
"""Sources beside each other for every score that a page has room for."""
HUGE = 1e6
"""From here on digits after the point say nothing; three digits and a power of ten do."""
COUNTS = ("volumes", "absent", "empty")


@dataclass(frozen=True)
class Kind:
    """How a score is written: its label, whether higher or lower is better (or neither), and its decimals."""

    label: str
    better: int
    decimals: int = 3

    @property
    def heading(self) -> str:
        return f"{self.label}{' ↑' if self.better > 0 else ' ↓' if self.better < 0 else ''}"


KINDS = {
    "dice": Kind("Dice", 1),
    "hd95": Kind("HD95 mm", -1, 2),
    "nsd": Kind("NSD", 1),
    "asd": Kind("ASD mm", -1, 2),
    "iou": Kind("IoU", 1),
    "false_positive_rate": Kind("share of empty images with a finding", -1, 2),
    "true_positive_rate": Kind("share of others with a finding", 1, 2),
    "threshold": Kind("gate", 0),
    "psnr": Kind("PSNR dB", 1, 2),
    "ssim": Kind("SSIM", 1),
    "mae": Kind("MAE", -1, 2),
    "flat_deviation": Kind("noise in flat regions / truth's", 0, 2),
    "high_frequency": Kind("high frequencies / truth's", 0, 2),
    "edge_gradient": Kind("steepness of edges / truth's", 0, 2),
    "nps_distance": Kind("noise spectrum from truth's dB", -1, 1),
    "map50": Kind("mAP50", 1),
    "map75": Kind("mAP75", 1),
    "froc": Kind("FROC", 1),
    "sensitivity_1fp": Kind("sensitivity at 1 FP an image", 1),
    "sensitivity": Kind("sensitivity", 1),
    "precision": Kind("precision", 1),
    "fp_healthy": Kind("FP an image without objects", -1, 2),
    "map": Kind("mAP", 1),
    "map30": Kind("mAP30", 1),
    "map_lesion": Kind("mAP at IoU 0.1 to 0.5", 1),
    "sensitivity_0.125fp": Kind("sensitivity at 0.125 FP an image", 1),
    "sensitivity_0.25fp": Kind("sensitivity at 0.25 FP an image", 1),
    "sensitivity_0.5fp": Kind("sensitivity at 0.5 FP an image", 1),
    "sensitivity_2fp": Kind("sensitivity at 2 FP an image", 1),
    "sensitivity_4fp": Kind("sensitivity at 4 FP an image", 1),
    "sensitivity_8fp": Kind("sensitivity at 8 FP an image", 1),
    "auroc": Kind("AUROC", 1),
    "auroc_low": Kind("AUROC low", 0),
    "auroc_high": Kind("AUROC high", 0),
    "ap": Kind("AP", 1),
    "pixel_ap": Kind("pixel AP", 1),
    "aupro": Kind("AUPRO", 1),
    "reconstruction": Kind("residual of healthy images", -1),
    "subset_auroc": Kind("AUROC, searched", 1),
    "images_per_second": Kind("images/s", 1, 1),
    "judge_dice": Kind("Dice of the judge", 1),
    "judge_accuracy": Kind("accuracy of the judge", 1),
    "modes": Kind("modes", 1, 0),
    "kl": Kind("KL from all modes alike", -1),
    "swd": Kind("SWD", -1, 1),
    "kid": Kind("KID ×1000", -1, 1),
    "coverage": Kind("coverage", 1),
    "density": Kind("density", 0),
    "ms_ssim": Kind("MS-SSIM of pairs", 0),
    "checkerboard": Kind("checkerboard (1 is none)", 0, 2),
    "nearest": Kind("correlation with nearest in training", 0),
    "copied": Kind("share too near to training", -1, 2),
}


def kind(score: str) -> Kind:
    """How to write a score; an unknown one as it is called, with neither direction better."""
    return KINDS.get(score, Kind(score, 0))


@dataclass(frozen=True)
class Table:
    """Scores of a run beside its rivals': `values[score, row, source]`; rows are the classes, then `mean`.

    unit: of distances, mm or px.
    """

    scores: tuple[str, ...]
    rows: tuple[str, ...]
    sources: tuple[str, ...]
    values: Mapping[tuple[str, str, str], float]

    def text(self, score: str, row: str, source: str) -> str:
        """The number as it is printed, or a dash."""
        value = self.values.get((score, row, source))
        if value is None or isnan(value):
            return "–"
        return f"{value:.{kind(score).decimals}f}" if abs(value) < HUGE else f"{value:.3g}"

    unit: str = "mm"

    def heading(self, score: str) -> str:
        """The score's, with distances in the unit that they have."""
        return kind(score).heading.replace(" mm", f" {self.unit}")

    @property
    def crowded(self) -> bool:
        """Whether there are so many sources that a line a score reads better than a row a class."""
        return len(self.sources) > MOST

    def lines(self) -> list[tuple[str, str, str]]:
        """(score, row, heading) of such a table: means, and what else stands in the rows, save classes where
        there is one and the levels of a pyramid, which have a mean."""
        rows = ("mean",) if len(self.rows) <= 2 else ("mean", *self.rows[:-1])
        return [
            (score, row, self.heading(score) + ("" if row == "mean" else f" {row}"))
            for score in self.scores
            for row in rows
            if (score, row, OURS) in self.values and not row.isdigit()
        ]

    def best(self, score: str, row: str) -> str | None:
        """The source that stands best in a row, if several stand there and one can be better.

        Not the floor, which is no rival.
        """
        found = {s: self.values.get((score, row, s), float("nan")) for s in self.sources if s != "floor"}
        found = {source: value for source, value in found.items() if not isnan(value)}
        if len(found) < 2 or not kind(score).better:
            return None
        return max(found, key=lambda source: kind(score).better * found[source])


def table(metrics: Mapping[str, float | None], split: str = "test", unit: str = "mm") -> Table:
    """Sort flat scores by score, class and source; validation scores and counts are left out. None is NaN.

    Sources are this run and, named as they are, `baseline/<name>/...`, `twin/...` and `floor/...`.
    """
    values: dict[tuple[str, str, str], float] = {}
    for name, value in metrics.items():
        source, parts = _source(name.split("/"), split)
        if source is None or not parts or parts[0] in COUNTS:
            continue
        values[parts[0], "/".join(parts[1:]) or "mean", source] = nan if value is None else float(value)
    ours = {score for score, _, source in values if source == OURS}
    scores = [s for s in KINDS if s in ours] + sorted(ours - KINDS.keys())
    rows = dict.fromkeys(row for score, row, _ in values if score in ours and row != "mean")
    sources = dict.fromkeys(source for score, _, source in values if score in ours and source != OURS)
    return Table(tuple(scores), (*rows, "mean"), (OURS, *sources), values, unit)


def _source(parts: list[str], split: str) -> tuple[str | None, list[str]]:
    if parts[0] == split:
        return OURS, parts[1:]
    if parts[0] == "baseline" and len(parts) > 2:
        return parts[1].replace("_", " "), parts[2:]
    if parts[0] in ("twin", "floor"):
        return parts[0], parts[1:]
    return None, []
