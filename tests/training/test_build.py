"""Networks as a configuration asks for them."""

from __future__ import annotations

import copy
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import torch

from ganatomy.config.resolve import validate
from ganatomy.errors import UserError
from ganatomy.networks.noise_to_image.dcgan import DcganDiscriminator, DcganGenerator
from ganatomy.networks.noise_to_image.r3gan import R3Discriminator, R3Generator
from ganatomy.networks.quick_layers import LAYOUTS
from ganatomy.tasks.segmentation.task import SegmentationTask
from ganatomy.training.build import build_data, complete, laid_out
from tests.networks.noise_to_image.test_noise_to_image import awake

SIZES = {2: (16, 16), 3: (16, 16, 16)}


@pytest.mark.parametrize("dims", [2, 3])
@pytest.mark.parametrize("pair", [(DcganGenerator, DcganDiscriminator), (R3Generator, R3Discriminator)])
def test_channels_last_changes_the_layout_and_no_number(pair: tuple[type, type], dims: int) -> None:
    generator, discriminator = (
        awake(kind(dims, 1, SIZES[dims], channels=4, **more)).double()
        for kind, more in zip(pair, ({"latent": 8}, {}), strict=True)
    )
    z = torch.randn(3, 8, dtype=torch.float64)
    answers = []
    for innermost in (False, True):
        players = [laid_out(copy.deepcopy(player), innermost) for player in (generator, discriminator)]
        image = players[0](z)
        *seen, logits = players[1](image)
        logits.sum().backward()
        grads = [weight.grad for player in players for weight in player.parameters()]
        answers.append([image, *seen, logits, *grads])
        kernels = [weight for weight in players[1].parameters() if weight.dim() == dims + 2]
        maps = seen if dims == 2 else []  # for 3D doubles a CPU has no kernel that keeps the layout
        for value in [*kernels, *maps]:
            if value.dim() == dims + 2 and min(value.shape[1:]) > 1:
                assert value.is_contiguous(memory_format=LAYOUTS[dims + 2]) == innermost
    for plain, other in zip(*answers, strict=True):
        torch.testing.assert_close(plain, other, rtol=1e-10, atol=1e-12)


def test_a_run_is_laid_out_as_it_is_told(run: Callable[..., Path]) -> None:
    words = ["trainer.max_steps=1", "trainer.val_every=1"]
    for asked in (True, False):
        done = run(str(asked), *words, f"trainer.channels_last={asked}")
        kept = torch.load(done / "checkpoints/last.ckpt", weights_only=True)["state_dict"]
        for player in ("generator", "discriminator"):
            kernels = [
                w for name, w in kept.items() if name.startswith(player) and min(w.shape[1:4] or [1]) > 1
            ]
            assert kernels
            assert all(w.is_contiguous(memory_format=torch.channels_last) == asked for w in kernels)


@pytest.mark.parametrize(
    ("returned", "lost"), [({"weight": 1.0}, "_target_ and no monitor"), (None, "_target_")]
)
def test_a_task_that_loses_its_settings_is_named(
    returned: Any, lost: str, compose: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(SegmentationTask, "resolve_settings", staticmethod(lambda data, given: returned))
    cfg = validate(compose())
    with pytest.raises(UserError, match=f"^task: SegmentationTask.resolve_settings returns no {lost}"):
        complete(cfg, build_data(cfg))


def test_a_run_without_a_split_cannot_go_on(compose: Any, tmp_path: Path) -> None:
    (tmp_path / "data.json").write_text('{"hash": "0"}')
    cfg = validate(compose()).with_values(resume=str(tmp_path))
    with pytest.raises(
        UserError, match=r"^resume: .* has no data\.json that says who trains and who tests; st"
    ):
        build_data(cfg)
