"""Finished runs that another run takes to look at its images: what does not suit is one line."""

from __future__ import annotations

from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
import torch
import yaml
from safetensors.torch import save_file
from torch import nn

from ganatomy.errors import UserError
from ganatomy.runs.directory import Run
from ganatomy.tasks.translation import TranslationTask
from ganatomy.training import evaluators, pretrained, structure
from ganatomy.training.evaluators import attach_reader
from ganatomy.training.pretrained import WEIGHTS, OpenedRun, attach_mask_evaluator, opened
from ganatomy.training.structure import attach_structure
from tests.conftest import composed

CLASSES = ("background", "lesion")


@pytest.fixture
def finished(tmp_path: Path) -> Path:
    """What `opened` reads of a run of segmentation, without a network that fits."""
    run = Run(tmp_path / "run")
    run.path.mkdir()
    run.write_bytes("config.yaml", yaml.safe_dump(composed("task=segmentation")).encode())
    run.write("data.json", {"classes": CLASSES, "subjects": {"train": ["a"], "val": ["b"], "test": ["c"]}})
    save_file({"weight": torch.zeros(1)}, run.path / WEIGHTS)
    return run.path


def test_a_run_that_did_not_finish_or_is_damaged(finished: Path) -> None:
    assert opened(str(finished), "key").classes == CLASSES
    Run(finished).write("data.json", {"classes": CLASSES})
    with pytest.raises(UserError, match=r"^key: .*data\.json: is damaged \('subjects'\); "):
        opened(str(finished), "key")
    (finished / WEIGHTS).unlink()
    with pytest.raises(UserError, match=rf"^key: .* has no {WEIGHTS}: that run has not finished; finish it"):
        opened(str(finished), "key")
    config = yaml.safe_load((finished / "config.yaml").read_text())
    config["task"]["label_map"] = {"regions": {"whole": [1]}}
    Run(finished).write_bytes("config.yaml", yaml.safe_dump(config).encode())
    with pytest.raises(UserError, match=r"^key: .* answers with overlapping regions; give a run with one"):
        opened(str(finished), "key")


def test_a_file_that_is_gone_since_the_run_was_opened(finished: Path) -> None:
    run = opened(str(finished), "key")
    (finished / "checksums.txt").unlink()
    (finished / WEIGHTS).unlink()
    with pytest.raises(UserError, match=rf"^key: .*{WEIGHTS}: is missing; "):
        run.content()


class Theirs(OpenedRun):
    """An opened run with a network that fits its weights, or what is put in its place."""

    made: Any = nn.Linear(2, 2)

    def network(self) -> Any:
        return self.made

    def checked_hash(self, wanted: str | None, key: str) -> str:
        return "hash"


@pytest.fixture
def theirs(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Theirs:
    """The run that every key names."""
    run = Theirs(tmp_path, "key", {"data": {}, "task": {}}, CLASSES, {"train": ["a"]})
    for module in (pretrained, evaluators, structure):
        monkeypatch.setattr(module, "opened", lambda *_, **more: run)
    return run


def settings(**task: Any) -> Any:
    return SimpleNamespace(task=SimpleNamespace(extra=task), data=SimpleNamespace(extra={}))


def data(**more: Any) -> Any:
    prepared = SimpleNamespace(intensity=None, target_intensity=None)
    given = {"mask_classes": CLASSES, "records": {"test": []}, "preparation": prepared, "sliced": True}
    return SimpleNamespace(**{**given, "channels": 1, "target_channels": 1, "shape": (8, 8), **more})


def test_masks_of_other_classes_are_refused(theirs: Theirs) -> None:
    task: Any = SimpleNamespace(condition=SimpleNamespace(masks=True), attach_mask_evaluator=print)
    with pytest.raises(UserError, match=r"has the classes \[background,lesion\], this run \[background"):
        attach_mask_evaluator(settings(evaluator="run"), task, data(mask_classes=("background", "cyst")))


def other_task(network: nn.Module, labels: bool = True, kept: bool = False) -> Any:
    state = {"kept": torch.zeros(1)} if kept else {}
    return SimpleNamespace(
        generator=network, evaluator=network, makes_label_maps=labels, state_to_keep=lambda: state
    )


@pytest.mark.parametrize(
    ("built", "line"),
    [
        (other_task(nn.Linear(2, 2), kept=True), r"is damaged \(.*task\.safetensors: is missing"),
        (other_task(nn.Linear(3, 3)), r"is damaged \(Error\(s\) in loading state_dict for Linear: "),
        (UserError("task.gate: 2"), r"[^ ]*: task\.gate: 2$"),
        (other_task(nn.Linear(2, 2), labels=False), "finds boxes in whole images, and this run's are slices"),
    ],
)
def test_a_reader_that_does_not_suit(
    built: Any, line: str, theirs: Theirs, monkeypatch: pytest.MonkeyPatch
) -> None:
    def build_task(*_: Any) -> Any:
        if isinstance(built, UserError):
            raise built
        return built

    monkeypatch.setattr(evaluators, "validate", lambda plain: plain)
    monkeypatch.setattr(evaluators, "build_task", build_task)
    with pytest.raises(UserError, match=rf"^task\.evaluator: .*{line}") as refused:
        attach_reader(settings(evaluator="run"), SimpleNamespace(notes=[]), data())
    assert "\n" not in str(refused.value)


class Narrow(nn.Module):
    """Answers with one channel, whatever the classes."""

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        return x[:, :1]


@pytest.mark.parametrize(
    ("network", "classes", "line"),
    [
        (Narrow(), ("background", "cyst"), r"\[background,lesion\], the labels of these data have \[b"),
        (nn.Conv2d(3, 2, 1), CLASSES, r"the network of .* cannot take images of 1x8x8 \(.*\); give a run on"),
        (Narrow(), CLASSES, r"the network of .* does not answer with one map a class$"),
    ],
)
def test_a_network_that_cannot_compare_shapes(
    network: nn.Module, classes: tuple[str, ...], line: str, theirs: Theirs, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(Theirs, "made", network)
    given = {"segmentation": 1.0, "run": "run", "source_run": None, "hash": None}
    with pytest.raises(UserError, match=f"^key: .*{line}"):
        attach_structure(
            settings(structure=given), TranslationTask.__new__(TranslationTask), data(mask_classes=classes)
        )
