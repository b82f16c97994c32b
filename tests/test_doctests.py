"""Every function and class that an entry room exports has an example in its docstring, and it runs.

An example may use `np`, `torch`, `nn`, `Tensor`, `Path` and whatever its room exports; it imports the rest.
It runs in an empty folder.
"""

from __future__ import annotations

import doctest
import importlib
import inspect
from collections import Counter
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch

from ganatomy.metrics import registry

SRC = Path(__file__).resolve().parents[1] / "src"
ROOMS = (
    "ganatomy.adversarial",
    "ganatomy.tasks.base",
    "ganatomy.tasks.hooks",
    "ganatomy.data.datamodule",
    "ganatomy.data.records",
    "ganatomy.data.io.readers",
    "ganatomy.metrics.registry",
    "ganatomy.pictures",
    "ganatomy.optim.schedules",
    "ganatomy",
)
FINISHED = "needs a finished run; docs/python.md makes one, and its blocks are run"
WITHOUT_EXAMPLE: dict[str, str] = dict.fromkeys(("Model", "Prediction", "TrainedRun", "load"), FINISHED)
"""Name of an export that needs no example -> the reason. Constants need none."""
AT_HAND = {"np": np, "torch": torch, "nn": torch.nn, "Tensor": torch.Tensor, "Path": Path}


def exports(room: str) -> dict[str, Any]:
    """Names of `__all__`; without one the public names that the module itself defines."""
    module = importlib.import_module(room)
    if hasattr(module, "__all__"):
        return {name: getattr(module, name) for name in module.__all__}
    own = {name: value for name, value in vars(module).items() if not name.startswith("_")}
    return {name: value for name, value in own.items() if getattr(value, "__module__", None) == room}


def entries() -> dict[str, tuple[str, Any]]:
    """Functions and classes by name, each with the first room that exports it."""
    found: dict[str, tuple[str, Any]] = {}
    for room in ROOMS:
        for name, value in exports(room).items():
            if inspect.isclass(value) or inspect.isfunction(value):
                assert found.setdefault(name, (room, value))[1] is value, f"two things are called {name}"
    return found


ENTRIES = entries()


OTHERS = (
    "ganatomy.callbacks.trackers.base",
    "ganatomy.doctor",
    "ganatomy.guard.events",
    "ganatomy.guard.verdict",
    "ganatomy.adversarial.history",
    "ganatomy.data.label_values",
    "ganatomy.data.transforms.body",
    "ganatomy.data.transforms.instances",
    "ganatomy.data.quality.objects",
    "ganatomy.metrics.detection.instances",
    "ganatomy.text.folding",
    "ganatomy.text.names",
    "ganatomy.text.sizes",
    "ganatomy.text.tables",
    "ganatomy.planning.rules.units",
    "ganatomy.text.values",
    "ganatomy.data.io.dicom.pseudonyms",
    "ganatomy.data.io.writers.nifti",
    "ganatomy.launch.many.cards",
    "ganatomy.networks.patch_projection",
    "ganatomy.networks.quick_layers",
    "ganatomy.inference.loaded",
    "ganatomy.inference.said",
    "ganatomy.tasks.segmentation.losses.class_weights",
    "ganatomy.tasks.segmentation.losses.loss",
    "ganatomy.tasks.shared.heads",
    "ganatomy.tasks.soft",
    "ganatomy.tasks.segmentation.classes",
    "ganatomy.tasks.shared.volumes",
    "ganatomy.tasks.segmentation.postprocessing.settings",
    "ganatomy.tasks.segmentation.postprocessing.steps",
    "ganatomy.metrics.structures.centreline",
    "ganatomy.data.sampling.centres",
    "ganatomy.data.sampling.weights",
    "ganatomy.data.transforms.patches",
    "ganatomy.tasks.translation.losses",
    "ganatomy.tasks.translation.perceptual",
    "ganatomy.tasks.translation.scores.figures",
    "ganatomy.metrics.translation.lesions",
    "ganatomy.metrics.differences.behind",
    "ganatomy.metrics.differences.trend",
    "ganatomy.metrics.calibration.risk_coverage",
    "ganatomy.metrics.calibration.reliability",
    "ganatomy.metrics.calibration.label_maps",
    "ganatomy.inference.ensembles.doubt",
    "ganatomy.data.io.dicom.outputs.concepts",
    "ganatomy.data.io.dicom.outputs.about",
    "ganatomy.training.initial.fitting",
    "ganatomy.inference.interpolation",
    "ganatomy.index.wording",
    "ganatomy.launch.first_words",
    "ganatomy.data.quality.familiarity.fit",
    "ganatomy.data.quality.familiarity.judge",
    "ganatomy.config.mistakes.requirements",
    "ganatomy.config.plans.grammar",
    "ganatomy.planning.collector",
    "ganatomy.planning.trials.clock",
)
"""Modules that are no entry; those of their functions and classes that have an example are run too."""


def examples(name: str) -> list[doctest.DocTest]:
    room, value = ENTRIES[name]
    tests = doctest.DocTestFinder().find(value, name, globs=AT_HAND | exports(room))
    return [test for test in tests if test.examples]


@pytest.mark.parametrize("name", ENTRIES)
def test_the_example_of_an_entry_runs(name: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(registry, "_outside", {})  # a score that an example registers
    found = examples(name)
    assert bool(found) != (name in WITHOUT_EXAMPLE), f"{name}: its docstring needs an example"
    for test in found:
        report: list[str] = []
        result = doctest.DocTestRunner(optionflags=doctest.ELLIPSIS).run(test, out=report.append)
        assert result.failed == 0, "".join(report)


def of_module(name: str) -> list[doctest.DocTest]:
    return [test for test in doctest.DocTestFinder().find(importlib.import_module(name)) if test.examples]


@pytest.mark.parametrize("name", OTHERS)
def test_the_examples_of_a_module_run(name: str) -> None:
    for test in of_module(name):
        report: list[str] = []
        result = doctest.DocTestRunner(optionflags=doctest.ELLIPSIS).run(test, out=report.append)
        assert result.failed == 0, "".join(report)


def test_no_example_is_left_out() -> None:
    """Examples of src/ that nothing runs would grow old."""
    written = {
        str(path.relative_to(SRC)): count
        for path in SRC.rglob("*.py")
        if (count := path.read_text(encoding="utf-8").count(">>> "))
    }
    run: Counter[str] = Counter()
    for found in (*map(examples, ENTRIES), *map(of_module, OTHERS)):
        for test in found:
            assert test.filename is not None
            run[str(Path(test.filename).resolve().relative_to(SRC))] += len(test.examples)
    assert run == written


def test_exceptions_are_entries() -> None:
    assert set(WITHOUT_EXAMPLE) <= set(ENTRIES) and all(WITHOUT_EXAMPLE.values())
