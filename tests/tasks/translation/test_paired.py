"""Translation from pairs: every model, update and number of channels; registration; what D sees."""

from __future__ import annotations

import copy
import itertools
from typing import Any

import pytest
import torch
from torch import Tensor, nn

from ganatomy.adversarial import plan
from ganatomy.config.resolve import validate
from ganatomy.config.schema import Config
from ganatomy.errors import UserError
from ganatomy.networks.discriminators.unet import UNetDiscriminator
from ganatomy.networks.image_to_image.registration import warp
from ganatomy.networks.image_to_image.unet import UNet
from ganatomy.tasks.translation.base import Method, Players
from ganatomy.tasks.translation.paired import Paired
from ganatomy.training.build import build_task
from ganatomy.training.players import filled
from tests.conftest import composed

SIDES = {2: (16, 24), 3: (12, 12, 12)}
CHANNELS = [(1, 1), (3, 1), (1, 3)]
UPDATES = ("shared", "one_backward", "textbook", "g_first")
MODELS = {
    "translation_unet": ["generator.channels=[4,8]", "discriminator.channels=[4,8]"],
    "pix2pix": ["generator.channels=[4,8]", "discriminator.channels=4", "discriminator.num_layers_d=1"],
    "translation_pix2pixhd": ["generator.channels=[4,8]", "generator.blocks=1", "discriminator.channels=4"],
    "translation_reggan": [
        *("generator.translator.channels=[4,8]", "generator.registration.channels=[4,8]"),
        "discriminator.channels=[4,8]",
    ],
    "translation_nnsyn": ["generator.channels=[4,8]", "generator.strides=[2]", "generator.num_res_units=1"],
}


def plain_of(model: str, *words: str) -> dict[str, Any]:
    """The configuration of a model of a few channels."""
    own = [f"model.{word}" for word in MODELS[model] if word.split(".")[0] not in "".join(words)]
    return composed("task=translation", f"model={model}", *own, "update.name=auto", *words, tiny=False)


def begun(plain: dict[str, Any], dims: int, inputs: int, outputs: int) -> Any:
    """Its task for images and targets of these channels."""
    plain = copy.deepcopy(plain)
    known = Method.network_arguments(inputs, outputs)
    for player in ("generator", "discriminator"):
        if (node := plain["model"][player]) is not None:
            plain["model"][player] = filled(node, player, dims, known)
    return build_task(Config.from_plain(plain), ())


def batch_of(dims: int, inputs: int, outputs: int, mask: bool = True) -> dict[str, Any]:
    draw = torch.Generator().manual_seed(0)
    image, target = (torch.rand(2, count, *SIDES[dims], generator=draw) for count in (inputs, outputs))
    inside = torch.rand(2, 1, *SIDES[dims], generator=draw) > 0.3
    return {"image": image, "target": target, "case": ["a", "b"]} | ({"mask": inside} if mask else {})


def played(task: Any, batch: dict[str, Any], update: str, steps: int = 2) -> dict[str, list[Tensor | None]]:
    """Play some steps by gradient descent; each parameter's gradients by player and name."""
    seen: dict[str, list[Tensor | None]] = {}
    task.update = plan(task.game, update, 1, 1, batch).update

    def step(player: str) -> None:
        for name, parameter in getattr(task, player).named_parameters():
            seen.setdefault(f"{player}.{name}", []).append(parameter.grad)
            if parameter.grad is not None:
                parameter.data -= 0.05 * parameter.grad
            parameter.grad = None

    for number in range(steps):
        log = task.update(task.game, batch, number, step)
        assert all(value.isfinite() for value in log.values()), log
    return seen


@pytest.mark.parametrize("dims", [2, 3])
@pytest.mark.parametrize("model", MODELS)
def test_every_weight_learns_in_every_update(model: str, dims: int) -> None:
    plain = plain_of(model)
    for update, (inputs, outputs) in itertools.product(UPDATES, CHANNELS):
        task = begun(plain, dims, inputs, outputs)
        seen = played(task, batch_of(dims, inputs, outputs), update)
        players = {name.split(".")[0] for name in seen}
        assert players == {"generator", "discriminator"} or model == "translation_nnsyn"
        for name, gradients in seen.items():
            assert all(g is not None and g.isfinite().all() for g in gradients), (update, name)
            if not name.endswith("bias"):  # before a norm, or where only differences of logits count
                assert any(g.any() for g in gradients if g is not None), (update, name)


@pytest.mark.parametrize("model", MODELS)
def test_each_has_a_twin_without_an_adversary(model: str) -> None:
    task = begun(plain_of(model, "model.discriminator=null"), 2, 1, 1)
    seen = played(task, batch_of(2, 1, 1, mask=False), "shared")
    assert {name.split(".")[0] for name in seen} == {"generator"}
    assert all(g is not None and g.isfinite().all() for gradients in seen.values() for g in gradients)


@pytest.mark.parametrize("model", MODELS)
def test_the_translation_is_the_translators(model: str) -> None:
    task = begun(plain_of(model), 2, 1, 1)
    batch = batch_of(2, 1, 1)
    answer = task.soft_prediction(batch)
    network = task.evaluator["translator"] if model == "translation_reggan" else task.evaluator
    assert torch.equal(answer, network(batch["image"])) and answer.shape == batch["target"].shape


def test_losses_are_taken_in_the_mask() -> None:
    task = begun(plain_of("translation_unet"), 2, 1, 1)
    batch = batch_of(2, 1, 1)
    output = torch.rand(batch["target"].shape)
    wanted = (output - batch["target"]).abs()[batch["mask"]].mean()
    assert float(task.task_losses(batch, output)["l1"]) == pytest.approx(float(wanted))
    del batch["mask"]
    assert float(task.task_losses(batch, output)["l1"]) != pytest.approx(float(wanted))


def test_what_lies_outside_of_the_mask_counts_a_little() -> None:
    batch = batch_of(2, 1, 1)
    output = torch.rand(batch["target"].shape)
    outside = (output - batch["target"]).abs()[~batch["mask"]].mean()
    for words, weight in (((), 0.1), (("task.method.outside=0.5",), 0.5), (("task.method.outside=0",), 0)):
        losses = begun(plain_of("translation_unet", *words), 2, 1, 1).task_losses(batch, output)
        assert float(losses.get("outside", 0)) == pytest.approx(weight * float(outside))
    del batch["mask"]
    assert "outside" not in begun(plain_of("translation_unet"), 2, 1, 1).task_losses(batch, output)
    with pytest.raises(UserError, match=r"^task\.method\.outside: -1.* is no weight"):
        Paired(outside=-1)


def test_the_output_is_compared_after_registration() -> None:
    """The field is planted: the target is the output moved by it."""
    method = Paired(losses={}, registration={"weight": 3.0, "smooth": 2.0})
    both = nn.ModuleDict({"translator": UNet(2, 1, 1, [2, 4]), "registration": UNet(2, 2, 2, [2, 4])})
    method.begin(Players(both, None, 2))
    field = torch.zeros(1, 2, 8, 8)
    field[:, 1] = 0.1 * torch.arange(8)
    image = torch.rand(1, 1, 8, 8)
    losses = method.task_losses({"target": warp(image, field)}, {"image": image, "field": field})
    assert float(losses["registration"]) == pytest.approx(0, abs=1e-6)
    assert float(losses["roughness"]) == pytest.approx(2.0 * 0.1**2 / 2)
    moved = method.task_losses({"target": image}, {"image": image, "field": field})
    assert float(moved["registration"]) == pytest.approx(3 * float((warp(image, field) - image).abs().mean()))
    output = method.generate({"image": image, "target": image})
    assert output["field"].shape == (1, 2, 8, 8) and method.translated(output) is output["image"]


def test_each_discriminator_sees_the_pair_or_the_target_alone() -> None:
    pair, alone = UNet(2, 2, 1, [2, 4]), UNetDiscriminator(2, 1, [2, 4])
    method, batch = Paired(), batch_of(2, 1, 1)
    output = torch.rand(batch["target"].shape)
    for discriminator, channels in ((pair, 2), (alone, 1)):
        method.begin(Players(UNet(2, 1, 1, [2, 4]), discriminator, 2))
        real, fake = method.discriminator_inputs(batch, output)
        assert real.shape[1] == fake.shape[1] == channels
        assert torch.equal(real[:, -1:], batch["target"]) and torch.equal(fake[:, -1:], output)
    method.begin(
        Players(
            UNet(2, 1, 1, [2, 4]), nn.ModuleDict({"pair": pair, "one": alone, "target": UNet(2, 1, 1)}), 2
        )
    )
    seen = method.discriminator_inputs(batch, output)
    assert {name: real.shape[1] for name, (real, _) in seen.items()} == {"pair": 2, "one": 1, "target": 1}


@pytest.mark.parametrize(
    ("words", "message"),
    [
        (["translation_unet", "task.method.registration={weight: 1.0, smooth: 0.5}"], "choose model=transl"),
        (
            ["translation_reggan", "task.method.registration=null"],
            r"model\.generator: registration, translator",
        ),
        (["translation_reggan", "task.method.registration={weight: 0, smooth: 1}"], "registration: .*give"),
        (["translation_reggan", "+task.method.registration.more=1"], "registration: .*give"),
        (["translation_unet", "task.method.losses={l1: 0}"], "losses: all weights are 0"),
        (["translation_unet", "+task.method.losses.l2=1"], r"losses\.l2: no such loss"),
    ],
)
def test_what_does_not_go_together_is_one_line(words: list[str], message: str) -> None:
    model, *more = words
    with pytest.raises(UserError, match=message) as refusal:
        begun(plain_of(model, *more), 2, 1, 1)
    assert "\n" not in str(refusal.value)


def test_a_model_without_a_method_learns_from_pairs() -> None:
    cfg = plain_of("translation_unet")
    del cfg["task"]["method"]
    task = begun(cfg, 2, 1, 1)
    assert isinstance(task.method, Paired) and list(task.method.losses) == ["l1"]
    validate(cfg)


def test_mirrored_translations_are_a_mean() -> None:
    batch = batch_of(2, 1, 1)
    task = begun(plain_of("translation_unet", "task.mirror_axes=[1]"), 2, 1, 1)
    with torch.no_grad():
        one, other = (task.translator(image) for image in (batch["image"], batch["image"].flip(3)))
        found = task.soft_prediction(batch)
    torch.testing.assert_close(found, (one + other.flip(3)) / 2)
    with pytest.raises(UserError, match=r"^task\.mirror_axes: \[2\]; choose among \[0, 1\]"):
        begun(plain_of("translation_unet", "task.mirror_axes=[2]"), 2, 1, 1)
