"""The registry: an entry for every score, the planted direction of each; and metrics of one's own."""

from __future__ import annotations

import csv
import json
import re
from collections.abc import Callable
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest
import torch
from torch import Tensor

from ganatomy.config.resolve import validate
from ganatomy.errors import UserError
from ganatomy.metrics.anomaly import AnomalyTable
from ganatomy.metrics.detection import DetectionTable
from ganatomy.metrics.detection.table import Image
from ganatomy.metrics.enhancement import score_case
from ganatomy.metrics.outside import OutsideMetrics
from ganatomy.metrics.registry import SCORES, Score, describe, register
from ganatomy.metrics.segmentation import VolumeScores
from ganatomy.metrics.synthesis.scores import SetScores
from tests.conftest import TINY
from tests.sweeps.conftest import settings
from tests.tasks.conftest import SMALL, in_folders, two_kinds  # noqa: F401
from tests.tasks.segmentation.test_task import lesions  # noqa: F401

ROOT = Path(__file__).parents[2]
UNET = ["model.generator.channels=[4,8]", "model.generator.strides=[2]", "model.discriminator=null"]
BRAINS = ["data=brain_images", "data.size=24", "data.subjects=6", "data.split=[4,1,1]", "data.slices=8"]
NARROW = ["model.generator.channels=4", "model.discriminator.channels=4"]
HEADS = [
    *("data=brain_contrasts", "data.size=32", "data.subjects=6", "data.split=[4,1,1]", "data.slices=4"),
    *("data.lesions=0.5", "data.cache=memory"),
]
DRAWN = ["task=synthesis", "task.imagenet=false", *NARROW]
RUNS = {
    "segmentation": [["task=segmentation", "lesions", "task.gate=0.9", "task.scores=[cldice]", *UNET]],
    "enhancement": [
        [
            *("task=enhancement", "data.subjects=6", "data.size=16", "data.slices=2", "data.augment=[]"),
            *("model.generator.channels=[4,8]", "model.discriminator.channels=[4,8]"),
        ]
    ],
    "detection": [
        [
            *("task=detection", "data.size=32", "data.subjects=6", "data.split=[4,1,1]", "data.slices=6"),
            *("model.generator.stem=4", "model.generator.head=4", "model.generator.body.channels=[4,8]"),
            *("model.generator.body.strides=[2]", "model.generator.body.out_channels=4"),
            *("model.discriminator.channels=4", "model.discriminator.num_layers_d=1"),
        ],
        [
            *("task=detection", "data=cells", "task.instances=true", "data.size=32", "data.subjects=6"),
            *("data.split=[4,1,1]", "data.objects=[2,4]", "data.cache=none", "model.discriminator=null"),
            *("model.generator.stem=4", "model.generator.head=4", "model.generator.body.channels=[4,8]"),
            *("model.generator.body.strides=[2]", "model.generator.body.out_channels=4"),
        ],
    ],
    "anomaly": [
        [
            *("task=anomaly", "data.subjects=8", "data.split=[2,1,1]", "data.slices=4", "data.size=16"),
            *("data.healthy=0.5", "data.radius=[20,30]", *NARROW, "model.generator.latent=6"),
            *("trainer.val_every=1", "task.denoising_steps=1", "task.components=3"),
            *("task.search_images=4", "task.search_steps=2"),
        ]
    ],
    "translation": [
        [
            *("task=translation", "model=cyclegan", "data.unpaired=true", *HEADS, "reader"),
            *(f"model.generator.{way}.channels=[4,8]" for way in ("to_target", "to_source")),
            *(f"model.generator.{way}.blocks=1" for way in ("to_target", "to_source")),
            *(f"model.discriminator.{side}.channels=4" for side in ("target", "source")),
        ]
    ],
    "synthesis": [
        [*DRAWN, "model=fast_class", "two_kinds", "data.size=24"],
        [*DRAWN, "model=spade", *BRAINS, "segmenter"],
        [*DRAWN, "model=dcgan", "data=stacked_digits", "data.train=60", "data.val=8", "data.test=8"],
    ],
}
"""Words of small runs that give, together, every score that a task can give."""


@pytest.fixture
def trained(compose: Any, given_scores: dict[str, set[str]], tmp_path: Path) -> Callable[..., Path]:
    """Train in this process; the value is the run directory."""
    from ganatomy.train import train

    def of(*words: str) -> Path:
        directory = tmp_path / f"run{len(list(tmp_path.glob('run*')))}"
        cfg = compose(*SMALL, *words, tiny=False)
        train(validate(cfg), directory)
        return directory

    return of


@pytest.mark.parametrize("task", RUNS)
def test_each_task_gives_what_the_registry_says(
    task: str, trained: Callable[..., Path], given_scores: dict[str, set[str]], request: Any
) -> None:
    """No score without an entry, and no entry that no run of the task gives."""
    for words in RUNS[task]:
        parts = {name: request.getfixturevalue(name) for name in ("lesions", "two_kinds") if name in words}
        if "segmenter" in words:
            parts["segmenter"] = [f"task.evaluator={trained('task=segmentation', *BRAINS, *UNET)}"]
        if "reader" in words:
            contrast = ("data.source=[ct]", "data.target=null")
            parts["reader"] = [f"task.evaluator={trained('task=segmentation', *HEADS, *contrast, *UNET)}"]
        trained(*(part for word in words for part in parts.get(word, [word])))
    known = {name for name, score in SCORES.items() if task in score.tasks and not score.after}
    assert given_scores[task] == known  # tests/metrics/calibration: those of `after`


def test_every_entry_is_whole_and_explained() -> None:
    text = (ROOT / "docs/scores.md").read_text()
    tasks = {path.stem for path in (ROOT / "conf/task").glob("*.yaml")}
    assert set(RUNS) == tasks
    for name, score in SCORES.items():
        assert score.label and score.tasks and set(score.tasks) <= tasks and score.decimals >= 0, name
        plain = re.sub(r"sensitivity_[\d.]+fp", "sensitivity_<r>fp", name)
        assert f"`{plain}" in text or f"/{plain}" in text, f"docs/scores.md does not explain {name}"
    assert SCORES["hd95"].heading == "HD95 mm ↓" and SCORES["dice"].heading == "Dice ↑"
    assert describe("never_heard_of") == Score("never_heard_of") and describe("never_heard_of").sign == 0


def maps(shift: int) -> dict[str, Tensor]:
    truth = torch.zeros(24, 24, dtype=torch.long)
    truth[6:14, 6:14] = 1
    table = VolumeScores(("background", "lesion"))
    table.update("ill", truth.roll(shift, 0), truth, (1, 1))
    table.update("missed", truth if shift < 3 else truth * 0, truth, (1, 1))
    table.update("well", truth * 0 + (shift > 1), truth * 0, (1, 1))
    return table.compute()


def images(noise: float) -> dict[str, float]:
    draw = torch.Generator().manual_seed(0)
    truth = torch.rand(1, 1, 32, 32, generator=draw).double()
    return score_case(truth + noise * torch.rand(truth.shape, generator=draw), truth, 1.0)


def boxes(wrong: int) -> dict[str, Tensor]:
    """Ten objects in ten images; `wrong` of the boxes lie elsewhere, and as many healthy images have one."""
    table, there, nothing = DetectionTable(("a",), 2), np.array([[4.0, 4, 12, 12]]), np.zeros((0, 4))
    table.threshold = 0.5
    for number in range(20):
        ill, bad = number < 10, number % 10 < wrong
        found = there + 14 * bad if ill or bad else nothing
        scores, truth = np.full(len(found), 0.6 + 0.01 * bad), there if ill else nothing
        kinds = np.zeros(len(found), int), np.zeros(len(truth), int)
        shape = np.array([32, 32])
        table.update(Image(str(number), found, scores, kinds[0], truth, kinds[1], shape, found, truth))
    return table.compute()


def ranks(noise: float) -> dict[str, Tensor]:
    draw = torch.Generator().manual_seed(0)
    masks = torch.zeros(12, 8, 8)
    masks[:6, 2:5, 2:5] = 1
    found = masks + noise * torch.rand(masks.shape, generator=draw)
    table = AnomalyTable(True)
    subjects = [str(number) for number in range(12)]
    table.update(subjects, subjects, found.mean((1, 2)), masks.amax((1, 2)), found, masks)
    return table.compute()


def sets(noise: float) -> dict[str, float]:
    draw = torch.Generator().manual_seed(0)
    ramp = torch.linspace(0, 1, 32)[None, None, :, None] * torch.rand(40, 1, 1, 1, generator=draw)
    real, other = (ramp + 0.2 * torch.rand(40, 1, 32, 32, generator=draw) for _ in range(2))
    return SetScores(real)(other + noise * torch.randn(other.shape, generator=draw))


@pytest.mark.parametrize(
    ("scored", "better", "worse"),
    [(maps, 1, 4), (images, 0.1, 0.5), (boxes, 1, 5), (ranks, 0.5, 6.0), (sets, 0.0, 0.5)],
)
def test_a_better_prediction_scores_on_the_better_side(
    scored: Callable[[Any], dict[str, Any]], better: Any, worse: Any
) -> None:
    good, bad = scored(better), scored(worse)
    checked = set()
    for name, value in good.items():
        entry = describe(name.split("/")[0])
        if entry.sign:
            assert entry.sign * (float(value) - float(bad[name])) > 0, name
            checked.add(name.split("/")[0])
    assert len(checked) > 2


class VolumeDifference:
    """|predicted - true| / true voxels, in per cent."""

    name, label, unit, higher_is_better, decimals = "rvd", "volume off by", "%", False, 1

    def __call__(self, prediction: Tensor, truth: Tensor) -> float:
        return 100 * abs(float((prediction > 0).sum()) / float((truth > 0).sum()) - 1)


class Recall:
    name, higher_is_better, per_class = "recall", True, True

    def __call__(self, prediction: Tensor, truth: Tensor) -> list[float]:
        return [float((prediction[truth == k] == k).float().mean()) for k in (1, 2, 3)]


class Largest:
    name, higher_is_better = "largest_error", False

    def __call__(self, prediction: Tensor, truth: Tensor) -> Tensor:
        return (prediction - truth).abs().max()


HERE = "tests.metrics.test_registry"


def test_metrics_of_ones_own_through_the_real_command(command: Any, tmp_path: Path) -> None:
    """They choose the checkpoint and stand in every place where scores stand."""
    metrics = f"task.metrics=[{{_target_: {HERE}.VolumeDifference}},{{_target_: {HERE}.Recall}}]"
    more = [metrics, "task.monitor=val/rvd", "callbacks.report=true", "run_dir=out"]
    done = command("task=segmentation", *TINY, *more, env={"GANATOMY_TARGETS": "tests."})
    assert done.returncode == 0, done.stderr
    scores = json.loads((tmp_path / "out/metrics.json").read_text())
    assert scores["test/rvd"] >= 0 and 0 <= scores["test/recall/gm"] <= 1 and "baseline/otsu/rvd" in scores
    rows = list(csv.DictReader((tmp_path / "out/scores.csv").open()))
    assert np.mean([float(row["rvd"]) for row in rows]) == pytest.approx(scores["test/rvd"], rel=1e-6)
    assert {"recall", "recall/csf"} <= rows[0].keys()
    history = [row for row in csv.DictReader((tmp_path / "out/metrics.csv").open()) if row["val/rvd"]]
    least = min(history, key=lambda row: float(row["val/rvd"]))
    best = torch.load(tmp_path / "out/checkpoints/best.ckpt", weights_only=True)
    assert best["global_step"] == int(least["step"])
    assert "volume off by % ↓" in (tmp_path / "out/report.html").read_text()


def test_an_enhanced_image_has_metrics_of_ones_own(
    trained: Callable[..., Path], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("GANATOMY_TARGETS", "tests.")
    run = trained(*RUNS["enhancement"][0], f"task.metrics=[{{_target_: {HERE}.Largest}}]")
    scores = json.loads((run / "metrics.json").read_text())
    assert scores["test/largest_error"] > 0 and scores["baseline/input/largest_error"] > 0


class Swept(Largest):
    name = "swept_error"


def test_a_sweep_follows_a_metric_of_ones_own(monkeypatch: pytest.MonkeyPatch) -> None:
    from ganatomy.sweeps.plan import read_plan

    monkeypatch.setenv("GANATOMY_TARGETS", "tests.")
    own = [f"task.metrics=[{{_target_: {HERE}.Swept}}]", "task.monitor=val/swept_error"]
    assert read_plan(settings(train=["logger=csv", *own]), [], []).direction == "minimize"


def test_what_is_no_metric_is_refused() -> None:
    def like(call: Any = lambda prediction, truth: 0.0, **attributes: Any) -> Any:
        return type("Own", (SimpleNamespace,), {"__call__": staticmethod(call)})(**attributes)

    plain = {"name": "own", "higher_is_better": None}
    for metric, message in (
        (like(), "needs a `name`"),
        (like(name="a/b"), "needs a `name`"),
        (like(name="dice"), "is called dice, which is taken"),
        (like(name="own"), "does not say whether higher_is_better"),
        (like(**plain, decimals="2"), "decimals is '2'; give a whole number"),
        (like(**plain, decimals=-1), "decimals is -1; give a whole number of 0 or more"),
        (like(**plain, unit=7), "unit is 7; give a text$"),
        (like(name="own", higher_is_better=1), "higher_is_better is 1; give True, False or None"),
        (like(**plain, per_class=True), "own is per_class, and this task scores no classes"),
    ):
        with pytest.raises(UserError, match=rf"^task\.metrics: .*{message}"):
            OutsideMetrics([metric])
    with pytest.raises(UserError, match="is not a metric"):
        OutsideMetrics([{"name": "own"}])
    with pytest.raises(UserError, match="two are called own"):
        OutsideMetrics([like(**plain), like(**plain)])
    for call, message in {
        lambda prediction, truth: [1, 2]: "own gives 2 numbers for case-1; give one number",
        lambda prediction, truth: 1 / 0: r"own fails for case-1 \(ZeroDivisionError: division by zero\)",
        lambda prediction, truth: "high": "own fails for case-1",
        lambda prediction, truth: float("-inf"): "own gives inf for case-1; give finite numbers, or NaN",
    }.items():
        with pytest.raises(UserError, match=rf"^task\.metrics: {message}"):
            OutsideMetrics([like(call, **plain)]).named("case-1", torch.zeros(2), torch.zeros(2))
    outside = OutsideMetrics(
        [like(lambda prediction, truth: [0.0] * 4, **plain, per_class=True)], classes=True
    )
    with pytest.raises(
        UserError, match=r"own gives 4 numbers for a; give one number per class except .*: 1$"
    ):
        outside.values("a", torch.zeros(2), torch.zeros(2), ["lesion"])
    assert register(like(**plain)) == Score("own")


def test_a_task_that_scores_sets_says_so(command: Any) -> None:
    done = command("task=detection", f"task.metrics=[{{_target_: {HERE}.Largest}}]")
    assert done.returncode == 2
    assert done.stderr == (
        "error: task.metrics: this task scores a set as a whole; task=segmentation, task=enhancement and "
        "task=translation take metrics of a case\n"
    )


def test_means_of_metrics_of_ones_own() -> None:
    """Over volumes, and of those per class over the classes; background alone has none of these."""
    outside = OutsideMetrics([VolumeDifference(), Recall()], classes=True)
    table = VolumeScores(("background", "a", "b", "c"), outside=outside)
    truth = torch.tensor([[1, 1, 2, 3]])
    table.update("first", truth, truth, (1, 1))
    table.update("second", torch.tensor([[1, 0, 2, 0]]), truth, (1, 1))
    result = table.compute()
    assert result["rvd"] == 25 and result["recall/a"] == 0.75 and result["recall/c"] == 0.5
    assert result["recall"] == 0.75 and float(result["dice/b"]) == 1
    rows = table.per_case()
    assert [row["rvd"] for row in rows] == [0, 50] and [row["recall/a"] for row in rows] == [1, 0.5]
    assert not set(VolumeScores(("background", "a")).compute()) & {"rvd", "recall"}
