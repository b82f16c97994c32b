"""Planted games are named, and healthy ones are not."""

from __future__ import annotations

import math

import pytest

from ganatomy.guard.events import ADVICE, Event, game_of, ordered, standing
from ganatomy.guard.record import Line, Look, Record
from ganatomy.guard.training_data import constant_images, few_images, one_class
from ganatomy.guard.verdict import assess, final

FINE = {"generator": 0.1, "discriminator": 0.03}
HEALTHY_SWD = ((50, 192.0), (100, 212.0), (150, 142.0))
"""Validations of model=fast on 134 images of 32x32; the mean image has 387."""


def synthesis(
    swd: tuple[tuple[int, float], ...] = HEALTHY_SWD, trivial: float = 387.0, **seen: object
) -> Record:
    record = Record(sign=-1, from_noise=True)
    given = {
        "diversity": 0.9,
        "separation": 0.9,
        "guess": 2 * math.log(2),
        "drift": FINE,
        "moved": FINE,
    } | seen
    for step, score in swd:
        for line in range(10, 60, 10):
            record.add(Line(step - 60 + line, loss=1.2))
        record.look(Look(step, score=score, trivial=trivial, **given))  # type: ignore[arg-type]
    return record


def names(record: Record, of_data: tuple[Event, ...] = ()) -> list[str]:
    return [event.name for event in assess(record, of_data) if event.fatal]


def test_a_healthy_game_has_no_event() -> None:
    assert assess(synthesis()) == []
    assert assess(Record()) == []


def test_early_and_bad_but_getting_better_is_no_failure() -> None:
    assert assess(synthesis(((100, 900.0), (200, 700.0), (300, 500.0)))) == []


@pytest.mark.parametrize(
    "scores",
    [
        (470.0, 802.0, 912.0),
        (650.0, 651.0, 649.0),
        (433.0, 440.0, 446.0),  # r3gan at its own rates, 300 steps
        (581.0, 1230.0, 842.0, 1290.0, 865.0, 783.0),  # dcgan at its own rates, which has 282 at step 200
    ],
)
def test_worse_than_the_mean_image_in_few_steps_is_a_warning(scores: tuple[float, ...]) -> None:
    record = synthesis(tuple((25 * number, score) for number, score in enumerate(scores, 2)))
    assert [(event.name, event.fatal) for event in assess(record)] == [("worse_than_baseline", False)]
    assert "387" in assess(record)[0].cause
    assert "trainer.max_steps" in assess(record)[0].advice


def test_worse_than_the_mean_image_at_many_validations_is_a_failure() -> None:
    scores = (650.0, 651.0, 649.0, 655.0, 652.0, 650.0)
    assert names(synthesis(tuple((100 * n, score) for n, score in enumerate(scores, 1)))) == [
        "worse_than_baseline"
    ]
    assert names(synthesis(tuple((100 * n, score) for n, score in enumerate(scores[:5], 1)))) == []


def test_a_short_run_is_not_trained_yet() -> None:
    assert assess(synthesis(((20, 470.0), (40, 802.0), (60, 912.0)), diversity=0.0)) == []


def test_one_validation_says_nothing_about_getting_better() -> None:
    assert assess(synthesis(((150, 900.0),))) == []


def test_falling_back_below_the_baseline() -> None:
    assert names(synthesis(((50, 150.0), (100, 600.0), (150, 700.0)))) == ["falling"]


@pytest.mark.parametrize(
    ("dice", "found"),
    [((0.29, 0.0, 0.0), ["falling"]), ((0.29, 0.0, 0.2), []), ((0.03, 0.0, 0.0), []), ((0.3, 0.25, 0.2), [])],
)
def test_falling_without_a_baseline(dice: tuple[float, ...], found: list[str]) -> None:
    record = Record(sign=1)
    for step, score in zip((50, 100, 150), dice, strict=True):
        record.look(Look(step, score=score, drift=FINE))
    assert names(record) == found


@pytest.mark.parametrize("player", ["generator", "discriminator"])
def test_a_player_that_does_not_move(player: str) -> None:
    events = assess(synthesis(moved={**FINE, player: 0.0}))
    assert [(event.name, event.player) for event in events] == [(f"{player}_frozen", player)]
    assert f"model.optimizer.{player}.lr" in events[0].advice


def test_a_player_that_hardly_moves_is_named_in_a_failed_game_alone() -> None:
    slow, bad = {**FINE, "discriminator": 3e-4}, ((50, 900.0), (100, 1600.0), (150, 1500.0))
    assert assess(synthesis(moved=slow)) == []
    assert names(synthesis(bad, moved=slow)) == ["discriminator_frozen", "worse_than_baseline"]
    demodulated = {"generator": 9e-4, "discriminator": 0.04}  # StyleGAN2: its mapping has most of the norm
    assert names(synthesis(bad, drift=demodulated, moved={"generator": 0.06, "discriminator": 0.04})) == []


def test_weights_thrown_about() -> None:
    far = {"generator": 2.7, "discriminator": 0.1}
    assert assess(synthesis(drift=far)) == []  # it plays well all the same
    record = synthesis(((50, 8800.0), (100, 6100.0), (150, 1900.0)), drift=far)
    found = assess(record)
    assert [event.name for event in found] == ["weights_thrown", "worse_than_baseline"]
    assert found[0].player == "generator"
    assert "model.optimizer.generator.lr" in found[0].advice
    beyond_doubt = {"generator": 170.0, "discriminator": 57.0}
    stays = ((50, 142.0), (100, 212.0), (150, 192.0))
    assert names(synthesis(stays, drift=beyond_doubt)) == ["weights_thrown"], "whatever the score"
    assert [(event.name, event.fatal) for event in assess(synthesis(drift=beyond_doubt))] == [
        ("weights_thrown", False)
    ], "while it gets better"
    slow = {"generator": 1.0, "discriminator": 7e-3}
    assert "discriminator_frozen" not in names(
        synthesis(((50, 9e3), (100, 7e3), (150, 2e3)), drift=far, moved=slow)
    )


def test_a_score_far_beyond_the_baseline_is_not_excused_by_getting_better() -> None:
    record = synthesis(((50, 8.0e14), (100, 4.6e14), (150, 1.7e14)), diversity=2.5e20)
    assert names(record) == ["weights_thrown", "worse_than_baseline"]
    assert names(synthesis(((50, 9000.0), (100, 6000.0), (150, 1900.0)))) == []


def test_collapse_and_constant_output() -> None:
    assert names(synthesis(diversity=0.01)) == ["collapse"]
    record = Record(sign=1)
    for step, score in ((50, 0.0), (100, 0.0), (150, 0.0)):
        record.look(Look(step, score=score, diversity=1e-5, drift=FINE))
    assert names(record) == ["constant_output"]


def test_outputs_that_fit_other_truths_as_well() -> None:
    record = Record(sign=1)
    for step, score in ((50, 0.25), (100, 0.22), (150, 0.21)):
        assert names(record) == []
        record.look(Look(step, score=score, diversity=0.1, match=0.99, drift=FINE))
    assert names(record) == ["constant_output"]


@pytest.mark.parametrize(
    ("separation", "loss", "name"),
    [(1.0, 0.001, "discriminator_wins"), (0.3, 1.5, "discriminator_loses"), (0.9, 1.0, None)],
)
def test_a_one_sided_game_is_a_cause(separation: float, loss: float, name: str | None) -> None:
    bad = ((50, 900.0), (100, 950.0), (150, 930.0))
    record = synthesis(bad, separation=separation)
    record.lines = [Line(line.step, loss) for line in record.lines]
    assert names(record) == ([name, "worse_than_baseline"] if name else [])
    healthy = synthesis(separation=separation)
    healthy.lines = [Line(line.step, loss) for line in healthy.lines]
    assert assess(healthy) == []  # as long as G learns, D may be right


def test_overfitting_is_a_cause() -> None:
    bad = ((50, 300.0), (100, 450.0), (150, 500.0))
    assert "overfitting" in names(synthesis(bad, memory=0.95))
    assert "overfitting" not in names(synthesis(bad, memory=0.1))


def test_the_test_adds_its_baseline() -> None:
    record = Record(sign=1)
    for step, score in ((100, 0.30), (200, 0.29), (300, 0.30)):
        record.look(Look(step, score=score, drift=FINE))
    scores = {"test/dice": 0.3, "baseline/mean_label/dice": 0.5}
    found = final(record, (), scores, "dice", "mean_label")
    assert [(event.name, event.fatal) for event in found] == [("worse_than_baseline", False)]
    for step in (400, 500, 600):
        record.look(Look(step, score=0.30, drift=FINE))
    found = final(record, (), scores, "dice", "mean_label")
    assert [(event.name, event.fatal) for event in found] == [("worse_than_baseline", True)]
    assert final(record, (), scores | {"baseline/mean_label/dice": 0.2}, "dice", "mean_label") == []
    assert final(record, (), scores, "dice", "") == []


def test_a_score_with_an_interval_must_lie_below_chance_surely() -> None:
    record = Record(sign=-1)
    for step, score in ((50, 0.3), (100, 0.2), (150, 0.1)):
        record.look(Look(step, score=score, drift=FINE))
    chance = {"baseline/chance/auroc": 0.5, "test/auroc": 0.4}
    assert final(record, (), chance | {"test/auroc_high": 0.55}, "auroc", "chance") == []
    for low, fatal in ((0.35, False), (0.42, True)):
        interval = {"test/auroc_low": low, "test/auroc_high": 0.45}
        below = final(record, (), chance | interval, "auroc", "chance")
        assert [(event.name, event.fatal) for event in below] == [("worse_than_baseline", fatal)]


def test_data_that_teach_nothing() -> None:
    found = constant_images(16, 16, 16)
    assert [event.name for event in found] == ["constant_images"]
    assert [event.name for event in constant_images(0, 1, 16)] == ["constant_images"]
    assert "targets hold a single value" in constant_images(16, 1, 16, "targets")[0].cause
    assert constant_images(3, 16, 16) == []  # outer slices of a volume
    assert [event.name for event in few_images(3, True)] == ["few_images"]
    assert few_images(3, False) == few_images(10, True) == []
    maps = ("background", "lesion")
    assert [event.name for event in one_class("label maps", maps, {0}, True)] == ["one_class"]
    assert one_class("label maps", maps, {0, 1}, True) == []
    assert one_class("boxes", ("lesion",), {0}, False) == []
    assert [event.name for event in one_class("boxes", ("lesion",), set(), False)] == ["one_class"]
    early = assess(synthesis(((20, 100.0),)), tuple(found))
    assert [(event.name, event.fatal) for event in early] == [("constant_images", False)]
    assert names(synthesis(), tuple(found)) == ["constant_images"]


def test_the_cause_comes_before_the_outcome() -> None:
    events = [Event.named(name, 1, "generator", "why") for name in reversed(ADVICE)]
    assert [event.name for event in ordered(events)] == list(ADVICE)
    assert game_of(events) == "not_finite"
    assert game_of([event.warning() for event in events]) == "healthy"
    plain = [{**event.to_plain(), "healed": event.name != "collapse"} for event in events]
    assert standing(plain) == [event for event in events if event.name == "collapse"]


def test_a_record_survives_its_plain_form() -> None:
    record, again = synthesis(trivial=float("nan")), Record(sign=-1, from_noise=True)
    plain = record.to_plain()
    again.load(plain)
    assert again.to_plain() == plain
    again.look(Look(150, score=1.0))  # the validation is done again
    assert [look.step for look in again.looks] == [50, 100, 150]
    assert again.looks[-1].score == 1.0


def test_images_near_no_real_one_are_named_though_the_score_gets_better() -> None:
    """Both rates x100 on 60 pictures of another kind: stripes, whose SWD beats the mean image's."""
    swd = ((50, 496.0), (100, 477.0), (150, 452.0), (200, 406.0))
    tested = {
        "test/swd": 406.0,
        "baseline/mean_image/swd": 596.0,
        "test/coverage": 0.0,
        "floor/coverage": 0.97,
    }
    thrown = synthesis(swd, 596.0, drift={"generator": 5.0, "discriminator": 1.0}, diversity=0.5)
    found = final(thrown, (), tested, "swd", "mean_image")
    assert [event.name for event in found if event.fatal] == ["weights_thrown", "collapse"]
    alike = final(synthesis(swd, 596.0, diversity=0.1), (), tested, "swd", "mean_image")
    assert [event.name for event in alike if event.fatal] == ["collapse"]
    early = final(synthesis(swd, 596.0), (), tested, "swd", "mean_image")
    assert [(event.name, event.fatal) for event in early] == [("collapse", False)]
    assert final(synthesis(swd, 596.0), (), tested | {"test/coverage": 0.06}, "swd", "mean_image") == []
    assert final(synthesis(swd, 596.0), (), tested | {"floor/coverage": 0.2}, "swd", "mean_image") == []


def test_thrown_weights_are_no_failure_of_a_game_that_beats_every_baseline() -> None:
    """Dice of two segmentations whose G had a rate of 0.5 and 1000 times the usual one."""
    record = Record(sign=1)
    for step, dice in ((40, 0.454), (80, 0.806), (120, 0.825)):
        record.look(Look(step, score=dice, drift={"generator": 42.0}, moved=FINE))
    for dice, otsu, fails in ((0.862, 0.124, False), (0.03, 0.07, True)):
        tested = {"test/dice": dice, "baseline/mean_label/dice": 0.0, "baseline/otsu/dice": otsu}
        found = final(record, (), tested, "dice", "mean_label")
        assert [(event.name, event.fatal) for event in found] == [("weights_thrown", fails)]
    assert final(record, (), {"test/dice": 0.9}, "dice", "")[0].fatal, "no baseline to beat"
