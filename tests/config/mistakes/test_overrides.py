"""What is said of words that Hydra cannot read: the key, and the very word to type."""

from __future__ import annotations

import subprocess
from typing import Any

import pytest
from hydra.core.override_parser.overrides_parser import OverridesParser

from ganatomy.config.compose import composed, parsed
from ganatomy.config.mistakes.overrides import replacing, trouble
from ganatomy.errors import UserError

TEXTS = (
    "masks/{name}",
    "{folder}/{stem}_mask*.png",
    "{parent}",
    "images (1)/*.png",
    "[ab]*.png",
    "a=b",
    "Möbel/文件",
    "~/x",
    "(?P<kind>a)_\\d+",
    'a"b',
    "it's",
    "c:\\data {x}\\",
    "a;b&c#d!e<f>",
)


@pytest.mark.parametrize("text", TEXTS)
def test_the_word_to_type_can_be_pasted_and_means_what_was_meant(text: str) -> None:
    line = trouble(["task=segmentation", f"data.label={text}"])
    assert line.startswith("data.label: ")
    told = line.partition("; type ")[2]
    pasted = subprocess.run(["bash", "-c", f"printf %s {told}"], capture_output=True, text=True, check=True)
    read = OverridesParser.create().parse_override(pasted.stdout)
    assert (read.key_or_group, read.value()) == ("data.label", text)


@pytest.mark.parametrize(
    ("word", "line"),
    {
        "task": "task: is missing its value; type task=..., one of anomaly, detection, enhancement",
        "trainer.max_steps:5": "trainer.max_steps:5: is missing its =; type trainer.max_steps=5",
        "data.label =x": "'data.label =x': write key=value, without blanks around the =",
        "=5": "=5: write key=value",
        "trainer max_steps=5": "'trainer max_steps': is no key",
        "data.size=[64,64": "data.size: the [ is never closed",
        "model.generator={_target_: a.b": "model.generator: the { is never closed",
        'data.classes=["a]': 'data.classes: in ["a] a quote is never closed',
        "data.classes=[bg, a (b)]": """type 'data.classes=[bg,"a (b)"]'""",
        "task=null": "task=null: no such choice; choose from anomaly, detection, enhancement",
        "task=5": "task=5: no such choice; choose from anomaly",
        "model/generator=null": "model/generator=null: no such choice; choose from dynunet, plain_unet",
        "degradation=null": "degradation=null: no such choice; did you mean 'none'?",
        "data=common": "data=common: is a part of others and no choice; choose from brain,",
    }.items(),
)
def test_each_trouble_has_its_line(word: str, line: str) -> None:
    found = trouble([word])
    assert line in found and "\n" not in found


@pytest.mark.parametrize("word", ["data.root=/a b/c", "data.image=**/*.png", "~model.ema_half_life", "-m"])
def test_words_that_hydra_reads_are_let_be(word: str) -> None:
    assert trouble([word]) == ""


@pytest.mark.parametrize("flags", [["--config-dir", "mine"], ["-cd", "mine", "-m"], ["--config-dir=mine"]])
def test_flags_and_their_values_are_no_words(flags: list[str]) -> None:
    assert trouble([*flags, "seed=1"]) == trouble(["seed=1", *flags]) == ""
    assert trouble([*flags, "task: synthesis"]).startswith("task: synthesis: is missing its =")


def test_an_own_network_takes_the_place_of_the_default(monkeypatch: pytest.MonkeyPatch) -> None:
    """The default's keys (channels, strides, norm) are not the other class's."""
    word = "model.generator={_target_: monai.networks.nets.SegResNet, init_filters: 8}"
    assert composed([word])["model"]["generator"] == {
        "_target_": "monai.networks.nets.SegResNet",
        "init_filters": 8,
    }
    before: dict[str, Any] = composed([])["model"]["generator"]
    assert set(before) > {"_target_", "channels"}
    same = composed([f"model.generator={{_target_: {before['_target_']}, norm: batch}}"])["model"][
        "generator"
    ]
    assert same == {**before, "norm": "batch"}


def test_a_sweep_over_own_networks_replaces_too() -> None:
    standing = {"model": {"generator": {"_target_": "a.A", "channels": 3}}}
    asked: list[list[str]] = []

    def compose(words: list[str]) -> dict[str, Any]:
        asked.append(words)
        return standing

    word = "model.generator={_target_: b.B, width: 1},{_target_: b.B, width: 2}"
    given = ["--multirun", "--config-dir", "mine", "seed=1", word]
    assert replacing(given, compose) == [*given[:-1], "model.generator=null", f"+{word}"]
    assert asked == [["seed=1"]]
    assert replacing(["model.generator={_target_: a.A, channels: 4}"], compose) == [
        "model.generator={_target_: a.A, channels: 4}"
    ]


@pytest.mark.parametrize("word", ["task=null", "data.label=masks/{name}", "data=common"])
def test_sweeps_and_experiments_say_the_same(word: str) -> None:
    with pytest.raises(UserError) as refused:
        composed([word])
    assert str(refused.value) == trouble([word])


@pytest.mark.parametrize(
    ("word", "line"),
    [
        ("~data", "~data: only key=value and group=choice may stand here"),
        ("seed=1,2", "seed=1,2: only key=value and group=choice may stand here"),
        ("model@x=unet", "model@x=unet: only key=value and group=choice may stand here"),
        ("a=[", "a: the [ is never closed; type it whole, in quotes: 'a=[...'"),
    ],
)
def test_words_of_a_file_set_one_value_each(word: str, line: str) -> None:
    with pytest.raises(UserError) as refused:
        parsed(["seed=2", word])
    assert str(refused.value) == line
