"""Weighted losses: what is given by name, gradients, voxels that do not count, heads, class weights."""

from __future__ import annotations

from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest
import torch
from sklearn.utils.class_weight import compute_class_weight
from torch import Tensor, nn

from ganatomy.errors import UserError
from ganatomy.tasks.segmentation.classes import Classes, Regions
from ganatomy.tasks.segmentation.losses import LOSSES, SegmentationLoss, maps
from ganatomy.tasks.segmentation.losses.class_weights import balanced, listed, with_class_weights
from ganatomy.tasks.shared.heads import head_weights, heads_of

ALL = {name: {"weight": 1.0, "ramp": 0.0} for name in LOSSES}
KINDS = pytest.mark.parametrize("sigmoid", [False, True], ids=["classes", "regions"])


class Absolute(nn.Module):
    """A loss of the user's own, with a parameter."""

    def __init__(self) -> None:
        super().__init__()
        self.scale = nn.Parameter(torch.ones(()))

    def forward(self, logits: Tensor, truth: Tensor) -> Tensor:
        return self.scale * (logits.sigmoid() - truth).abs().mean()


def example(dims: int = 2, batch: int = 2) -> tuple[Tensor, Tensor, Tensor]:
    """Logits of three classes, their truth, and where it counts."""
    torch.manual_seed(dims)
    sides = (8, 9, 6)[:dims]
    label = torch.randint(0, 3, (batch, *sides))
    truth = torch.nn.functional.one_hot(label, 3).movedim(-1, 1).float()
    return 2 * torch.randn(batch, 3, *sides), truth, torch.rand(batch, 1, *sides) < 0.6


@KINDS
@pytest.mark.parametrize("dims", [2, 3])
@pytest.mark.parametrize("weights", [None, [1, 4, 2]])
def test_a_voxel_that_does_not_count_has_no_share_and_no_gradient(
    sigmoid: bool, dims: int, weights: Any
) -> None:
    logits, truth, valid = example(dims)
    given = {**ALL, "mine": {"weight": 1.0, "loss": Absolute()}}
    loss = SegmentationLoss(given, weights, sigmoid)
    logits.requires_grad_()
    found = loss(logits, truth, valid)
    for name, value in found.items():
        (gradient,) = torch.autograd.grad(value, logits, retain_graph=True)
        assert gradient.isfinite().all() and not (gradient * ~valid).any(), name
        assert (gradient * valid).any(), name
    others = torch.where(valid, logits, torch.randn_like(logits) * 9)
    for name, value in loss(others, truth, valid).items():
        torch.testing.assert_close(value, found[name], msg=name)
    hidden = torch.where(valid, truth, truth.roll(1, 1))
    changed = loss(logits, hidden, valid)
    for name in set(found) - {"boundary", "cldice", "mine"}:  # these look at the truth around
        torch.testing.assert_close(changed[name], found[name], msg=name)


@KINDS
def test_images_without_a_voxel_that_counts_are_no_loss(sigmoid: bool) -> None:
    logits, truth, _ = example()
    logits.requires_grad_()
    nowhere = torch.zeros(2, 1, *logits.shape[2:], dtype=torch.bool)
    for name, value in SegmentationLoss(ALL, [1, 2, 3], sigmoid)(logits, truth, nowhere).items():
        (gradient,) = torch.autograd.grad(value, logits, retain_graph=True)
        assert float(value.detach()) == pytest.approx(0, abs=1e-6) and not gradient.any(), name


@KINDS
@pytest.mark.parametrize("kind", [torch.float16, torch.bfloat16])
def test_half_precision_loses_no_digits_in_sums(sigmoid: bool, kind: torch.dtype) -> None:
    """Images whose sums are beyond float16's largest number: the float32 loss of the same logits."""
    torch.manual_seed(0)
    label = torch.randint(0, 3, (1, 320, 320))
    truth = torch.nn.functional.one_hot(label, 3).movedim(-1, 1).float()
    logits = torch.randn(1, 3, 320, 320).to(kind).requires_grad_()
    loss = SegmentationLoss({name: 1.0 for name in LOSSES if name != "boundary"}, [1, 4, 2], sigmoid)
    with torch.autocast("cpu", torch.bfloat16, enabled=kind is torch.bfloat16):
        found = loss(logits, truth)
    wanted = loss(logits.detach().float(), truth)
    for name, value in found.items():
        assert value.dtype is torch.float32
        torch.testing.assert_close(value, wanted[name], rtol=1e-6, atol=1e-7, msg=name)
        (gradient,) = torch.autograd.grad(value, logits, retain_graph=True)
        assert gradient.dtype is kind and gradient.isfinite().all(), name


@KINDS
def test_sure_logits_and_absent_classes_have_finite_gradients(sigmoid: bool) -> None:
    truth = torch.zeros(1, 3, 8, 8)
    truth[:, 0] = 1
    for size in (0.0, 300.0):
        logits = (size * (1 - 2 * truth)).requires_grad_()
        for name, value in SegmentationLoss({**ALL, "focal": {"gamma": 0.5}}, None, sigmoid)(
            logits, truth
        ).items():
            (gradient,) = torch.autograd.grad(value, logits, retain_graph=True)
            assert value.isfinite() and gradient.isfinite().all(), (name, size)


def test_a_larger_smooth_counts_false_positives_of_an_absent_class() -> None:
    """MONAI's default has hardly a gradient there."""
    truth = torch.zeros(1, 1, 16, 16)
    slopes = []
    for smooth in (1e-5, 1.0):
        logits = torch.zeros(1, 1, 16, 16, requires_grad=True)
        loss = SegmentationLoss({"dice": {"smooth": smooth}}, sigmoid=True)(logits, truth)["dice"]
        slopes.append(float(torch.autograd.grad(loss, logits)[0].abs().sum()))
    assert slopes[0] < 1e-4 < slopes[1]


@KINDS
@pytest.mark.parametrize("weights", [None, [1, 4, 2]])
def test_shares_of_a_batch_add_up_to_its_loss(
    monkeypatch: pytest.MonkeyPatch, sigmoid: bool, weights: Any
) -> None:
    """As processes do: the mean of a count is that of all of them, each loss counts by its rows."""
    logits, truth, valid = example(batch=5)
    loss = SegmentationLoss(ALL, weights, sigmoid)
    whole: list[Tensor] = []

    def remembered(x: Tensor) -> Tensor:
        whole.append(x.mean())
        return whole[-1]

    monkeypatch.setattr(maps, "batch_mean", remembered)
    wanted = loss(logits, truth, valid)
    found = dict.fromkeys(wanted, torch.zeros(()))
    for rows in (slice(0, 2), slice(2, 5)):
        left = iter(whole)
        monkeypatch.setattr(maps, "batch_mean", lambda x, left=left: next(left))
        part = loss(logits[rows], truth[rows], valid[rows])
        found = {name: found[name] + (rows.stop - rows.start) / 5 * part[name] for name in part}
    for name in wanted:
        torch.testing.assert_close(found[name], wanted[name], msg=name)


@pytest.mark.parametrize(
    ("given", "names"),
    [
        ("tversky", {"tversky"}),
        ({"dice_ce": 1.0, "cldice": 0.5}, {"dice_ce", "cldice"}),
        ({"dice_ce": 1, "focal": 0}, {"dice_ce"}),
        ({"topk": {"percent": 20}, "dice": {"weight": 2}}, {"topk", "dice"}),
    ],
)
def test_losses_are_given_by_name_or_with_weights(given: Any, names: set[str]) -> None:
    logits, truth, _ = example()
    found = SegmentationLoss(given)(logits, truth)
    assert found.keys() == names
    weights = {name: given[name] if isinstance(given, dict) else 1.0 for name in names}
    for name, node in weights.items():
        own = {k: v for k, v in node.items() if k != "weight"} if isinstance(node, dict) else {}
        weight = node.get("weight", 1.0) if isinstance(node, dict) else node
        alone = SegmentationLoss({name: own} if own else name)(logits, truth)[name]
        torch.testing.assert_close(found[name], weight * alone)


@pytest.mark.parametrize(
    ("given", "line"),
    [
        ("tverski", r"task.loss=tverski: choose dice_ce, dice, .*, cldice"),
        ({"tverski": 1.0}, r"task.loss.tverski: no such loss; choose dice_ce.*\{_target_: mylab"),
        ({"dice": -1.0}, r"task.loss.dice: -1.0; give a number of 0 or more"),
        ({"dice": "much"}, r"task.loss.dice: much; give a number of 0 or more"),
        ({"dice": float("nan")}, r"task.loss.dice: nan; give a number of 0 or more"),
        ({"dice": True}, r"task.loss.dice: true; give a number of 0 or more"),
        ({"dice": {"weight": None}}, r"task.loss.dice.weight: null; give a number"),
        ({"dice": 0.0}, "task.loss: all weights are 0"),
        ({}, "task.loss: all weights are 0"),
        (["dice"], r"task.loss: \[dice\]; give a name, or weights by name"),
        ({"focal": {"gama": 2}}, r"task.loss.focal.gama: no such argument; .* takes weight, ramp, gamma"),
        ({"focal": {"gamma": -1}}, r"task.loss.focal.gamma: -1; must be >= 0"),
        ({"focal": {"gamma": "two"}}, r"task.loss.focal.gamma: two; give a number"),
        ({"focal": {"gamma": float("inf")}}, r"task.loss.focal.gamma: inf; give a number$"),
        ({"topk": {"percent": 0}}, r"task.loss.topk.percent: 0; must be above 0, at most 100"),
        ({"topk": {"percent": 101}}, r"task.loss.topk.percent: 101; must be above 0"),
        ({"tversky": {"alpha": 0, "beta": 0}}, r"task.loss.tversky.alpha, beta: 0, 0; must be >= 0"),
        ({"dice": {"smooth": 0}}, r"task.loss.dice.smooth: 0; must be above 0"),
        ({"dice": {"background": 1}}, r"task.loss.dice.background: 1; give true or false"),
        ({"cldice": {"iterations": 0}}, r"task.loss.cldice.iterations: 0; must be at least 1"),
        ({"cldice": {"smooth": 0}}, r"task.loss.cldice.smooth: 0; must be above 0"),
        ({"cldice": {"iterations": 2.5}}, r"task.loss.cldice.iterations: 2.5; give a whole number"),
        ({"boundary": {"ramp": 2}}, r"task.loss.boundary.ramp: 2; a share of the run, from 0 to 1"),
        ({"mine": {"weight": 1.0, "loss": "dice"}}, r"task.loss.mine: a loss of your own is"),
        ({"mine": {"loss": Absolute(), "gamma": 2}}, r"task.loss.mine: .*, without gamma"),
        ({"dice": {"loss": Absolute()}}, r"task.loss.dice.loss: no such argument"),
    ],
)
def test_what_is_no_loss_is_told_in_one_line(given: Any, line: str) -> None:
    with pytest.raises(UserError, match=line) as caught:
        SegmentationLoss(given)
    assert "\n" not in str(caught.value)


def test_a_loss_of_ones_own_takes_logits_and_truth() -> None:
    logits, truth, valid = example()
    own = Absolute()
    loss = SegmentationLoss({"dice": 1.0, "mine": {"weight": 0.1, "loss": own}})
    assert loss(logits, truth)["mine"].item() == pytest.approx(0.1 * own(logits, truth).item())
    assert [name for name, _ in loss.named_parameters()] == ["own.mine.scale"]
    inside = ((logits.sigmoid() - truth).abs() * valid).mean()
    assert loss(logits, truth, valid)["mine"].item() == pytest.approx(0.1 * inside.item(), abs=1e-6)
    shown = []

    def mine(logits: Tensor, truth: Tensor, valid: Tensor | None) -> Tensor:
        shown.append(valid)
        return logits.sum()

    for given in (valid, None):
        SegmentationLoss({"mine": {"weight": 1.0, "loss": mine}})(logits, truth, given)
    assert shown[0] is valid and shown[1] is None
    unreduced = SegmentationLoss({"mine": {"weight": 1.0, "loss": lambda logits, truth: logits - truth}})
    with pytest.raises(UserError, match=r"task.loss.mine: returned .* must return one number"):
        unreduced(logits, truth)


def test_a_weight_is_ramped_in() -> None:
    logits, truth, _ = example()
    given = {"dice": {"ramp": 0.5}, "boundary": 2.0, "focal": 1.0}
    loss = SegmentationLoss(given)
    final = loss(logits, truth)
    for progress, shares in {0.0: (0, 0, 1), 0.25: (0.5, 0.25, 1), 0.5: (1, 0.5, 1), 1.0: (1, 1, 1)}.items():
        for (name, value), share in zip(loss(logits, truth, None, progress).items(), shares, strict=True):
            torch.testing.assert_close(value, share * final[name], msg=name)


@pytest.mark.parametrize("dims", [2, 3])
def test_heads_count_by_halves_and_see_the_truth_at_their_own_resolution(dims: int) -> None:
    torch.manual_seed(0)
    sides = (16, 8, 12)[:dims]
    label = torch.randint(0, 3, (2, *sides))
    coarse = label[(slice(None), *(slice(1, None, 2) for _ in sides))]
    truths = [torch.nn.functional.one_hot(each, 3).movedim(-1, 1).float() for each in (label, coarse)]
    heads = [torch.randn(truth.shape) for truth in truths]
    valid = torch.rand(2, 1, *sides) < 0.6
    valids = [valid, valid[(slice(None), slice(None), *(slice(1, None, 2) for _ in sides))]]
    loss = SegmentationLoss({"dice_ce": 1.0, "topk": 1.0}, [1, 2, 3])
    found = loss(heads, truths[0], valid)
    alone = [loss(*each) for each in zip(heads, truths, valids, strict=True)]
    for name, value in found.items():
        torch.testing.assert_close(value, (2 * alone[0][name] + alone[1][name]) / 3)


def test_heads_are_a_list_or_stacked() -> None:
    whole = torch.rand(2, 3, 4, 8, 8)
    assert head_weights(3) == pytest.approx([4 / 7, 2 / 7, 1 / 7])
    assert all(torch.equal(head, whole[:, i]) for i, head in enumerate(heads_of(whole, 2)))
    assert [
        len(heads_of(each, dims)) for each, dims in ((whole, 3), (whole[:, 0], 2), ([whole, whole], 3))
    ] == [
        1,
        1,
        2,
    ]


def test_balanced_weights_are_scikit_learns_with_mean_one() -> None:
    labels = np.repeat([0, 1, 2], [900, 90, 10])
    wanted = compute_class_weight("balanced", classes=np.arange(3), y=labels)
    assert balanced([900, 90, 10]) == pytest.approx(wanted / wanted.mean(), rel=1e-5)
    assert balanced([900, 0, 10])[1] == balanced([900, 0, 10])[0]
    with pytest.raises(UserError, match="no voxel that counts"):
        balanced([0, 0])


@pytest.mark.parametrize("sliced", [False, True])
def test_auto_counts_the_training_labels_that_are_used(sliced: bool) -> None:
    label = np.zeros((1, 4, 5), np.uint8)
    label[0, 0], label[0, 1, :2] = 1, 2
    mask = np.ones((1, 4, 5), bool)
    mask[0, 3] = False
    cases = {"a": {"label": label}, "b": {"label": label, "mask": mask}}
    if sliced:
        cases = {
            name: {key: np.stack([each] * 2) for key, each in case.items()} for name, case in cases.items()
        }
    data = SimpleNamespace(
        records={"train": ["a", "b", "hidden"]},
        labels=SimpleNamespace(used=lambda records: records[:2]),
        whole=cases.get,
        sliced=sliced,
        going_on=[],
    )
    names = ("background", "vein", "artery")
    counts = {"background": 13 + 8, "vein": 10, "artery": 4}
    for _ in range(2):  # a game that goes back is set up again
        found = with_class_weights({"class_weights": "auto", "gate": None}, data, Classes(names))
    weights = balanced(list(counts.values()))
    assert found == {"class_weights": dict(zip(names, weights, strict=True)), "gate": None}
    assert len(data.going_on) == 1 and "inverse to their shares of the training voxels" in data.going_on[0]
    assert f"vein {weights[1]:.3g}" in data.going_on[0]
    regions = Regions(names, {"vessel": [1, 2], "artery": [2]}, [(0, 1), (1, 2)])
    found = with_class_weights({"class_weights": "auto"}, data, regions)
    assert found["class_weights"] == dict(zip(("vessel", "artery"), balanced([14, 4]), strict=True))
    assert with_class_weights({"class_weights": [1, 2, 3]}, data, regions) == {"class_weights": [1, 2, 3]}


@pytest.mark.parametrize(
    ("given", "line"),
    [
        ([1, 2, 3], r"3 numbers for 2 classes; give one for each of background, lesion, in this order"),
        ("autos", "autos; give null, auto, or 2 numbers"),
        (
            {"background": 1, "cyst": 2},
            "names background, cyst; give a weight for each of the classes background, lesion",
        ),
        ([0, 0], r"\[0, 0\]; give a number >= 0 for each class"),
        ([1, -1], r"\[1, -1\]; give a number >= 0"),
        ([1, float("inf")], r"\[1, inf\]; give a number >= 0"),
    ],
)
def test_class_weights_of_other_classes_are_refused(given: Any, line: str) -> None:
    labelling = Classes(("background", "lesion"))
    with pytest.raises(UserError, match=f"task.class_weights: {line}"):
        SegmentationLoss("dice", listed(given, labelling))
    assert listed({"lesion": 2, "background": 1}, labelling) == [1, 2] and listed(None, labelling) is None
