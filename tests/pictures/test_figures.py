"""Figures: the lines that are drawn, and PNGs that decode."""

from __future__ import annotations

import io

from PIL import Image

from ganatomy.pictures.figures import cases, curves, history

ROWS = [
    {
        "step": "10",
        "loss/generator/total": "2",
        "loss/generator/dice": "1.5",
        "loss/generator/adversarial": "50",
    },
    {
        "step": "20",
        "loss/generator/total": "1",
        "loss/generator/dice": "nan",
        "loss/generator/adversarial": "40",
    },
    {
        "step": "20",
        "loss/discriminator/total": "1.3",
        "loss/discriminator/adversarial": "1.3",
        "val/dice": "",
    },
    {"step": "30", "val/dice": "0.8", "val/dice/gm": "0.9", "val/hd95": "3", "val/absent/gm": "0"},
]


def test_the_lines_are_those_of_the_rows() -> None:
    found = curves(ROWS)
    assert {title: list(lines) for title, lines in found.items()} == {
        "generator: losses": ["total", "dice", "adversarial"],
        "discriminator: losses": ["adversarial"],
        "validation: Dice": ["gm", "mean"],
    }
    steps, values = found["generator: losses"]["adversarial"]
    assert (steps.tolist(), values.tolist()) == ([10, 20], [50, 40])
    steps, values = found["generator: losses"]["dice"]
    assert (steps.tolist(), values.tolist()) == ([10], [1.5])
    assert found["validation: Dice"]["mean"][1].tolist() == [0.8]


def test_history_is_one_picture_an_axis_for_each_group() -> None:
    wide, narrow = (Image.open(io.BytesIO(history(rows) or b"")) for rows in (ROWS, ROWS[-1:]))
    assert wide.format == "PNG" and round(wide.width / narrow.width) == 3


def test_a_supervised_run_has_no_axis_for_the_discriminator() -> None:
    rows = [{name: value for name, value in row.items() if "discriminator" not in name} for row in ROWS]
    assert list(curves(rows)) == ["generator: losses", "validation: Dice"]


def test_cases_draws_each_class_and_nothing_from_nothing() -> None:
    rows = [
        {"case": "a", "dice/gm": "0.9", "dice/wm": "nan"},
        {"case": "b", "dice/gm": 0.8, "dice/wm": "nan"},
    ]
    assert Image.open(io.BytesIO(cases(rows, "dice") or b"")).format == "PNG"
    assert cases(rows, "hd95") is None and cases([], "dice") is None
    assert history([]) is None and history([{"step": "1"}]) is None
