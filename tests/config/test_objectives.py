"""Losses, penalties, weights and augmentations of one's own beside the names."""

from __future__ import annotations

import csv
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import torch
import yaml

from ganatomy.adversarial import (
    AUGMENTS,
    LOSSES,
    PENALTIES,
    WEIGHTS,
    AdversarialLoss,
    Augment,
    Penalty,
    Weight,
)
from ganatomy.config.objectives import build_objectives, check_choice, check_objectives
from ganatomy.config.resolve import validate
from ganatomy.errors import UserError

LAB = "tests.config.planted_objectives"


@pytest.fixture
def allowed(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("GANATOMY_TARGETS", f"{LAB}.")


def target(name: str, **arguments: Any) -> dict[str, Any]:
    return {"_target_": f"{LAB}.{name}", **arguments}


def section(**more: Any) -> dict[str, Any]:
    given = {"loss": "hinge", "weight": 1.0, "feature_matching": 0.0, "penalties": [], "augment": None}
    return {**given, **more}


@pytest.mark.slow
def test_a_run_with_nothing_but_a_lab_s_own(run: Callable[..., Path], allowed: None) -> None:
    at = f"_target_: {LAB}"
    done = run(
        "own",
        "trainer.max_steps=4",
        "update=auto",
        f"model.adversarial.loss={{{at}.DualContrastive}}",
        f"model.adversarial.penalties=[{{{at}.LogitPull, weight: 0.5}}, {{name: r1, gamma: 1.0}}]",
        "model.adversarial.weight=null",
        f"+model.adversarial.weight={{{at}.Steps, start: 3}}",
        f"model.adversarial.augment={{{at}.Negative}}",
    )
    rows = list(csv.DictReader((done / "metrics.csv").open()))
    assert [float(row["weight/adversarial"]) for row in rows if row["weight/adversarial"]] == [0, 0, 0, 1]
    assert float(rows[0]["loss/discriminator/logit_pull"]) >= 0 and rows[0]["loss/discriminator/r1"]
    kept = yaml.safe_load((done / "config.yaml").read_text())["model"]["adversarial"]
    assert kept["augment"] == target("Negative", image_channels=1)


def test_they_are_built_with_their_arguments(allowed: None) -> None:
    given = section(
        loss=target("DualContrastive"),
        penalties=[target("LogitPull", every=4), {"name": "r1", "gamma": 2.0}],
        weight=target("Steps", value=0.5),
        augment=target("Negative"),
    )
    built = build_objectives(given)
    assert [penalty.every for penalty in built["penalties"]] == [4, 1]
    assert built["loss"].zero_sum and built["weight"](9) == 0.5


@pytest.mark.parametrize(
    ("names", "kind", "name", "words"),
    [
        (
            LOSSES,
            AdversarialLoss,
            "LogitPull",
            "x._target_: LogitPull is not a subclass of AdversarialLoss; derive it from",
        ),
        (LOSSES, AdversarialLoss, "Empty", "Empty does nothing; write its discriminator or generator"),
        (PENALTIES, Penalty, "Idle", "Idle does nothing; write its forward or prepare or after_step"),
        (
            PENALTIES,
            Penalty,
            "Nameless",
            'Nameless has no name for the log; give the class one, name = "..."',
        ),
        (WEIGHTS, Weight, "Negative", "Negative is not a subclass of Weight"),
        (AUGMENTS, Augment, "Blur", "Blur is not a subclass of Augment"),
        (AUGMENTS, Augment, "Negativ", "has no Negativ; did you mean 'Negative'"),
    ],
)
def test_what_is_of_another_kind_or_empty_is_refused(
    names: Any, kind: type, name: str, words: str, allowed: None
) -> None:
    with pytest.raises(UserError) as refused:
        check_choice(target(name), names, "x", kind)
    assert words in str(refused.value) and "\n" not in str(refused.value)


def test_arguments_and_places_are_checked(monkeypatch: pytest.MonkeyPatch) -> None:
    with pytest.raises(UserError, match=r"x\._target_: .* is refused; allowed are"):
        check_choice(target("DualContrastive"), LOSSES, "x", AdversarialLoss)
    monkeypatch.setenv("GANATOMY_TARGETS", f"{LAB}.")
    with pytest.raises(UserError, match=r"x\.weigth: LogitPull takes no such argument"):
        check_choice(target("LogitPull", weigth=1.0), PENALTIES, "x", Penalty)
    with pytest.raises(UserError, match=r"update\.name\.name: is missing"):
        check_choice(target("DualContrastive"), {}, "update.name")


@pytest.mark.parametrize(
    ("name", "words"),
    [
        ("NotZeroSum", "NotZeroSum declares zero_sum = True, but the generator's gradient"),
        ("RealNotDeclared", "if generator() needs the real logits, set needs_real = True"),
        ("CouplingNotDeclared", "set needs_whole_batch = True in the class, or take a mean over samples"),
        ("BrokenLoss", "BrokenLoss fails on logits [4, 1] (KeyError: 'scale')"),
        ("Vectors", "Vectors must return one scalar per player"),
        ("Refusing", "my.file: is empty; fill it"),
    ],
)
def test_a_loss_is_held_to_what_it_declares(name: str, words: str, allowed: None) -> None:
    with pytest.raises(UserError) as refused:
        build_objectives(section(loss=target(name)))
    assert str(refused.value).startswith("model.adversarial.loss: ") and words in str(refused.value)


@pytest.mark.parametrize(
    ("name", "words"),
    [
        ("FakePull", "FakePull depends on the fake, so the generator could learn from it; set changes_fake_"),
        ("FakePullLater", "set changes_fake_gradient = True in the class"),
        ("SlopeOfReal", "the gradient at the real input; set needs_real_gradient = True in the class"),
        ("SlopeOfFake", "the gradient at the fake input; set needs_fake_gradient = True in the class"),
        ("PerSample", "PerSample must give one number, a tensor without dimensions, or None"),
        ("NoSuper", "NoSuper has no `every`; call super().__init__(every) in its __init__"),
        ("BrokenPenalty", "BrokenPenalty fails for a small discriminator (KeyError: 'scale')"),
        ("RefusingPenalty", "my.file: is empty; fill it"),
    ],
)
def test_a_penalty_is_held_to_what_it_declares(name: str, words: str, allowed: None) -> None:
    with pytest.raises(UserError) as refused:
        build_objectives(section(penalties=["r1", target(name)]))
    assert str(refused.value).startswith("model.adversarial.penalties[1]: ") and words in str(refused.value)
    assert "\n" not in str(refused.value)


@pytest.mark.parametrize(
    "name", ["LogitPull", "FakePullDeclared", "SlopeOfRealDeclared", "NeedsADecoder", *PENALTIES]
)
def test_a_penalty_that_declares_what_it_uses_is_taken(name: str, allowed: None) -> None:
    from ganatomy.config.contracts.penalties import check_penalty

    (penalty,) = build_objectives(section(penalties=[name if name in PENALTIES else target(name)]))[
        "penalties"
    ]
    before, chance = dict(penalty.state_dict()), torch.get_rng_state()
    check_penalty(penalty, name)
    assert dict(penalty.state_dict()) == before and torch.equal(torch.get_rng_state(), chance)


@pytest.mark.parametrize(
    ("key", "name", "words"),
    [
        ("weight", "NoWeight", "NoWeight gives a NoneType at step 0; return one number"),
        ("weight", "BrokenWeight", "BrokenWeight fails at step 0 (ZeroDivisionError: division by zero)"),
        ("augment", "OneTensor", "OneTensor must return a tuple, one tensor for each"),
        ("augment", "Cropped", "Cropped makes [4, 1, 16, 15] of [4, 1, 16, 16]; keep the shape"),
        ("augment", "AugmentWithoutSuper", "call super().__init__(policy, known, image_channels) in its"),
        ("augment", "BrokenAugment", "BrokenAugment fails on images [4, 1, 16, 16] (IndexError: list index"),
        ("weight", "RefusingWeight", "my.file: is empty; fill it"),
        ("augment", "RefusingAugment", "my.file: is empty; fill it"),
    ],
)
def test_a_weight_and_an_augmentation_are_tried(key: str, name: str, words: str, allowed: None) -> None:
    with pytest.raises(UserError) as refused:
        build_objectives(section(**{key: target(name)}))
    assert str(refused.value).startswith(f"model.adversarial.{key}: ") and words in str(refused.value)


@pytest.mark.parametrize("kind", ["RuntimeError", "OSError", "ZeroDivisionError", "KeyError", "IndexError"])
def test_a_class_that_fails_when_it_is_built_is_one_line(kind: str, allowed: None) -> None:
    with pytest.raises(
        UserError, match=r"^model\.adversarial\.penalties\[0\]: .*Unbuilt cannot be built \(.+\)$"
    ):
        build_objectives(section(penalties=[target("Unbuilt", kind=kind)]))


@pytest.mark.parametrize("name", ["Blank", "Dotted"])
def test_a_penalty_s_name_must_suit_the_log(name: str, allowed: None) -> None:
    with pytest.raises(UserError, match=f"x._target_: {name} has name = .*; use letters, digits and"):
        check_choice(target(name), PENALTIES, "x", Penalty)


@pytest.mark.parametrize("others", [["r1", target("SecondR1")], [target("SecondR1"), {"name": "r1"}]])
def test_two_penalties_of_one_name_are_refused(others: list[Any], allowed: None) -> None:
    with pytest.raises(
        UserError, match=r"penalties\[\d\]: the log holds another 'r1' already; give SecondR1 a"
    ):
        check_objectives(section(penalties=others))


def test_a_loss_of_patches_alone_is_taken(allowed: None) -> None:
    assert build_objectives(section(loss=target("OfPatches")))["loss"].zero_sum is False


@pytest.mark.parametrize("name", LOSSES)
def test_every_loss_here_is_what_it_declares(name: str) -> None:
    from ganatomy.config.contracts.losses import check_loss

    check_loss(LOSSES[name](), name)


@pytest.mark.parametrize("key", ["loss", "augment"])
def test_a_choice_of_the_wrong_type_is_one_line(compose: Any, key: str) -> None:
    with pytest.raises(UserError, match=rf"^model\.adversarial\.{key}: give a name, or a section.*, got 3$"):
        validate(compose(f"model.adversarial.{key}=3"))


@pytest.mark.parametrize(
    ("choice", "line"),
    [
        ({"weight": -1.0}, r"^model\.adversarial\.weight\.value: -1\.0 must be 0 or more$"),
        (
            {"penalties": [{"name": "r1", "gamma": None}]},
            r"^model\.adversarial\.penalties\.r1\.gamma: null works in a configuration only",
        ),
        ({"weight": {"name": "adaptive", "ceiling": 0}}, r"^model\.adversarial\.weight\.ceiling: 0 must"),
        (
            {"penalties": ["r1", {"name": "lecam", "decay": 2}]},
            r"^model\.adversarial\.penalties\.lecam\.decay: 2",
        ),
        ({"augment": {"name": "ada", "start": 2}}, r"^model\.adversarial\.augment\.start: 2 is outside"),
    ],
)
def test_an_argument_out_of_range_is_named_by_its_key(choice: dict[str, Any], line: str) -> None:
    with pytest.raises(UserError, match=line):
        build_objectives(section(**choice))
