"""The whole command: run, stopped, gone on with, checked, verified, and refused."""

from __future__ import annotations

import csv
import gzip
import json
import re
import signal
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import yaml
from PIL import Image

from ganatomy.errors import UserError
from ganatomy.experiments.runner import alone
from tests.conftest import TINY
from tests.experiments.conftest import STUB, ran, start
from tests.sweeps.conftest import wait_for

Small = Callable[..., Path]


def plot(root: Path, **fates: str) -> Path:
    """What the stand-in does in which run; the value is the folder of the runs."""
    place = root / "runs/experiments/small/cpu"
    place.mkdir(parents=True, exist_ok=True)
    (place / "plot.json").write_text(json.dumps(fates))
    return place


@pytest.mark.slow
def test_a_stopped_experiment_goes_on_and_ends_with_the_same_table(
    tmp_path: Path, small: Small, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Two at a time, each on a card of its own; then the last one alone, and no checkpoint stays."""
    monkeypatch.setenv("CUDA_VISIBLE_DEVICES", "GPU-aa,GPU-bb")
    folder = small()
    place = plot(tmp_path, gan_seed1="hang")
    code, printed, _ = ran(tmp_path, "list")
    assert code == 0 and "0 of 6" in printed and "not run" in printed
    assert ran(tmp_path, "check")[0] == 0

    first = start(tmp_path, "small", STUB, "jobs=2")
    wait_for(lambda: len(list(place.glob("*/status.json"))) == 6 or first.poll() is not None)
    wait_for(lambda: len((folder / "results/runs.csv").read_text().splitlines()) == 1 + 5)  # not status.json:
    # a run that says "done" there has not yet ended
    first.send_signal(signal.SIGTERM)
    printed, said = first.communicate(timeout=300)
    assert first.returncode == 128 + signal.SIGTERM, said
    assert "start the same command again" in printed and "undecided" in printed
    assert "5 of 6" in ran(tmp_path, "list")[1]
    assert {path.read_text() for path in place.glob("*/cards")} == {"GPU-aa", "GPU-bb"}
    (stopped,) = (path.parents[1] for path in place.glob("*/checkpoints/last.ckpt"))

    code, printed, said = ran(tmp_path, "small", STUB, "keep=none")
    assert code == 0, said
    assert (stopped / "cards").read_text() == "GPU-aa,GPU-bb" and not list(place.glob("*/checkpoints/*.ckpt"))
    assert re.search(r"^disk: 6 runs, \d+ kB \(keep=none\)$", printed, re.M)
    assert "going on after 5 of 6 runs" in printed
    starts = (place / "starts").read_text().splitlines()
    assert sorted(starts) == sorted(
        [f"{a}_seed{s}" for a in ("gan", "twin") for s in range(3)] + ["gan_seed1 again"]
    )
    table = (folder / "results/table.md").read_text()

    # The stand-in's formula: 0.7 + 0.01 (s % 3) + 0.001 s + 0.003 seed, and 0.05 more with an adversary.
    mean = 0.7 + 0.01 * np.mean([s % 3 for s in range(8)]) + 0.0035 + 0.003
    assert (
        f"| with the adversary | {mean + 0.05:.3f} ± 0.003 (3) | 0.901 ± 0.001 (3) | 0.050 ± 0.000 (3) |"
        in table
    )
    assert "| *Otsu* | 0.200 ± 0.000 (3) | – | – |" in table
    rows = [line for line in table.splitlines() if line.startswith("| `")]
    assert "| +0.0500 | +0.0500 to +0.0500 | 3 seeds × 4 subjects |" in rows[0] and "**supported**" in rows[0]
    assert "3 seeds alone" in rows[1] and "**supported**" in rows[1] and "**not supported**" in rows[2]
    assert "Scale `paper` was not run: needs a GPU." in table and "torch 2" in table
    page = (folder / "README.md").read_text()
    assert table in page and "not yet run" not in page and page.endswith("![all arms](results/figure.png)\n")
    with gzip.open(folder / "results/cases.csv.gz", "rt") as file:
        cases = list(csv.DictReader(file))
    assert len(cases) == 48 and cases[0].keys() == {"arm", "seed", "subject", "test/dice"}
    assert "2 supported, 1 not supported" in ran(tmp_path, "list")[1]
    assert np.asarray(Image.open(folder / "results/figure.png").convert("L")).std() > 5

    # Another machine, which has the folder and not the runs: nothing is run again, nothing changes.
    before = {path.name: path.read_bytes() for path in (folder / "results").iterdir()}
    code, _, _ = ran(tmp_path, "small", STUB, "paths.runs=elsewhere")
    assert code == 0 and not (tmp_path / "elsewhere/experiments/small/cpu/starts").exists()
    assert before == {path.name: path.read_bytes() for path in (folder / "results").iterdir()}
    assert ran(tmp_path, "check")[:2] == (
        0,
        "1 experiments: every table and verdict there is follows from the runs\n",
    )

    # A part that was never stopped, in one go.
    assert ran(tmp_path, "small", STUB, "verify=true", "arms=[gan]", "seeds=[1]")[0] == 0


@pytest.mark.slow
def test_a_killed_experiment_leaves_no_process_and_goes_on(tmp_path: Path, small: Small) -> None:
    """The kernel asks its run to stop; a finished run counts though its line was never written."""
    folder = small()
    place = plot(tmp_path, gan_seed1="hang")
    words = ["small", STUB, "arms=[gan]", "seeds=[0,1]", "jobs=2"]
    first = start(tmp_path, *words)
    wait_for(lambda: len(list(place.glob("*/status.json"))) == 2 or first.poll() is not None)
    wait_for(lambda: "done" in "".join(p.read_text() for p in place.glob("*/status.json")))
    first.kill()
    first.communicate(timeout=60)
    (stopped,) = (path for path in place.glob("gan_seed1_*") if path.is_dir())
    wait_for(lambda: "preempted" in (stopped / "status.json").read_text(), 60)

    code, _, said = ran(tmp_path, *words)
    assert code == 0, said
    assert sorted((place / "starts").read_text().splitlines()) == [
        "gan_seed0",
        "gan_seed1",
        "gan_seed1 again",
    ]
    with (folder / "results/runs.csv").open(newline="") as file:
        assert [(row["arm"], row["seed"]) for row in csv.DictReader(file)] == [("gan", "0"), ("gan", "1")]


@pytest.fixture
def finished(tmp_path: Path, small: Small) -> Path:
    folder = small()
    code, _, said = ran(tmp_path, "small", STUB, "jobs=3")
    assert code == 0, said
    return folder


@pytest.mark.slow
def test_what_does_not_follow_from_the_runs_is_named(finished: Path, tmp_path: Path) -> None:
    def told() -> str:
        code, _, said = ran(tmp_path, "check")
        assert code == 1
        return said

    page, table = finished / "README.md", finished / "results/table.md"
    spec, lines = finished / "experiment.yaml", finished / "results/runs.csv"
    kept = {path: path.read_text() for path in (page, table, spec, lines)}
    changes = {
        page: (("0.200", "0.100"), "README.md: its table is not results/table.md"),
        table: (("0.200", "0.100"), "table.md: was changed by hand"),
        lines: (("0.901", "0.991"), "runs.csv: was changed by hand"),
        spec: (("by: 0.01", "by: 0.04"), "experiment.yaml: was changed after the results were written"),
    }
    for path, ((old, new), line) in changes.items():
        path.write_text(kept[path].replace(old, new))
        assert path.read_text() != kept[path] and line in told()
        path.write_text(kept[path])
    # A number changed in runs.csv together with its hash: the table is computed again.
    lines.write_text(kept[lines].replace("0.901", "0.991"))
    from ganatomy.experiments.store import sha256

    record = finished / "results/verdicts.json"
    known = json.loads(record.read_text())
    known["files"]["runs.csv"] = sha256(lines)
    record.write_text(json.dumps(known))
    assert "table.md: is not what the runs say" in told()


@pytest.mark.slow
def test_other_settings_are_other_runs_and_a_wrong_number_is_found(
    finished: Path, tmp_path: Path, small: Small
) -> None:
    lines = finished / "results/runs.csv"
    row = next(
        r for r in csv.DictReader(lines.read_text().splitlines()) if (r["arm"], r["seed"]) == ("twin", "1")
    )
    lines.write_text(lines.read_text().replace(row["test/dice"], "0.75"))
    words = ("small", STUB, "verify=true", "arms=[twin]", "seeds=[1]")
    code, printed, _ = ran(tmp_path, *words)
    assert code == 1 and re.search(r"twin seed 1: test/dice: 0\.7\d+, kept 0\.75: differs by", printed)
    lines.write_text(
        lines.read_text().replace("abacus", "slide rule")
    )  # another machine: within 0.01 is no fault
    lines.write_text(lines.read_text().replace(",0.75,", f",{float(row['test/dice']) + 0.009},"))
    code, printed, _ = ran(tmp_path, *words)
    assert (
        code == 0
        and "within 0.01" in printed
        and "no tolerance is stated (device abacus for slide rule)" in printed
    )

    small(scales={"cpu": {"words": ["trainer.max_steps=9"]}, "paper": {}})
    assert "0 of 6" in ran(tmp_path, "list")[1]
    place = plot(tmp_path, gan_seed0="fail", twin_seed0="fail")
    (place / "starts").unlink()
    code, printed, said = ran(tmp_path, "small", STUB, "seeds=[0,1]", "arms=[gan]")
    assert code == 1 and "error: gan seed 0: data.root: there is no such folder" in said
    assert sorted((place / "starts").read_text().split()) == ["gan_seed0", "gan_seed1"]


@pytest.mark.slow
def test_other_data_are_not_mixed_in(finished: Path, tmp_path: Path) -> None:
    lines = finished / "results/runs.csv"
    rows = lines.read_text().splitlines()
    lines.write_text("\n".join(rows[:-1]) + "\n")
    place = plot(tmp_path, twin_seed2="other data")
    for path in place.glob("twin_seed2_*/status.json"):
        path.unlink()
    before = lines.read_text()
    code, _, said = ran(tmp_path, "small", STUB)
    assert (
        code == 2 and "data: twin seed 2 reads other data (other) than the runs that are kept (aaaa" in said
    )
    assert lines.read_text() == before


BAD: dict[str, tuple[list[str], dict[str, Any], str]] = {
    "no such experiment": (["smal"], {}, "smal: no such experiment in experiments; did you mean 'small'?"),
    "no such arm asked for": (
        ["small", "arms=[gann]"],
        {},
        "arms: small has no arm gann; did you mean 'gan'?",
    ),
    "no such seed asked for": (["small", "seeds=[7]"], {}, "seeds: small has no seed 7; choose from 0, 1, 2"),
    "no such scale": (["small", "scale=papr"], {}, "scale=papr: no such scale; did you mean 'paper'?"),
    "no folder": (["list", "folder=nowhere"], {}, "folder: no folder nowhere here"),
    "misspelt key": (["small", "job=2"], {}, "job: no such key; did you mean 'jobs'?"),
    "misspelt key of the file": (
        ["small"],
        {"claim": []},
        "experiment.yaml: claim: no such key; did you mean 'claims'?",
    ),
    "a claim of another form": (
        ["small"],
        {"claims": [{"claim": "gan = twin"}]},
        "claims.0: 'gan = twin' is no claim",
    ),
    "a claim on no arm": (
        ["small"],
        {"claims": [{"claim": "gan.test/x < tvin.test/x"}]},
        "no arm is called tvin; did you mean 'twin'?",
    ),
    "equal without a margin": (
        ["small"],
        {"claims": [{"claim": "gan.test/x ~ twin.test/x"}]},
        "claims.0: 'gan.test/x ~ twin.test/x' needs a margin",
    ),
    "a word that train refuses": (
        ["small"],
        {"base": ["task=segmentation", "trainer.max_step=3"]},
        "arms.gan: trainer.max_step: no such key",
    ),
    "a seed among the words": (
        ["small"],
        {"base": ["task=segmentation", "seed=3"]},
        "seed: is set by the experiment",
    ),
    "a seed twice": (
        ["small"],
        {"seeds": [0, 1, 0]},
        "seeds: 0 is listed twice; list it once",
    ),
    "a margin of the other kind": (
        ["small"],
        {"claims": [{"claim": "gan.test/x < twin.test/x", "within": 0.1}]},
        "claims.0: `within` goes with ~, and `by` with < and >",
    ),
    "an arm that needs itself": (
        ["small"],
        {"base": ["task=segmentation", "task.window=${run:gan}"]},
        "arms.gan: needs itself, by gan",
    ),
    "a run of no arm": (
        ["small"],
        {"base": ["task=segmentation", "task.window=${run:gam}"]},
        "${run:gam}: no arm is called so",
    ),
}


@pytest.mark.parametrize("name", BAD)
def test_bad_input_is_one_line(name: str, tmp_path: Path, small: Small) -> None:
    words, more, line = BAD[name]
    folder = small(**more)
    code, printed, said = ran(tmp_path, *words)
    assert code == 2 and line in said and len(said.splitlines()) == 1 and not printed, said
    assert not (folder / "results").exists() and not (tmp_path / "runs").exists()


def test_two_commands_do_not_train_the_same_runs(tmp_path: Path) -> None:
    line = r"is being run by another process; wait for it, or end it$"
    with alone(tmp_path), pytest.raises(UserError, match=line), alone(tmp_path):
        pass
    with alone(tmp_path):  # once the first has ended
        pass


@pytest.mark.slow
def test_real_runs_where_one_needs_the_other(tmp_path: Path, small: Small) -> None:
    """Drawn over label maps, and judged by a segmentation run of the same seed."""
    shared = [w for w in TINY if w.startswith(("data.", "trainer.", "callbacks.")) and "progress" not in w]
    drawn = [
        "task=synthesis",
        "model=spade",
        "data=brain",
        "model.generator.channels=4",
        "task.evaluator=${run:judge}",
    ]
    small(
        base=[w for w in shared if "threads" not in w],
        arms={
            "spade": {"label": "drawn", "words": [*drawn, "model.discriminator.channels=4"]},
            "judge": {
                "label": "judge",
                "words": [
                    "task=segmentation",
                    "model.discriminator=null",
                    "model.generator.channels=[4,8]",
                    "model.generator.strides=[2]",
                ],
            },
        },
        seeds=[0],
        scores=["test/judge_dice", "test/dice"],
        baselines={},
        gaps={},
        claims=[{"claim": "spade.test/judge_dice < judge.test/dice"}],
        scales={"cpu": {}},
    )
    code, printed, said = ran(tmp_path, "small")
    assert code == 0, said
    assert [line.split(":")[0] for line in said.splitlines() if "seed" in line] == [
        "judge seed 0",
        "spade seed 0",
    ]
    assert "Undecided: drawn has a lower Dice of the evaluator than judge" in printed
    with gzip.open(tmp_path / "experiments/small/results/cases.csv.gz", "rt") as file:
        assert {(row["arm"], row["subject"]) for row in csv.DictReader(file)} == {("judge", "0")}
    place = tmp_path / "runs/experiments/small/cpu"
    config = yaml.safe_load(next(place.glob("spade_seed0_*/config.yaml")).read_text())
    assert config["task"]["evaluator"] == str(next(p for p in place.glob("judge_seed0_*") if p.is_dir()))
    code, printed, _ = ran(tmp_path, "small", "verify=true", "arms=[judge]")
    assert code == 0 and "test/dice" in printed and "equal" in printed


def test_experiments_of_train_are_not_in_the_way(tmp_path: Path, small: Small) -> None:
    """A sweep's best configuration may stand in conf/experiment, a group of that name."""
    small()
    (tmp_path / "conf/experiment").mkdir(parents=True)
    (tmp_path / "conf/experiment/best.yaml").write_text("# @package _global_\n")
    code, printed, said = ran(tmp_path, "list", f"--config-dir={tmp_path / 'conf'}")
    assert (code, said) == (0, "") and "small" in printed and "not run" in printed
