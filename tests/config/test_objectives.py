"""Losses, penalties, weights and augmentations of one's own beside the names."""

from __future__ import annotations

import csv
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
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
from ganatomy.config.objectives import build_objectives, check_choice
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
        ("Vectors", "Vectors must return one scalar per player"),
    ],
)
def test_a_loss_is_held_to_what_it_declares(name: str, words: str, allowed: None) -> None:
    with pytest.raises(UserError) as refused:
        build_objectives(section(loss=target(name)))
    assert str(refused.value).startswith("model.adversarial.loss: ") and words in str(refused.value)


@pytest.mark.parametrize("name", LOSSES)
def test_every_loss_here_is_what_it_declares(name: str) -> None:
    from ganatomy.config.contracts import check_loss

    check_loss(LOSSES[name](), name)


@pytest.mark.parametrize("key", ["loss", "augment"])
def test_a_choice_of_the_wrong_type_is_one_line(compose: Any, key: str) -> None:
    with pytest.raises(UserError, match=rf"^model\.adversarial\.{key}: give a name, or a section.*, got 3$"):
        validate(compose(f"model.adversarial.{key}=3"))
