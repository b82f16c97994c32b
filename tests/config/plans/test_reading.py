"""Plans as files: their words come before the user's, and what is no plan is refused in one line."""

from __future__ import annotations

from pathlib import Path

import pytest

from ganatomy.config.compose import composed
from ganatomy.config.plans import reading
from ganatomy.config.plans.grammar import text_of
from ganatomy.config.plans.reading import expanded, read_plan
from ganatomy.errors import UserError

PLAN = """# @package _global_
# reasons
defaults:
  - override /task: segmentation
  - override /data: brain
  - _self_
data:
  size: 32
  augment:
    - {_target_: monai.transforms.RandFlipd, keys: [image, label], prob: 0.5, spatial_axis: 1}
model:
  generator: {channels: [4, 8], strides: [2]}
  optimizer: {generator: {lr: 1.0e-05}}
trainer: {max_steps: 30}
plan_for: {dims: 2, channels: 1}
plan_estimate: {minutes: 2.5}
"""


@pytest.fixture
def plan(tmp_path: Path) -> Path:
    path = tmp_path / "plan.yaml"
    path.write_text(PLAN)
    return path


def test_a_plan_is_composed_as_it_stands(plan: Path) -> None:
    plain = composed([f"plan={plan}"], check=True)
    assert plain["data"]["size"] == 32
    assert plain["data"]["augment"][0]["keys"] == ["image", "label"]
    assert plain["model"]["generator"]["channels"] == [4, 8]
    assert plain["model"]["optimizer"]["generator"]["lr"] == 1e-5
    assert plain["model"]["scheduler"]["generator"]["T_max"] == 30
    assert (plain["plan"], plain["plan_for"]) == (str(plan), {"dims": 2, "channels": 1})
    assert plain["plan_estimate"] == {"minutes": 2.5}


def test_an_edit_counts(plan: Path) -> None:
    plan.write_text(PLAN.replace("size: 32", "size: 48"))
    assert composed([f"plan={plan}"])["data"]["size"] == 48


def test_words_of_the_user_win_wherever_they_stand(plan: Path) -> None:
    for words in (["data.size=64", f"plan={plan}"], [f"plan={plan}", "data.size=64"]):
        plain = composed(words)
        assert plain["data"]["size"] == 64
        assert plain["trainer"]["max_steps"] == 30


def test_a_group_that_the_user_chooses_takes_the_plans_keys_with_it(plan: Path) -> None:
    plain = composed([f"plan={plan}", "model=residual_unet", "task=segmentation"])
    assert plain["model"]["generator"]["channels"] == [16, 32, 64]
    assert plain["data"]["size"] == 32


def test_words_of_a_plan_are_not_added_twice(plan: Path) -> None:
    once = expanded([f"plan={plan}"])
    assert expanded(once) == once
    assert expanded(["plan=auto", "data.size=8"]) == ["plan=auto", "data.size=8"]
    assert expanded(["resume=DIR", f"plan={plan}"]) == ["resume=DIR", f"plan={plan}"]  # which refuses it


@pytest.mark.parametrize(
    ("before", "after", "line"),
    [
        ("trainer:", "paths: {runs: /x}\ntrainer:", "paths: has no place in a plan"),
        ("size: 32", "secret: mine", "data.secret: has no place in a plan"),
        ("size: 32", "root: ${oc.env:HOME}", "data.root: .* may read the environment"),
        ("override /data: brain", "override /logger: csv", "logger is no group that a plan may choose"),
        ("trainer: {max_steps: 30}", "trainer: 30", "trainer: must be a section"),
        ("plan_for: {dims: 2, channels: 1}", "plan_for: brain", "plan_for: must be a section"),
        ("size: 32", "size: [32", "plan.yaml: line 9: is no plain YAML"),
        (
            "override /data: brain",
            "segmentation",
            "defaults: 'segmentation' is no choice; write `override /task",
        ),
        (PLAN, "30", "plan.yaml: holds no sections"),
        ("# reasons", "# \udcff", "plan.yaml: is no plain YAML .*utf-8"),
    ],
    ids=[
        *("places", "secrets", "environment", "groups", "no section", "what for", "no YAML"),
        *("no choice", "a number", "no text"),
    ],
)
def test_what_is_no_plan_is_refused(plan: Path, before: str, after: str, line: str) -> None:
    plan.write_bytes(PLAN.replace(before, after).encode(errors="surrogateescape"))
    with pytest.raises(UserError, match=f"plan: .*{line}") as refused:
        read_plan(plan)
    assert len(str(refused.value).splitlines()) == 1


def test_a_plan_on_a_broken_disk_is_one_line(plan: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def broken(path: Path) -> None:
        raise OSError(5, "Input/output error")

    monkeypatch.setattr(reading, "checked", broken)
    with pytest.raises(UserError, match=r"^plan: .*plan\.yaml cannot be read \(.*Input/output error\)$"):
        read_plan(plan)


def test_keys_that_train_does_not_know_are_named_with_the_nearest(plan: Path) -> None:
    plan.write_text(PLAN.replace("size: 32", "batch_sise: 3"))
    with pytest.raises(UserError, match=r"data.batch_sise: no such key; did you mean 'batch_size'"):
        composed([f"plan={plan}"], check=True)


@pytest.mark.parametrize(
    ("words", "line"),
    [
        (["plan=gone.yaml"], "plan: gone.yaml is no file; make another with"),
        (["plan=true"], "plan=true: give auto or the file of a plan"),
        (["plan={plan}", "data=busi"], "was made for data=brain, not data=busi"),
        (["plan={plan}", "task=detection"], "was made for task=segmentation, not task=detection"),
        (
            ["plan={plan}", "plan_for=null"],
            "plan_for: is a key of the plan itself; change it in .*plan.yaml, or",
        ),
    ],
)
def test_other_files_tasks_and_data_are_refused(plan: Path, words: list[str], line: str) -> None:
    with pytest.raises(UserError, match=line):
        expanded([word.format(plan=plan) for word in words])


@pytest.mark.parametrize(
    "value", [None, True, 3, 1e-05, "a b", "it's", "a,b:{c}", "\\", [1, [2]], {"a": "b c"}]
)
def test_values_are_read_back_from_their_words(value: object) -> None:
    from hydra.core.override_parser.overrides_parser import OverridesParser

    assert OverridesParser.create().parse_override(f"key={text_of(value)}").value() == value
