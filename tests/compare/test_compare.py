"""`compare`: pairs and verdicts against scipy and simulated studies, refusals, and the page in a browser."""

from __future__ import annotations

import csv
import errno
import json
import sys
from collections.abc import Sequence
from pathlib import Path

import nibabel
import numpy as np
import pytest
from scipy import stats

from ganatomy.compare.__main__ import start
from ganatomy.compare.arms import Arm, read_arms
from ganatomy.compare.cases import drawn, groups
from ganatomy.compare.differing import differing, measured_otherwise
from ganatomy.compare.finished import Finished
from ganatomy.compare.page import refuse_foreign
from ganatomy.compare.pairing import Pair, pair
from ganatomy.compare.verdicts import Outcome, outcomes
from ganatomy.errors import UserError
from tests import commands
from tests.compare.made_up import config, discs, names, run
from tests.index.browser import CHROMIUM, browser
from tests.index.inside import Inside

SCORES = ("dice", "hd95", "nsd")


@pytest.fixture
def compare(capsys: pytest.CaptureFixture[str]) -> Inside:
    return Inside("compare", start, capsys)


def arm(letter: str, values: np.ndarray, subjects: Sequence[int]) -> Arm:
    """An arm of one run; `values` is [scores, cases]."""
    cases = names(values.shape[1])
    scores = {case: dict(zip(SCORES, values[:, place], strict=False)) for place, case in enumerate(cases)}
    owners = {case: str(subjects[place]) for place, case in enumerate(cases)}
    found = Finished(Path(letter), config(), {}, scores, owners, {}, frozenset(), "mm", "")
    return Arm(letter, [found], cases)


def compared(first: np.ndarray, other: np.ndarray, subjects: Sequence[int] | None = None) -> list[Outcome]:
    owners = range(first.shape[1]) if subjects is None else subjects
    return outcomes([pair(arm("A", first, owners), arm("B", other, owners))], None)


def paired(one: Path, other: Path) -> Pair:
    arms = read_arms([str(one), str(other)])
    return pair(arms[0], arms[1])


def alarms(studies: int, scores: int, per_subject: int = 1) -> float:
    """Share of studies in which any score is called better, though nothing differs."""
    rng, found = np.random.default_rng(0), 0
    subjects = np.repeat(np.arange(20), per_subject)
    for _ in range(studies):
        base = rng.beta(8, 3, (scores, subjects.size))
        shared = rng.normal(0, 1, (2, 1, 20))[:, :, subjects]  # what an arm gains or loses with a subject
        noise = shared + rng.normal(0, 0.5, (2, scores, subjects.size))
        words = [one.verdict for one in compared(base + 0.03 * noise[0], base + 0.03 * noise[1], subjects)]
        found += any(word.endswith("better") for word in words)
    return found / studies


@pytest.mark.parametrize(
    ("scores", "per_subject", "limits"), [(1, 1, (0.03, 0.07)), (1, 5, (0.03, 0.07)), (3, 1, (0.01, 0.07))]
)
def test_one_in_twenty_comparisons_of_equals_is_a_false_alarm(
    scores: int, per_subject: int, limits: tuple[float, float]
) -> None:
    assert limits[0] < alarms(600, scores, per_subject) < limits[1]


def test_a_planted_difference_is_found_in_its_direction() -> None:
    rng = np.random.default_rng(1)
    base = rng.beta(8, 3, (3, 25))
    gain = np.array([0.05, 0.05, 0.0])[:, None]  # of dice and of hd95, where lower is better
    found = compared(base + gain + rng.normal(0, 0.04, base.shape), base + rng.normal(0, 0.04, base.shape))
    assert [one.verdict for one in found] == ["A better", "B better", "no difference found"]
    turned = compared(base, base + gain + rng.normal(0, 0.04, base.shape))
    assert [one.verdict for one in turned][:2] == ["B better", "A better"]


def test_interval_and_p_are_those_of_a_paired_t_test() -> None:
    rng = np.random.default_rng(2)
    first, other = rng.normal(0.8, 0.05, (2, 1, 12))
    one = compared(first, other)[0]
    there = stats.ttest_rel(first[0], other[0])
    assert one.p[0] == pytest.approx(there.pvalue, rel=1e-6)
    assert one.interval == pytest.approx(there.confidence_interval(0.95), rel=1e-9)
    assert one.difference == pytest.approx(first.mean() - other.mean())


def test_several_scores_are_corrected_as_by_hand() -> None:
    rng = np.random.default_rng(3)
    found = compared(rng.normal(0.8, 0.05, (3, 12)), rng.normal(0.77, 0.05, (3, 12)))
    alone = sorted(one.p[0] for one in found)
    by_hand = np.maximum.accumulate(np.minimum(np.array(alone) * [3, 2, 1], 1))
    assert sorted(one.p[1] for one in found) == pytest.approx(by_hand)


def test_a_difference_that_counts_alone_only_is_undecided() -> None:
    rng = np.random.default_rng(0)
    gap = rng.normal(0, 1, (3, 12))
    gap = (gap - gap.mean(1, keepdims=True)) / gap.std(1, ddof=1, keepdims=True)
    gap[0] += stats.t.isf(0.03 / 2, 11) / 12**0.5  # p = 0.03 alone, 0.09 among three
    found = compared(gap, np.zeros((3, 12)))
    assert found[0].p == pytest.approx((0.03, 0.09), rel=1e-6)
    assert [one.verdict for one in found] == ["undecided", "no difference found", "no difference found"]


def test_few_subjects_are_undecided_however_large_the_difference() -> None:
    base = np.linspace(0.5, 0.9, 12)[None]
    found = compared(base + 0.1 + 0.001 * np.arange(12), base, [0, 0, 0, 1, 1, 1, 2, 2, 2, 3, 3, 3])
    assert found[0].verdict == "undecided" and found[0].estimate is not None
    assert found[0].estimate.subjects == 4 and found[0].p[0] < 0.01
    alone = compared(base + 0.1, base, [0] * 12)[0]
    assert alone.verdict == "undecided" and alone.reason.startswith("one subject")


def test_groups_of_subjects_that_overlap_are_one(tmp_path: Path) -> None:
    values = {"dice": np.linspace(0.5, 0.9, 6)}
    one = run(tmp_path / "a", values, subjects=["s1", "s1", "s2", "s3", "s4", "s5"])
    other = run(tmp_path / "b", values, subjects=["s1", "s2", "s2", "s3", "s4", "s5"])
    found = paired(one, other)
    assert len(set(found.subjects)) == 4 and found.subjects[0] == found.subjects[2]


def test_cases_that_only_one_has_are_counted_and_left_out(tmp_path: Path, compare: Inside) -> None:
    cases = names(10)
    one = run(tmp_path / "a", {"dice": np.linspace(0.5, 0.9, 8), "hd95": [1.0] * 7 + [np.nan]}, cases[:8])
    other = run(tmp_path / "b", {"dice": [0.4] * 7, "hd95": [2.0] * 7}, cases[3:])
    found = outcomes([paired(one, other)], None)
    assert found[0].pair.counts == "5 test cases of 5 subjects in both, 3 only in A, 2 only in B"
    assert found[0].means == (pytest.approx(np.linspace(0.5, 0.9, 8)[3:].mean()), pytest.approx(0.4))
    assert found[1].missing == (1, 0) and found[1].cases == 4
    assert (
        "of 4 cases alone, as A has no value for 1 and B has no value for 0"
        in compare(tmp_path, "a", "b").stdout
    )


def test_a_case_is_averaged_over_seeds(tmp_path: Path, compare: Inside) -> None:
    rng = np.random.default_rng(4)
    base = rng.uniform(0.6, 0.8, 12)
    tables = {
        name: base + gain + rng.normal(0, 0.05, (3, 12)) for name, gain in (("gan", 0.03), ("twin", 0.0))
    }
    for name, table in tables.items():
        for seed, values in enumerate(table):
            run(tmp_path / f"{name}{seed}", {"dice": values}, settings=config(seed))
    arms = read_arms([[str(tmp_path / f"gan{seed}") for seed in range(3)], str(tmp_path / "twin*")])
    one = outcomes([pair(arms[0], arms[1])], None)[0]
    there = stats.ttest_rel(tables["gan"].mean(0), tables["twin"].mean(0))
    assert one.p[0] == pytest.approx(there.pvalue, rel=1e-6)
    assert differing(arms) == []  # seeds are the same in both arms
    assert differing(read_arms([str(tmp_path / "gan0"), str(tmp_path / "gan1")])) == [("seed", ["0", "1"])]
    result = compare(tmp_path, "runs=[[gan0,gan1,gan2],[twin0,twin1,twin2]]", "output=null")
    assert result.returncode == 0 and "A: gan0 and 2 more, averaged" in result.stdout
    assert "dice of each run, on its whole test set: A 0." in result.stdout


def test_folds_of_an_arm_join(tmp_path: Path) -> None:
    cases = names(12)
    for fold, part in enumerate((cases[:6], cases[6:])):
        for name, gain in (("a", 0.1), ("b", 0.0)):
            run(tmp_path / f"{name}{fold}", {"dice": gain + 0.01 * np.arange(6) ** 2 * (1 + gain)}, part)
    arms = read_arms([str(tmp_path / "a*"), str(tmp_path / "b*")])
    one = outcomes([pair(arms[0], arms[1])], None)[0]
    assert one.cases == 12 and one.verdict == "A better"


def test_scores_without_cases_have_no_interval_and_a_reason(tmp_path: Path, compare: Inside) -> None:
    for name, value in (("a", 0.6), ("b", 0.5)):
        whole = {"map50": value, "froc": value - 0.1, "volumes": 3}
        run(tmp_path / name, {}, settings=config(task="detection"), whole=whole)
    result = compare(tmp_path, "a", "b")
    assert result.returncode == 0, result.stderr
    rows = {row["score"]: row for row in csv.DictReader((tmp_path / "compare.csv").open())}
    assert set(rows) == {"map50", "froc"} and next(iter(rows)) == "map50"
    assert rows["map50"]["difference"] == repr(0.6 - 0.5) and rows["map50"]["low"] == ""
    assert rows["map50"]["verdict"] == "–" and "no cases to pair" in rows["map50"]["reason"]
    assert "map50, froc: a score of the whole test set: there are no cases to pair" in result.stdout


@pytest.mark.parametrize("gap", [-0.1, 0.0, 0.1])
@pytest.mark.parametrize("order", ["ab", "ba"])
def test_an_arm_that_is_behind_a_baseline_or_its_twin_is_named(
    tmp_path: Path, compare: Inside, gap: float, order: str
) -> None:
    """`a` is the GAN, `b` its twin; the intervals are those of the table."""
    noise = np.random.default_rng(0).normal(0, 0.02, 10)
    noise -= noise.mean()
    twin = np.linspace(0.5, 0.7, 10)
    gan = config(discriminator={"_target_": "x.D"})
    for name, dice, settings in (("a", twin + gap + noise, gan), ("b", twin, config())):
        place = run(tmp_path / name, {"dice": dice}, settings=settings)
        scores = json.loads((place / "metrics.json").read_text())
        (place / "metrics.json").write_text(json.dumps(scores | {"baseline/otsu/dice": 0.65}))
    out = " ".join(compare(tmp_path, *order).stdout.split())
    letters = dict(zip(order, "AB", strict=True))
    baseline = "behind Otsu's thresholds (otsu): Dice 0.{} of 0.650 (one run)"
    assert f"{letters['b']} is {baseline.format('600')}" in out
    assert (f"{letters['a']} is {baseline.format(round(600 + 1000 * gap))}" in out) == (gap < 0.05)
    states = {-0.1: "behind", 0.0: "level with"}
    assert ("its twin" in out) == (gap in states)
    if gap in states:
        assert f"{letters['a']} is {states[gap]} its twin without a discriminator: Dice" in out
        assert "over 10 subjects" in out
    page = (tmp_path / "compare.html").read_text()
    assert "Not ahead of a baseline or twin" in page and f"{letters['b']} is behind" in page
    assert page.count('class="wide" tabindex="0"') == page.count("<table") > 1  # keys scroll them, too


def test_classes_are_compared_when_asked_for(tmp_path: Path) -> None:
    rng = np.random.default_rng(5)
    for name in "ab":
        run(
            tmp_path / name,
            {score: rng.uniform(0.5, 1, 8) for score in ("dice", "dice/gm", "hd95", "hd95/gm")},
        )
    found = paired(tmp_path / "a", tmp_path / "b")
    assert [one.score for one in outcomes([found], None)] == ["dice", "hd95"]
    assert len(outcomes([found], "all")) == 4
    assert [one.score for one in outcomes([found], ["hd95/gm"])] == ["hd95/gm"]
    with pytest.raises(UserError, match=r"scores: dize is not in both runs; did you mean 'dice'\?"):
        outcomes([found], ["dize"])


def test_what_cannot_be_compared_is_refused_in_a_line(tmp_path: Path, compare: Inside) -> None:
    values = {"dice": np.linspace(0.5, 0.9, 6)}
    run(tmp_path / "a", values)
    run(tmp_path / "elsewhere", values, [f"other_{number}" for number in range(6)])
    run(tmp_path / "changed", values, digests={"patient_002": "another truth"})
    run(tmp_path / "enhanced", values, settings=config(task="enhancement"))
    run(tmp_path / "unfinished", values, status="preempted")
    for name, what in (("boxes", "these"), ("others", "those")):
        run(tmp_path / name, {}, settings=config(task="detection"), whole={"map50": 0.5}, digests={"p": what})
    (run(tmp_path / "cut", values) / "scores.csv").write_text("case,dice\nx")
    (run(tmp_path / "odd", values) / "data.json").write_text("[]")
    (run(tmp_path / "formless", values) / "config.yaml").write_text("task: [1]\nmodel: {}")
    (run(tmp_path / "strange", values) / "data.json").write_text('{"contents": {"test": 3}}')
    (tmp_path / "empty").mkdir()
    (tmp_path / "notes.csv").write_text("mine")
    before = sorted(tmp_path.rglob("*"))
    for words, line in {
        ("a", "elsewhere"): "runs: A and B have no test case in common (6 and 6 cases)",
        ("a", "changed"): "runs: 1 of 6 test cases that A and B share by name have another image or truth",
        (
            "runs=[[a,changed],elsewhere]",
        ): "runs: a and changed were tested on other data under the same names",
        ("a", "enhanced"): "runs: A is of task=segmentation, B of task=enhancement",
        (
            "boxes",
            "others",
        ): "runs: A and B were tested on other data; give runs with the same data",
        ("a", "unfinished"): "runs: unfinished is not finished (preempted)",
        ("a", "cut"): "cut/scores.csv: has 1 cells in row 2",
        ("a", "odd"): "odd/data.json: holds no section of keys",
        ("a", "formless"): "runs: formless/config.yaml: is damaged (it has no section task)",
        ("a", "empty"): "runs: empty is no run directory",
        ("a", "nowhere"): "runs: nowhere is no folder",
        ("a", "nowhere*"): "runs: no run directory matches nowhere*",
        ("a", "./a"): f"runs: {(tmp_path / 'a').resolve()} is named twice",
        ("a",): "runs: 1 found; give two or more",
        (): "runs: none given; give two or more",
        ("runs=[[],a]",): "runs: an arm without a run",
        ("a",) * 27: "runs: 27 are too many to compare; give at most 26",
        (
            "runs=[[a,enhanced],elsewhere]",
        ): "runs: A holds runs of several tasks (enhancement, segmentation); name runs of one",
        ("a", "strange"): "runs: strange: its files do not hold a result (",
        ("a", "elsewhere", "scoers=all"): "scoers: no such key; did you mean 'scores'?",
        ("a", "elsewhere", "output=notes.html"): "output: notes.csv is there and was not written by compare",
        ("a", "elsewhere", "cases=-1"): "cases: ",
    }.items():
        code, out, text = compare(tmp_path, *words)
        assert (code, text.count("\n"), out) == (2, 1, "") and text.startswith(f"error: {line}"), text
        assert sorted(tmp_path.rglob("*")) == before


def test_a_page_that_cannot_be_read_or_written(
    tmp_path: Path, compare: Inside, monkeypatch: pytest.MonkeyPatch
) -> None:
    for name in "ab":
        run(tmp_path / name, {"dice": np.linspace(0.5, 0.9, 6)})

    def full(path: Path, content: bytes) -> None:
        raise OSError(errno.ENOSPC, "No space left on device", path)

    monkeypatch.setattr("ganatomy.runs.directory.write_atomically", full)
    code, _, text = compare(tmp_path, "a", "b", "output=page.html")
    line = "error: output: page.html cannot be written (No space left on device); choose another place\n"
    assert (code, text) == (2, line)
    (tmp_path / "page.html").write_text("mine")

    def closed(path: Path) -> bytes:
        raise PermissionError(errno.EACCES, "Permission denied", path)

    monkeypatch.setattr(Path, "read_bytes", closed)
    with pytest.raises(UserError, match=r"page.html cannot be read \(Permission denied\); give another "):
        refuse_foreign(tmp_path / "page.html")


def test_an_earlier_run_without_digests_is_compared_and_that_is_said(tmp_path: Path, compare: Inside) -> None:
    values = {"dice": np.linspace(0.5, 0.9, 6)}
    run(tmp_path / "a", values)
    (run(tmp_path / "b", values) / "data.json").unlink()
    result = compare(tmp_path, "a", "b", "output=null")
    assert result.returncode == 0 and "6 of them cannot be checked to be the same" in result.stdout


def test_scores_of_another_grid_are_a_caution(tmp_path: Path) -> None:
    values, other = {"dice": np.linspace(0.5, 0.9, 6)}, config()
    run(tmp_path / "a", values)
    run(tmp_path / "b", values, settings={**other, "task": {**other["task"], "scored": "network"}})
    arms = read_arms([str(tmp_path / "a"), str(tmp_path / "b")])
    assert measured_otherwise(arms) == [
        "caution: task.scored differs (A file, B network): the scores are not of the same measure"
    ]
    assert measured_otherwise([arms[0], arms[0]]) == []


def test_differing_keys_name_what_changes_numbers_alone(tmp_path: Path) -> None:
    values = {"dice": np.linspace(0.5, 0.9, 6)}
    run(
        tmp_path / "a",
        values,
        settings=config(0, discriminator={"_target_": "x.Patch", "channels": 8}, ema_half_life=5),
    )
    run(tmp_path / "b", values, settings=config(1, ema_half_life=5, adversarial={"weight": 0.1}))
    found = dict(differing(read_arms([str(tmp_path / "a"), str(tmp_path / "b")])))
    assert found == {
        "model.discriminator": ["Patch", "null"],
        "model.adversarial": ["(none)", "{weight: 0.1, history: 0}"],
        "seed": ["0", "1"],
    }


def test_aliases_of_yaml_do_not_unfold_without_end(tmp_path: Path) -> None:
    lines = ["a0: &a0 [x, x, x, x, x, x, x, x, x]"]
    lines += [f"a{n}: &a{n} [{', '.join([f'*a{n - 1}'] * 9)}]" for n in range(1, 12)]
    values = {"dice": np.linspace(0.5, 0.9, 6)}
    run(tmp_path / "a", values)
    place = run(tmp_path / "b", values)
    (place / "config.yaml").write_text((place / "config.yaml").read_text() + "\n".join(lines))
    with pytest.raises(UserError, match="is no configuration"):
        read_arms([str(tmp_path / "a"), str(tmp_path / "b")])


@pytest.fixture(scope="module")
def shown(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with the comparison of two runs that wrote their predictions."""
    folder, rng = tmp_path_factory.mktemp("shown"), np.random.default_rng(6)
    base = rng.uniform(0.6, 0.9, 12)
    for name, radius in (("<b>one</b>", 12), ("other", 9)):
        values = {"dice": base + radius / 100 + rng.normal(0, 0.01, 12)}
        run(folder / name, values, predictions=discs(12, radius), game="collapse")
    line = [sys.executable, "-m", "ganatomy", "compare", "<b>one</b>", "other"]
    result = commands.run(line, folder)
    assert result.returncode == 0, result.stderr
    (folder / "out.txt").write_text(result.stdout)
    return folder


def test_no_case_is_named(shown: Path) -> None:
    for name in ("compare.html", "compare.csv", "out.txt"):
        assert "patient_" not in (shown / name).read_text()
    assert "row 1" in (shown / "out.txt").read_text()


def test_the_page_in_a_browser(shown: Path) -> None:
    if CHROMIUM is None:
        pytest.skip("no Chromium on this machine")
    with browser() as chromium:
        chromium.open(shown / "compare.html")
        assert chromium.ask("document.images.length") == 3  # the figure, best for A, worst for both
        assert chromium.ask("[...document.images].every(image => image.naturalWidth > 100)")
        assert chromium.ask("document.querySelector('dd').textContent") == "<b>one</b>"
        assert chromium.ask("document.querySelector('td b.better').textContent") == "A better"
        assert "the game of other failed: collapse" in chromium.ask("document.body.textContent")
        assert chromium.complaints == []


def test_the_slice_that_differs_most_is_drawn(tmp_path: Path) -> None:
    volumes = [np.zeros((20, 24, 6), np.uint8), np.zeros((20, 24, 6), np.uint8)]
    volumes[1][2:12, 4:9, 4] = 1
    for name, volume in zip("ab", volumes, strict=True):
        place = run(tmp_path / name, {"dice": [0.5 + (name == "a") / 10]}, ["p"])
        (place / "predictions").mkdir()
        nibabel.save(nibabel.Nifti1Image(volume, np.eye(4)), place / "predictions/case_0001.nii.gz")
        (place / "predictions.csv").write_text("prediction,case\ncase_0001,p\n")
    found = paired(tmp_path / "a", tmp_path / "b")
    group = groups(found, "dice", 3)[0]
    assert group.title == "Best for A, worst for B" and group.lines == [
        "row 1: A 0.600, B 0.500, difference +0.100"
    ]
    assert drawn(found, group) is not None
    from ganatomy.compare import cases

    assert cases._line(found, "p", "dice", (0.6, 0.6004)).endswith("difference +0.000"), "not -0.000"

    tiles = cases._tiles(*(cases._prediction(each, "p") for each in (found.first, found.other)), True)
    assert not tiles[0].any() and tiles[1].any() and 0.1 < (tiles[2] > 127).mean() < 0.12


def test_broken_or_missing_predictions_are_no_crash(tmp_path: Path, compare: Inside) -> None:
    values = {"dice": np.linspace(0.5, 0.9, 6)}
    run(tmp_path / "a", values, predictions=discs(6, 8))
    place = run(tmp_path / "b", {"dice": values["dice"][::-1]}, predictions=discs(6, 8))
    for path in (place / "predictions").iterdir():
        path.write_bytes(b"\x89PNG cut")
    (place / "samples").mkdir()
    (place / "samples/test.png").write_bytes(b"no picture")
    result = compare(tmp_path, "a", "b")
    assert result.returncode == 0 and "No pictures of these cases" in (tmp_path / "compare.html").read_text()


@pytest.mark.parametrize("width", [60, 80, 120])
def test_the_table_fits_its_width(shown: Path, compare: Inside, width: int) -> None:
    result = compare(shown, "<b>one</b>", "other", "output=null", width=width)
    table = result.stdout.split("\n12 test cases")[0]
    assert max(map(len, table.splitlines())) <= width and "…" not in table
    assert "verdict" in table, "no head is broken into pieces"
