"""Keys that a command does not know: the line names the nearest key, the other command, or the `+`."""

from __future__ import annotations

from pathlib import Path

import pytest

from ganatomy.config.compose import composed
from ganatomy.config.mistakes.keys import takes, unknown
from ganatomy.errors import UserError

DROPOUT = "model.generator.dropout: no such key; UNet has this argument, add it with a plus: "


@pytest.mark.parametrize(
    ("name", "word", "line"),
    [
        ("check", "task=enhancement", "task: check reads the data only; leave task=... out"),
        ("check", "trainer.max_steps=3", "trainer.max_steps: check reads the data only"),
        ("check", "model/generator=unet", "model/generator: check reads the data only"),
        ("check", "data.sise=3", "data.sise: no such key; did you mean 'data.size'?"),
        ("experiment", "task=enhancement", "task: experiment takes no task; leave task=... out"),
        ("train", "sweep=segmentation", "sweep: train takes no sweep; to search over many runs type "),
        ("train", "taks=synthesis", "taks: no such key; did you mean 'task'?"),
        ("train", "trainer.max_step=3", "trainer.max_step: no such key; did you mean 'trainer.max_steps'?"),
        ("train", "model.generator.dropout=0.5", f"{DROPOUT}+model.generator.dropout=0.5"),
        ("train", "model.generator.drpout=0.5", "model.generator.drpout: no such key; choose from _target_"),
        ("train", "model.generator={dropout: 0.5}", f"{DROPOUT}+model.generator.dropout=..."),
    ],
)
def test_an_unknown_key_has_its_line(name: str, word: str, line: str) -> None:
    before = word.partition("=")[0]
    key = "model.generator.dropout" if "{" in word else before
    assert unknown(key, name, [word], before).startswith(line)


def test_keys_of_data_without_their_kind_are_told_it(tmp_path: Path) -> None:
    """The kind is that of the run; with a kind, a key that is wrong is only wrong."""
    (tmp_path / "config.yaml").write_text("data:\n  root: x\n  _target_: ganatomy.data.sources.table.Table\n")
    line = "data.root: name the kind of data too, and its keys as in training: data="
    words = ["data.root=a b", "data.table=t.csv"]
    assert unknown("data.root", "evaluate", [f"run={tmp_path}", *words]) == (
        f"{line}table 'data.root=a b' data.table=t.csv"
    )
    assert unknown("data.root", "evaluate", ["run=gone", *words]).startswith(f"{line}folder ")
    assert "did you mean 'data.root'" in unknown("data.rot", "evaluate", ["data=folder", "data.rot=x"])


def test_no_suggestion_repeats_the_key() -> None:
    for name in ("check", "experiment", "train"):
        for key in ("task", "model", "sweep", "trainer"):
            assert takes(name, key) or f"'{key}'" not in unknown(key, name, [f"{key}=x"])


def test_keys_of_added_files_are_suggested(tmp_path: Path) -> None:
    file = tmp_path / "model/generator/tiny.yaml"
    file.parent.mkdir(parents=True)
    file.write_text("_target_: mylab.networks.Tiny\nwidth: 4\n")
    wrong = ["model/generator=tiny", "model.generator.widht=4"]
    line = "model.generator.widht: no such key; did you mean 'model.generator.width'?"
    for flag in (["--config-dir", str(tmp_path)], [f"--config-dir={tmp_path}"]):
        assert unknown("model.generator.widht", "train", [*flag, *wrong]) == line
    with pytest.raises(UserError, match=r"did you mean 'model\.generator\.width'"):
        composed(wrong, [str(tmp_path)])
