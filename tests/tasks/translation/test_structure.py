"""Structure consistency: correlations against numpy and SciPy, and frozen segmentation runs in a training."""

from __future__ import annotations

import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from PIL import Image
from scipy import ndimage

from ganatomy.errors import UserError
from ganatomy.tasks.translation.base import Method
from ganatomy.tasks.translation.structure import gradient_correlation, structure_of
from tests.conftest import TINY, composed
from tests.finished import blobs, png16


def magnitude(image: np.ndarray) -> np.ndarray:
    """SciPy's Sobel filters have the same taps times 2 * 4^(dims - 1)."""
    factor = 2 * 4 ** (image.ndim - 2)
    found = [ndimage.sobel(c, axis) / factor for c in image for axis in range(image.ndim - 1)]
    inner = (slice(1, -1),) * (image.ndim - 1)
    return np.sqrt(np.sum(np.square(found), 0))[inner]


@pytest.mark.parametrize("shape, other", [((1, 20, 17), 1), ((3, 20, 17), 1), ((1, 9, 10, 11), 3)])
def test_correlation_is_that_of_numpy(shape: tuple[int, ...], other: int) -> None:
    draw = np.random.default_rng(0)
    one, two = 9 * draw.normal(size=(2, *shape)), 9 * draw.normal(size=(2, other, *shape[1:]))
    mask = draw.random((2, 1, *shape[1:])) > 0.4
    ours = gradient_correlation(*map(torch.from_numpy, (one, two)))
    inside = gradient_correlation(*map(torch.from_numpy, (one, two, mask)))
    for n in range(2):
        a, b = magnitude(one[n]), magnitude(two[n])
        chosen = mask[n, 0][(slice(1, -1),) * (mask.ndim - 2)]
        assert float(ours[n]) == pytest.approx(np.corrcoef(a.ravel(), b.ravel())[0, 1], abs=1e-6)
        assert float(inside[n]) == pytest.approx(np.corrcoef(a[chosen], b[chosen])[0, 1], abs=1e-6)


def test_the_mask_of_the_image_is_that_of_its_gradients() -> None:
    draw = torch.Generator().manual_seed(0)
    image, made = torch.rand(2, 2, 1, 20, 17, generator=draw)
    batch = {"image": image, "mask": torch.rand(2, 1, 20, 17, generator=draw) > 0.4}
    (loss,) = structure_of({"gradient": 2.0})(Method(), batch, made).values()
    wanted = 2 * (1 - gradient_correlation(image, made, batch["mask"]).mean())
    assert float(loss) == pytest.approx(float(wanted), abs=1e-6)


def test_moved_anatomy_lowers_it_and_inverted_contrast_does_not() -> None:
    image = torch.from_numpy(np.stack([blobs(n, 40, 40)[None] for n in range(3)]))
    assert (gradient_correlation(image, 3 - 2 * image) > 0.98).all()
    before = torch.ones(3, dtype=torch.float64)
    for voxels in (1, 2, 3):
        moved = gradient_correlation(image, (3 - 2 * image).roll(voxels, 2))
        assert (moved < before - 0.01).all()
        before = moved


def test_flat_images_have_a_finite_gradient() -> None:
    flat = torch.zeros(1, 1, 8, 8, requires_grad=True)
    gradient_correlation(
        torch.rand(1, 1, 8, 8), flat, torch.zeros(1, 1, 8, 8, dtype=torch.bool)
    ).sum().backward()
    gradient_correlation(torch.rand(1, 1, 8, 8), flat).sum().backward()
    assert flat.grad is not None and flat.grad.isfinite().all()


@pytest.mark.parametrize(
    "given, words",
    [
        ({"gradient": -1.0}, "task.structure.gradient: -1.0"),
        ({"gradient": True}, "task.structure.gradient: true"),
        ({"slope": 1.0}, "task.structure.slope: no such key"),
        ({"segmentation": 1.0}, "task.structure.run: null"),
        ({"run": "somewhere"}, "task.structure.run: is not used"),
    ],
)
def test_settings_that_do_not_suit(given: dict[str, Any], words: str) -> None:
    with pytest.raises(UserError, match=words):
        structure_of(given)


Trained = Callable[..., Path]
REST = [word for word in TINY if not word.startswith(("data.", "model."))]
FILES = ["data=folder", "data.label='masks/{name}'", "data.classes=[background,bright]", "data.size=32"]
FILES += ["data.label_values=[0,255]", "data.batch_size=2", "data.cache=none"]
CUT = [
    *("task=translation", "model=cut", "data.image=images/*", "data.target='targets/{name}'"),
    *("model.generator.translator.channels=[4,8]", "model.generator.translator.blocks=1"),
    *("model.generator.head.layers=[0,2,3]", "model.generator.head.width=8", "task.method.patches=32"),
    *("model.discriminator.target.channels=4", "model.discriminator.target.num_layers_d=1"),
]


@pytest.fixture(scope="module")
def files(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Pictures, others of inverted contrast, and masks of what is bright."""
    folder = tmp_path_factory.mktemp("pairs")
    png16(folder)
    (folder / "targets").mkdir()
    for path in (folder / "images").iterdir():
        image = 65_535 - np.asarray(Image.open(path)).astype(np.uint16)
        Image.fromarray(image).save(folder / "targets" / path.name)
    return folder


@pytest.fixture(scope="module")
def train_on(files: Path, tmp_path_factory: pytest.TempPathFactory) -> Trained:
    from ganatomy.config.resolve import validate
    from ganatomy.train import train

    def of(name: str, *words: str) -> Path:
        run = tmp_path_factory.mktemp("runs") / name
        rest = [w for w in REST if w.partition("=")[0] not in {word.partition("=")[0] for word in words}]
        train(validate(composed(*FILES, f"data.root={files}", *rest, *words, tiny=False)), run)
        return run

    return of


@pytest.fixture(scope="module")
def segmenters(train_on: Trained) -> dict[str, Path]:
    small = [word for word in TINY if word.startswith("model.")]
    brief = ["task=segmentation", *small, "trainer.max_steps=2", "trainer.val_every=2", "callbacks.samples=0"]
    return {side: train_on(f"on_{side}", f"data.image={side}/*", *brief) for side in ("images", "targets")}


def lines(run: Path) -> str:
    return (run / "metrics.csv").read_text().splitlines()[0]


@pytest.mark.parametrize("own", [True, False], ids=["labels of the data", "two runs"])
def test_a_training_compares_shapes(
    train_on: Trained, segmenters: dict[str, Path], own: bool, tmp_path: Path
) -> None:
    """The runs' weights are noted; the finished run needs neither of them, nor has their weights."""
    words = ["task.structure.segmentation=0.5", f"task.structure.run={segmenters['targets']}"]
    words += ["task.structure.gradient=1.0"]
    words += [] if own else [f"task.structure.source_run={segmenters['images']}"]
    run = train_on("cut", *CUT, *words)
    assert {"loss/generator/structure_gradient", "loss/generator/structure_segmentation"} <= set(
        lines(run).split(",")
    )
    from ganatomy.config.resolve import load
    from ganatomy.inference.loaded import load_run

    structure = load(run)["task"]["structure"]
    assert len(structure["hash"]) == 64 and (structure["source_hash"] is None) == own
    shutil.copytree(run, tmp_path / "moved")
    task = load_run(tmp_path / "moved").task
    assert not any("structure" in name for name in task.state_dict())


def test_runs_that_do_not_suit(train_on: Trained, segmenters: dict[str, Path]) -> None:
    run = f"task.structure.run={segmenters['targets']}"
    cases = [
        ([run, "data.intensity=range"], "has data.intensity=zscore, the target here data.intensity=range"),
        ([run, "data.size=64"], "has data.size=32, this run 64"),
        (["task.structure.run=nowhere"], "task.structure.run: nowhere"),
        ([run, "task.structure.hash=0123"], "other weights than this run began with"),
        (
            [run, "data.label=null", "data.classes=[]", "data.label_values=null"],
            "task.structure.source_run:",
        ),
    ]
    for words, said in cases:
        with pytest.raises(UserError, match=said):
            train_on("refused", *CUT, "task.structure.segmentation=1.0", *words)
