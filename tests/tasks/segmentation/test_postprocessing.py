"""Post-processing: against SciPy, brute force and planted faults; chosen, kept, applied and resumed."""

from __future__ import annotations

import json
import math
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from scipy.ndimage import binary_fill_holes, gaussian_filter
from scipy.ndimage import label as connected

from ganatomy.data.sources.brain import Brain
from ganatomy.errors import UserError
from ganatomy.export.bundle.scripts.answers import Labels
from ganatomy.metrics.labelmaps import dice
from ganatomy.tasks.base import AdversarialTask
from ganatomy.tasks.recipe import Recipe
from ganatomy.tasks.segmentation.gate import with_peak
from ganatomy.tasks.segmentation.postprocessing.choice import (
    GAIN,
    Chosen,
    ValidationParts,
    candidates,
    chosen,
    from_row,
    to_row,
)
from ganatomy.tasks.segmentation.postprocessing.postprocessed import PostprocessedTask
from ganatomy.tasks.segmentation.postprocessing.settings import steps_of
from ganatomy.tasks.segmentation.postprocessing.steps import Steps, holes, postprocessed
from tests.test_resume import assert_same_end, run_until

SMALL = [
    *("task=segmentation", "data.augment=[]", "data.subjects=6", "data.size=16", "data.slices=2"),
    *("model.generator.channels=[4,8]", "model.generator.strides=[2]", "model.discriminator.channels=4"),
    *("model.discriminator.num_layers_d=1", "task.postprocess=auto"),
]
CLASSES = ("background", "liver", "lesion")
Train = Callable[..., Path]


def speckled(seed: int, shape: tuple[int, ...], classes: int = 2, wide: float = 1.0) -> np.ndarray:
    """A label map with holes, islands and specks."""
    noise = gaussian_filter(
        np.random.default_rng(seed).normal(size=(classes, *shape)), [0, *[wide] * len(shape)]
    )
    found: np.ndarray = noise.argmax(0) * (noise.max(0) > np.quantile(noise.max(0), 0.4))
    return found.astype(np.uint8)


@pytest.mark.parametrize("shape", [(24, 30), (12, 10, 14)])
def test_holes_of_one_class_are_those_of_scipy(shape):
    for seed in range(5):
        label = (speckled(seed, shape) > 0) * np.uint8(3)
        filled = postprocessed(label, [1] * len(shape), {3: Steps(fill_holes=True)})
        assert np.array_equal(filled == 3, binary_fill_holes(label == 3)) and set(np.unique(filled)) <= {0, 3}


def test_a_hole_belongs_to_the_one_class_around_it():
    """Nested rings, a hole beside two classes, and one at the border of the image."""
    label = np.zeros((15, 15), np.uint8)
    label[1:10, 1:10] = 1
    label[2:9, 2:9] = 0  # between the rings: beside both classes
    label[4:7, 4:7] = 2
    label[5, 5] = 0  # inside of the inner ring
    label[11:14, 0:3] = 1
    label[12, 0:2] = 0  # open to the border
    label[11:14, 8:13] = 1
    label[12, 9], label[12, 10], label[12, 11] = 0, 2, 0  # two holes, each beside both
    owner = holes(label)
    assert np.argwhere(owner).tolist() == [[5, 5]] and owner[5, 5] == 2
    every = {1: Steps(fill_holes=True), 2: Steps(fill_holes=True)}
    assert np.argwhere(postprocessed(label, [1, 1], every) != label).tolist() == [[5, 5]]


@pytest.mark.parametrize("shape", [(24, 30), (12, 10, 14)])
def test_components_touch_by_corners_and_are_measured_in_physical_units(shape):
    """Against SciPy's labels with the full neighbourhood, component by component."""
    spacing = [0.5, 2.0, 1.5][: len(shape)]
    voxel = math.prod(spacing)
    for seed in range(4):
        label = speckled(seed, shape, 3, 0.8)
        numbers, count = connected(label == 1, np.ones([3] * len(shape)))
        sizes = [(numbers == n).sum() * voxel for n in range(1, count + 1)]
        smallest = sorted(sizes)[len(sizes) // 2]
        kept = np.isin(numbers, [n for n in range(1, count + 1) if sizes[n - 1] >= smallest])
        found = postprocessed(label, spacing, {1: Steps(minimum=smallest)})
        assert np.array_equal(found, np.where((label == 1) & ~kept, 0, label))
        assert count > 1 and (sizes.count(smallest) == count or not kept.all())
        largest = postprocessed(label, spacing, {1: Steps(largest=True)})
        assert np.array_equal(largest == 1, numbers == 1 + int(np.argmax(sizes)))
        assert np.array_equal(largest == 2, label == 2)


def test_no_class_depends_on_what_is_done_to_another():
    steps = {1: Steps(True, True), 2: Steps(True, False, 6.0), 3: Steps(False, False, 9.0)}
    for seed in range(4):
        label = speckled(seed, (30, 30), 4, 0.7)
        together = postprocessed(label, [1, 1], steps)
        for number, own in steps.items():
            assert np.array_equal(together == number, postprocessed(label, [1, 1], {number: own}) == number)


def cohort(count: int, seed: int = 0) -> dict[str, tuple[np.ndarray, np.ndarray]]:
    """By case a truth of one blob of each class, and a prediction with specks, holes and misses."""
    rng, found = np.random.default_rng(seed), {}
    rows, columns = np.mgrid[:40, :40]
    for n in range(count):
        truth = np.zeros((40, 40), np.uint8)
        for number, middle in ((1, (12, 12)), (2, (27, 26))):
            centre = middle + rng.integers(-3, 4, 2)
            truth[np.hypot(rows - centre[0], columns - centre[1]) < rng.uniform(5, 8)] = number
        if n % 4 == 3:
            truth[truth == 2] = 0
        prediction = truth.copy()
        prediction[rng.random(truth.shape) < 0.04] = 2  # specks of lesion, everywhere
        prediction[(truth == 1) & (rng.random(truth.shape) < 0.08)] = 0  # holes of the liver
        if n % 2:
            prediction[2:5, 33:38] = 1  # a second liver
        found[f"case{n:02d}"] = truth, prediction
    return found


def parts(
    cases: dict[str, tuple[np.ndarray, np.ndarray]], valid: np.ndarray | None = None
) -> ValidationParts:
    table = ValidationParts(3)
    for case, (truth, prediction) in cases.items():
        table.update(case, prediction, truth, [0.5, 2.0], valid)
    return table


def chosen_of(table: ValidationParts) -> dict[int, Chosen]:
    return {int(number): from_row(row) for number, row in table.compute().items()}


def mean_dice(cases: dict[str, tuple[np.ndarray, np.ndarray]], steps: dict[int, Steps]) -> np.ndarray:
    """By class, of label maps that were really changed; by the score of the project, NaN left out."""
    table = []
    for truth, prediction in cases.values():
        ours = torch.from_numpy(postprocessed(prediction, [0.5, 2.0], steps))
        table.append(dice(ours, torch.from_numpy(truth), 3)[1:].numpy())
    found: np.ndarray = np.ma.masked_invalid(table).mean(0).filled(np.nan)
    return found


def test_the_choice_is_the_best_of_all_that_is_tried():
    """Brute force: every candidate applied to every label map, and scored."""
    cases = cohort(6)
    table = parts(cases)
    found, tried = chosen_of(table), list(table._cases())
    before = mean_dice(cases, {})
    for number in (1, 2):
        options = candidates([case[number - 1] for case in tried])
        assert len(options) > 20
        scores = [mean_dice(cases, {number: steps})[number - 1] for steps in options]
        assert found[number].after == pytest.approx(max(scores), abs=1e-6)
        assert found[number].before == pytest.approx(before[number - 1], abs=1e-6)
        assert mean_dice(cases, {number: found[number].steps})[number - 1] == pytest.approx(max(scores))
        assert max(scores) > before[number - 1] + 0.05
    both = mean_dice(cases, {number: each.steps for number, each in found.items()})
    assert both == pytest.approx([found[1].after, found[2].after], abs=1e-6)


def test_what_was_planted_is_taken_away():
    found = chosen_of(parts(cohort(8)))
    assert found[1].steps.fill_holes and (found[1].steps.largest or found[1].steps.minimum > 15)
    assert not found[2].steps.largest or found[2].steps.minimum == 0
    assert found[2].steps.minimum > 2 or found[2].steps.largest
    truth = {case: (truth, truth) for case, (truth, _) in cohort(8).items()}
    assert all(
        not each.steps.any and each.after == each.before == 1 for each in chosen_of(parts(truth)).values()
    )


def test_the_largest_component_is_not_kept_where_there_are_two():
    """Two lungs of one size: to keep one would halve the Dice."""
    lungs = np.zeros((40, 40), np.uint8)
    lungs[8:30, 4:14], lungs[8:30, 24:34] = 1, 1
    cases = {}
    for n in range(4):
        speck = lungs.copy()
        speck[36, 2 + n : 4 + n] = 1
        cases[f"case{n}"] = lungs, speck
    steps = chosen_of(parts(cases))[1].steps
    assert not steps.largest and 2 < steps.minimum <= 220 and not steps.fill_holes


def test_what_suits_one_case_alone_is_not_taken():
    """Specks of five voxels in one case, a true lesion of five in another.

    The mean is best without what has five voxels, by what the first case gains. Chosen without that case,
    nothing would be done to it; chosen without the second, its lesion would be lost.
    """
    specks = np.zeros((40, 40), np.uint8)
    specks[0:36:6, 2:14] = 1
    lesions = np.zeros((40, 40), np.uint8)
    lesions[0:30:6, 2:22], lesions[30, 2:7] = 1, 1
    found = specks.copy()
    found[3:39:6, 2:7] = 1
    cases = {"specks": (specks, found), "lesions": (lesions, lesions)}
    table = parts(cases)
    options = candidates([case[0] for case in table._cases()])
    scores = [mean_dice(cases, {1: steps})[0] for steps in options]
    assert max(scores) > scores[0] + 0.05
    assert not chosen_of(table)[1].steps.any
    alone = {f"case{n}": cases["specks"] for n in range(3)}
    assert not chosen_of(parts({"case0": alone["case0"]}))[1].steps.any, "one case has no others"
    assert 5 < chosen_of(parts(alone))[1].steps.minimum <= 12
    assert 5 < chosen_of(parts(alone | {"lesions": cases["lesions"]}))[1].steps.minimum <= 12


def test_a_gain_too_small_changes_nothing():
    """One voxel of 1200 in one case of four: below `GAIN`."""
    truth = np.zeros((40, 60), np.uint8)
    truth[2:32, 2:42] = 1
    speck = truth.copy()
    speck[38, 50] = 1
    cases = {f"case{n}": (truth, speck if n == 0 else truth) for n in range(8)}
    gain = mean_dice(cases, {1: Steps(largest=True)})[0] - mean_dice(cases, {})[0]
    assert 0 < gain < GAIN and not chosen_of(parts(cases))[1].steps.any


def test_voxels_that_do_not_count_do_not_decide():
    """Specks where the truth is unknown are not worth a step; where it is known they are."""
    truth = np.zeros((40, 40), np.uint8)
    truth[5:20, 5:20] = 1
    speckles = truth.copy()
    speckles[30:36:2, 30:36:2] = 1
    valid = np.ones(truth.shape, bool)
    valid[28:, 28:] = False
    cases = {f"case{n}": (truth, speckles) for n in range(3)}
    assert chosen_of(parts(cases))[1].steps.any
    assert chosen_of(parts(cases, valid))[1] == Chosen(Steps(), 1.0, 1.0)


def test_cases_without_truth_do_not_decide_and_a_case_counts_once():
    """As in `VolumeScores`; the same from two processes that share a case, in any order."""
    cases = cohort(5)
    whole = chosen_of(parts(cases))
    empty = {"empty": (np.zeros((40, 40), np.uint8), next(iter(cases.values()))[1])}
    assert chosen_of(parts(cases | empty)) == whole
    names = list(cases)
    one, other = (parts({name: cases[name] for name in each}) for each in (names[2:], names[:3]))
    for state in ("names", "counts", "totals", "parts"):
        getattr(other, state).extend(getattr(one, state))
    assert chosen_of(other) == whole
    nothing = chosen([])
    assert not nothing.steps.any and math.isnan(nothing.before) and math.isnan(nothing.after)


def test_a_choice_survives_as_numbers():
    choice = Chosen(Steps(True, False, 12.345678901), 0.5, 0.75)
    assert from_row(to_row(choice)) == choice


@pytest.mark.parametrize(
    ("given", "liver", "lesion"),
    [
        (["largest"], Steps(largest=True), Steps(largest=True)),
        ("fill_holes", Steps(True), Steps(True)),
        ([{"largest": {"liver": True}}, "fill_holes", {"minimum": {"lesion": 20}}],
         Steps(True, True), Steps(True, False, 20.0)),
        ({"minimum": 5}, Steps(minimum=5.0), Steps(minimum=5.0)),
        ([{"minimum": {"liver": 0.5}}, {"fill_holes": {"lesion": True, "liver": False}}],
         Steps(minimum=0.5), Steps(True)),
    ],
)  # fmt: skip
def test_settings_are_read(given, liver, lesion):
    assert steps_of(given, CLASSES) == {1: liver, 2: lesion}


@pytest.mark.parametrize(
    ("given", "words"),
    [
        ("automatic", "choose null, auto or a list"),
        ([], "choose null, auto"),
        ({}, "choose null, auto"),
        ([{}], "{} is no step"),
        ({"largest": {}}, "names no class"),
        ([3], "3 is no step"),
        (["smallest"], "smallest is no step; choose largest, fill_holes, minimum"),
        ([{"largest": {"livre": True}}], "livre is no class; choose of liver, lesion"),
        ([{"largest": {"background": True}}], "background is no class"),
        ([{"largest": 3}], "task.postprocess.largest: 3; give true or false"),
        (["minimum"], "minimum: true; give the size of the smallest component"),
        ([{"minimum": {"lesion": -1}}], "minimum of lesion: -1"),
        (["fill_holes", {"fill_holes": {"liver": True}}], "fill_holes is given twice"),
    ],
)
def test_settings_that_mean_nothing_are_refused(given, words):
    with pytest.raises(UserError, match=words) as refusal:
        steps_of(given, CLASSES)
    assert "\n" not in str(refusal.value) and "task.postprocess" in str(refusal.value)


@pytest.fixture
def small() -> Callable[..., list[str]]:
    return lambda *words: [*SMALL, *words]


def test_slices_are_treated_as_the_volume_they_are_of(prepared: Any) -> None:
    """Rows in any order; a speck that hangs on to a component of the next slice stays."""
    _, task = prepared()
    volume = np.zeros((8, 8, 4), np.uint8)
    volume[2:5, 2:5, 1], volume[4, 4, 2], volume[5, 5, 3] = 2, 2, 2  # one component, through corners
    volume[0, 7, 0] = 2
    order = [2, 0, 3, 1]
    labels = torch.from_numpy(np.moveaxis(volume, 2, 0)[order][:, None].copy())
    batch = {"case": ["a"] * 4, "slice": torch.tensor(order), "spacing": torch.tensor([[1.0, 1.0, 2.0]] * 4)}
    task.postprocessing[1] = to_row(Chosen(Steps(minimum=3.0), 0.0, 0.0))
    expected = volume.copy()
    expected[0, 7, 0] = 0
    found = task.processed(batch, labels)
    assert np.array_equal(found[:, 0].numpy(), np.moveaxis(expected, 2, 0)[order])
    assert labels.sum() == 2 * 12, "the input stays as it is"
    task.postprocessing[1] = to_row(Chosen(Steps(minimum=2.0), 0.0, 0.0))
    assert torch.equal(task.processed(batch, labels), labels)  # a voxel is 2 mm³


def test_the_gate_comes_after(prepared: Any) -> None:
    data, task = prepared("task.gate=0.5")
    assert {"raw", "ungated"} <= set(task.tables)
    task.postprocessing[:] = torch.stack([to_row(Chosen(Steps(largest=True), 0.0, 0.0))] * 3)
    batch = next(iter(data.test_dataloader()))
    seen: dict[str, torch.Tensor] = {}
    task.score = lambda stage, batch, labels: seen.update({stage: labels})
    task.threshold.fill_(2.0)
    task._evaluate("test", batch)
    raw = task._find(batch)[1]
    assert torch.equal(seen["raw"], raw) and torch.equal(seen["ungated"], task.processed(batch, raw))
    assert not seen["test"].any() and not torch.equal(seen["raw"], seen["ungated"])


@pytest.mark.parametrize("masked", [False, True])
@pytest.mark.parametrize("stack", [False, True])
def test_a_bundle_decides_as_the_task(prepared: Any, stack: bool, masked: bool) -> None:
    """A stack of slices is post-processed as the volume it is, in mm³, in the region and before the gate."""
    _, task = prepared("task.gate=0.9")
    rows = 5 if stack else 1
    drawn = torch.Generator().manual_seed(rows)
    noise = torch.randn(rows, 4, 18, 18, generator=drawn)
    soft = (6 * torch.nn.functional.avg_pool2d(noise, 3, 1)).softmax(1)
    region = torch.rand(rows, 1, 16, 16, generator=drawn) > 0.1
    spacing = [0.5, 0.5, 3.0] if stack else [0.5, 0.5]
    steps = {1: Steps(fill_holes=True, minimum=4.0), 2: Steps(largest=True)}
    for number in (1, 2, 3):
        task.postprocessing[number - 1] = to_row(Chosen(steps.get(number, Steps()), 0.0, 0.0))
    batch: dict[str, Any] = {"case": ["a"] * rows, "spacing": torch.tensor([spacing] * rows)}
    batch |= {"slice": torch.arange(rows)} if stack else {}
    batch |= {"mask": region} if masked else {}
    file = {"spacing": np.array(spacing)} | ({"mask": region.numpy()} if masked else {})
    image = soft[:, :1] if stack else soft[0, :1]
    told = json.loads(json.dumps({str(number): vars(own) for number, own in task.own_steps.items()}))
    assert set(told) == {"1", "2"}
    peaked, labels = with_peak(batch, task.labelling, soft)
    peak = float(peaked["peak"].amax())
    for threshold, empty in ((peak - 1e-3, False), (peak + 1e-3, True)):
        task.threshold.fill_(threshold)
        decided = task.decide(batch, soft)
        expected = decided.movedim(0, -1)[0] if stack else decided[0, 0]
        bundle = Labels(threshold=threshold, steps=told)
        found = bundle({"pred": soft, "image": image, "file": file})["pred"][0]
        assert torch.equal(found.long(), expected.long()) and bool(found.any()) is not empty
        assert empty or not torch.equal(decided, labels)


def test_runs_that_answer_together_take_what_most_of_them_chose(prepared: Any) -> None:
    tasks = [prepared()[1] for _ in range(3)]
    for task, steps in zip(tasks, [Steps(True, False, 4.0), Steps(True, True, 10.0), Steps()], strict=True):
        task.postprocessing[0] = to_row(Chosen(steps, 0.1, 0.2))
    tasks[0].join(tasks[1:])
    assert tasks[0].chosen[1].steps == Steps(True, False, 4.0)
    assert not tasks[0].chosen[2].steps.any


@pytest.mark.slow
def test_a_run_keeps_its_choice_applies_it_everywhere_and_resumes_exactly(train_small: Train) -> None:
    """The choice of best.ckpt is that of the test, of postprocessing.json and of a finished run."""
    from ganatomy.inference.loaded import load_run
    from ganatomy.inference.predictor import Predictor

    words = [
        "trainer.max_steps=6",
        "trainer.val_every=2",
        "callbacks.checkpoint_every=2",
        "data.sampling=classes:1",
        "logger=csv",
        "data.subjects=9",
        "data.split=[4,4,1]",
    ]
    run = train_small("whole", *words)
    run_until(3, train_small, "broken", *words)
    train_small("broken", resume=True)
    assert_same_end(run, run.parent / "broken")
    best = torch.load(run / "checkpoints" / "best.ckpt", weights_only=True)["state_dict"]["postprocessing"]
    loaded = load_run(run, "cpu")
    assert isinstance(loaded.task, PostprocessedTask) and torch.equal(loaded.task.postprocessing, best)  # type: ignore[arg-type]
    written = json.loads((run / "postprocessing.json").read_text())
    assert list(written) == ["csf", "gm", "wm"]
    for number, (name, entry) in enumerate(written.items(), 1):
        choice = from_row(best[number - 1])
        assert {key: entry[key] for key in vars(choice.steps)} == vars(choice.steps), name
        assert entry["validation_dice"] == {"without": choice.before, "with": choice.after}
    scores = json.loads((run / "metrics.json").read_text())
    assert {"baseline/raw/dice", "baseline/raw/dice/gm", "test/dice/gm"} <= scores.keys()

    assert best[:, :3].any(), "nothing was chosen, so nothing is tested"
    cfg = loaded.cfg.data.extra
    source = Brain(9, int(cfg["size"]), int(cfg["slices"]))
    record = replace(source.records()[0], split="test")
    answer = Predictor(loaded, source, [record])(record).values
    loaded.task.postprocessing.zero_()  # type: ignore[union-attr, operator]
    plain = Predictor(loaded, source, [record])(record).values
    assert answer is not None and plain is not None
    steps = {number: from_row(row).steps for number, row in enumerate(best, 1)}
    spacing = source.load(record)["spacing"]
    assert np.array_equal(answer[0], postprocessed(plain[0], spacing, steps))
    assert not np.array_equal(answer, plain)


def test_validation_scores_are_those_of_the_network(prepared: Any) -> None:
    """The monitored score does not depend on what is chosen; the Dice before the steps is that score."""
    data, task = prepared()
    for batch in data.val_dataloader():
        with torch.no_grad():
            task._evaluate("val", batch)
    scores = task.scores("val")
    for number, name in enumerate(("csf", "gm", "wm"), 1):
        assert task.chosen[number].before == pytest.approx(scores[f"dice/{name}"], abs=1e-6)
        assert task.chosen[number].after >= task.chosen[number].before


def test_the_test_chooses_nothing(prepared: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    """Whatever the truth of the test is, the steps stay those of the validation."""
    data, task = prepared()
    with torch.no_grad():
        for batch in data.val_dataloader():
            task._evaluate("val", batch)
        task.scores("val")
        chosen = task.postprocessing.clone()
        monkeypatch.setattr(AdversarialTask, "scores", lambda self, stage: {})
        task.score = lambda stage, batch, labels: None
        for batch in data.test_dataloader():
            task._evaluate("test", {**batch, "label": torch.zeros_like(batch["label"])})
        task.scores("test")
    assert torch.equal(task.postprocessing, chosen) and task.closing_lines


def test_without_the_setting_nothing_is_kept(prepared: Any) -> None:
    _, task = prepared("task.postprocess=null")
    assert "postprocessing" not in task.state_dict() and "raw" not in task.tables
    labels = torch.ones(1, 1, 4, 4)
    assert task.processed({}, labels) is labels
    assert isinstance(task.recipe, Recipe)
