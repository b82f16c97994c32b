"""Runs that answer as one: their mean, worked out by hand, and what does not belong together."""

from __future__ import annotations

import copy
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch

from ganatomy.data.records import Record
from ganatomy.errors import UserError
from ganatomy.inference.ensembles.ensemble import check_together, ensemble, load_runs, member_tasks
from ganatomy.inference.ensembles.members import Members, rows_of
from ganatomy.inference.inputs import inputs
from ganatomy.inference.loaded import LoadedRun, load_run
from ganatomy.inference.predictor import Predictor

Finished = Callable[[str], Path]
FILES = {"segmentation": "files/images", "enhancement": "files/noisy"}


def other(run: LoadedRun, seed: int) -> LoadedRun:
    """The same run, as if from another seed: weights a little off."""
    task = copy.deepcopy(run.task)
    draw = torch.Generator().manual_seed(seed)
    with torch.no_grad():
        for values in task.evaluator.parameters():
            values += 0.05 * values.std(unbiased=False) * torch.randn(values.shape, generator=draw)
    return replace(run, task=task, path=run.path / f"../seed{seed}", weights_hash=f"{seed}")


def predictor(loaded: LoadedRun, run: Path, name: str) -> Predictor:
    return Predictor(loaded, inputs(loaded.preprocessing, run.parent / FILES[name]))


def softs(
    runs: list[LoadedRun], at: Predictor, record: Record, axes: tuple[tuple[int, ...], ...] = ((),)
) -> Any:
    """Soft predictions of single runs for a case, one after another: [members, B, ...]."""
    batch = at.read(record).batch
    found = []
    for run in runs:
        for each in axes:
            dims = [axis + 2 for axis in each]
            flipped = {**batch, "image": batch["image"].flip(dims)}
            with run.precision():
                found.append(run.task.soft_prediction(flipped).flip(dims))
    return torch.stack(found).double().numpy()


def test_a_single_run_as_an_ensemble_answers_the_same_bits(finished: Finished) -> None:
    run = finished("segmentation")
    alone, joined = load_run(run), load_runs(run, doubt=True)
    assert alone.task.members is None and joined.task.members is not None
    assert joined.weights_hash == alone.weights_hash and load_runs([run]).task.members is None
    one, two = (predictor(each, run, "segmentation") for each in (alone, joined))
    for record in one.records:
        ours, theirs = one(record), two(record)
        assert np.array_equal(ours.values, theirs.values) and not ours.maps
        assert set(theirs.maps) == {"entropy"} and theirs.maps["entropy"].values.shape == ours.values.shape


@pytest.mark.parametrize("name", ["segmentation", "enhancement"])
def test_the_answer_is_that_of_the_mean(finished: Finished, name: str) -> None:
    run = finished(name)
    members = [load_run(run), *(other(load_run(run), seed) for seed in (1, 2))]
    plain = predictor(replace(members[0], task=copy.deepcopy(members[0].task)), run, name)
    record = plain.records[0]
    each = softs(members, plain, record)
    at = predictor(ensemble(members), run, name)
    answer = at.compute(at.read(record))
    assert answer.array is not None
    if name == "segmentation":
        assert np.array_equal(answer.array.numpy()[0], each.mean(0).argmax(1)[0])
        p = each.mean(0)[0]
        whole = -(p * np.log(np.maximum(p, 1e-30))).sum(0)
        assert np.allclose(answer.maps["entropy"][0], whole, atol=1e-5)
        assert answer.values["entropy"] == pytest.approx(whole[1 - p[0] >= 0.01].mean(), abs=1e-5)
        assert set(answer.maps) == {"entropy", "mutual_information", "variance"}
        assert answer.values["mutual_information"] > 0
    else:
        case = at.read(record).case
        batch = at.read(record).batch
        scale = batch["target_scale" if "target_scale" in batch else "scale"][0].double().numpy().ravel()[0]
        spread = np.moveaxis(each.std(0)[:, 0], 0, -1) * scale
        assert np.allclose(answer.maps["deviation"][0], spread, rtol=1e-3, atol=1e-4 * scale)
        assert answer.values["deviation"] == pytest.approx(spread.mean(), rel=1e-3)
        written = at(record).maps["deviation"]
        assert written.numbers.dtype == np.float32 and written.numbers.shape == case["image"].shape


def test_mirror_images_are_members(finished: Finished) -> None:
    run = finished("segmentation")
    loaded = load_run(run)
    plain = predictor(replace(loaded, task=copy.deepcopy(loaded.task)), run, "segmentation")
    record = plain.records[1]
    each = softs([plain.loaded], plain, record, ((), (0,), (1,), (0, 1)))
    at = predictor(ensemble([loaded], mirror_axes=[0, 1]), run, "segmentation")
    at.compute(at.read(record))
    members = loaded.task.members
    assert isinstance(members, Members) and members.count == 4 and members.averaging is not None
    assert np.allclose(members.averaging.mean().numpy(), each.mean(0), atol=1e-6)
    variance = members.averaging.maps()["variance"].numpy()
    assert np.allclose(variance, each.var(0).sum(1), atol=1e-6) and variance.max() > 0


def test_no_axes_are_no_mirror_images_also_where_the_run_has_some(finished: Finished) -> None:
    run = finished("segmentation")
    loaded = load_run(run)
    loaded.task.mirror_axes = (1,)
    assert ensemble([loaded]).task.mirror_axes == (1,) and loaded.task.members.count == 1
    assert ensemble([loaded], mirror_axes=[]).task.mirror_axes == () and loaded.task.members.count == 1
    assert ensemble([loaded], mirror_axes=[1]).task.mirror_axes == () and loaded.task.members.count == 2
    assert member_tasks(loaded) == [loaded.task]


def with_dropout(loaded: LoadedRun) -> None:
    """Drop half of the logits' channels."""
    network = loaded.task.evaluator
    name, last = list(network.named_children())[-1]
    setattr(network, name, torch.nn.Sequential(last, torch.nn.Dropout2d(0.5)))
    network.eval()


def test_dropout_is_a_function_of_seed_case_and_pass(finished: Finished) -> None:
    run = finished("segmentation")
    loaded = load_run(run)
    with pytest.raises(UserError, match=r"samples=3: the network of .* has no dropout"):
        ensemble([loaded], samples=3)
    with_dropout(loaded)
    made = {}
    for seed in (0, 1):
        at = predictor(ensemble([loaded], samples=3, seed=seed), run, "segmentation")
        state = torch.get_rng_state()
        answers = [at.compute(at.read(record)) for record in (at.records[0], at.records[1], at.records[0])]
        assert torch.equal(torch.get_rng_state(), state), "the random state outside is untouched"
        assert torch.equal(answers[0].maps["variance"], answers[2].maps["variance"])
        assert answers[0].maps["variance"].max() > 0
        made[seed] = answers[0].maps["variance"]
    assert not torch.equal(made[0], made[1])
    assert not any(layer.training for layer in loaded.task.evaluator.modules())


def test_company_in_a_batch_changes_nothing(finished: Finished) -> None:
    """Rows of several cases, mixed, get the dropout of their own case."""
    run = finished("segmentation")
    loaded = load_run(run)
    with_dropout(loaded)
    members = Members([loaded.task], 2, samples=2)
    image = torch.randn(4, 1, 32, 32, generator=torch.Generator().manual_seed(0))
    batch = {"image": image, "case": ["b", "a", "b", "c"]}
    with loaded.precision():
        whole = members(batch)
        for rows in ([0, 2], [1], [3]):
            assert torch.allclose(members(rows_of(batch, rows)), whole[rows], atol=1e-6)
        twins = members({"image": image[[0, 0]], "case": ["a", "b"]})
    assert not torch.allclose(twins[0], twins[1], atol=1e-3), "another case has other masks"


def test_thresholds_are_the_mean(finished: Finished) -> None:
    run = finished("segmentation")
    each = [load_run(run), other(load_run(run), 1)]
    for loaded, value in zip(each, (0.2, 0.4), strict=True):
        loaded.task.gate = 0.9
        loaded.task.register_buffer("threshold", torch.tensor(value))
    assert float(ensemble(each).task.threshold) == pytest.approx(0.3)


def test_runs_that_do_not_belong_together_are_named(finished: Finished) -> None:
    first = load_run(finished("segmentation"))
    second = other(first, 1)
    check_together([first, second])
    wrong: dict[str, dict[str, Any]] = {
        "data.classes=.background,cyst.": {"label_classes": ("background", "cyst")},
        "data.channels=3": {"channels": 3},
        "data.spacing=.2.0,2.0.": {"spacing": (2.0, 2.0)},
        "data.intensity=percentile": {"intensity": "percentile"},
    }
    for words, change in wrong.items():
        changed = replace(second, preprocessing=replace(second.preprocessing, **change))
        with pytest.raises(UserError, match=f"seed1: has {words}, .*run has .*share task, classes") as error:
            check_together([first, changed])
        assert "\n" not in str(error.value)
    with pytest.raises(UserError, match="task=EnhancementTask"):
        check_together([first, load_run(finished("enhancement"))])
    gated = other(first, 2)
    gated.task.gate = 0.9
    with pytest.raises(UserError, match=r"has task.gate=0\.9, .* has None"):
        check_together([first, gated])
    with pytest.raises(UserError, match="named twice"):
        check_together([first, first])
    with pytest.raises(UserError, match=r"mirror_axes=\[0, 5\]: choose among \[0, 1\]"):
        ensemble([first], mirror_axes=[0, 5])
    with pytest.raises(UserError, match=r"^samples=-1: must be 0 \(no dropout\) or more$"):
        ensemble([first], samples=-1)
    with pytest.raises(UserError, match="names no run"):
        load_runs([])


def test_sections_of_the_training_data_may_differ(finished: Finished) -> None:
    first = load_run(finished("enhancement"))
    own = {"dtype": "int16", "slope": 1.0, "inter": 0.0, "offset": [1.0], "scale": [2.0]}
    runs = [replace(first, preprocessing=replace(first.preprocessing, target=own, familiarity={"mean": 1}))]
    moved = replace(first.preprocessing, target={**own, "offset": [1.1]}, familiarity={"mean": 2})
    check_together([*runs, replace(other(first, 1), preprocessing=moved)])
    moved = replace(first.preprocessing, target={**own, "dtype": "uint8"})
    with pytest.raises(UserError, match=r"data\.target"):
        check_together([*runs, replace(other(first, 1), preprocessing=moved)])
