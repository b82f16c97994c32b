"""docs/models.md: a row for each model of conf/model, with its numbers of parameters."""

from __future__ import annotations

import re
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from ganatomy.config.locations import CONF
from ganatomy.config.targets import build
from ganatomy.training.players import filled, networks

PAGE = Path(__file__).parents[1] / "docs/models.md"
MODELS = sorted(path.stem for path in (CONF / "model").glob("*.yaml") if path.stem != "article")
IMAGE = {"size": [64, 64], "classes": 2, "image_channels": 1, "masked_channels": 1, "label_channels": 2}
TASKS: dict[str, dict[str, dict[str, Any]]] = {
    "segmentation": {
        "generator": {"in_channels": 1, "out_channels": 2},
        "discriminator": {**IMAGE, "image_channels": 2, "in_channels": 3, "out_channels": 1},
    },
    "enhancement": {
        "generator": {"in_channels": 1, "out_channels": 1},
        "discriminator": {**IMAGE, "in_channels": 2, "out_channels": 1},
    },
    "detection": {
        "generator": {"in_channels": 1, "classes": ["lesion"]},
        "discriminator": {"in_channels": 4, "out_channels": 1},
    },
    "anomaly": {
        "generator": {**IMAGE, "in_channels": 1, "out_channels": 1},
        "discriminator": {**IMAGE, "in_channels": 1},
    },
    "synthesis": {
        "generator": {**IMAGE, "out_channels": 1},
        "discriminator": {**IMAGE, "in_channels": 1, "out_channels": 1},
    },
    "translation": {
        "generator": {"in_channels": 1, "out_channels": 1},
        "discriminator": {**IMAGE, "in_channels": 2, "out_channels": 1},
    },
}
"""What data of one channel, 64x64 pixels and two classes decide about the players of a task."""


def counted(compose: Callable[..., Any], task: str, model: str) -> dict[str, int]:
    """Return the number of parameters of each player, as conf/ has the model."""
    node = compose(f"task={task}", f"model={model}", tiny=False)["model"]
    found = {}
    for player, arguments in TASKS[task].items():
        if node[player] is None:
            found[player] = 0
            continue
        own = dict(arguments)
        if player == "discriminator" and (
            len(networks(node[player], player)) > 1 or "target" in node[player]
        ):
            own["in_channels"] = 1  # one of a side of its own
        if player == "discriminator" and model == "spade":
            own["in_channels"] = 3
        section = filled(node[player], player, 2, {player: own})
        built = [build(part, path) for part, path in networks(section, f"model.{player}").values()]
        found[player] = sum(p.numel() for network in built for p in network.parameters())
    return found


def rows() -> dict[str, list[str]]:
    lines = [line for line in PAGE.read_text().splitlines() if line.startswith("| `")]
    return {
        cells[0].strip("` "): cells
        for cells in ([c.strip() for c in line.split("|")[1:-1]] for line in lines)
    }


def test_every_model_has_a_row() -> None:
    assert sorted(rows()) == sorted([*MODELS, "article"])


@pytest.mark.parametrize("model", MODELS)
def test_the_numbers_of_parameters_are_those_of_conf(compose: Callable[..., Any], model: str) -> None:
    _, task, size, *_ = rows()[model]
    numbers = [int(number.replace(",", "")) for number in re.findall(r"[\d,]+", size)]
    assert numbers == list(counted(compose, task.split(",")[0], model).values())
