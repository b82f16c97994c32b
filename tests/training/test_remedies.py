"""What a rollback changes, event by event: a table, without training."""

from __future__ import annotations

from typing import Any

import pytest

from ganatomy.guard.events import ADVICE, Event
from ganatomy.training.remedies import Change, changed, remedy

G, D = "model.optimizer.generator.lr", "model.optimizer.discriminator.lr"
WARMUP = {"name": "warmup", "value": 2.0}
PENALTIES, WEIGHT = "model.adversarial.penalties", "model.adversarial.weight"


def plain(
    g: float = 2e-4,
    d: float | None = 2e-4,
    task: str = "synthesis",
    penalties: tuple[str, ...] = ("r1",),
    weight: Any = 1.0,
    optimizer: str = "torch.optim.Adam",
) -> dict[str, Any]:
    """A configuration as far as remedies read it."""
    rates = {"generator": g, "discriminator": d}
    return {
        "seed": 4,
        "task": {"_target_": f"ganatomy.tasks.{task}.task.Task"},
        "model": {
            "generator": {"_target_": "G"},
            "discriminator": None if d is None else {"_target_": "D"},
            "adversarial": {"penalties": [{"name": name} for name in penalties], "weight": weight},
            "optimizer": {name: {"_target_": optimizer, "lr": rate or 0.0} for name, rate in rates.items()},
            "scheduler": {"generator": None, "discriminator": None},
        },
    }


def chosen(
    name: str, cfg: dict[str, Any], player: str = "", tried: tuple[Change, ...] = ()
) -> dict[str, Any] | None:
    """The remedy as {key: new value}."""
    found = remedy(Event.named(name, 100, player, "seen"), cfg, tried)
    return None if found is None else {change.key: change.after for change in found}


R1 = [{"name": "r1", "every": 4}]


@pytest.mark.parametrize(
    ("name", "player", "cfg", "expected"),
    [
        ("weights_thrown", "generator", plain(g=4e-2, d=4e-2), {G: 2e-4, D: 2e-4}),
        ("weights_thrown", "generator", plain(g=8e-3), {G: 8e-4}),
        ("weights_thrown", "discriminator", plain(d=1e-3), {D: 1e-4}),
        ("not_finite", "discriminator", plain(g=4e-4, d=40.0), {D: 4e-4}),
        ("not_finite", "generator", plain(), {G: 2e-5}),
        ("not_finite", "", plain(g=1e-3, d=4e-4), {G: 1e-4, D: 4e-5}),
        ("discriminator_wins", "discriminator", plain(g=1e-5, d=2e-2), {D: 2e-4}),
        ("discriminator_wins", "discriminator", plain(g=1e-5, d=2e-4), {G: 2e-4}),
        ("discriminator_wins", "discriminator", plain(g=2e-4, d=1e-3), {D: 1e-4}),
        ("discriminator_wins", "discriminator", plain(penalties=()), {PENALTIES: R1}),
        ("discriminator_wins", "discriminator", plain(task="segmentation"), {WEIGHT: 0.1}),
        ("discriminator_loses", "discriminator", plain(g=4e-4, d=4e-6), {D: 4e-4}),
        ("discriminator_loses", "discriminator", plain(g=4e-4, d=1e-4), {G: 4e-5}),
        ("discriminator_frozen", "discriminator", plain(g=4e-4, d=0.0), {D: 4e-4}),
        ("generator_frozen", "generator", plain(g=0.0, d=0.0), {G: 2e-4, D: 2e-4}),
        ("collapse", "generator", plain(g=2e-2), {G: 2e-4}),
        ("collapse", "generator", plain(penalties=("lecam",)), {PENALTIES: [{"name": "lecam"}, *R1]}),
        ("collapse", "generator", plain(), {G: 2e-5}),
        ("overfitting", "discriminator", plain(), {"seed": 5}),
        ("falling", "", plain(task="enhancement", weight=WARMUP), {f"{WEIGHT}.value": 0.2}),
        ("worse_than_baseline", "", plain(d=None, g=2e-2, penalties=()), {G: 2e-4}),
        ("worse_than_baseline", "", plain(optimizer="torch.optim.SGD", g=0.5, d=0.1), {G: 0.05}),
    ],
)  # fmt: skip
def test_remedy(name: str, player: str, cfg: dict[str, Any], expected: dict[str, Any]) -> None:
    assert chosen(name, cfg, player) == expected


@pytest.mark.parametrize("name", ["constant_images", "few_images", "one_class"])
def test_data_have_no_remedy(name: str) -> None:
    assert chosen(name, plain()) is None


@pytest.mark.parametrize("name", sorted(set(ADVICE) - {"constant_images", "few_images", "one_class"}))
def test_every_event_has_remedies_that_do_not_repeat(name: str) -> None:
    cfg, tried = plain(g=3e-2, d=1e-6, task="segmentation", penalties=()), []
    for _ in range(12):
        found = remedy(Event.named(name, 100, "generator", "seen"), cfg, tried)
        assert found is not None and not set(map(str, found)) & set(map(str, tried))
        assert len({change.key.split(".")[-1] for change in found}) == 1, "more than one thing"
        tried += found
        cfg = changed(cfg, found)
    assert 2e-5 <= cfg["model"]["optimizer"]["generator"]["lr"] <= 5e-3


def test_changes_are_undone_in_reverse() -> None:
    cfg = plain(g=0.5)
    steps = [Change(G, 0.5, 0.05), Change(G, 0.05, 0.005), Change(PENALTIES, [{"name": "r1"}], [])]
    after = changed(cfg, steps)
    assert after["model"]["optimizer"]["generator"]["lr"] == 0.005
    assert after["model"]["adversarial"]["penalties"] == []
    assert changed(after, steps, undo=True) == cfg


def test_a_schedule_of_its_own_rates_follows() -> None:
    cfg = plain(g=2e-2)
    cfg["model"]["scheduler"]["generator"] = {"_target_": "OneCycleLR", "max_lr": 2e-2, "total_steps": 9}
    found = chosen("weights_thrown", cfg, "generator")
    assert found == {G: 2e-4, "model.scheduler.generator.max_lr": 2e-4}
