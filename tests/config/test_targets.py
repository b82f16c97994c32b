"""What a configuration may name, and how it is built."""

from __future__ import annotations

from collections.abc import Sequence
from contextlib import nullcontext
from pathlib import Path

import pytest
import torch

from ganatomy.config.argument_types import check_types
from ganatomy.config.mistakes.suggestions import nearest
from ganatomy.config.targets import build, check_arguments, check_targets, fill, resolve
from ganatomy.data.sources.folder import Folder
from ganatomy.errors import UserError

UNET = {"_target_": "monai.networks.nets.UNet", "channels": [4, 8], "strides": [2]}


@pytest.mark.parametrize(
    "target",
    [
        "os.system",
        "builtins.eval",
        "torch.load",
        "torch.hub.load",
        "monai.bundle.run",
        "monai.apps.download_and_extract",
        "torch.nn.modules.module.torch.load",  # a detour through an allowed module's imports
        "monai.transforms.io.dictionary.Path",  # a class, but not of the module that was allowed
        "monai.networks.nets.unet.warnings.warn",
        "ganatomy.runs.directory.Run",
        "subprocess",
        7,
    ],
)
def test_refused(target: object) -> None:
    with pytest.raises(UserError, match=r"node\._target_"):
        resolve({"_target_": target}, "node")


def test_a_laboratory_may_allow_its_own(monkeypatch: pytest.MonkeyPatch) -> None:
    node = {"_target_": "collections.OrderedDict"}
    with pytest.raises(UserError, match="refused"):
        resolve(node, "node")
    monkeypatch.setenv("GANATOMY_TARGETS", "collections.")
    assert resolve(node, "node").__name__ == "OrderedDict"


def test_nested_targets_are_walked() -> None:
    with pytest.raises(UserError, match=r"data.augment\[1\].inner._target_: os.system is refused"):
        check_targets({"data": {"augment": [{}, {"inner": {"_target_": "os.system"}}]}})


def test_types_are_checked_against_the_constructor() -> None:
    node = {"_target_": "torch.optim.Adam", "lr": "fast"}
    with pytest.raises(UserError, match=r"o.lr: .*got 'fast'"):
        check_arguments(resolve(node, "o"), node, "o")


def test_of_a_value_with_parts_the_wrong_part_is_named() -> None:
    node = {"_target_": "ganatomy.tasks.detection.DetectionTask", "losses": {"centre": 1.0, "size": "large"}}
    with pytest.raises(UserError, match=r"^task.losses.size: must be a number, got 'large'$"):
        check_arguments(resolve(node, "task"), node, "task")
    adam = {"_target_": "torch.optim.Adam", "betas": [0.5, "fast"]}
    with pytest.raises(UserError, match=r"^o.betas\[1\]: .*got 'fast'$"):
        check_arguments(resolve(adam, "o"), adam, "o")


def test_fill_adds_what_is_missing_and_keeps_what_is_set() -> None:
    known = {"spatial_dims": 2, "in_channels": 1, "out_channels": 3, "unknown": 1}
    node = fill({**UNET, "out_channels": 5}, "g", known)
    assert (node["spatial_dims"], node["out_channels"]) == (2, 5) and "unknown" not in node
    assert build(node, "g")(torch.zeros(1, 1, 8, 8)).shape == (1, 5, 8, 8)


def test_fill_tells_networks_inside_a_network_the_dimensions_and_nothing_else() -> None:
    head = {
        "_target_": "ganatomy.networks.image_to_image.centernet.CenterNet",
        "body": {**UNET, "out_channels": 5},
    }
    node = fill(head, "g", {"spatial_dims": 3, "in_channels": 2, "classes": ["a"]})
    assert node["classes"] == ["a"] and node["body"]["spatial_dims"] == 3
    assert node["body"].get("in_channels") == UNET.get("in_channels") and node["body"]["out_channels"] == 5


def test_what_cannot_be_built_is_one_line() -> None:
    with pytest.raises(UserError, match=r"^g: UNet cannot be built \([^\n]+\)$"):
        build(UNET, "g")


@pytest.mark.parametrize(
    ("name", "valid", "hint"),
    [
        ("lrr", ["lr", "betas"], "; did you mean 'lr'?"),
        ("zzz", ["lr", "betas"], "; choose from betas, lr"),
        ("zzz", [], ""),
    ],
)
def test_nearest(name: str, valid: list[str], hint: str) -> None:
    assert nearest(name, valid) == hint


class Picky:
    def __init__(self, steps: object, **more: object) -> None:
        if steps == "key":
            raise KeyError("bacth")
        if more:
            raise TypeError(f"f() got an unexpected keyword argument {next(iter(more))!r}")
        len(steps)  # type: ignore[arg-type]
        steps[9]  # type: ignore[index]


@pytest.mark.parametrize(
    ("given", "line"),
    [
        ({}, "it needs 'steps'"),
        ({"steps": "key"}, "'bacth' is none of the names that it knows"),
        ({"steps": "no", "wide": 3}, "it takes no 'wide'"),
        ({"steps": None}, "one of these arguments has the wrong type, is null or is too short: steps=None"),
        ({"steps": "no"}, "one of these arguments has the wrong type, is null or is too short: steps=no"),
    ],
)
def test_a_class_that_refuses_is_told_without_words_of_python(
    monkeypatch: pytest.MonkeyPatch, given: dict[str, object], line: str
) -> None:
    monkeypatch.setenv("GANATOMY_TARGETS", "tests.")
    with pytest.raises(UserError) as refused:
        build({"_target_": "tests.config.test_targets.Picky", **given}, "model.generator")
    assert str(refused.value) == f"model.generator: Picky cannot be built ({line})"


class Careful:
    def __init__(self, depth: int = 1, words: str = "") -> None:
        raise UserError(words or f"depth: {depth}; give at least 1")


def test_a_message_of_a_class_begins_with_the_key_that_is_typed(monkeypatch: pytest.MonkeyPatch) -> None:
    """A parameter of the class follows its section; a key of another section, or no key, stands as it is."""
    monkeypatch.setenv("GANATOMY_TARGETS", "tests.")
    node = {"_target_": "tests.config.test_targets.Careful"}
    lines = {
        "": "model.generator.depth: 1; give at least 1",
        "depth[0]: -1; give at least 1": "model.generator.depth[0]: -1; give at least 1",
        "data.size: too small": "data.size: too small",
        "model.generator.depth: 0": "model.generator.depth: 0",
        "only for 2D": "model.generator: only for 2D",
        "width: too small": "model.generator: width: too small",
    }
    for words, line in lines.items():
        with pytest.raises(UserError) as error:
            build({**node, "words": words}, "model.generator")
        assert str(error.value) == line


def test_the_variable_that_allows_an_own_class_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("GANATOMY_TARGETS", "other.")
    with pytest.raises(UserError, match=r"set GANATOMY_TARGETS=other\.,mylab\.$"):
        resolve({"_target_": "mylab.nets.Tiny"}, "model.generator")
    with pytest.raises(UserError) as refused:
        resolve({"_target_": "os.system"}, "model.generator")
    assert "GANATOMY_TARGETS" not in str(refused.value)


@pytest.mark.parametrize(
    ("module", "line"),
    [
        ("x = (", "fails when it is imported \\(SyntaxError"),
        ("import nowhere_at_all", "no module nowhere_at_all"),
    ],
)
def test_an_own_module_that_cannot_be_imported(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path, module: str, line: str
) -> None:
    name = f"broken_{abs(hash(module))}"
    (tmp_path / f"{name}.py").write_text(module)
    monkeypatch.syspath_prepend(str(tmp_path))
    monkeypatch.setenv("GANATOMY_TARGETS", f"{name}.")
    with pytest.raises(UserError, match=line):
        resolve({"_target_": f"{name}.Tiny"}, "model.generator")


def test_texts_of_data_sets_are_texts() -> None:
    """A folder named 2024, or nan, is a number to Hydra."""
    with pytest.raises(UserError, match=r"as a text it is typed in quotes, 'data\.root=.2024.'"):
        check_arguments(Folder, {"root": 2024}, "data")


def test_a_value_for_each_key_of_a_transform() -> None:
    """MONAI annotates the one mode and takes a list; values that are none stay refused."""
    target = "monai.transforms.RandGridDistortiond"
    node = {"_target_": target, "keys": ["image", "label"], "mode": ["bilinear", "nearest"]}
    check_targets([node], "data.augment")
    assert build(node, "data.augment[0]").mode == ("bilinear", "nearest")
    with pytest.raises(UserError, match=r"^data\.augment\[0\]\.mode: takes one text"):
        check_targets([node | {"mode": ["bilinear", 0.5]}], "data.augment")


def test_a_library_that_a_class_lacks_is_one_line(monkeypatch: pytest.MonkeyPatch) -> None:
    class Needs:
        def __init__(self) -> None:
            raise ImportError("No module named 'torchvision'.\n\npages\nof advice")

    monkeypatch.setattr("ganatomy.config.targets.resolve", lambda node, path: Needs)
    with pytest.raises(UserError, match=r"^data: Needs cannot be built \(No module named 'torchvision'\.\)$"):
        build({"_target_": "lab.Needs"}, "data")


def test_a_list_where_a_source_takes_one_text_is_refused() -> None:
    """Of sources too, whose annotations are read class by class."""
    node = {"_target_": "ganatomy.data.sources.folder.Folder", "root": "x", "image": ["a/*.png", "b/*.png"]}
    with pytest.raises(UserError, match=r"^data\.image: takes one text, got 2: a/\*\.png, b/\*\.png$"):
        check_targets({"data": node})


class Typed:
    def __init__(self, gate: float | None = None, flag: bool | int = 0, axes: Sequence[int] = ()) -> None: ...


@pytest.mark.parametrize(
    ("given", "line"),
    [
        ({"gate": True}, "task.gate: give a number, got true"),
        ({"axes": "ab"}, "task.axes: give a list, got 'ab'"),
        ({"axes": 1}, "task.axes: give a list, got 1"),
        ({"axes": None}, "task.axes: give a list, got null"),
        ({"gate": 0.5, "flag": True, "axes": [0, 1]}, ""),
    ],
)
def test_a_value_of_another_kind_is_told_in_words_of_yaml(given: dict[str, object], line: str) -> None:
    with pytest.raises(UserError, match=f"^{line}$") if line else nullcontext():
        check_types(Typed, given, "task")
