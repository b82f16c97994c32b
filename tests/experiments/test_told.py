"""What a table and a title say of results that are planted."""

import math
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from types import SimpleNamespace

import pytest
from rich.console import Console

from ganatomy.errors import UserError
from ganatomy.experiments import plan, verify
from ganatomy.experiments.claims.claims import Verdict, parse
from ganatomy.experiments.claims.verdicts import difference
from ganatomy.experiments.deciding.forecast import Bill, Forecast
from ganatomy.experiments.listing import minutes, to_decide
from ganatomy.experiments.results.figure import title
from ganatomy.experiments.results.report import BEGIN, END, between
from ganatomy.experiments.results.table import baseline_rows
from ganatomy.experiments.results.wording import finding
from ganatomy.experiments.spec import Experiment, read
from ganatomy.experiments.store import Key, Result
from ganatomy.metrics.differences.statistics import Estimate
from tests.experiments.archive.conftest import keep, request

Small = Callable[..., Path]


def line(arm: str, test: str) -> Result:
    return Result({"arm": arm, "seed": "0", "test": test, "baseline/otsu/dice": "0.2"}, ())


def small_one(small: Small, **more: object) -> Experiment:
    return read(small(**more).parent, "small")


@pytest.mark.parametrize(
    ("other", "labels"),
    [("a", ["Otsu"]), ("b", ["Otsu, beside with the adversary", "Otsu, beside its twin"])],
)
def test_a_baseline_stands_once_for_each_test_set(small: Small, other: str, labels: list[str]) -> None:
    results: dict[Key, Result] = {("gan", 0): line("gan", "a"), ("twin", 0): line("twin", other)}
    assert [label for label, _, _ in baseline_rows(small_one(small), results)] == labels


def test_a_title_leads_with_what_was_decided(small: Small) -> None:
    experiment = small_one(small)
    found = Estimate(0.05, ((0.0001, 2),), 3, 8)
    words = ("undecided", "supported", "undecided")
    verdicts = [Verdict(c, found, 0.5, w) for c, w in zip(experiment.claims, words, strict=True)]  # type: ignore[arg-type]
    assert title(experiment, verdicts).startswith("Supported: with the adversary has the same AUROC")
    assert title(experiment, verdicts[::2]).startswith("Undecided: with the adversary has a higher Dice")


def test_real_images_and_units_are_told_as_such(small: Small) -> None:
    claims = [{"claim": "gan.test/hd95 > gan.floor/hd95"}]
    experiment = small_one(small, claims=claims, baselines={"floor": "real images"})
    verdict = Verdict(experiment.claims[0], Estimate(0.05, ((0.0001, 2),), 3, 8), 0.5, "supported")
    told = finding(experiment, verdict)
    assert told.startswith("Supported: with the adversary has a higher HD95 than real images: +0.050 mm [")


@pytest.mark.parametrize(
    ("claim", "told"),
    [
        (("dice >", {"by": 0.01}), "a higher Dice than its twin (0.01 or more was asked):"),
        (("dice ~", {"within": 0.01}), "the same Dice as its twin, within 0.01:"),
        (("hd95 <", {"by": 2}), "a lower HD95 than its twin (2 mm or more was asked):"),
        (("dice >", {}), "a higher Dice than its twin:"),
    ],
)
def test_how_much_a_claim_asks_for_is_told(
    small: Small, claim: tuple[str, dict[str, float]], told: str
) -> None:
    (score, sign), margin = claim[0].split(), claim[1]
    asked = {"claim": f"gan.test/{score} {sign} twin.test/{score}", **margin}
    experiment = small_one(small, claims=[asked])
    verdict = Verdict(experiment.claims[0], Estimate(0.05, ((0.0001, 2),), 3, 8), 0.5, "supported")
    assert f" has {told} " in finding(experiment, verdict)


def test_minutes_are_of_the_quickest_run_of_each_arm() -> None:
    """What waited for other work says nothing of the arm."""

    def timed(arm: str, seed: int, seconds: str) -> Result:
        return Result({"arm": arm, "seed": str(seed), "seconds": seconds}, ())

    kept = [timed("gan", 0, "600"), timed("gan", 1, "120"), timed("twin", 0, "60"), timed("twin", 1, "")]
    assert minutes(kept) == "5"
    assert minutes([timed("twin", 1, "")]) == ""


@pytest.mark.parametrize(("gan", "time"), [(2.0, "31 min"), (20.0, "3 h")])
def test_a_list_says_what_is_left(gan: float, time: str) -> None:
    """Ten seeds of gan, of which it has three, seven of its twin, and a claim that no seeds decide."""
    claim, found = parse("gan.x > twin.x", 0.0), Estimate(0.05, ((0.0001, 2),), 3, 8)

    def left(seeds: float, *arms: str, decided: bool = False) -> Forecast:
        return Forecast(claim, found, decided, "supported", seeds, seeds, seeds, None, None, arms)

    bill = Bill({"gan": gan, "twin": 4.25}, {"gan": 3, "twin": 3})
    claims = [left(10, "gan"), left(7, "gan", "twin"), left(math.inf, "gan"), left(5, "gan", decided=True)]
    assert to_decide(claims, bill) == f"7, 10 seeds: {time}; 1 by none up to 1000"
    assert to_decide(claims[3:], bill) == ""


def test_arms_of_other_test_sets_are_not_paired() -> None:
    results: dict[Key, Result] = {("gan", 0): line("gan", "a"), ("twin", 0): line("twin", "b")}
    claim = parse("gan.test/dice > twin.test/dice", 0.0)
    with pytest.raises(
        UserError, match=r"^claims: .*: its arms were tested on other subjects; give them the"
    ):
        difference(claim, results, [0])


@pytest.mark.parametrize("page", ["", f"{BEGIN}\n", f"{END}\n{BEGIN}\n", f"{BEGIN}{BEGIN}{END}"])
def test_a_page_without_a_place_for_the_table(page: str) -> None:
    with pytest.raises(
        UserError, match=r"^README\.md: needs the two lines .*, between which the table stands$"
    ):
        between(page, "README.md")


@pytest.mark.parametrize(
    ("more", "line"),
    [
        (
            {"figure": {"curve": ["test/dice", "test/auroc"], "arms": ["gen"]}},
            "figure.arms: no arm is called gen",
        ),
        ({"scales": {"cpu": {"arms": {"gen": []}}}}, "scales.cpu.arms: no arm is called gen"),
    ],
)
def test_an_arm_that_is_none(more: dict[str, object], line: str, small: Small) -> None:
    with pytest.raises(UserError, match=f"experiment.yaml: {line}"):
        small_one(small, **more)


def test_a_file_without_keys(small: Small) -> None:
    folder = small()
    (folder / "experiment.yaml").write_text("[]")
    with pytest.raises(UserError, match=r"experiment\.yaml: holds no keys$"):
        read(folder.parent, "small")


def test_an_arm_whose_data_are_refused_is_named(
    small: Small, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def refuse(plain: object) -> None:
        raise UserError("data.root: no folder nowhere")

    monkeypatch.setattr(plan, "check_connections", refuse)
    experiment = small_one(small)
    with pytest.raises(UserError, match=r"arms\.gan: data\.root: no folder nowhere$"):
        plan.try_arms(experiment, plan.runs(experiment, tmp_path / "runs"))


def test_what_cannot_be_verified(small: Small, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    root = small().parent
    asked = replace(request(root), named="small", verify=True, paths=())
    with pytest.raises(
        UserError, match=r"^verify: small keeps no such run; train it first, without verify=true"
    ):
        verify.verify(asked, Console())
    keep(root)
    outcome = SimpleNamespace(signum=None, failed=["gan seed 0: ended with code 1"])
    monkeypatch.setattr(verify, "Runner", lambda *_: SimpleNamespace(work=lambda *_: outcome))
    with pytest.raises(UserError, match=r"^verify: gan seed 0: ended with code 1$"):
        verify.verify(asked, Console())
