"""No class on the list calls what an argument names; those that would are refused in one line."""

from __future__ import annotations

import ast
import contextlib
import importlib
import inspect
import pkgutil
import re
import warnings
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import torch

from ganatomy.config.security.allowed import FOREIGN, NAMES, REASONS
from ganatomy.config.targets import build, check_targets, resolve
from ganatomy.errors import UserError
from tests.config.security import marker
from tests.conftest import ROOT


@pytest.fixture
def touched(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Path:
    path = tmp_path / "touched"
    monkeypatch.setenv("MARKER", str(path))
    return path


def classes(package: str) -> dict[str, list[type]]:
    """The classes of a package that are on the list, by name."""
    parent = importlib.import_module(package.rstrip("."))
    modules = [
        parent,
        *(importlib.import_module(m.name) for m in pkgutil.walk_packages(parent.__path__, package)),
    ]
    found: dict[str, set[type]] = {}
    for module in modules:
        for value in vars(module).values():
            if inspect.isclass(value) and f"{value.__module__}.".startswith(package):
                found.setdefault(value.__name__, set()).add(value)
    return {name: list(found.get(name, ())) for name in NAMES[package]}


@pytest.mark.parametrize("package", NAMES)
def test_each_name_is_one_class(package: str) -> None:
    assert {name: len(found) for name, found in classes(package).items() if len(found) != 1} == {}


def test_the_marker_marks(touched: Path) -> None:
    marker.mark()
    assert touched.exists()


KNOWN: dict[str, Any] = {
    "keys": "image",
    "spatial_dims": 2,
    "in_channels": 1,
    "out_channels": 1,
    "channels": [4, 8],
    "strides": [2],
    "img_size": [32, 32],
    "patch_size": [16, 16],
    "num_layers_d": 1,
    "kernel_size": 3,
    "in_shape": [1, 16, 16],
    "out_shape": [2],
    "hidden_size": 24,
    "num_heads": 2,
    "mlp_dim": 24,
    "init_filters": 8,
    "sides": [8, 8],
    "roi_size": [16, 16],
    "spatial_size": [16, 16],
    "k": 4,
    "prob": 1.0,
    "offsets": 0.1,
    "factors": 0.1,
    "transforms": [],
    "num_features": 4,
    "normalized_shape": 4,
    "in_features": 16,
    "out_features": 16,
    "lr": 0.1,
}
"""Small values for parameters that a class needs."""


def arguments(cls: type) -> dict[str, Any]:
    """Small values for the parameters that a class needs."""
    return {
        name: KNOWN.get(name, 2)
        for name, parameter in inspect.signature(cls).parameters.items()
        if parameter.default is parameter.empty
        and parameter.kind not in (parameter.VAR_KEYWORD, parameter.VAR_POSITIONAL)
    } | ({"prob": 1.0} if "prob" in inspect.signature(cls).parameters else {})


FORMS = (
    marker.NAME,
    [marker.NAME, {}],
    {"name": marker.NAME},
    {marker.NAME: {}},
    {"_target_": marker.NAME},
    {"_target_": marker.CLASS},
    [{"_target_": marker.CLASS}],
    f"${marker.NAME}()",
    f"@{marker.NAME}",
)


@pytest.mark.parametrize("package", NAMES)
def test_no_argument_of_a_class_runs_what_it_names(package: str, touched: Path) -> None:
    """Every parameter, and some that are none, gets the name of the marker in every form."""
    for name, (cls,) in classes(package).items():
        target = f"{cls.__module__}.{cls.__name__}"
        needed = arguments(cls)
        parameters = [p for p in inspect.signature(cls).parameters if p not in ("args", "kwargs", "params")]
        for parameter in [
            *parameters,
            "_partial_",
            "_args_",
            "_mode_",
            "_requires_",
            "_disabled_",
            "reader",
            "func",
        ]:
            for form in FORMS if package in FOREIGN else FORMS[3:7]:
                node = {**needed, "_target_": target, parameter: form}
                with pytest.raises(UserError) as refused:
                    check_targets(node, "node")
                    build(node, "node")
                    pytest.fail(f"{name}.{parameter} takes {form}")
                assert "\n" not in str(refused.value)
                assert not touched.exists(), f"{name}.{parameter}"


def test_without_the_check_of_arguments_nothing_on_the_list_runs_the_marker(
    touched: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The list alone holds, too: built and called with the marker's name as every text."""
    monkeypatch.setattr("ganatomy.config.targets.check_values", lambda cls, node, path: None)
    image = {"image": torch.rand(1, 16, 16)}
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        for package in ("monai.transforms.", "monai.networks.blocks.", "torch.nn.modules."):
            for name, (cls,) in classes(package).items():
                for parameter in inspect.signature(cls).parameters:
                    if parameter in ("args", "kwargs", "pretrained"):
                        continue
                    node = {**arguments(cls), parameter: marker.NAME}
                    with contextlib.suppress(Exception):
                        made = cls(**node)
                        made(dict(image) if package == "monai.transforms." else image["image"][None])
                    assert not touched.exists(), f"{name}.{parameter}"


def refused() -> Iterator[str]:
    """Dotted names of MONAI's and torch's classes that are not on the list."""
    for package in FOREIGN:
        parent = importlib.import_module(package.rstrip("."))
        for name, value in vars(parent).items():
            if inspect.isclass(value) and value.__name__ not in NAMES[package]:
                yield f"{package}{name}"


def test_other_classes_are_refused_with_a_reason() -> None:
    every = list(refused())
    assert len(every) > 200
    for target in every:
        with pytest.raises(UserError, match=r"^node\._target_: [\w.]+ is refused[^\n]*$"):
            resolve({"_target_": target}, "node")


@pytest.mark.parametrize(
    ("target", "line"),
    [
        ("monai.transforms.LoadImaged", "is refused: it reads or writes files and loads code by name"),
        ("monai.transforms.Lambdad", "is refused: it calls functions that are given to it"),
        ("monai.networks.nets.MILModel", "is refused: it looks code up by name"),
        ("monai.networks.nets.FlexUNetEncoderRegister", "it looks code up by name"),
        ("monai.networks.blocks.MCFCN", "it downloads or reads weights"),
        ("monai.transforms.RandFlip", "did you mean 'RandFlipd'?; or derive a class of your own from it"),
        ("torch.optim.lr_scheduler.LambdaLR", "it calls functions that are given to it"),
    ],
)
def test_why(target: str, line: str) -> None:
    with pytest.raises(UserError, match=re.escape(line)):
        resolve({"_target_": target}, "node")
    assert target.rpartition(".")[2] in REASONS or "RandFlip" in target


def test_nothing_else_is_imported(monkeypatch: pytest.MonkeyPatch) -> None:
    """A name outside the packages is refused before its module is."""
    monkeypatch.setattr("ganatomy.config.targets._import", lambda *given: pytest.fail(f"imported {given}"))
    for target in (
        "antigravity.x",
        "torch.hub.x",
        "monai.bundle.__main__.x",
        "ganatomy.train.x",
        marker.CLASS,
    ):
        with pytest.raises(UserError, match="is refused; allowed are classes of"):
            resolve({"_target_": target}, "node")


def test_an_own_prefix_imports_its_modules_alone(monkeypatch: pytest.MonkeyPatch) -> None:
    imported: list[str] = []
    monkeypatch.setenv("GANATOMY_TARGETS", "mylab.nets.")
    monkeypatch.setattr("ganatomy.config.targets._import", lambda module, *more: imported.append(module))
    for target in (
        "mylab.scripts.Clean",
        "mylab.nets.Tiny",
        "mylab.Tiny",
        "mylab.nets.small.Tiny",
        "mylab2.nets.Tiny",
    ):
        with contextlib.suppress(UserError):
            resolve({"_target_": target}, "node")
    assert imported == ["mylab.nets", "mylab", "mylab.nets.small"]


def test_nothing_is_unpickled() -> None:
    for path in (ROOT / "src").rglob("*.py"):
        for node in ast.walk(ast.parse(path.read_text())):
            if isinstance(node, ast.ImportFrom) and node.module == "pickle":
                assert [alias.name for alias in node.names] == ["UnpicklingError"], path
            elif isinstance(node, ast.Import | ast.ImportFrom):
                names = {getattr(node, "module", None), *(alias.name for alias in node.names)}
                assert not names & {"pickle", "joblib", "dill", "cloudpickle", "shelve", "marshal"}, path
            if isinstance(node, ast.Call) and ast.unparse(node.func) in ("torch.load", "np.load"):
                given = {word.arg: ast.unparse(word.value) for word in node.keywords}
                safe = {"torch.load": ("weights_only", "True"), "np.load": ("allow_pickle", "False")}
                key, value = safe[ast.unparse(node.func)]
                assert given.get(key, "False" if key == "allow_pickle" else None) == value, path


@pytest.mark.parametrize("value", ["default", True, "weights.pt"])
def test_weights_are_not_downloaded(value: object) -> None:
    node = {
        "_target_": "monai.networks.nets.EfficientNetBN",
        "model_name": "efficientnet-b0",
        "pretrained": value,
    }
    if value == "default":
        del node["pretrained"]
    with pytest.raises(UserError, match=r"^g(\.pretrained)?: "):
        build(node, "g")
    node = {
        "_target_": "monai.networks.nets.DenseNet121",
        "spatial_dims": 2,
        "in_channels": 1,
        "out_channels": 1,
    }
    with pytest.raises(UserError, match=r"^g\.pretrained: DenseNet121 would download or read weights"):
        check_targets({**node, "pretrained": True}, "g")
    with pytest.raises(
        UserError, match=r"^g: DenseNet121 would download or read weights; take pretrained out"
    ):
        check_targets({**node, "pretrained_on": "x"}, "g")


UNET = {"_target_": "monai.networks.nets.UNet", "spatial_dims": 2, "in_channels": 1, "out_channels": 1}
KEYS = {"keys": ["image", "label"]}


@pytest.mark.parametrize(
    "node",
    [
        {
            "_target_": "monai.networks.nets.EfficientNetBN",
            "model_name": "efficientnet-b0",
            "pretrained": False,
        },
        {
            **UNET,
            "channels": [4, 8],
            "strides": [2],
            "act": ["prelu", {"init": 0.2}],
            "norm": ["group", {"num_groups": 2}],
        },
        {
            "_target_": "monai.transforms.OneOf",
            "transforms": [
                {"_target_": "monai.transforms.RandFlipd", **KEYS, "prob": 1, "spatial_axis": 0},
                {"_target_": "monai.transforms.RandAffineDict", **KEYS, "mode": ["bilinear", "nearest"]},
            ],
        },
        {"_target_": "torch.nn.Conv2d", "in_channels": 1, "out_channels": 2, "kernel_size": 3},
    ],
)
def test_what_users_need_stays(node: dict[str, Any]) -> None:
    check_targets(node, "node")
    assert build(node, "node") is not None
