"""ONNX files give what the task gives, and one that does not is never kept."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import onnx
import onnxruntime
import pytest
import torch
from torch import nn

from ganatomy.data.sources.brain import Brain
from ganatomy.errors import UserError
from ganatomy.export import onnx_file
from ganatomy.export.agreement import LIMIT, compare
from ganatomy.export.export import export
from ganatomy.export.graphs.graph import CenterMaps
from ganatomy.export.graphs.trial import made_up, sides_words, step_of
from ganatomy.export.onnx_file import onnx_of
from ganatomy.inference.loaded import LoadedRun, load_run
from ganatomy.networks.image_to_image.centernet import CenterNet
from ganatomy.networks.image_to_image.unet import UNet
from tests.export.conftest import TASKS, config, graph

SIZES = {32: 7, 40: 7, 64: 6}
"""Images by their side: twenty of three sizes."""


def brains(loaded: LoadedRun, side: int, count: int) -> torch.Tensor:
    """Slices of virtual brains of this size, prepared as in training, [count, 1, side, side]."""
    source = Brain(subjects=3, size=side, slices=count, cohort_seed=7)
    case = source.load(source.records()[0])
    made = loaded.preprocessing.preparation
    size = loaded.preprocessing.size if loaded.preprocessing.one_size else None
    ready = type(made)(made.spatial_dims, made.intensity, made.orientation, size=size)(case)  # type: ignore[arg-type]
    return torch.from_numpy(ready["image"])


def answers(loaded: LoadedRun, given: torch.Tensor) -> list[np.ndarray]:
    """What the task itself says, by the code of its own test."""
    task: Any = loaded.task
    with torch.no_grad():
        if task.from_noise:
            found = (task.drawer(given),)
        elif hasattr(task, "score_images"):
            found = tuple(task.score_images(given))
        else:
            found = task.evaluator(given)
    return [part.numpy() for part in (found if isinstance(found, tuple) else (found,))]


@pytest.mark.slow
@pytest.mark.parametrize("task", TASKS)
def test_default_model_on_twenty_inputs(
    task: str, finished: Callable[[str], Path], exported: Callable[[str, str], tuple[Path, list[str]]]
) -> None:
    run, (path, lines) = finished(task), exported(task, "onnx")
    loaded = load_run(run, device="cpu")
    if task == "synthesis":
        noise = [torch.randn(1, 64, generator=torch.Generator().manual_seed(seed)) for seed in range(20)]
        inputs = [torch.cat(noise)]
    else:
        inputs = [brains(loaded, side, count) for side, count in SIZES.items()]
    assert sum(map(len, inputs)) == 20
    session = onnxruntime.InferenceSession(path, providers=["CPUExecutionProvider"])
    name = session.get_inputs()[0].name
    pairs = [(session.run(None, {name: part.numpy()}), answers(loaded, part)) for part in inputs]
    for theirs, ours in zip(
        zip(*(p[0] for p in pairs), strict=True), zip(*(p[1] for p in pairs), strict=True), strict=True
    ):
        low, high = min(o.min() for o in ours), max(o.max() for o in ours)
        span = max(high - low, abs(high)) if ours[0].ndim == 1 else high - low
        worst = max(np.abs(t - o).max() for t, o in zip(theirs, ours, strict=True))
        assert worst <= 1e-4 * span
    facts = {p.key: p.value for p in onnx.load(path).metadata_props}
    assert facts["ganatomy.weights_sha256"] == loaded.weights_hash
    assert json.loads(facts["ganatomy.preprocessing"])["size"] == 32
    assert float(facts["ganatomy.difference"]) <= LIMIT and facts["ganatomy.licence"] == "CC0-1.0"
    content = path.read_bytes()
    assert not any(word in content for word in (b"virtual-00", str(run).encode(), b"site-packages", b"/src/"))
    assert "largest difference from torch" in lines[0]
    card = path.with_name("MODEL_CARD.md").read_text()
    assert "Licence: CC0-1.0" in card and "virtual-00" not in card


def test_the_padding_of_centernet_is_in_the_graph() -> None:
    network = CenterNet(2, 1, ["lesion"], UNet(2, 16, 8, (4, 8, 16)), multiple=4).eval()
    padded = CenterMaps(network)
    for sides in ((32, 32), (33, 47), (34, 40), (41, 64)):
        image = torch.rand(2, 1, *sides)
        for ours, theirs in zip(padded(image), network(image), strict=True):
            assert torch.equal(ours, theirs)


def test_free_sides_and_the_same_bytes_again() -> None:
    torch.manual_seed(0)
    given = graph(UNet(2, 1, 2, (2, 4)))
    step = step_of(given)
    batches = made_up(given, step)
    content, found, free = onnx_of(given, step, batches, lambda line: None)
    assert (step, free, found.kept) == (1, True, True)
    assert len({batch[0].shape[2:] for batch in batches}) == 3
    assert onnx_of(given, step, batches, lambda line: None)[0] == content


class Fixed(nn.Module):
    """Takes images of 32x32 alone."""

    def __init__(self) -> None:
        super().__init__()
        self.weight = nn.Parameter(torch.linspace(-1, 1, 32))

    def forward(self, image: torch.Tensor) -> torch.Tensor:
        return image @ torch.diag(self.weight)


class Guarded(nn.Module):
    """Answers in a way that an exporter cannot follow: its branch depends on the sides."""

    def forward(self, image: torch.Tensor) -> torch.Tensor:
        return image * 2 if image.shape[2] < 33 else image * 3


def test_a_network_of_one_size_is_said_to_be_one() -> None:
    given = graph(Fixed())
    assert step_of(given) == 0
    assert sides_words(given, 0) == "images of 32x32 only"
    _, found, free = onnx_of(given, 0, made_up(given, 0), lambda line: None)
    assert found.kept and not free


def test_a_branch_that_got_lost_is_found_and_the_sides_are_fixed() -> None:
    given, said = graph(Guarded()), list[str]()
    step = step_of(given)
    _, found, free = onnx_of(given, step, made_up(given, step), said.append)
    assert step == 1 and not free and found.kept
    assert "with free sides the file does not agree with torch" in said[0]


def test_another_network_is_refused_and_nothing_is_written(
    finished: Callable[[str], Path], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def slightly_off(content: bytes) -> Callable[..., list[Any]]:
        opened = session(content)
        return lambda *arrays: [part + 2 * LIMIT * np.ptp(part) for part in opened(*arrays)]

    session = onnx_file.session
    monkeypatch.setattr(onnx_file, "session", slightly_off)
    with pytest.raises(UserError, match=r"^format=onnx: .* cannot be exported so that it agrees with torch"):
        export(config(finished("enhancement"), tmp_path / "out.onnx"), lambda line: None)
    assert not list(tmp_path.iterdir())


@pytest.mark.parametrize(("shift", "kept"), [(0.5, True), (2.0, False), (float("nan"), False)])
def test_the_limit_is_a_fraction_of_the_range(shift: float, kept: bool) -> None:
    given = graph(nn.Identity())
    batches = made_up(given, 1)
    low = min(float(batch[0].min()) for batch in batches)
    high = max(float(batch[0].max()) for batch in batches)
    found = compare(given, lambda image: [image + shift * LIMIT * (high - low)], batches)
    assert found.kept is kept
    if kept:
        assert found.difference == pytest.approx(shift * LIMIT, rel=0.01)


def test_weights_that_are_not_finite_are_refused() -> None:
    given = graph(nn.Identity())
    with pytest.raises(UserError, match="output is not finite"):
        compare(given, lambda image: [image], [(torch.full((1, 1, 8, 8), float("nan")),)])
