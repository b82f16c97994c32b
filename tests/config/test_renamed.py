"""Names of other versions, planted in the tables: hashes stay, old runs load, old words are taken."""

from __future__ import annotations

import copy
from pathlib import Path
from typing import Any

import pytest
import yaml

from ganatomy.config import renamed, versions
from ganatomy.config.compose import composed
from ganatomy.config.resolve import load
from ganatomy.config.translate import readable
from ganatomy.errors import UserError
from ganatomy.experiments.fingerprint import fingerprint
from ganatomy.runs.directory import Run

WORDS = ["task=segmentation", "trainer.max_steps=8"]


@pytest.fixture
def planted(monkeypatch: pytest.MonkeyPatch) -> None:
    """As if today's names were others in 062eb33: of a class, a whole module, a key, and a section."""
    classes = {
        "ganatomy.tasks.segmentation": "ganatomy.tasks.old.masks",
        "ganatomy.tasks.segmentation.SegmentationTask": "ganatomy.tasks.old.Masks",
        "ganatomy.data": "old_data",
    }
    monkeypatch.setattr(renamed, "MOVED_CLASSES", classes)
    monkeypatch.setattr(
        renamed, "MOVED_KEYS", {"trainer.test_checkpoint": "tested", "update.clip": "data.gradient.clip"}
    )


def digest_without(monkeypatch: pytest.MonkeyPatch, key: str) -> tuple[str, str]:
    """The hash of a composition that has no such key."""
    from ganatomy.experiments import fingerprint as module

    def composition(words: list[str]) -> dict[str, Any]:
        plain = composed(words)
        section, _, leaf = key.partition(".")
        del plain[section][leaf]
        return plain

    with monkeypatch.context() as patch:
        patch.setattr(module, "composed", composition)
        return fingerprint(WORDS)


def test_a_key_at_its_first_default_is_not_hashed(monkeypatch: pytest.MonkeyPatch) -> None:
    before = fingerprint(WORDS)
    assert fingerprint([*WORDS, "trainer.channels_last=false"]) == before
    assert fingerprint([*WORDS, "trainer.channels_last=true"])[0] != before[0]
    first = fingerprint([*WORDS, "task.scored=network"])
    assert first[0] != before[0], "today's default is another"
    assert fingerprint([*WORDS, "task.scored=network", "+data.axes=null"]) == first
    assert digest_without(monkeypatch, "task.scored") == first
    assert [a != b for a, b in zip(fingerprint([*WORDS, "+data.axes=HWC"]), before, strict=True)] == [
        True,
        True,
    ]
    monkeypatch.setitem(renamed.ADDED, "model.adversarial.novelty", [1, {"a": None}])
    assert fingerprint([*WORDS, "+model.adversarial.novelty=[1,{a: null}]"]) == before


def test_hashes_are_of_the_first_names(planted: None) -> None:
    """What the tables give is the configuration that 062eb33 composed."""
    plain = composed(WORDS)
    copied = copy.deepcopy(plain)
    first = versions.as_first(plain)
    assert first["task"]["_target_"] == "ganatomy.tasks.old.Masks"  # the longest prefix
    assert first["data"]["_target_"] == plain["data"]["_target_"].replace("ganatomy.data", "old_data")
    assert first["tested"] == "best" and "test_checkpoint" not in first["trainer"]
    assert first["data"]["gradient"]["clip"] == plain["update"]["clip"] and "clip" not in first["update"]
    assert not {"channels_last"} & first["trainer"].keys() and "changed" not in first["data"]
    assert plain == copied, "the configuration itself stays as it is"


def test_a_moved_class_and_key_leave_hashes_as_they_are(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    """conf/ in a copy with other names: the same hash by the tables, another without them."""
    from ganatomy.config import compose
    from ganatomy.config.mistakes import explain, overrides
    from ganatomy.launch import command

    before = fingerprint(WORDS)
    conf = tmp_path / "conf"
    for path in overrides.CONF.rglob("*.yaml"):
        text = path.read_text().replace("ganatomy.tasks.segmentation.Segm", "ganatomy.tasks.masks.task.Segm")
        text = text.replace("\ntest_checkpoint:", "\ntested:")
        (conf / path.relative_to(overrides.CONF)).parent.mkdir(parents=True, exist_ok=True)
        (conf / path.relative_to(overrides.CONF)).write_text(text)
    for module in (command, compose, explain, overrides):
        monkeypatch.setattr(module, "CONF", conf)
    assert fingerprint(WORDS)[0] != before[0]
    monkeypatch.setattr(
        renamed,
        "MOVED_CLASSES",
        {"ganatomy": "src", "ganatomy.tasks.masks.task": "src.tasks.segmentation"},
    )
    moved = {key: old for key, old in renamed.MOVED_KEYS.items() if key != "trainer.test_checkpoint"}
    monkeypatch.setattr(renamed, "MOVED_KEYS", {**moved, "trainer.tested": "trainer.judged"})
    assert fingerprint(WORDS) == before


def test_an_old_run_loads_by_todays_names(planted: None, tmp_path: Path) -> None:
    today = composed(WORDS)
    Run(tmp_path).write("config.yaml", versions.as_first(today))
    assert load(tmp_path) == today
    Run(tmp_path).write("config.yaml", today)
    assert load(tmp_path) == today


def test_a_missing_key_gets_its_first_default_where_its_class_takes_it(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    """Not the default of today, and no key that this source or task does not know."""
    today = composed(WORDS)
    monkeypatch.setitem(renamed.ADDED, "data.resize", "cover")  # of every data set
    monkeypatch.setitem(renamed.ADDED, "data.slices", 77)  # of this source
    monkeypatch.setitem(renamed.ADDED, "data.root", "nowhere")  # of others
    monkeypatch.setitem(renamed.ADDED, "task.gate", 0.5)
    monkeypatch.setitem(renamed.ADDED, "task.latent", 3)
    old = copy.deepcopy(today)
    del old["data"]["resize"], old["data"]["slices"], old["task"]["gate"], old["trainer"]["channels_last"]
    Run(tmp_path).write("config.yaml", old)
    found = load(tmp_path)
    assert (found["data"].pop("resize"), found["data"].pop("slices"), found["task"].pop("gate")) == (
        "cover",
        77,
        0.5,
    )
    assert found["trainer"].pop("channels_last") is False
    assert "root" not in found["data"] and "latent" not in found["task"]
    assert found["data"].keys() == today["data"].keys() - {"resize", "slices"}


@pytest.mark.parametrize(
    ("target", "then"),
    [
        ("ganatomy.a.One", "ganatomy.a.b.One"),
        ("ganatomy.a.b.One", "ganatomy.a.b.One"),
        ("ganatomy.ab.One", "ganatomy.ab.One"),
        ("ganatomy.a", "ganatomy.a.b"),
    ],
)
def test_a_module_that_became_a_package(monkeypatch: pytest.MonkeyPatch, target: str, then: str) -> None:
    """A name that begins with its old self is not moved twice."""
    monkeypatch.setattr(renamed, "MOVED_CLASSES", {"ganatomy.a.b": "ganatomy.a"})
    assert versions.as_today({"x": [{"_target_": target}]}) == {"x": [{"_target_": then}]}
    assert versions.as_first({"_target_": "ganatomy.a.b.One"}) == {"_target_": "ganatomy.a.One"}


def test_a_key_below_its_old_self(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(renamed, "MOVED_KEYS", {"task.a.b": "task.a"})
    for plain in ({"task": {"a": 1}}, {"task": {"a": {"b": 1}}}):
        assert versions.as_today(plain) == {"task": {"a": {"b": 1}}}
    assert versions.as_first({"task": {"a": {"b": 1}}}) == {"task": {"a": 1}}
    assert versions.words_of_today(["task.a.b=1"]) == (["task.a.b=1"], [])


def test_an_old_key_on_the_command_line(planted: None, capsys: pytest.CaptureFixture[str]) -> None:
    words = readable(
        ["--cfg", "job", "tested=last", "+data.gradient.clip.generator=1.0", "seed=3"], resumes=False
    )
    assert words == ["--cfg", "job", "trainer.test_checkpoint=last", "+update.clip.generator=1.0", "seed=3"]
    assert capsys.readouterr().err.splitlines() == [
        "tested: renamed to trainer.test_checkpoint",
        "data.gradient.clip.generator: renamed to update.clip.generator",
    ]
    with pytest.raises(UserError, match=r"tested: is called trainer\.test_checkpoint now, which is given"):
        readable(["tested=last", "trainer.test_checkpoint=best"], resumes=False)
    assert composed([*WORDS, "tested=last"])["trainer"]["test_checkpoint"] == "last"


def test_no_name_stands_twice() -> None:
    """Two rows that lead to one name, or a first default for a name that went, say nothing certain."""
    for table in (renamed.MOVED_CLASSES, renamed.MOVED_KEYS):
        assert len(set(table.values())) == len(table)
    assert not renamed.ADDED.keys() & set(renamed.MOVED_KEYS.values())
    yaml.safe_dump(renamed.ADDED)  # plain values
