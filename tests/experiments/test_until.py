"""`until=decided` and `plan=true` through the command: seeds are added, looks are kept, refusals."""

from __future__ import annotations

import json
import signal
from collections import Counter
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from scipy import stats

from tests.experiments.conftest import STUB, ran, start
from tests.sweeps.conftest import wait_for

Small = Callable[..., Path]
CLAIMS = [
    {"claim": "gan.test/dice > twin.test/dice", "by": 0.01},
    {"claim": "gan.test/auroc > gan.test/dice", "by": 0.1375},
    {"claim": "gan.test/auroc > twin.test/auroc"},
]
"""Of the stand-in's scores: 0.05 in every seed; 0.13775 - 0.002 seed; and no difference in any seed."""
UNTIL = ("small", STUB, "until=decided", "jobs=2")


def results(folder: Path) -> dict[str, Any]:
    found: dict[str, Any] = json.loads((folder / "results/verdicts.json").read_text())
    return found


@pytest.mark.slow
def test_seeds_are_added_until_all_is_decided_or_hopeless(tmp_path: Path, small: Small) -> None:
    """Three seeds leave the second claim open: 3, 4, 6 and 9 of at most 13; it needs one arm alone.

    By hand: after nine seeds the mean falls short of 0.1375 by 0.00775, its error is 0.00183, Student's t of
    8 gives p = 0.0028, the look has 0.2335 of the error, and three claims are open.
    """
    folder = small(claims=CLAIMS)
    place = tmp_path / "runs/experiments/small/cpu"
    place.mkdir(parents=True)
    (place / "plot.json").write_text(json.dumps({"gan_seed4": "hang"}))
    first = start(tmp_path, *UNTIL, "max_seeds=13")
    wait_for(lambda: bool(list(place.glob("gan_seed5_*/status.json"))) or first.poll() is not None, 300)
    wait_for(lambda: "done" in next(place.glob("gan_seed5_*/status.json")).read_text())
    first.send_signal(signal.SIGTERM)
    printed, said = first.communicate(timeout=300)
    assert first.returncode == 128 + signal.SIGTERM, said
    assert "look 2, 4 seeds of at most 13: 1 supported, 2 undecided" in printed
    assert json.loads((folder / "results/looks.json").read_text()) == {"max_seeds": 13, "made": [3, 4]}
    assert ran(tmp_path, "check")[0] == 0  # what is kept between two looks follows from the runs too

    code, _, said = ran(tmp_path, *UNTIL, "max_seeds=14")
    assert code == 2 and "max_seeds: the looks at small began with 13" in said
    code, printed, said = ran(tmp_path, *UNTIL)
    assert code == 0, said
    assert "look 4, 9 seeds of at most 13: 1 supported, 1 not supported, 1 undecided" in printed
    assert (
        "no further seeds for gan.test/auroc > twin.test/auroc: the chance that 13 decide it is 0%" in printed
    )
    assert json.loads((folder / "results/looks.json").read_text())["made"] == [3, 4, 6, 9]
    begun = Counter((place / "starts").read_text().split())
    assert begun.keys() - {"again"} == {
        *(f"gan_seed{s}" for s in range(9)),
        *(f"twin_seed{s}" for s in range(3)),
    }
    assert begun["gan_seed4"] == 2 and sum(begun.values()) == 14  # 12 runs, one of them twice: "... again"

    one, two, three = results(folder)["claims"]
    assert [claim["looks"] for claim in (one, two, three)] == [[3], [3, 4, 6, 9], [3]]
    assert [claim["verdict"] for claim in (one, two, three)] == ["supported", "not supported", "undecided"]
    assert two["difference"] == pytest.approx(0.13775 - 0.008)
    reach = stats.t.isf(0.05 * 513 / 2197 / 2, 8) * np.std(0.002 * np.arange(9), ddof=1) / 3
    assert two["interval"] == pytest.approx([0.12975 - reach, 0.12975 + reach], rel=1e-5)
    table = (folder / "results/table.md").read_text()
    assert "9 seeds alone, look 4" in table and "after 3 seeds (0.012), 4 seeds (0.017)" in table
    assert "Scale `cpu`, 12 runs" in table

    code, printed, said = ran(tmp_path, *UNTIL)
    assert code == 0 and "look 4, 9 seeds" in printed and sum(begun.values()) == 14, said
    assert ran(tmp_path, "check")[0] == 0
    assert "of at most 13" in ran(tmp_path, "list")[1]
    _looks_are_checked(tmp_path, folder)


def _looks_are_checked(root: Path, folder: Path) -> None:
    """Looks that are left out would raise what the others may spend, and a missing file is no single look."""
    looks = folder / "results/looks.json"
    kept = looks.read_text()
    looks.write_text('{"max_seeds": 9, "made": [9]}\n')
    assert "looks.json: was changed by hand" in ran(root, "check")[2]
    from ganatomy.experiments.store import sha256

    record = folder / "results/verdicts.json"
    before = record.read_text()
    known = json.loads(before)
    known["files"]["looks.json"] = sha256(looks)
    record.write_text(json.dumps(known))
    assert "verdicts.json: its claims is not what the runs say" in ran(root, "check")[2]
    record.write_text(before)
    looks.unlink()
    assert "looks.json: is missing" in ran(root, "check")[2]
    looks.write_text(kept)
    assert ran(root, "check")[0] == 0


@pytest.mark.slow
def test_a_plan_says_what_deciding_takes(tmp_path: Path, small: Small) -> None:
    folder = small(claims=CLAIMS)
    code, printed, _ = ran(tmp_path, "small", "plan=true")
    assert code == 0 and "no kept runs at scale cpu" in printed and not (folder / "results").exists()
    assert ran(tmp_path, "small", STUB, "jobs=2")[0] == 0
    lines = folder / "results/runs.csv"
    rows = [row.split(",") for row in lines.read_text().splitlines()]
    seconds = rows[0].index("seconds")
    for row, took in zip(rows[1:], (60, 60, 90, 120, 120, 120), strict=True):  # gan's, then its twin's
        row[seconds] = str(took)
    lines.write_text("\n".join(",".join(row) for row in rows) + "\n")
    code, printed, said = ran(tmp_path, "small", "plan=true", "minutes=15")
    assert code == 0, said
    assert "1  gan.test/dice > twin.test/dice by 0.01: is supported" in printed
    assert "2  gan.test/auroc > gan.test/dice by 0.1375: undecided, as observed not supported" in printed
    assert "gan.test/auroc > twin.test/auroc: no number of seeds will do" in printed
    # 0.875 deviations short, by the noncentral t: 17 seeds at 5 % / 3, 13 alone; gan takes a minute
    assert " 17 (13) " in printed and " 14 " in printed
    assert "In 15 minutes: gan.test/auroc > gan.test/dice by 0.1375 (17 seeds); 14 minutes in all" in printed
    assert "A pilot of two lengths would" in printed
    printed = ran(tmp_path, "small", "plan=true", "minutes=13")[1]
    assert "In 13 minutes: no claim" in printed and "would make it 14 minutes" in printed
    assert "to decide" in ran(tmp_path, "list")[1]


WRONG: dict[str, tuple[list[str], dict[str, Any], str]] = {
    "no cap": (["until=decided"], {}, "max_seeds: is missing; give the most seeds"),
    "a cap that allows none": (
        ["until=decided", "max_seeds=3"],
        {},
        "max_seeds: 3 are no more than those stated",
    ),
    "two seeds stated": (["until=decided", "max_seeds=9"], {"seeds": [0, 1]}, "begins with 3 or more"),
    "no claims": (["until=decided", "max_seeds=9"], {"claims": []}, "claims: there is none to decide"),
    "arms chosen": (["until=decided", "max_seeds=9", "arms=[gan]"], {}, "leave out arms and seeds"),
    "a cap without until": (["max_seeds=9"], {}, "max_seeds: is the cap of until=decided"),
    "minutes without a plan": (["minutes=9"], {}, "minutes: are those of a plan; add plan=true"),
    "two deeds": (["plan=true", "until=decided"], {}, "until: is another deed than plan"),
    "another until": (["until=friday"], {}, "until: "),
}


@pytest.mark.parametrize("name", WRONG)
def test_wrong_requests_are_one_line(name: str, tmp_path: Path, small: Small) -> None:
    words, more, line = WRONG[name]
    folder = small(**more)
    code, printed, said = ran(tmp_path, "small", *words)
    assert code == 2 and line in said and len(said.splitlines()) == 1 and not printed, said
    assert not (folder / "results").exists()
