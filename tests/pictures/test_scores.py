"""From flat names to tables, on a terminal too."""

from __future__ import annotations

import io
import re

from rich.console import Console

from ganatomy.pictures.scores import OURS, table
from ganatomy.pictures.table import score_table

METRICS = {
    "val/dice": 0.5,
    "test/hd95": 2.0,
    "test/hd95/gm": 2.0,
    "test/hd95/wm": float("nan"),
    "test/dice": 0.87,
    "test/dice/gm": 0.9,
    "test/dice/wm": 0.84,
    "test/absent/gm": 3,
    "test/volumes": 4,
    "test/new_score": 7.0,
    "baseline/mean_label_map/dice": 0.6,
    "baseline/mean_label_map/dice/gm": 0.95,
    "baseline/mean_label_map/hd95/gm": 9.0,
    "baseline/mean_label_map/only_theirs": 9.0,
}


def printed(metrics: dict[str, float]) -> str:
    console = Console(width=100, file=io.StringIO(), force_terminal=True, color_system="standard")
    console.print(score_table(metrics))
    return console.file.getvalue()


def test_known_scores_come_first_and_the_mean_last() -> None:
    found = table(METRICS)
    assert found.scores == ("dice", "hd95", "new_score")
    assert found.rows == ("gm", "wm", "mean")
    assert found.sources == (OURS, "mean label map")
    assert found.text("dice", "gm", "mean label map") == "0.950"
    assert found.text("hd95", "wm", OURS) == found.text("hd95", "wm", "mean label map") == "–"


def test_the_best_is_the_highest_dice_and_the_lowest_distance() -> None:
    found = table(METRICS)
    assert found.best("dice", "gm") == "mean label map"
    assert found.best("dice", "mean") == OURS
    assert found.best("hd95", "gm") == OURS
    assert found.best("hd95", "wm") is None, "nobody to compare with"
    assert found.best("new_score", "mean") is None


def test_twins_and_floors_are_sources_too() -> None:
    found = table({"test/swd": 55.0, "floor/swd": 30.0, "twin/swd": 60.0})
    assert found.sources == (OURS, "floor", "twin")
    assert found.best("swd", "mean") == OURS, "the floor is left out"


def test_many_sources_stand_in_a_line_a_score() -> None:
    sources = ["test", "floor", "baseline/noise", "baseline/mean", "baseline/pca"]
    metrics = {f"{s}/swd/{level}": 5.0 + i for i, s in enumerate(sources) for level in (16, 32)}
    metrics |= {f"{s}/swd": 7.0 + i for i, s in enumerate(sources)}
    metrics |= {f"{s}/kid/{name}": 100.0 * i for i, s in enumerate(sources) for name in ("random", "blurred")}
    found = table(metrics)
    assert found.crowded and [row for _, row, _ in found.lines()] == ["mean", "random", "blurred"]
    text = printed(metrics)
    assert "KID ×1000 ↓ blurred" in text and "…" not in text


def test_the_terminal_shows_a_row_a_class_with_the_best_in_bold() -> None:
    text = printed(METRICS)
    gm = next(line for line in text.splitlines() if " gm " in line)
    assert re.findall(r"\x1b\[1m *([\d.]+)", gm) == ["0.950", "2.00"]
    assert "new_score" not in text, "two scores fit, the rest stands in the report"


def test_without_classes_it_shows_a_row_a_score() -> None:
    text = printed({"test/psnr": 28.1234, "test/ssim": 0.9, "baseline/gaussian/psnr": 27.7})
    assert "28.12" in text and "27.70" in text and "gaussian" in text and "SSIM" in text


def test_no_scores_at_all_are_an_empty_table() -> None:
    assert table({}).scores == () and "Test scores" in printed({})


def test_one_class_is_its_mean_so_there_is_room_for_every_score() -> None:
    text = printed(
        {
            "test/dice": 0.75,
            "test/dice/lesion": 0.75,
            "test/false_positive_rate": 0.3,
            "baseline/ungated/false_positive_rate": 0.7,
        }
    )
    assert re.search(r"empty images with a finding.*0\.30.*0\.70", text) and "lesion" not in text


def test_distances_of_pictures_are_in_pixels() -> None:
    assert (
        table(METRICS, unit="px").heading("hd95") == "HD95 px ↓"
        and table(METRICS).heading("hd95") == "HD95 mm ↓"
    )
    console = Console(width=100, file=io.StringIO())
    console.print(score_table(METRICS, unit="px"))
    text = console.file.getvalue()  # type: ignore[attr-defined]
    assert "HD95 px" in text and "mm" not in text


def test_names_of_scores_stay_on_one_line() -> None:
    """At 80 columns, the sources' names give way."""
    metrics = {"test/high_frequency": 1.0, "test/flat_deviation": 1.0}
    metrics |= {
        f"baseline/{name}/high_frequency": 1.0 for name in ("input", "median", "nlm", "tv", "gaussian")
    }
    console = Console(width=80, file=io.StringIO())
    console.print(score_table(metrics))
    assert "high frequencies / truth's" in console.file.getvalue()  # type: ignore[attr-defined]


def test_numbers_are_never_cut() -> None:
    """At 80 columns and with many sources; large ones are told by three digits."""
    metrics = {"test/kid": 2862.7, "test/nearest": -0.158, "test/swd": 3064009214283.0}
    metrics |= {f"baseline/{name}/kid": 4055.1 for name in ("mean", "noise", "principal", "floor", "other")}
    console = Console(width=80, file=io.StringIO())
    console.print(score_table(metrics), crop=False)
    text = console.file.getvalue()  # type: ignore[attr-defined]
    assert text.count("4055.1") == 5 and "2862.7" in text and "-0.158" in text and "3.06e+12" in text
