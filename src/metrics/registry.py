"""Registry of scores: label, unit, decimals, the tasks that give it, and which direction is better.

Checkpoints, sweeps, tables, figures, reports and experiments ask here. A user's metric is added by
`register`. Nothing heavy is imported, since commands that never compute a score ask too.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import Any

from ganatomy.errors import UserError


@dataclass(frozen=True)
class Score:
    """Description of a score.

    Attributes:
        label: Name in tables and figures, without the unit.
        higher_is_better: None if neither direction is better, as for a ratio that should be 1.
        decimals: Number of decimals in tables.
        unit: Unit of its values; empty for fractions, ratios and values in the units of the image.
        tasks: Tasks that give it, by their names in `conf/task`; empty for a user's metric.
        counts: True if it counts cases and does not rate them; no table shows it.
        after: True if a finished run gives it (calibration and doubt); training never does.

    Example:
        >>> Score("HD95", higher_is_better=False, decimals=2, unit="mm").heading
        'HD95 mm ↓'
    """

    label: str
    higher_is_better: bool | None = None
    decimals: int = 3
    unit: str = ""
    tasks: tuple[str, ...] = ()
    counts: bool = False
    after: bool = False

    @property
    def sign(self) -> int:
        """Return 1 if higher is better, -1 if lower is, 0 if neither is."""
        return 0 if self.higher_is_better is None else 1 if self.higher_is_better else -1

    @property
    def title(self) -> str:
        """Return label and unit."""
        return f"{self.label} {self.unit}" if self.unit else self.label

    @property
    def heading(self) -> str:
        """Return label, unit and an arrow towards the better direction."""
        return f"{self.title}{('', ' ↑', ' ↓')[self.sign]}"


def _scores(*tasks: str, **scores: Score) -> dict[str, Score]:
    return {name: Score(**{**vars(score), "tasks": tasks}) for name, score in scores.items()}


def _sensitivity(rate: str) -> Score:
    return Score(f"sensitivity at {rate} FP an image", True)


SCORES: dict[str, Score] = {
    **_scores(
        "segmentation",
        dice=Score("Dice", True),
        hd95=Score("HD95", False, 2, "mm"),
        nsd=Score("NSD", True),
        asd=Score("ASD", False, 2, "mm"),
        iou=Score("IoU", True),
        cldice=Score("clDice", True),
        false_positive_rate=Score("share of empty images with a finding", False, 2),
        true_positive_rate=Score("share of others with a finding", True, 2),
        threshold=Score("gate"),
        volumes=Score("volumes", decimals=0, counts=True),
        absent=Score("volumes without the class", decimals=0, counts=True),
        empty=Score("volumes of background alone", decimals=0, counts=True),
    ),
    **_scores(
        "enhancement",
        "translation",
        psnr=Score("PSNR", True, 2, "dB"),
        ssim=Score("SSIM", True),
    ),
    "multiscale_ssim": Score("MS-SSIM", True, tasks=("translation",)),
    **_scores(
        "enhancement",
        "translation",
        mae=Score("MAE", False, 2),
        flat_deviation=Score("noise in flat regions / truth's", None, 2),
        high_frequency=Score("high frequencies / truth's", None, 2),
        edge_gradient=Score("steepness of edges / truth's", None, 2),
        nps_distance=Score("noise spectrum from truth's", False, 1, "dB"),
    ),
    **_scores(
        "detection",
        map50=Score("mAP50", True),
        map75=Score("mAP75", True),
        froc=Score("FROC", True),
        aji=Score("AJI", True),
        pq=Score("PQ", True),
        sq=Score("SQ: mean IoU of matched objects", True),
        rq=Score("RQ: F1 of matched objects", True),
        sensitivity_1fp=_sensitivity("1"),
        sensitivity=Score("sensitivity", True),
        precision=Score("precision", True),
        fp_healthy=Score("FP an image without objects", False, 2),
        map=Score("mAP", True),
        map30=Score("mAP30", True),
        map_lesion=Score("mAP at IoU 0.1 to 0.5", True),
        **{f"sensitivity_{r}fp": _sensitivity(r) for r in ("0.125", "0.25", "0.5", "2", "4", "8")},
    ),
    **_scores(
        "anomaly",
        auroc=Score("AUROC", True),
        auroc_low=Score("AUROC low"),
        auroc_high=Score("AUROC high"),
        ap=Score("AP", True),
        pixel_ap=Score("pixel AP", True),
        aupro=Score("AUPRO", True),
        reconstruction=Score("residual of healthy images", False),
        subset_auroc=Score("AUROC, searched", True),
        images_per_second=Score("images/s", True, 1),
    ),
    **_scores(
        "synthesis",
        judge_dice=Score("Dice of the evaluator", True),
        judge_accuracy=Score("accuracy of the evaluator", True),
        modes=Score("modes", True, 0),
        kl=Score("KL from all modes alike", False),
    ),
    "swd": Score("SWD", False, 1, tasks=("synthesis", "anomaly", "translation")),
    "kid": Score("KID ×1000", False, 1, tasks=("synthesis", "translation")),
    **_scores(
        "translation",
        cycle_error=Score("error there and back", False, 2),
        evaluator_dice=Score("evaluator: Dice", True),
        evaluator_hd95=Score("evaluator: HD95", False, 2, "mm"),
        evaluator_dice_label=Score("evaluator: Dice to label", True),
        evaluator_hd95_label=Score("evaluator: HD95 to label", False, 2, "mm"),
        lesion_sensitivity=Score("lesions kept", True),
        false_lesions=Score("lesions invented an image", False, 2),
        false_lesions_healthy=Score("lesions invented a healthy image", False, 2),
    ),
    **_scores(
        "synthesis",
        coverage=Score("coverage", True),
        density=Score("density"),
        ms_ssim=Score("MS-SSIM of pairs"),
        checkerboard=Score("checkerboard (1 is none)", None, 2),
        nearest=Score("correlation with nearest in training"),
        copied=Score("share too near to training", False, 2),
        logits=Score("mean logit of the discriminator"),
    ),
    **_scores(
        "segmentation",
        ece_foreground=Score("ECE, foreground in question", False, after=True),
        brier=Score("Brier", False, after=True),
        brier_foreground=Score("Brier, foreground in question", False, after=True),
        pixel_aurc=Score("AURC of pixels", False, 4, after=True),
        pixel_excess_aurc=Score("excess AURC of pixels", False, 4, after=True),
    ),
    "ece": Score("ECE", False, tasks=("segmentation", "detection"), after=True),
    "overconfidence": Score("overconfidence", tasks=("segmentation", "detection"), after=True),
    **_scores(
        "segmentation",
        "enhancement",
        aurc=Score("AURC of cases", False, after=True),
        excess_aurc=Score("excess AURC of cases", False, after=True),
    ),
}
"""Scores by their part of a flat name: `dice` of `test/dice/gm`.

Tables show them in this order; of the scores that a run gives, figures draw the first.
"""

RESERVED = ("case", "subject", "found", "peak", "objects", "baseline", "floor", "twin", "loss")
"""Columns of scores.csv and parts of flat names, which are no names for a score."""
_outside: dict[str, Score] = {}


def known() -> dict[str, Score]:
    """Return all scores, those of users' metrics last.

    Example:
        >>> known()["dice"].label
        'Dice'
    """
    return {**SCORES, **_outside}


def describe(name: str) -> Score:
    """Return the entry of a score; an unknown one gets its name as label and no better direction.

    Example:
        >>> describe("hd95").title, describe("rvd").title
        ('HD95 mm', 'rvd')
    """
    return SCORES.get(name) or _outside.get(name) or Score(name)


def register(metric: Any) -> Score:
    """Add a user's metric by its attributes, and return its entry.

    Args:
        metric: Metric with `name` and `higher_is_better` (True, False or None), and perhaps `label`, `unit`
            and `decimals`.

    Raises:
        UserError: An attribute is missing or of a wrong type, or the name is taken.

    Example:
        >>> class VolumeDifference:
        ...     name, higher_is_better, unit = "rvd", False, "%"
        >>> register(VolumeDifference()).heading
        'rvd % ↓'
    """
    which, name = f"task.metrics: {type(metric).__name__}", getattr(metric, "name", None)
    if not isinstance(name, str) or not re.fullmatch(r"[A-Za-z]\w*", name):
        raise UserError(f"{which} needs a `name` of letters, digits and _, such as rvd, and has {name!r}")
    if name in SCORES or name in RESERVED:
        raise UserError(f"{which} is called {name}, which is taken; give it another name")
    if not hasattr(metric, "higher_is_better"):
        raise UserError(f"{which} does not say whether higher_is_better: True, False, or None for neither")
    better, decimals = metric.higher_is_better, getattr(metric, "decimals", 3)
    label, unit = getattr(metric, "label", name), getattr(metric, "unit", "")
    if not isinstance(better, bool | None):
        raise UserError(f"{which}.higher_is_better is {better!r}; give True, False or None")
    if not isinstance(decimals, int) or decimals < 0:
        raise UserError(f"{which}.decimals is {decimals!r}; give a whole number of 0 or more")
    for key, text in (("label", label), ("unit", unit)):
        if not isinstance(text, str):
            raise UserError(f"{which}.{key} is {text!r}; give a text")
    _outside[name] = Score(label, better, decimals, unit)
    return _outside[name]
