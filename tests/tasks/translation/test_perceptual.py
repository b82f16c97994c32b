"""The perceptual loss on a segmentation run: its features by hand, what it leaves alone, and whole runs."""

from __future__ import annotations

import json
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import torch
from monai.networks.nets import UNet as MonaiUNet
from safetensors.torch import load, save
from torch import Tensor, nn
from torch.nn import functional as F

from ganatomy.config.resolve import load as configuration_of
from ganatomy.config.resolve import validate
from ganatomy.errors import UserError
from ganatomy.networks.image_to_image.unet import UNet
from ganatomy.runs.directory import Run
from ganatomy.tasks.translation.cycle import Cycle
from ganatomy.tasks.translation.perceptual import Perceptual, check_perceptual, parts_of
from ganatomy.train import train
from tests.conftest import composed
from tests.tasks.conftest import SMALL
from tests.test_resume import assert_same_end, run_until

HEADS = "data=brain_contrasts data.subjects=6 data.size=32 data.slices=2 data.split=[3,1,2] data.augment=[]"
REGGAN = [
    *("model=translation_reggan", "model.discriminator.channels=[4,8]", "trainer.max_steps=4"),
    *("model.generator.translator.channels=[4,8]", "model.generator.registration.channels=[4,8]"),
]
Train = Callable[..., Path]


def images(dims: int = 2) -> tuple[Tensor, Tensor, Tensor]:
    draw = torch.Generator().manual_seed(0)
    output, target = (torch.rand(2, 1, *[16] * dims, generator=draw) for _ in range(2))
    return output, target, torch.rand(2, 1, *[16] * dims, generator=draw) > 0.5


def by_hand(network: UNet, image: Tensor) -> list[Tensor]:
    levels = network.descend(image)
    return [*levels, *network.ascend(levels)[1:]]


@pytest.mark.parametrize("dims", [2, 3])
def test_features_of_every_level(dims: int) -> None:
    torch.manual_seed(0)
    network = UNet(dims, 1, 3, [4, 6, 8])
    output, target, mask = images(dims)
    perceptual = Perceptual(network, weight=2.0)
    assert perceptual.layers_of(1, [16] * dims) == ["enter", "down.0", "down.1", "up.1", "up.0"]
    pairs = list(zip(by_hand(network, output), by_hand(network, target), strict=True))
    wanted = 2 * torch.stack([(a - b).abs().mean() for a, b in pairs]).mean()
    torch.testing.assert_close(perceptual(output, target), wanted)
    seen, means = by_hand(network, torch.where(mask, output, target)), []
    for a, b in zip(seen, by_hand(network, target), strict=True):
        side = 16 // a.shape[2]
        cells = (F.avg_pool2d if dims == 2 else F.avg_pool3d)(mask.float(), side)
        means.append(((a - b).abs() * cells).sum() / (cells.sum() * a.shape[1]))
    torch.testing.assert_close(perceptual(output, target, mask), 2 * torch.stack(means).mean())
    assert float(perceptual(output, target, torch.zeros_like(mask))) == 0
    assert float(perceptual(target, target)) == 0


def test_it_moves_the_output_and_nothing_else() -> None:
    torch.manual_seed(0)
    network = UNet(2, 1, 2, [4, 8])
    before = {name: value.clone() for name, value in network.state_dict().items()}
    output, target, _ = images()
    perceptual = Perceptual(network.train())
    perceptual(output.requires_grad_(), target).backward()
    assert output.grad is not None and output.grad.isfinite().all() and output.grad.any()
    assert not network.training and all(p.grad is None and not p.requires_grad for p in network.parameters())
    assert all(torch.equal(value, before[name]) for name, value in network.state_dict().items())
    assert not any(module._forward_hooks for module in network.modules())


def test_networks_of_others_and_layers_by_name() -> None:
    network = MonaiUNet(2, 1, 2, [4, 8, 8], [2, 2], num_res_units=1)
    levels = ["model.0", "model.1.submodule.0", "model.1.submodule.1.submodule", "model.1.submodule.2"]
    assert parts_of(network) == [*levels, "model.2"]
    assert Perceptual(network).layers_of(1, [16, 16]) == [levels[0], *levels[1:3], levels[3]]
    named = Perceptual(network, layers=["model.0"])
    output, target, _ = images()
    first = (network.model[0](output) - network.model[0](target)).abs().mean()
    torch.testing.assert_close(named(output, target), first)
    with pytest.raises(
        UserError, match=r"task\.perceptual_layers: up: UNet has no such layer; its parts are mo"
    ):
        Perceptual(network, layers=["up"])
    with pytest.raises(UserError, match=r"task\.perceptual: Sequential cannot take images of 15x15"):
        Perceptual(nn.Sequential(nn.Conv2d(1, 2, 17), nn.ReLU())).layers_of(1, [15, 15])
    with pytest.raises(UserError, match=r"task\.perceptual_layers: no part of Conv2d gives features"):
        Perceptual(nn.Conv2d(1, 2, 1)).layers_of(1, [16, 16])


def begin(directory: Path, *words: str) -> Path:
    """Train in this process; `resume` names a run made before."""
    train(validate(composed(*words, tiny=False)), directory)
    return directory


@pytest.fixture(scope="module")
def segmenter(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A finished segmentation run on the CT, as the target is prepared."""
    words = "task=segmentation model.discriminator=null model.generator.channels=[4,8] data.source=[ct]"
    more = ["model.generator.strides=[2]", "data.target=null", "data.intensity=[-1000,1500]"]
    return begin(tmp_path_factory.mktemp("runs") / "segmenter", *SMALL, *words.split(), *HEADS.split(), *more)


@pytest.fixture
def train_small(segmenter: Path, tmp_path: Path) -> Train:
    """Train a small run that compares features; `resume` names one made before."""
    common = [*SMALL, "task=translation", *HEADS.split(), *REGGAN, f"task.perceptual={segmenter}"]

    def of(name: str, *words: str, resume: bool = False) -> Path:
        given = (f"resume={tmp_path / name}",) if resume else (*common, "logger=csv")
        return begin(tmp_path / name, *given, *words)

    return of


@pytest.mark.slow
def test_a_run_with_features_and_registration(
    train_small: Train, segmenter: Path, tmp_path: Path, capsys: Any
) -> None:
    """Resumed bit for bit; with other weights refused; applied where the segmentation run is gone."""
    kept = shutil.copytree(segmenter, tmp_path / "kept")
    whole = train_small("whole", f"task.perceptual={kept}")
    assert "features of model.0, model.1.submodule" in capsys.readouterr().err
    run_until(2, train_small, "cut", f"task.perceptual={kept}")
    assert_same_end(whole, train_small("cut", resume=True))
    assert "loss/generator/perceptual" in (whole / "metrics.csv").read_text().splitlines()[0]
    state = torch.load(whole / "checkpoints/last.ckpt", weights_only=True)["state_dict"]
    assert {name.split(".")[0] for name in state} <= {"generator", "discriminator", "average", "metrics"}
    assert not any("perceptual" in name for name in state)

    moved = kept.rename(tmp_path / "moved")
    again = train_small("whole", f"+task.perceptual={moved}", resume=True)
    assert configuration_of(again)["task"]["perceptual"] == str(moved)
    weights = load((moved / "generator.safetensors").read_bytes())
    other = {name: value + 1e-3 for name, value in weights.items()}
    Run(moved).write_bytes("generator.safetensors", save(other))
    with pytest.raises(UserError, match=r"task\.perceptual: .* has other weights than this run began with"):
        train_small("whole", resume=True)
    with pytest.raises(
        UserError, match=r"task\.perceptual_weight: a resumed run keeps its task\.perceptual_w"
    ):
        train_small("whole", "+task.perceptual_weight=2", resume=True)
    shutil.rmtree(moved)
    from ganatomy.inference.loaded import load_run

    network = load_run(whole).task.translator
    assert network(torch.zeros(1, 1, 32, 32)).shape == (1, 1, 32, 32)


@pytest.mark.parametrize(
    ("words", "message"),
    [
        (["task.perceptual=nowhere"], r"task\.perceptual: nowhere: is no run directory"),
        (
            ["data.target_intensity=[-1000,2000]"],
            r"has data\.intensity=\[-1000,1500\], the target here data\.tar",
        ),
        (["data.target=[t2,pd]"], r"takes images of 1 channels, and the target here has 2"),
        (["data.orientation=RAS"], r"has data\.orientation=PLS, this run RAS; make them the same"),
        (["task.perceptual_weight=0"], r"task\.perceptual_weight: 0; give a number above 0"),
        (["task.perceptual_layers=[deep]"], r"task\.perceptual_layers: deep: UNet has no such layer"),
        (
            ["task.perceptual_hash=0000"],
            r"has other weights than this run began with \(task\.perceptual_hash=0000\.\.\., found",
        ),
    ],
)
def test_a_run_that_does_not_suit_is_one_line(train_small: Train, words: list[str], message: str) -> None:
    with pytest.raises(UserError, match=message) as refusal:
        train_small("run", *words)
    assert "\n" not in str(refusal.value)


def test_a_method_without_pairs_has_no_target_to_compare_with() -> None:
    with pytest.raises(UserError, match=r"^task\.perceptual: .* its own target, which Cycle has not; set it"):
        check_perceptual(Cycle(), "run", 1.0)


def test_test_subjects_that_the_run_was_trained_on_are_counted(
    train_small: Train, segmenter: Path, tmp_path: Path, capsys: Any
) -> None:
    known = shutil.copytree(segmenter, tmp_path / "known")
    told = json.loads((known / "data.json").read_text())
    told["subjects"]["train"] += told["subjects"]["test"]
    Run(known).write("data.json", told)
    train_small("run", "trainer.max_steps=2", f"task.perceptual={known}")
    said = capsys.readouterr().err
    assert "was trained on labels of 2 of this run's 2 test subjects, " in said
    assert not any(subject in said for subject in told["subjects"]["test"]), "a log names no subject"
