"""Runs and files that an export cannot hold are refused in a line that says what can be done."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
import torch
from torch import Tensor, nn

from ganatomy.errors import UserError
from ganatomy.export.batches import batches_of
from ganatomy.export.bundle.inference import inference_of
from ganatomy.export.bundle.scripts.answers import Boxes
from ganatomy.export.bundle.scripts.apply import Application
from ganatomy.export.graphs.anomaly import scoring
from ganatomy.export.graphs.graph import graph_of
from ganatomy.export.graphs.sides import training_sides
from ganatomy.export.torchscript import torchscript_of
from ganatomy.export.weights_file import weights_files
from ganatomy.tasks.synthesis import SynthesisTask
from tests.export.conftest import graph

Namespace: Any = SimpleNamespace


def drawing() -> Any:
    """A run that draws from label maps."""
    task = SynthesisTask.__new__(SynthesisTask)
    vars(task)["condition"] = Namespace(masks=2)
    return Namespace(task=task)


def numbering() -> Any:
    """A run that numbers objects."""
    kept = Namespace(mask=None, spatial_dims=2, one_size=False)
    kept.to_plain = lambda: dict.fromkeys(("intensity", "orientation", "spacing", "size", "resize"))
    task = Namespace(answers_in_mask=False, written_like="instances")
    return Namespace(task=task, preprocessing=kept)


def sizeless() -> Any:
    """A run on images of one size, which nothing tells."""
    cfg = Namespace(data=Namespace(extra={}), task=Namespace(extra={}))
    cfg.model = Namespace(to_plain=lambda: {"generator": {}})
    kept = Namespace(spatial_dims=2, size=None)
    return Namespace(path="here", cfg=cfg, preprocessing=kept, task=Namespace(one_size=True))


@pytest.mark.parametrize(
    ("ask", "line"),
    [
        (
            lambda: batches_of(Namespace(task=None), Namespace(channels=0), 1, "images"),
            "input: this network makes images from noise; leave input out, noise is drawn by seed",
        ),
        (
            lambda: inference_of(drawing()),
            "format=bundle: this generator draws from label maps, for which a bundle has no input; use",
        ),
        (
            lambda: inference_of(numbering()),
            "format=bundle: instance maps have no place in a bundle; use format=onnx or torchscript",
        ),
        (
            lambda: Boxes("out", ["a"], 4, 0.3, 10, 0.5)(
                {"image": torch.zeros(1, 8, 8, 8), "file": {"dims": 2}}
            ),
            "this bundle finds boxes in pictures, and this is a volume; save slices as PNG",
        ),
        (
            lambda: scoring(Namespace(method=1.0, smooth=0), (8, 8)),
            "run: its method, float, is not one of GANatomy's, so that its score is not known as a graph",
        ),
        (
            lambda: graph_of(Namespace(plain_answer=False), 1, (8, 8)),
            "run: its task, SimpleNamespace, is not one of GANatomy's, and its generator may need more",
        ),
        (
            lambda: training_sides(sizeless()),
            "run=here: does not say of which size its images were; train it with data.size, or export",
        ),
    ],
)
def test_what_an_export_cannot_hold(ask: Callable[[], Any], line: str) -> None:
    with pytest.raises(UserError) as refused:
        ask()
    assert str(refused.value).startswith(line)


def test_weights_that_are_gone_since_the_run_was_loaded(tmp_path: Path) -> None:
    line = r"^run=.*: generator\.safetensors is missing; resume=.* writes it again$"
    with pytest.raises(UserError, match=line):
        weights_files(Namespace(path=tmp_path), {}, tmp_path / "a.safetensors")


class Branching(nn.Module):
    """Takes the way that an example shows."""

    def forward(self, x: Tensor) -> Tensor:
        return x if float(x.sum()) > 0 else -2 * x


class Reshaping(nn.Module):
    """Keeps the sides of an example."""

    def forward(self, x: Tensor) -> Tensor:
        return x.reshape([int(side) for side in x.shape])


class Failing(nn.Module):
    """Can be applied to nothing."""

    def forward(self, x: Tensor) -> Tensor:
        raise RuntimeError("no way")


@pytest.mark.parametrize(
    ("network", "why"),
    [
        (Branching(), "largest difference from torch"),
        (Failing(), "no way"),
        (Reshaping(), "The following operation failed"),
    ],
)
def test_a_network_that_cannot_be_traced(network: nn.Module, why: str) -> None:
    batches = [(torch.ones(2, 1, 4, 4),), (-torch.ones(3, 1, 4, 4),)]
    with pytest.raises(UserError, match=rf"^format=torchscript: \w+ cannot be traced .* \({why}"):
        torchscript_of(graph(network, (4, 4)), batches, {})  # type: ignore[arg-type]


def test_a_bundle_names_its_endings_and_the_images_that_failed(tmp_path: Path) -> None:
    def fails(data: Any) -> Any:
        raise RuntimeError("transform") from ValueError("no PNG")

    one: Any = None
    application = Application(str(tmp_path), nn.Identity(), fails, one, one, torch.device("cpu"))
    with pytest.raises(UserError, match=r"^dataset_dir: .* holds no image \(\.nii, \.nii\.gz, \.png, "):
        application.run()
    (tmp_path / "a.png").touch()
    with pytest.raises(UserError, match=r"^1 of 1 images could not be done\na\.png: no PNG$"):
        application.run()
