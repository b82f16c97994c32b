"""Synthesis through the training function: every model, every update; and how its images are judged."""

from __future__ import annotations

import csv
import json
from collections.abc import Callable
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest
import torch
from torch import nn

from ganatomy.adversarial import Ada
from ganatomy.adversarial.augment.diffaugment import DiffAugment
from ganatomy.config.resolve import load, validate
from ganatomy.errors import UserError
from ganatomy.metrics.synthesis import imagenet
from ganatomy.metrics.synthesis.distance import SlicedWasserstein, sliced_wasserstein
from ganatomy.networks.noise_to_image.dcgan import DcganDiscriminator, DcganGenerator
from ganatomy.optim.schedules import BurnIn, DecayAtEnd
from ganatomy.tasks.shared.cohort import sample_training_images
from ganatomy.tasks.shared.fixed_noise import fixed_noise, row_names
from ganatomy.tasks.synthesis.conditioning import condition
from ganatomy.tasks.synthesis.memorisation import training_images
from ganatomy.tasks.synthesis.normalisation import Normalisation
from ganatomy.tasks.synthesis.reference_scores import check_images, training_planes
from ganatomy.tasks.synthesis.sampler import Sampler, TrainingMaps
from ganatomy.training import preflight
from tests.test_resume import assert_same_end, run_until

SMALL = [
    "task=synthesis",
    "data.size=24",
    "task.imagenet=false",
]
COHORT = ["data.subjects=6", "data.split=[4,1,1]", "data.slices=8"]
MODELS = {
    "fast": ["generator.channels=4", "discriminator.channels=4"],
    "dcgan": ["generator.channels=4", "discriminator.channels=4"],
    "article": ["generator.hidden=16", "discriminator.channels=[4,8]"],
    "r3gan": ["generator.channels=4", "discriminator.channels=4"],
    "stylegan2": ["generator.channels=4", "generator.style=8", "discriminator.channels=4"],
    "fastgan": ["generator.channels=4", "discriminator.channels=4"],
    "fast_class": ["generator.channels=4", "discriminator.channels=4"],
    "r3gan_class": ["generator.channels=4", "discriminator.channels=4"],
    "stylegan2_class": ["generator.channels=4", "generator.style=8", "discriminator.channels=4"],
    "fastgan_class": ["generator.channels=4", "discriminator.channels=4"],
    "spade": [
        *("generator.channels=2", "generator.hidden=4", "generator.latent=6"),
        *("discriminator.channels=4", "discriminator.num_layers_d=1"),
    ],
}
SOLID = ["fast", "dcgan", "r3gan", "fast_class", "r3gan_class", "spade"]
VOLUMES = ["data.spatial_dims=3", "data.size=16", "data.subjects=8", "data.split=[4,2,2]"]
Train = Callable[..., Path]


def words_of(model: str) -> list[str]:
    return [f"model={model}", *(f"model.{word}" for word in MODELS[model])]


@pytest.fixture
def small() -> Callable[..., list[str]]:
    """The words of a small run of this task; the cohort's own only where no other data are chosen."""
    return lambda *words: [*SMALL, *([] if "data=folder" in words else COHORT), *words]


@pytest.mark.parametrize("update", ["shared", "textbook", "one_backward"])
@pytest.mark.parametrize("model", [*MODELS, *(f"{model} in 3D" for model in SOLID)])
def test_every_model_trains(
    train_small: Train, gradients: Any, request: pytest.FixtureRequest, model: str, update: str
) -> None:
    name, _, solid = model.partition(" in ")
    more = VOLUMES if solid else []
    if name.endswith("_class"):
        more = request.getfixturevalue("two_kinds_of_volumes" if solid else "two_kinds")
    run = train_small("run", *words_of(name), f"update={update}", *more)
    scores = json.loads((run / "metrics.json").read_text())
    few = {"coverage"} if solid else set()  # which needs more than five images
    names = {"swd", "kid/random", "coverage", "nearest"} - few
    assert np.isfinite([scores[f"test/{name}"] for name in names]).all()
    assert {player for player, _ in gradients} == {"generator", "discriminator"}
    for (player, name), found in gradients.items():
        assert len(found) == 2, (player, name)
        assert all(gradient is not None and gradient.isfinite().all() for gradient in found), (player, name)
        if (player, name) != ("discriminator", "judge.bias"):  # pairs know only differences of logits
            assert any(gradient.any() for gradient in found), (player, name)


def test_scores_stand_beside_their_floor_and_what_costs_nothing(train_small: Train) -> None:
    more = ["callbacks.samples=2", "task.imagenet=true", "trainer.max_steps=4", "callbacks.report=true"]
    run = train_small("run", *words_of("fast"), *more)
    scores = json.loads((run / "metrics.json").read_text())
    names = ("swd", "swd/24", "kid/random", "kid/imagenet", "density", "coverage", "ms_ssim", "checkerboard")
    for source in ("test", "floor", "baseline/noise", "baseline/mean", "baseline/pca"):
        assert {f"{source}/{name}" for name in names} <= scores.keys()
    assert scores["floor/swd"] < scores["baseline/pca/swd"] < scores["baseline/noise/swd"]
    assert {"test/nearest", "floor/nearest", "test/copied", "floor/copied"} <= scores.keys()
    for name in ("step_000002.png", "test.png", "nearest.png", "interpolation.png", "training.gif"):
        assert (run / "samples" / name).stat().st_size > 0
    assert "data:image/gif" in (run / "report.html").read_text()


def test_validation_stands_beside_the_same_yardsticks_at_every_step(train_small: Train) -> None:
    """Those of the validation's images, as the test's are of the test's."""
    run = train_small("run", *words_of("fast"), "trainer.max_steps=4", "trainer.val_every=2", "logger=csv")
    with (run / "metrics.csv").open() as file:
        rows = [row for row in csv.DictReader(file) if row["val/swd"]]
    beside = [name for name in rows[0] if name.startswith(("val/floor/", "val/baseline/"))]
    scores = {"swd", "kid/random", "density", "coverage", "ms_ssim", "checkerboard"}
    sources = ("floor", "baseline/noise", "baseline/mean", "baseline/pca")
    assert set(beside) == {f"val/{source}/{score}" for source in sources for score in scores}
    assert len(rows) == 2 and all(rows[0][name] == rows[1][name] for name in beside)
    first = {name: float(rows[0][name]) for name in beside}
    assert first["val/floor/swd"] < first["val/baseline/pca/swd"] < first["val/baseline/noise/swd"]
    assert first["val/floor/swd"] != json.loads((run / "metrics.json").read_text())["floor/swd"]


@pytest.mark.parametrize("model", ["fast", "stylegan2", "spade"])
@pytest.mark.parametrize("name, kind", [("ada", Ada), ("diffaugment", DiffAugment)])
def test_augmentation_by_one_word(prepared: Any, model: str, name: str, kind: type) -> None:
    """In place of what the model had, and of the images alone where label maps only move along."""
    data, task = prepared(*words_of(model), f"model.adversarial.augment={name}")
    assert type(task.augment) is kind and task.augment.image_channels == data.channels


@pytest.mark.parametrize("winner", ["discriminator", "generator"])
def test_ada_s_probability_follows_a_run(train_small: Train, winner: str) -> None:
    """It rises where only the discriminator learns and soon knows its few images, and falls where only the
    generator does."""
    rates = {"discriminator": 1e-9, "generator": 1e-9} | {winner: 5e-3}
    more = [f"model.optimizer.{player}.lr={rate}" for player, rate in rates.items()]
    ada = "model.adversarial.augment={name: ada, images: 400, interval: 2, start: 0.5}"
    more += [ada, "model.adversarial.loss=relativistic_paired", "trainer.max_steps=60", "logger=csv"]
    run = train_small("run", *words_of("dcgan"), *more, "trainer.log_every=1", "trainer.val_every=60")
    with (run / "metrics.csv").open() as file:
        p = [float(row["augment/p"]) for row in csv.DictReader(file) if row["augment/p"]]
    assert len(p) == 60 and 0.4 < p[0] < 0.6
    assert p[-1] > 0.7 if winner == "discriminator" else p[-1] < 0.3


def test_misspelt_arguments_of_path_lengths(compose: Any) -> None:
    with pytest.raises(UserError, match=r"task.path_length.wieght: .*; did you mean 'weight'"):
        validate(compose(*SMALL, "model=stylegan2", "task.path_length={wieght: 1}", tiny=False))


def test_without_its_packages_a_score_is_left_out_and_the_run_says_so(
    train_small: Train, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(imagenet, "PACKAGES", ("no_such_package",))
    run = train_small("run", *words_of("fast"), "task.imagenet=true")
    scores = json.loads((run / "metrics.json").read_text())
    assert "test/kid/random" in scores and not any("imagenet" in name for name in scores)
    said = capsys.readouterr()
    assert said.err.count("those on ImageNet features are left out, as their packages") == 1
    assert said.out.count("copies not judged: the images are worthless") == 1, "the verdict on copies"


def test_resumed_equals_uninterrupted(train_small: Train) -> None:
    """Noise, augmentation and lazy penalties go on where they were; so do the decaying rates."""
    more = [*words_of("fast"), "trainer.max_steps=7", "logger=csv"]
    whole = train_small("whole", *more)
    run_until(3, train_small, "cut", *more)
    assert_same_end(whole, train_small("cut", resume=True))


@pytest.mark.parametrize("model", MODELS)
def test_the_same_seed_gives_the_same_image_at_any_batch_size(
    prepared: Any, two_kinds: list[str], model: str
) -> None:
    """And in any order; another seed gives another image."""
    data, task = prepared(*words_of(model), *(two_kinds if model.endswith("_class") else []))
    batch = next(iter(data.test_dataloader()))
    task.evaluator.train()
    task.generate(next(iter(data.train_dataloader())))  # batch normalisation has seen something
    task.evaluator.eval()
    whole = task.predict(batch)
    rows = [3, 0, 2]
    some = {
        name: column[rows] if isinstance(column, torch.Tensor) else [column[row] for row in rows]
        for name, column in batch.items()
    }
    spread = float(whole.std(0).max())  # an untrained generator's images differ little
    torch.testing.assert_close(task.predict(some), whole[rows], atol=0.01 * spread, rtol=0)
    assert torch.equal(task.predict(batch), whole) and len(row_names(batch)) == len(set(row_names(batch)))
    task.recipe.seed += 1
    assert not torch.allclose(task.predict(batch), whole, atol=0.1 * spread)


def test_classes_reach_both_players(prepared: Any, two_kinds: list[str]) -> None:
    data, task = prepared(*words_of("fast_class"), *two_kinds)
    batch = next(iter(data.train_dataloader()))
    assert task.condition.classes == task.generator.classes == task.discriminator.classes == 2
    (real, kinds), (fake, same) = task.discriminator_inputs(batch, task.generate(batch))
    assert kinds is same is batch["class"] and fake.shape == real.shape
    assert torch.equal(real, task.normalisation.normalise(batch["image"]))
    other = {**batch, "class": 1 - batch["class"]}
    z = torch.randn(4, task.latent)
    assert not torch.allclose(task.generator(z, batch["class"]), task.generator(z, other["class"]))
    assert not torch.equal(task.discriminator(real, kinds)[-1], task.discriminator(real, 1 - kinds)[-1])
    assert not torch.allclose(task.predict(other), task.predict(batch))


def test_label_maps_reach_both_players(prepared: Any) -> None:
    """The discriminator sees them beside the image; mirrored images have mirrored maps."""
    data, task = prepared(*words_of("spade"))
    batch = next(iter(data.train_dataloader()))
    kinds = len(data.mask_classes)
    (real,), (fake,) = task.discriminator_inputs(batch, task.generate(batch))
    assert real.shape == fake.shape == (4, 1 + kinds, 24, 24)
    assert torch.equal(real[:, 1:], fake[:, 1:]) and torch.equal(
        real[:, :1], task.normalisation.normalise(batch["image"])
    )
    assert torch.equal(real[:, 1:].argmax(1, keepdim=True), batch["label"])
    bright = [float(batch["image"][batch["label"] == value].mean()) for value in range(kinds)]
    assert bright[0] < min(bright[1:]), "background lies where the label map says"
    z = torch.randn(4, task.latent)
    mask, other = (
        task.condition.conditioning({"label": label})[0] for label in (batch["label"], batch["label"] * 0)
    )
    assert not torch.allclose(task.generator(z, mask), task.generator(z, other))


def test_maps_of_saved_images_are_those_of_training_subjects(prepared: Any) -> None:
    data, task = prepared(*words_of("spade"))
    make = Sampler(task.drawer, task.facts(data), TrainingMaps(data, task.recipe.seed))
    maps = torch.cat([torch.from_numpy(data.evaluated(r)["label"]) for r in data.records["train"]])
    labels = [torch.from_numpy(make(n).label) for n in range(1, 33)]
    assert all((maps == label).flatten(1).all(1).any() for label in labels)
    assert len({label.numpy().tobytes() for label in labels}) > 28, "each map once before one comes again"
    assert torch.equal(torch.from_numpy(make(33).label), labels[0])
    assert not np.allclose(make(33).image, make(1).image), "and then with other noise"


def test_noise_is_normal_and_belongs_to_a_name() -> None:
    many = torch.stack([fixed_noise(0, f"case {i}", 50) for i in range(400)])
    assert abs(many.mean()) < 0.03 and abs(many.std() - 1) < 0.03
    apart = torch.cdist(many, many) + 100 * torch.eye(400)
    assert apart.min() > 4  # no two alike
    assert torch.equal(fixed_noise(0, "case 7", 50), many[7])
    assert not torch.equal(fixed_noise(1, "case 7", 50), many[7])


def test_training_noise_is_drawn_anew_for_each_step(prepared: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    data, task = prepared(*words_of("fast"))
    batch = next(iter(data.train_dataloader()))
    seen = []
    monkeypatch.setattr(task.generator, "forward", lambda z: seen.append(z) or batch["image"])
    for seed in (1, 1, 2):
        torch.manual_seed(seed)
        task.generate(batch)
    assert torch.equal(seen[0], seen[1]) and not torch.equal(seen[0], seen[2])
    assert seen[0].shape == (4, 64)


class Memory(nn.Module):
    """A generator that hands out training images, one pixel to the right."""

    latent = 8

    def __init__(self, images: torch.Tensor) -> None:
        super().__init__()
        self.images, self.given = images, 0

    def forward(self, z: torch.Tensor) -> torch.Tensor:
        rows = torch.arange(self.given, self.given + len(z)) % len(self.images)
        self.given += len(z)
        return self.images[rows].roll(1, -1)


@pytest.mark.parametrize("copies", [True, False])
def test_a_generator_that_copies_is_told(prepared: Any, copies: bool) -> None:
    """Other people's images score as well and are no copies."""
    data, task = prepared(*words_of("fast"), "data.subjects=12", "data.split=[6,3,3]", "data.slices=12")
    task.prepare_baselines(data)
    training = torch.cat(list(training_images(data)))
    other = torch.cat([batch["image"] for batch in data.val_dataloader()])
    shown = training[:36] if copies else other
    task.average, task.generator, task.normalisation = None, Memory(shown), Normalisation()
    for batch in data.test_dataloader():
        task.score("test", batch, task.predict(batch))
    scores, floor = task.scores("test"), task.floor_scores()
    assert scores["swd"] < 2 * floor["swd"] and scores["nearest"] <= 1
    assert (scores["copied"] == 1) == copies and (scores["nearest"] > floor["nearest"] + 0.02) == copies
    title, columns, _ = task.pictures["nearest"]
    assert title.startswith("copies are likely: 100%" if copies else "no sign of copies")
    assert [len(tiles) for tiles in columns.values()] == [6, 6]


def test_scores_are_those_of_the_whole_set(prepared: Any) -> None:
    data, task = prepared(*words_of("fast"))
    real = torch.cat([batch["image"] for batch in data.val_dataloader()])
    for batch in data.val_dataloader():
        task.score("val", batch, batch["image"] * 0.5)
    (kept, half), found = task.tables["val"].compute(), task.scores("val")
    assert torch.equal(half, 0.5 * kept) and sorted(kept.sum((1, 2, 3)).tolist()) == sorted(
        real.sum((1, 2, 3)).tolist()
    )
    assert found["swd/24"] == pytest.approx(sliced_wasserstein(half, kept)[24])
    assert all(np.isnan(value) for value in task.scores("val").values()), "empty for the next pass"


def test_floor_and_baselines_see_training_images_alone(prepared: Any) -> None:
    data, task = prepared(*words_of("fast"))
    task.prepare_baselines(data)
    for batch in data.test_dataloader():
        task.score("test", batch, batch["image"])
    task.scores("test")
    training = torch.cat(list(training_images(data)))
    assert len(training) == len(data.train_items()) == 32
    own = training_planes(task.set_scores, data, 10)
    assert len(own) == 10 and all((training == image).flatten(1).all(1).any() for image in own)
    assert len(training_planes(task.set_scores, data, 1000)) == 32


def test_the_rate_decays_at_the_end() -> None:
    optimizer = torch.optim.SGD([nn.Parameter(torch.zeros(1))], lr=2.0)
    schedule, rates = DecayAtEnd(optimizer, steps=10, share=0.4), []
    for _ in range(11):
        rates.append(optimizer.param_groups[0]["lr"])
        optimizer.step()
        schedule.step()
    assert rates == pytest.approx([2.0] * 7 + [1.5, 1.0, 0.5, 0.0])


def test_rate_and_beta2_burn_in_along_half_a_cosine() -> None:
    optimizer = torch.optim.Adam([nn.Parameter(torch.zeros(1))], lr=2.0, betas=(0.0, 0.99))
    schedule, seen = BurnIn(optimizer, steps=8, final=0.25, burn_in=0.5, beta2=0.9), []
    for _ in range(6):
        group = optimizer.param_groups[0]
        seen.append((group["lr"], *group["betas"]))
        optimizer.step()
        schedule.step()
    parts = [1.0, (1 + 0.5**0.5) / 2, 0.5, (1 - 0.5**0.5) / 2, 0.0, 0.0]
    for (rate, beta1, beta2), part in zip(seen, parts, strict=True):
        assert (rate, beta1, beta2) == pytest.approx((0.5 + 1.5 * part, 0.0, 0.99 - 0.09 * part))
    with pytest.raises(UserError, match="beta2"):
        BurnIn(torch.optim.SGD([nn.Parameter(torch.zeros(1))], lr=2.0), steps=8)


def test_players_of_which_one_knows_classes_are_refused() -> None:
    generator = DcganGenerator(2, 1, (16, 16), latent=4, channels=4, classes=3, embedding=4)
    discriminator = DcganDiscriminator(2, 1, (16, 16), channels=4)
    with pytest.raises(UserError, match=r"^model: .* must both be class-conditional, or neither; choose"):
        condition(generator, discriminator)


@pytest.mark.parametrize("gamma, expected", [("null", 0.0002 * 24 * 24 / 4), ("0.3", 0.3)])
def test_gamma_follows_from_the_size_unless_it_is_given(prepared: Any, gamma: str, expected: float) -> None:
    _, task = prepared(*words_of("stylegan2"), f"model.adversarial.penalties=[{{name: r1, gamma: {gamma}}}]")
    assert [penalty.gamma for penalty in task.game.penalties] == pytest.approx([expected])


class Sure(nn.Module):
    """Says the mean of an image."""

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        return x.mean((1, 2, 3), keepdim=True)


def test_logits_of_held_out_images_stand_beside_those_of_training_images(
    prepared: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    data, task = prepared(*words_of("fast"), "data.intensity=range")
    task.overfitting.discriminator, task.normalisation = Sure(), Normalisation()
    task.prepare_baselines(data)
    monkeypatch.setattr(type(task), "trainer", SimpleNamespace(datamodule=data))
    task.on_validation_epoch_start()
    for batch in data.val_dataloader():
        task.score("val", batch, batch["image"] - 7)
        task.score("val", batch, batch["image"] - 7)  # which counts once
    found = task.scores("val")
    real = torch.cat([batch["image"] for batch in data.val_dataloader()])
    assert found["logits/held_out"] == pytest.approx(float(real.mean()), abs=1e-5)
    assert found["logits/fake"] == pytest.approx(float(real.mean()) - 7, abs=1e-5)
    own = torch.cat(list(training_images(data)))
    assert found["logits/train"] == pytest.approx(float(own.mean()), abs=1e-5)
    assert abs(found["logits/train"] - found["logits/held_out"]) > 1e-3, "they can be told apart"


def test_path_lengths_are_a_loss_of_the_generator(train_small: Train) -> None:
    words = [*words_of("stylegan2"), "task.path_length={weight: 2.0, every: 2}", "logger=csv"]
    run = train_small("run", *words, "trainer.max_steps=3")
    rows = list(csv.DictReader((run / "metrics.csv").open()))
    found = [row.get("loss/generator/path_length") for row in rows if row["loss/generator/total"]]
    assert [bool(value) for value in found] == [True, False, True]
    state = torch.load(run / "checkpoints/last.ckpt", weights_only=True)["state_dict"]
    assert state["paths.mean"] > 0
    assert load(run)["task"]["path_length"] == {"per_layer": True, "weight": 2.0, "every": 2}
    written = (run / "config.yaml").read_text()
    (run / "config.yaml").write_text(written.replace("    per_layer: true\n", ""))
    assert load(run)["task"]["path_length"]["per_layer"] is False, "as runs did before there was such a key"


def test_what_begins_with_noise_is_not_asked_to_halve_images(prepared: Any) -> None:
    data, task = prepared(*words_of("fast"), "data.size=26")
    preflight.check_size(task, data)
    preflight.check_monitor(task)
    assert task.generate(next(iter(data.train_dataloader()))).shape[2:] == (26, 26)


@pytest.mark.parametrize(
    "words, message",
    [
        (["model.discriminator=null"], "model.discriminator: null, but synthesis needs a discriminator"),
        (["task.max_images=1"], "task.max_images: 1 images"),
        (["task.scale=0"], "task.scale: 0"),
        (["task.path_length={weight: 2.0}"], "task.path_length: this generator has no styles"),
        (["data.patch=16"], "data.patch: synthesis needs whole images"),
        (
            ["model=fast_class"],
            "data.image_classes: there are 0, and this model draws",
        ),
        (["model.scheduler.generator.share=0"], "share: 0 is outside (0, 1]"),
    ],
)
def test_refused_in_one_line(prepared: Any, words: list[str], message: str) -> None:
    own = [word for word in words_of("fast") if "discriminator" not in word or "null" not in words[0]]
    with pytest.raises(UserError) as refusal:
        _, task = prepared(*own, *words)
        task.configure_optimizers()
    assert message in str(refusal.value) and "\n" not in str(refusal.value)


def test_images_without_a_neighbourhood_are_refused() -> None:
    """The score compares squares of 7x7, and of a smaller image there is none."""
    smallest: Any = SimpleNamespace(patches=None, shape=(7, 9))
    check_images(smallest)
    SlicedWasserstein(torch.rand(2, 1, *smallest.shape))
    with pytest.raises(
        UserError, match=r"^data.size: images of 6x24 cannot be scored; give sides of 7 or more$"
    ):
        check_images(SimpleNamespace(patches=None, shape=(6, 24)))  # type: ignore[arg-type]


def test_the_cohort_of_comparison_is_the_one_that_is_trained_on(prepared: Any) -> None:
    """With a share of the subjects; spread evenly over all of their images."""
    data, task = prepared("data.label_fraction=0.5")
    used = data.labels.used(data.records["train"])
    theirs = torch.cat([torch.from_numpy(data.evaluated(record)["image"]).float() for record in used])
    assert 0 < len(used) < len(data.records["train"]) and len(theirs) == len(data.train_items())
    task.data = data
    assert torch.equal(torch.cat(list(training_images(data))), theirs)
    assert torch.equal(sample_training_images(data, 1000), theirs)
    three = sample_training_images(data, 3)
    assert torch.equal(three[0], theirs[0]) and torch.equal(three[-1], theirs[-1]) and len(three) == 3


def test_both_players_see_the_same_units(prepared: Any) -> None:
    data, task = prepared(*words_of("fast"), "task.offset=3.0", "task.scale=0.25")
    batch = next(iter(data.val_dataloader()))
    fake = task.generate(batch)
    (real,), (shown,) = task.discriminator_inputs(batch, fake)
    assert torch.equal(shown, fake)
    torch.testing.assert_close(real, (batch["image"] - 3) * 4)
    task.average = None
    z = torch.randn(2, task.latent)
    task.generator.eval()
    torch.testing.assert_close(task.drawer(z), task.generator(z) * 0.25 + 3)


def test_the_units_of_a_run_stand_in_its_configuration(prepared: Any) -> None:
    _, task = prepared(*words_of("fast"))
    assert task.normalisation.scale not in (0.0, 1.0) and task.normalisation.offset != 0


def test_classes_of_saved_images_take_turns(prepared: Any, two_kinds: list[str]) -> None:
    data, task = prepared(*words_of("fast_class"), *two_kinds)
    make = Sampler(task.drawer, task.facts(data))
    assert [make(number).kind for number in range(1, 6)] == [0, 1, 0, 1, 0]
    with torch.no_grad():
        seen = task.drawer(task.drawer.noise("synthetic 2")[None], torch.tensor([1]))[0].double().numpy()
    np.testing.assert_allclose(make(2).image, seen * make.scale + make.offset)
