"""Names of other versions, planted in the tables: hashes stay, old runs load, old words are taken."""

from __future__ import annotations

import copy
import importlib.util
import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import yaml

from ganatomy.config import renamed, translate, versions
from ganatomy.config.compose import composed
from ganatomy.config.locations import CONF
from ganatomy.config.mistakes.keys import paths_of
from ganatomy.config.resolve import load
from ganatomy.config.schema import Config
from ganatomy.config.section import Section
from ganatomy.config.targets import parameters_of, resolve
from ganatomy.config.translate import readable
from ganatomy.data.datamodule import DataModule
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
    assert fingerprint([*WORDS, "trainer.hang_after=1800.0"]) == before
    assert fingerprint([*WORDS, "trainer.hang_after=60.0"])[0] != before[0]
    plain = fingerprint([*WORDS, "trainer.channels_last=false"])
    assert plain[0] != before[0], "today's default is another"
    assert digest_without(monkeypatch, "trainer.channels_last") == plain
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
    plain = composed([*WORDS, "trainer.channels_last=false"])
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
    assert translate.words_of_today(["task.a.b=1"]) == (["task.a.b=1"], [])


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


def known_keys() -> set[str]:
    """Every key that conf/ sets, that the schema has, or that a class named in conf/ takes."""
    found = set(paths_of(fields(Config)))
    found |= {f"data.{name}" for name in parameters_of(DataModule)}
    for path in CONF.rglob("*.yaml"):
        text = path.read_text(encoding="utf-8")
        package = "" if "@package _global_" in text else ".".join(path.relative_to(CONF).parts[:-1])
        found |= set(walked(yaml.safe_load(text) or {}, package))
    return found


def fields(section: type[Section]) -> dict[str, Any]:
    parts = {name: field.annotation for name, field in section.model_fields.items()}
    return {
        name: fields(part) if isinstance(part, type) and issubclass(part, Section) else None
        for name, part in parts.items()
    }


def walked(node: Any, path: str) -> Iterator[str]:
    if isinstance(node, dict):
        ours = "_target_" in node and not path.startswith("hydra.")
        for name in [*node, *(parameters_of(resolve(node, path)) if ours else ())]:
            yield (key := f"{path}.{name}".lstrip("."))
            yield from walked(node.get(name), key)


def test_every_row_leads_from_a_name_that_went_to_one_that_is_there() -> None:
    keys = known_keys()
    assert renamed.MOVED_KEYS
    assert not set(renamed.MOVED_KEYS) - keys, "today's keys that nothing takes"
    assert not keys & set(renamed.MOVED_KEYS.values()), "old keys that something takes still"
    for new, old in renamed.MOVED_CLASSES.items():
        module, _, name = new.rpartition(".")
        assert importlib.util.find_spec(new.partition(".")[0])
        assert is_module(new) or hasattr(importlib.import_module(module), name), new
        assert old == "src" or not is_module(old.replace("src.", "ganatomy.", 1)), old


def is_module(name: str) -> bool:
    try:
        return importlib.util.find_spec(name) is not None
    except ModuleNotFoundError:
        return False


def test_the_changes_name_every_row_and_no_row_is_lost() -> None:
    text = (CONF.parent / "CHANGELOG.md").read_text(encoding="utf-8")
    assert dict(re.findall(r"^\| `([\w.]+)` \| `([\w.]+)` \|$", text, re.MULTILINE)) == renamed.MOVED_KEYS


def test_every_row_is_taken_as_a_word_and_in_a_file() -> None:
    for new, old in renamed.MOVED_KEYS.items():
        line = f"{old}: renamed to {new}"
        assert translate.words_of_today([f"{old}=1"]) == ([f"{new}=1"], [line])
        package, _, leaf = old.rpartition(".")
        assert versions.file_of_today({leaf: 1}, package) == ({new.rpartition(".")[2]: 1}, [line])
        assert (
            versions.text_of_first(f"- {new}=1   # {new} is\n{new}x=2") == f"- {old}=1   # {new} is\n{new}x=2"
        )


def test_a_class_in_a_word_is_renamed_too() -> None:
    words = ["model.generator._target_=src.networks.unet.UNet", "+a={_target_: src.tasks.schedules.X, b: 1}"]
    today, lines = translate.words_of_today(words)
    assert today == [
        "model.generator._target_=ganatomy.networks.image_to_image.unet.UNet",
        "+a={_target_: ganatomy.optim.schedules.X, b: 1}",
    ]
    assert lines == [
        "src.networks.unet.UNet: renamed to ganatomy.networks.image_to_image.unet.UNet",
        "src.tasks.schedules.X: renamed to ganatomy.optim.schedules.X",
    ]


def test_parameters_of_a_users_own_task_keep_their_names(monkeypatch: pytest.MonkeyPatch) -> None:
    """They are the user's words; those that go on to ours are renamed."""
    monkeypatch.setenv("GANATOMY_TARGETS", f"{__name__}.")
    monkeypatch.setattr(renamed, "MOVED_KEYS", {"task.new": "task.old", "task.few": "task.many"})
    plain = {"task": {"_target_": f"{__name__}.OwnTask", "old": 1, "many": 2}}
    assert versions.as_today(plain)["task"] == {"_target_": f"{__name__}.OwnTask", "old": 1, "few": 2}


class OwnTask:
    """A task of somebody else's."""

    def __init__(self, old: int, **more: int) -> None:
        self.old = old


@pytest.mark.parametrize("source", ["coco.Coco", "voc.Voc", "folder.Folder"])
def test_a_key_that_some_classes_had_from_the_first_is_later_for_the_others(source: str) -> None:
    """Folders always had a subject, whose hash stays; boxes of COCO and VOC got it, and had runs without."""
    data = {"_target_": f"ganatomy.data.sources.{source}", "subject": None, "match": None}
    first = versions.as_first({"task": {"_target_": "mylab.Task"}, "data": data})["data"]
    assert ({"subject", "match"} <= set(first)) == (source == "folder.Folder")
    assert ("subject" in first) == ("match" in first)
