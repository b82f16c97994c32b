"""Losses in a mask against numpy in float64 and scikit-image, empty masks, and two processes beside one."""

from __future__ import annotations

import itertools
import os
import socket
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
import torch.distributed as dist
from skimage.metrics import structural_similarity
from torch import Tensor, nn

from ganatomy.adversarial.distributed.collectives import processes
from ganatomy.errors import UserError
from ganatomy.tasks.enhancement.losses import weighted_losses as enhancement_losses
from ganatomy.tasks.translation.losses import LOCAL, WINDOW, range_of, weighted_losses
from tests.commands import spawn

NAMES = ("l1", "mse", "gradient", "ssim", "lncc", "mi")
SIDES = {2: (17, 20), 3: (12, 13, 14)}


def planted(dims: int, rows: int = 2, channels: int = 2) -> tuple[Tensor, Tensor, Tensor]:
    """Output, target and mask of some images, in which no row of the mask is like another."""
    draw = torch.Generator().manual_seed(dims)
    output, target = (
        torch.rand(rows, channels, *SIDES[dims], generator=draw, dtype=torch.float64) for _ in range(2)
    )
    mask = torch.rand(rows, 1, *SIDES[dims], generator=draw) > torch.linspace(0.2, 0.7, rows).view(
        -1, *[1] * (dims + 1)
    )
    return output, target, mask


def value(name: str, output: Tensor, target: Tensor, mask: Tensor | None, data_range: float = 1.0) -> float:
    (loss,) = weighted_losses({name: 1.0}, output.dim() - 2, data_range).values()
    return float(loss(output, target, mask))


def windows_of(image: np.ndarray, size: int) -> np.ndarray:
    """The windows around each voxel [*spatial, size^dims], 0 beyond the border."""
    padded = np.pad(image, size // 2)
    found = np.lib.stride_tricks.sliding_window_view(padded, (size,) * image.ndim)
    return found.reshape(*image.shape, -1)


def correlation(x: np.ndarray, y: np.ndarray) -> np.ndarray:
    """1 - squared correlation in windows, of images in 0 to 1."""
    a, b = (windows_of(image, LOCAL) for image in (x, y))
    a, b = (w - w.mean(-1, keepdims=True) for w in (a, b))
    return 1 - (a * b).sum(-1) ** 2 / ((a**2).sum(-1) * (b**2).sum(-1))


def information(x: np.ndarray, y: np.ndarray, bins: int = 32) -> float:
    """Minus the mutual information of two lists, each value shared out to bins by a Gaussian."""
    low, high = y.min(), y.max()
    start, span = low - 0.1 * (high - low), 1.2 * (high - low)
    centres = np.linspace(0, 1, bins)
    weights = []
    for values in (x, y):
        z = np.clip((values - start) / span, 0, 1)
        w = np.exp(-((z[:, None] - centres) ** 2) / (2 * (0.5 * centres[1]) ** 2))
        weights.append(w / w.sum(1, keepdims=True))
    joint = weights[0].T @ weights[1] / len(x)
    alone = np.outer(weights[0].mean(0), weights[1].mean(0))
    return -float(np.sum(joint * np.log(joint / alone, where=joint > 0, out=np.zeros_like(joint))))


def reference(name: str, x: np.ndarray, y: np.ndarray, m: np.ndarray) -> float:
    """The value of a loss by numpy; m is the mask [B, *spatial]."""
    every = np.broadcast_to(m[:, None], x.shape)
    if name in ("l1", "mse"):
        d = (x - y)[every]
        return float(np.mean(np.abs(d) if name == "l1" else d**2))
    if name == "gradient":
        means = []
        for axis in range(2, x.ndim):
            first, last = (np.take(every, range(a, x.shape[axis] - 1 + a), axis) for a in (0, 1))
            means.append(np.abs(np.diff(x - y, axis=axis))[first & last].mean())
        return float(np.mean(means))
    pairs = list(itertools.product(range(x.shape[0]), range(x.shape[1])))
    if name == "mi":
        return float(np.mean([information(x[r, c][m[r]], y[r, c][m[r]]) for r, c in pairs]))
    x = np.where(every, x, y)
    found = []
    for r, c in pairs:
        inside = m[r]
        size = LOCAL if name == "lncc" else WINDOW
        if name == "lncc":
            losses = correlation(x[r, c], y[r, c])
        else:
            options: Any = {"gaussian_weights": True, "use_sample_covariance": False, "full": True}
            losses = 1 - structural_similarity(x[r, c], y[r, c], data_range=1.0, **options)[1]
        middle = tuple(slice(size // 2, side - size // 2) for side in inside.shape)
        found.append(losses[middle][inside[middle]])
    return float(np.mean(np.concatenate(found)))


@pytest.mark.parametrize("masked", [False, True])
@pytest.mark.parametrize("dims", [2, 3])
@pytest.mark.parametrize("name", NAMES)
def test_the_formula_in_numpy(name: str, dims: int, masked: bool) -> None:
    output, target, mask = planted(dims)
    whole = torch.ones_like(mask)
    used = (mask if masked else whole)[:, 0].numpy()
    found = value(name, output, target, mask if masked else None)
    assert found == pytest.approx(
        reference(name, output.numpy(), target.numpy(), used), rel=1e-4 if name == "mi" else 2e-5
    )
    assert value(name, output, target, whole) == pytest.approx(value(name, output, target, None), rel=1e-6)


@pytest.mark.parametrize("name", ["l1", "mse", "gradient", "ssim"])
def test_without_a_mask_they_are_those_of_enhancement(name: str) -> None:
    output, target, _ = (part.float() for part in planted(2))
    (theirs,) = enhancement_losses({name: 1.0}, 2, 5.0).values()
    assert value(name, output, target, None, 5.0) == pytest.approx(float(theirs(output, target)), rel=1e-5)


@pytest.mark.parametrize("name", NAMES)
def test_the_output_outside_of_the_mask_counts_for_nothing(name: str) -> None:
    output, target, mask = planted(2)
    output.requires_grad_()
    (loss,) = weighted_losses({name: 1.0}, 2, 1.0).values()
    (gradient,) = torch.autograd.grad(loss(output, target, mask), output)
    outside = ~mask.expand_as(output)
    assert gradient.isfinite().all() and not gradient[outside].any() and gradient[~outside].any()
    other = torch.where(mask, output.detach(), 1e3)
    assert float(loss(other, target, mask)) == pytest.approx(float(loss(output.detach(), target, mask)))


@pytest.mark.parametrize("name", NAMES)
def test_an_empty_mask_gives_zero(name: str) -> None:
    output, target, mask = planted(2)
    output.requires_grad_()
    (loss,) = weighted_losses({name: 1.0}, 2, 1.0).values()
    found = loss(output, target, torch.zeros_like(mask))
    (gradient,) = torch.autograd.grad(found, output)
    assert float(found.detach()) == 0 and not gradient.any()
    half = mask.clone()
    half[0] = False  # one image of the batch has nothing inside
    alone = value(name, output[1:].detach(), target[1:], mask[1:])
    assert float(loss(output.detach(), target, half)) == pytest.approx(alone, rel=1e-6)


@pytest.mark.parametrize("name", NAMES)
@pytest.mark.parametrize("constant", ["output", "target", "both"])
def test_flat_images_have_finite_gradients(name: str, constant: str) -> None:
    output, target, _ = (part.float() for part in planted(2))
    output = torch.full_like(output, 0.3) if constant != "target" else output
    target = torch.full_like(target, 0.7) if constant != "output" else target
    output.requires_grad_()
    (loss,) = weighted_losses({name: 1.0}, 2, 1.0).values()
    found = loss(output, target, None)
    (gradient,) = torch.autograd.grad(found, output)
    assert found.isfinite() and gradient.isfinite().all() and gradient.abs().max() < 1e3


def test_correlation_and_information_do_not_see_units() -> None:
    """Of an image in another brightness and contrast, and with the order of its values reversed."""
    output, target, _ = planted(2)
    assert value("lncc", 3 * target + 7, target, None) == pytest.approx(0, abs=1e-6)
    near, far = (
        [(x + offset).float() for x in (output, target)] for offset in (0, 1000)
    )  # 1000: as in raw MR
    assert value("lncc", *far, None) == pytest.approx(value("lncc", *near, None), abs=1e-3)
    assert value("mi", 1 - target, target, None) == pytest.approx(value("mi", target, target, None), rel=0.02)
    noise = torch.rand(target.shape, generator=torch.Generator().manual_seed(9), dtype=torch.float64)
    assert value("mi", target, target, None) < 3 * value("mi", noise, target, None) < 0


@pytest.mark.parametrize("name", ["lncc", "ssim"])
def test_windows_are_seen_relative_to_the_range(name: str) -> None:
    output, target, _ = planted(2)
    small = value(name, 1e-4 * output, 1e-4 * target, None, data_range=1e-4)
    assert small == pytest.approx(value(name, output, target, None), abs=1e-6)


def test_one_s_own_loss_gets_the_mask_or_the_target_outside_of_it() -> None:
    class Masked(nn.Module):
        def forward(self, output: Tensor, target: Tensor, mask: Tensor | None) -> Tensor:
            assert mask is not None
            return (output * mask).sum()

    output, target, mask = planted(2)
    own = {
        "masked": {"weight": 2.0, "loss": Masked()},
        "plain": {"weight": 1.0, "loss": lambda output, target: (output - target).sum()},
        "many": {"weight": 1.0, "loss": lambda output, target: output},
    }
    losses = weighted_losses(own, 2, 1.0)
    assert float(losses["masked"](output, target, mask)) == pytest.approx(float(2 * (output * mask).sum()))
    assert float(losses["plain"](output, target, mask)) == pytest.approx(
        float(((output - target) * mask).sum())
    )
    with pytest.raises(UserError, match=r"losses\.many: returned \[2, 2, 17, 20\]"):
        losses["many"](output, target, mask)


@pytest.mark.parametrize(
    ("weights", "words"),
    [
        ({"l3": 1.0}, r"losses\.l3: no such loss; choose l1, mse, ssim, gradient, lncc, mi"),
        ({"l1": -1.0}, "negative"),
        ({"l1": "much"}, r"losses\.l1: much is no weight"),
        ({"l1": float("nan")}, r"losses\.l1: nan is no weight"),
        ({"mine": {"weight": 1.0}}, r"a callable of \(output, target\[, mask\]\)"),
    ],
)
def test_refused(weights: dict[str, Any], words: str) -> None:
    with pytest.raises(UserError, match=words):
        weighted_losses(weights, 2, 1.0)


def test_an_image_smaller_than_the_window_is_one_line() -> None:
    with pytest.raises(UserError, match=r"losses\.lncc: images of 8x16 are smaller than its window of 9"):
        value("lncc", torch.zeros(1, 1, 8, 16), torch.zeros(1, 1, 8, 16), None)
    with pytest.raises(UserError, match=r"losses\.ssim: images of 8x16 are smaller than its window of 11"):
        value("ssim", torch.zeros(1, 1, 8, 16), torch.zeros(1, 1, 8, 16), None)


def test_the_range_of_each_normalisation() -> None:
    mapped: list[Any] = [[-1024, 1500], "range", "percentile:2:98", [[0, 1], "percentile"]]
    assert [range_of(one) for one in mapped] == [1.0] * 4
    assert [range_of(one) for one in ("zscore", "none", None, ["range", "zscore"])] == [5.0] * 4


def shared(rank: int, count: int, port: int, folder: str) -> None:
    """Losses of three rows by one process, or two rows and one by two, and a weight's averaged gradient."""
    if count > 1:
        os.environ |= {"MASTER_ADDR": "127.0.0.1", "MASTER_PORT": str(port)}
        dist.init_process_group("gloo", rank=rank, world_size=count)
    output, target, mask = planted(2, rows=3)
    mask[2] = False
    rows = slice(None) if count == 1 else (slice(0, 2), slice(2, 3))[rank]
    weight = torch.ones((), dtype=torch.float64, requires_grad=True)
    found = {}
    for name, loss in weighted_losses(dict.fromkeys(NAMES, 1.0), 2, 1.0).items():
        number = loss(output[rows] * weight, target[rows], mask[rows])
        share = len(output[rows]) / 3 * processes()
        (gradient,) = torch.autograd.grad(number * share, weight)
        if count > 1:
            dist.all_reduce(gradient)
        found[name] = torch.stack([number.detach(), gradient / processes()])
    if rank == 0:
        torch.save(found, f"{folder}/{count}.pt")
    if count > 1:
        dist.destroy_process_group()


@pytest.mark.slow
def test_two_processes_give_what_one_gives(tmp_path: Path) -> None:
    """The second has an image with nothing in its mask."""
    with socket.socket() as found:
        found.bind(("127.0.0.1", 0))
        port = found.getsockname()[1]
    shared(0, 1, port, str(tmp_path))
    spawn(shared, (2, port, str(tmp_path)), 2)
    one, two = (torch.load(tmp_path / f"{count}.pt", weights_only=True) for count in (1, 2))
    for name in NAMES:
        torch.testing.assert_close(two[name], one[name], rtol=1e-6, atol=1e-9)
