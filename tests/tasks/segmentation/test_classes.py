"""Classes and regions against NumPy and nnU-Net's published rule; where the truth counts."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
import torch

from ganatomy.data.records import IGNORED
from ganatomy.tasks.segmentation.classes import Classes, Labelling, Regions, labelling_of
from ganatomy.tasks.segmentation.gate import suspicion, with_peak
from ganatomy.tasks.segmentation.mask_encoding import MASKS, encoded
from ganatomy.tasks.segmentation.self_training import SelfTraining

NAMES = ("background", "edema", "core", "enhancing")
BRATS = {"whole": [1, 2, 3], "core": [2, 3], "enhancing": [3]}
ORDERS = {"nested": (BRATS, [1, 2, 3]), "crossing": ({"a": [1, 2], "b": [2, 3]}, [2, 3])}


def regions(kind: str = "nested", ignores: bool = False) -> Regions:
    own, order = ORDERS[kind]
    return Regions(NAMES, own, list(enumerate(order)), ignores)


def nnunet_labels(probabilities: np.ndarray, order: list[int]) -> np.ndarray:
    """LabelManager.convert_probabilities_to_segmentation of nnU-Net 2.5, as it is written there."""
    segmentation = np.zeros(probabilities.shape[1:], np.uint16)
    for i, c in enumerate(order):
        segmentation[probabilities[i] > 0.5] = c
    return segmentation


@pytest.mark.parametrize("dims", [2, 3])
@pytest.mark.parametrize("kind", ORDERS)
def test_regions_are_written_as_nnunet_writes_them(kind: str, dims: int) -> None:
    own, order = ORDERS[kind]
    labelling = regions(kind)
    drawn = torch.rand(4, len(own), *[9, 8, 7][:dims], generator=torch.Generator().manual_seed(0))
    drawn[0, 0] = 0.5  # not inside
    written = labelling.labels(drawn)
    assert written.shape == (4, 1, *drawn.shape[2:]) and len(written.unique()) > 2
    for row in range(4):
        np.testing.assert_array_equal(written[row, 0], nnunet_labels(drawn[row].numpy(), order))


@pytest.mark.parametrize("kind", ORDERS)
def test_the_truth_of_regions_is_membership(kind: str) -> None:
    label = torch.randint(-1, 4, (3, 1, 10, 10), generator=torch.Generator().manual_seed(0))
    truth = regions(kind).truth(label)
    for place, values in enumerate(ORDERS[kind][0].values()):
        np.testing.assert_array_equal(truth[:, place], np.isin(label[:, 0], values))
    assert truth.dtype == torch.float32


def test_the_truth_of_classes_is_one_hot() -> None:
    label = torch.randint(-1, 4, (3, 1, 10, 10), generator=torch.Generator().manual_seed(0))
    expected = np.eye(4)[np.maximum(label[:, 0].numpy(), 0)]
    np.testing.assert_array_equal(Classes(NAMES).truth(label).movedim(1, -1), expected)
    assert Classes(NAMES).groups == {"edema": (1,), "core": (2,), "enhancing": (3,)}


def test_regions_written_and_read_again_are_the_same_where_they_are_nested() -> None:
    label = torch.randint(0, 4, (2, 1, 12, 12), generator=torch.Generator().manual_seed(1))
    labelling = regions()
    assert torch.equal(labelling.labels(labelling.truth(label)).long(), label)


def test_probabilities_are_softmax_or_sigmoid() -> None:
    logits = torch.randn(2, 3, 4, 4, generator=torch.Generator().manual_seed(0))
    torch.testing.assert_close(Classes(NAMES[:3]).probabilities(logits).sum(1), torch.ones(2, 4, 4))
    np.testing.assert_allclose(regions().probabilities(logits), 1 / (1 + np.exp(-logits.numpy())), rtol=1e-5)


@pytest.mark.parametrize("ignores", [False, True])
@pytest.mark.parametrize("masked", [False, True])
def test_where_the_truth_counts(ignores: bool, masked: bool) -> None:
    label = torch.tensor([[[[0, IGNORED, 1, IGNORED]]]])
    batch: dict[str, Any] = {"label": label}
    if masked:
        batch["mask"] = torch.tensor([[[[True, True, False, False]]]])
    found = Classes(NAMES, ignores).valid(batch)
    if not ignores and not masked:
        assert found is None
        return
    expected = np.ones(4, bool)
    expected &= [True, False, True, False] if ignores else True
    expected &= [True, True, False, False] if masked else True
    assert found is not None and found.flatten().tolist() == expected.tolist()


def test_all_batches_go_one_way_even_those_without_an_ignored_voxel() -> None:
    batch = {"label": torch.zeros(1, 1, 2, 2, dtype=torch.long)}
    found = Classes(NAMES, True).valid(batch)
    assert found is not None and bool(found.all())


@pytest.mark.parametrize("masks", MASKS)
@pytest.mark.parametrize("labelling", [Classes(NAMES[:3]), regions()], ids=["classes", "regions"])
def test_the_discriminator_sees_nothing_of_what_does_not_count(masks: Any, labelling: Labelling) -> None:
    """Neither label nor logits matter there, and no gradient comes back."""
    draw = torch.Generator().manual_seed(0)
    logits = torch.randn(2, 3, 6, 6, generator=draw).requires_grad_()
    label = torch.randint(0, 3, (2, 1, 6, 6), generator=draw)
    valid = torch.rand(2, 1, 6, 6, generator=draw) > 0.4
    truth, prediction = encoded(masks, labelling, label, logits, valid)
    assert torch.equal(truth.masked_select(~valid), prediction.masked_select(~valid))
    ((truth + prediction) * torch.randn(truth.shape, generator=draw)).sum().backward()
    assert logits.grad is not None
    assert not logits.grad.masked_select(~valid).any() and logits.grad.masked_select(valid).all()
    other = torch.where(valid, logits, torch.randn(logits.shape, generator=draw)).detach()
    again = encoded(masks, labelling, label.where(valid, 2), other, valid)
    assert torch.equal(again[0], truth) and torch.equal(again[1], prediction)
    plain = encoded(masks, labelling, label, logits, None)
    for part, whole in zip((truth, prediction), plain, strict=True):
        assert torch.equal(part.masked_select(valid), whole.masked_select(valid))


@pytest.mark.parametrize("masks", MASKS)
def test_one_region_is_encoded_as_the_second_of_two_classes(masks: Any) -> None:
    """sigmoid(a - b) is the softmax of (b, a)."""
    logits = torch.randn(2, 2, 8, 8, generator=torch.Generator().manual_seed(0))
    label = torch.randint(0, 2, (2, 1, 8, 8), generator=torch.Generator().manual_seed(1))
    classes = encoded(masks, Classes(NAMES[:2]), label, logits, None)
    own = Regions(NAMES[:2], {"x": [1]}, [(0, 1)])
    found = encoded(masks, own, label, logits[:, 1:] - logits[:, :1], None)
    for one, other in zip(classes, found, strict=True):
        torch.testing.assert_close(other[:, 0], one[:, 1])


@pytest.mark.parametrize("labelling", [Classes(NAMES[:3]), regions()], ids=["classes", "regions"])
def test_answers_and_suspicion_stay_in_the_region_of_interest(labelling: Labelling) -> None:
    probabilities = labelling.probabilities(
        torch.randn(3, 3, 20, 20, generator=torch.Generator().manual_seed(0))
    )
    mask = torch.zeros(3, 1, 20, 20, dtype=torch.bool)
    mask[..., 4:9, 4:9] = True
    found, labels = with_peak({"case": list("abc"), "mask": mask}, labelling, probabilities)
    whole = labelling.labels(probabilities)
    assert torch.equal(labels[mask], whole[mask]) and not labels[~mask].any() and whole[~mask].any()
    lesion = labelling.findings(probabilities).numpy().max(1)[:, 4:9, 4:9].reshape(3, -1)
    np.testing.assert_allclose(found["peak"], lesion.max(1), rtol=1e-6)  # 0.003 of 400 pixels is one
    assert (suspicion(labelling.findings(probabilities)) >= found["peak"]).all()


@pytest.mark.parametrize("sigmoid", [False, True])
def test_self_training_leaves_out_what_lies_outside(sigmoid: bool) -> None:
    from ganatomy.adversarial import LOSSES, read_output

    logits = torch.randn(2, 3, 8, 8, generator=torch.Generator().manual_seed(0)).requires_grad_()
    valid = torch.rand(2, 1, 8, 8, generator=torch.Generator().manual_seed(1)) > 0.5
    output = read_output(torch.full((2, 1, 8, 8), 9.0))
    loss = LOSSES["non_saturating"]()
    found = SelfTraining(weight=1.0).losses(logits, output, loss, valid, sigmoid)["self_training"]
    found.backward()
    assert logits.grad is not None
    assert not logits.grad.masked_select(~valid).any() and logits.grad.masked_select(valid).all()
    x = logits.detach().numpy().astype(np.float64)
    if sigmoid:
        entropy = np.log1p(np.exp(-np.abs(x))).mean(1)
    else:
        entropy = np.log(np.exp(x - x.max(1, keepdims=True)).sum(1))
    assert found.item() == pytest.approx(float((entropy * valid[:, 0].numpy()).mean()), rel=1e-5)


def test_a_run_without_anything_special_has_classes() -> None:
    assert isinstance(labelling_of(NAMES, None), Classes) and not labelling_of(NAMES, None).ignores
    found = labelling_of(NAMES, {"regions": BRATS, "order": [[0, 1], [1, 2], [2, 3]], "ignores": True})
    assert isinstance(found, Regions) and found.ignores and tuple(found.groups) == tuple(BRATS)
    assert found.words.startswith("whole (edema, core, enhancing; written as edema), core (")
