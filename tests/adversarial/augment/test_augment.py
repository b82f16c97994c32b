"""Augmentations: what they do to planted images, their gradients, and ADA's controller."""

from __future__ import annotations

from itertools import product
from typing import Any

import numpy as np
import pytest
import torch
from torch import Tensor

from ganatomy.adversarial import AUGMENTS, LOSSES, UPDATES, Augment, Game
from ganatomy.adversarial.augment.ada import Ada
from ganatomy.adversarial.augment.diffaugment import DiffAugment, hole, shifted
from ganatomy.adversarial.distributed.random import Rows, drawing_rows
from ganatomy.errors import UserError
from ganatomy.tasks.synthesis.normalisation import DEVIATION
from tests.adversarial import players

SHAPES = [(3, 2, 9, 12), (2, 1, 6, 8, 7)]
EVERYTHING = {"diffaugment": DiffAugment.known, "ada": Ada.known}


def full(name: str, **more: object) -> Augment:
    """Build the augmentation with its whole policy, ADA at p = 0.7."""
    return AUGMENTS[name](EVERYTHING[name], **({"start": 0.7} if name == "ada" else {}), **more)


@pytest.mark.parametrize("shape", SHAPES)
@pytest.mark.parametrize("name", AUGMENTS)
def test_gradients_equal_finite_differences(name: str, shape: tuple[int, ...]) -> None:
    augment = full(name)

    def change(x: Tensor) -> Tensor:
        torch.manual_seed(3)
        return augment((x,))[0]

    x = torch.randn(shape, dtype=torch.float64, requires_grad=True)
    torch.autograd.gradcheck(change, (x,), fast_mode=True)


@pytest.mark.parametrize("shape", SHAPES)
@pytest.mark.parametrize("name", AUGMENTS)
def test_any_range_is_treated_alike(name: str, shape: tuple[int, ...]) -> None:
    augment = full(name)
    x = torch.rand(shape, dtype=torch.float64)
    torch.manual_seed(3)
    small = augment((x,))[0]
    torch.manual_seed(3)
    large = augment((4000 * x,))[0]
    torch.testing.assert_close(large, 4000 * small, rtol=1e-9, atol=1e-9)
    assert not torch.allclose(small, x)


@pytest.mark.parametrize("shape", SHAPES)
@pytest.mark.parametrize("name", AUGMENTS)
def test_shape_type_and_a_flat_image_stay_finite(name: str, shape: tuple[int, ...]) -> None:
    x = torch.zeros(shape, requires_grad=True)
    y = full(name)((x,))[0]
    y.sum().backward()
    assert y.shape == x.shape and y.dtype == torch.float32
    assert x.grad is not None and x.grad.isfinite().all()


@pytest.mark.parametrize("name", AUGMENTS)
def test_masks_move_with_the_image_and_keep_their_values(name: str) -> None:
    places = {"diffaugment": ("translation", "cutout", "flip"), "ada": (*Ada.places, "cutout")}[name]
    image = torch.randn(16, 1, 24, 24)
    start = {"start": 1.0} if name == "ada" else {}
    with_colour = AUGMENTS[name](EVERYTHING[name], image_channels=1, **start)
    torch.manual_seed(1)
    y = with_colour((torch.cat([image, image], 1),))[0]
    assert not torch.allclose(y[:, :1], y[:, 1:], atol=1e-3)
    same = AUGMENTS[name](places, image_channels=1, **start)
    y = same((torch.cat([image, image], 1),))[0]
    torch.testing.assert_close(y[:, :1], y[:, 1:])
    assert not torch.allclose(y[:, :1], image, atol=1e-3)


@pytest.mark.parametrize("name", AUGMENTS)
def test_several_arguments_are_one_image_and_the_rest_is_left_alone(name: str) -> None:
    image, mask, kind = torch.randn(4, 1, 8, 8), torch.randn(4, 3, 8, 8), torch.arange(4)
    augment = full(name)
    torch.manual_seed(1)
    separate = augment((image, kind, mask))
    torch.manual_seed(1)
    joined = augment((torch.cat([image, mask], 1),))[0]
    assert separate[1] is kind
    torch.testing.assert_close(torch.cat([separate[0], separate[2]], 1), joined)


def test_whole_voxels_are_moved_and_the_border_filled() -> None:
    x = torch.arange(12.0).reshape(1, 1, 3, 4)
    y = shifted(x, torch.tensor([[1, -2]]), fill=-7.0)
    expected = [[-7, -7, -7, -7], [2, 3, -7, -7], [6, 7, -7, -7]]
    assert y[0, 0].tolist() == expected


def test_translation_reaches_an_eighth_of_the_sides_and_no_further() -> None:
    x = torch.zeros(4000, 1, 16, 24)
    x[:, :, 8, 12] = 1
    torch.manual_seed(0)
    y = DiffAugment(["translation"])((x,))[0]
    places = y.nonzero()[:, 2:]
    assert len(places) == 4000
    assert places.amin(0).tolist() == [6, 9] and places.amax(0).tolist() == [10, 15]
    assert places.double().mean(0).tolist() == pytest.approx([8, 12], abs=0.15)


@pytest.mark.parametrize("shape", [(500, 1, 8, 10), (300, 1, 6, 8, 10)])
def test_cutout_takes_half_of_every_side_and_covers_all_places(shape: tuple[int, ...]) -> None:
    torch.manual_seed(0)
    boxes = hole(torch.zeros(shape), 0.5)
    counts = boxes.flatten(1).sum(1)
    whole = torch.tensor([side // 2 for side in shape[2:]]).prod()
    assert counts.max() == whole
    assert boxes.any(0).all()
    filled = DiffAugment(["cutout"], fill=5.0)((torch.zeros(shape),))[0]
    assert set(filled.unique().tolist()) == {0.0, 5.0}


def test_twelve_bits_survive() -> None:
    """4096 grey levels: moved they are the same numbers, and a change of tone keeps them apart."""
    torch.manual_seed(0)
    x = torch.randperm(4096).float().reshape(1, 1, 64, 64).expand(8, 1, 64, 64)
    levels = torch.arange(4096.0).expand(8, 4096)
    flipped = DiffAugment(["flip"])((x,))[0]
    assert torch.equal(flipped.flatten(1).sort().values, levels)
    moved_ones = DiffAugment(["translation", "cutout"], fill=-1.0)((x,))[0]
    assert set(moved_ones.unique().tolist()) <= {-1.0, *range(4096)}
    turned = Ada(["flip", "rotate90"], start=1.0)((x,))[0]
    assert torch.equal(turned.flatten(1).sort().values, levels)
    placed = Ada(["translation"], start=1.0)((x,))[0]
    assert torch.equal(placed, placed.round()) and not torch.equal(placed, x)
    still = Ada(["scale", "rotation"], start=0.0)((x,))[0]
    assert torch.equal(still, x)
    for toned in (
        DiffAugment(["brightness", "contrast"])((x,))[0],
        Ada(["brightness", "contrast"], start=1.0)((x,))[0],
    ):
        assert all(len(one.unique()) == 4096 for one in toned)


def test_contrast_and_brightness_in_standard_deviations() -> None:
    x = torch.randn(2000, 1, 8, 8, dtype=torch.float64) * 30 + 100
    y = DiffAugment(["brightness"], brightness=0.5)((x,))[0]
    shift = (y - x).flatten(1)
    torch.testing.assert_close(shift.std(1), torch.zeros(2000, dtype=torch.float64), atol=1e-9, rtol=0)
    in_deviations = shift.mean(1) / x.flatten(1).std(1, correction=0)
    assert float(in_deviations.abs().max()) == pytest.approx(0.5, abs=0.01)
    y = DiffAugment(["contrast"], contrast=0.3)((x,))[0]
    factor = y.flatten(1).std(1) / x.flatten(1).std(1)
    torch.testing.assert_close(y.flatten(1).mean(1), x.flatten(1).mean(1))
    assert [float(factor.min()), float(factor.max())] == pytest.approx([0.7, 1.3], abs=0.01)


def test_fastgan_s_brightness_is_the_papers(compose: Any) -> None:
    """A shift of up to 0.5 (Zhao et al.'s code) of images as the players see them, of deviation 0.5."""
    given = compose("task=synthesis", "model=fastgan", tiny=False)["model"]["adversarial"]["augment"]
    augment = DiffAugment(
        **{key: value for key, value in given.items() if key != "name"} | {"policy": ["brightness"]}
    )
    x = torch.randn(4000, 1, 8, 8, dtype=torch.float64)
    x = DEVIATION * x / x.flatten(1).std(1, correction=0)[:, None, None, None]
    shift = (augment((x,))[0] - x).flatten(1).mean(1)
    assert [float(shift.min()), float(shift.max())] == pytest.approx([-0.5, 0.5], abs=0.01)


@pytest.mark.parametrize("shape", SHAPES)
def test_ada_does_nothing_at_p_zero(shape: tuple[int, ...]) -> None:
    x = torch.randn(shape, dtype=torch.float64)
    assert torch.equal(Ada(Ada.known)((x,))[0], x)


def test_ada_changes_a_share_p_of_the_samples() -> None:
    x = torch.randn(4000, 1, 4, 4)
    torch.manual_seed(0)
    changed = (Ada(["brightness"], start=0.3)((x,))[0] != x).flatten(1).any(1)
    assert float(changed.float().mean()) == pytest.approx(0.3, abs=0.03)


@pytest.mark.parametrize("shape", [(64, 2, 9, 9), (64, 1, 4, 9, 9)])
def test_ada_s_quarter_turns_and_flips_are_exact(shape: tuple[int, ...]) -> None:
    x = torch.randn(shape, dtype=torch.float64)
    torch.manual_seed(0)
    turned = Ada(["rotate90"], start=1.0)((x,))[0]
    candidates = torch.stack([x.rot90(k, (-2, -1)) for k in range(4)])
    error = (candidates - turned).abs().flatten(2).amax(2)
    assert float(error.amin(0).max()) == 0
    assert set(error.argmin(0).tolist()) == {0, 1, 2, 3}
    flipped = Ada(["flip"], start=1.0)((x,))[0]
    error = (torch.stack([x, x.flip(-1)]) - flipped).abs().flatten(2).amax(2)
    assert float(error.amin(0).max()) == 0
    assert set(error.argmin(0).tolist()) == {0, 1}


@pytest.mark.parametrize("shape", [(40, 2, 16, 24), (20, 1, 16, 8, 24)])
def test_ada_s_shift_mirrors_what_lies_beyond_the_border(shape: tuple[int, ...]) -> None:
    x = torch.randn(shape)
    torch.manual_seed(0)
    shifted = Ada(["translation"], start=1.0)((x,))[0].numpy()
    reach = [side // 8 for side in shape[2:]]
    found = set()
    for before, after in zip(x.numpy(), shifted, strict=True):
        padded = np.pad(before, [(0, 0), *((r, r) for r in reach)], mode="symmetric")
        for offset in product(*(range(2 * r + 1) for r in reach)):
            window = tuple(slice(o, o + side) for o, side in zip(offset, shape[2:], strict=True))
            if np.array_equal(padded[(slice(None), *window)], after):
                found.add(offset)
                break
        else:
            pytest.fail("is none of the shifts by up to an eighth")
    assert len(found) > 5


@pytest.mark.parametrize("shape", [(8, 1, 32, 20), (4, 1, 16, 20, 24)])
def test_ada_s_rotation_keeps_a_ball_a_ball_whatever_the_sides(shape: tuple[int, ...]) -> None:
    axes = [torch.arange(side).double() - (side - 1) / 2 for side in shape[2:]]
    distance = torch.stack(torch.meshgrid(*axes, indexing="ij")).square().sum(0)
    ball = torch.exp(-distance / 8).expand(shape)
    torch.manual_seed(0)
    turned = Ada(["rotation"], start=1.0)((ball,))[0]
    centre = (distance < (min(shape[2:]) / 2 - 1) ** 2).expand(shape)
    torch.testing.assert_close(turned[centre], ball[centre], atol=0.1, rtol=0)
    scaled = Ada(["scale"], start=1.0)((ball,))[0]
    assert float((scaled - ball).abs().max()) > 0.1


def test_ada_s_controller_follows_its_formula_on_a_planted_sequence() -> None:
    ada = Ada(target=0.6, interval=4, images=1000, start=0.01)
    certain = torch.ones(50)
    unsure = torch.cat([torch.ones(30), -torch.ones(20)])
    expected = 0.01
    pairs = []
    for step, scores in enumerate([certain] * 8 + [unsure] * 12):
        ada.observe(scores)
        p = ada.adapt(step)
        if step % 4 == 3:
            expected = min(1.0, max(0.0, expected + (0.2 if step < 8 else -0.2)))
        pairs.append((float(p), expected))
    assert [got for got, _ in pairs] == pytest.approx([want for _, want in pairs], abs=1e-6)
    assert pairs[7][1] == pytest.approx(0.41) and pairs[-1][1] == 0.0
    for step in range(40):
        ada.observe(certain)
        ada.adapt(step)
    assert float(ada.p) == 1.0


def test_ada_s_state_survives_a_checkpoint_between_two_moves() -> None:
    ada, again = Ada(interval=4, images=100), Ada(interval=4, images=100)
    for step in range(2):
        ada.observe(torch.ones(5))
        ada.adapt(step)
    again.load_state_dict(ada.state_dict())
    for step in range(2, 4):
        for one in (ada, again):
            one.observe(torch.ones(5))
            one.adapt(step)
    assert float(ada.p) == float(again.p) == pytest.approx(0.2)


@pytest.mark.parametrize(("loss", "sure"), [("hinge", False), ("relativistic_paired", True)])
def test_ada_listens_to_d_through_the_update(loss: str, sure: bool) -> None:
    """D calls everything fake: unsure of the real by its sign, yet sure by the difference to the fake."""
    g, d = players.generator(), Told()
    ada = Ada(interval=1, images=100, start=0.5)
    game = Game(players.Rules(g), g, d, LOSSES[loss](), augment=ada)
    log = UPDATES["shared"]()(game, players.batch(4), 0, lambda player: None)
    assert float(log["augment/p"]) == pytest.approx(0.54 if sure else 0.46)


class Told(torch.nn.Module):
    """Answers -1 on its first look, -2 on its second."""

    def __init__(self) -> None:
        super().__init__()
        self.answer = torch.nn.Parameter(torch.tensor(0.0))

    def forward(self, x: Tensor) -> Tensor:
        self.looks = getattr(self, "looks", 0) + 1
        return self.answer - self.looks + 0 * x.flatten(1).sum(1)


@pytest.mark.parametrize("update", UPDATES)
def test_g_learns_through_the_augmentation(update: str) -> None:
    torch.manual_seed(0)
    g, d = players.generator(), players.scalar()
    game = Game(players.Rules(g, task=0.0), g, d, LOSSES["hinge"](), augment=full("diffaugment"))
    UPDATES[update]()(game, players.batch(), 0, lambda player: None)
    assert all(float(p.grad.abs().sum()) > 0 for p in g.parameters())


@pytest.mark.parametrize("name", AUGMENTS)
def test_each_process_draws_its_part_of_the_global_batch(name: str, monkeypatch: pytest.MonkeyPatch) -> None:
    augment = full(name)
    x = torch.randn(6, 1, 8, 8)
    torch.manual_seed(0)
    whole = augment((x,))[0]
    monkeypatch.setattr("ganatomy.adversarial.distributed.random.processes", lambda: 2)
    for rank in range(2):
        monkeypatch.setattr("ganatomy.adversarial.distributed.random.rank", lambda rank=rank: rank)
        torch.manual_seed(0)
        part = augment((x[3 * rank : 3 * rank + 3],))[0]
        torch.testing.assert_close(part, whole[3 * rank : 3 * rank + 3])
    torch.manual_seed(0)
    with drawing_rows(Rows(1, 2, 6)):
        torch.testing.assert_close(augment((x[1:3],))[0], whole[1:3])
        with pytest.raises(ValueError, match="4 rows where this process has 2 of 6"):
            augment((x[:4],))


def test_unknown_changes_and_impossible_values_are_refused() -> None:
    for name in AUGMENTS:
        with pytest.raises(UserError, match="colour"):
            AUGMENTS[name](["colour"])
        with pytest.raises(UserError, match="image_channels"):
            AUGMENTS[name](["cutout"], image_channels=0)
    with pytest.raises(UserError, match="translation"):
        DiffAugment(translation=1.5)
    with pytest.raises(UserError, match="start"):
        Ada(start=2.0)
    with pytest.raises(UserError, match="interval"):
        Ada(interval=0)
