"""scripts/wandb/*.yaml: what a W&B agent would start is a run of `train`."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
import yaml

from ganatomy.config.compose import composed
from tests.conftest import ROOT, TINY, environment

FILES = sorted((ROOT / "scripts/wandb").glob("*.yaml"))


def expand(sweep: dict[str, Any], choose: Any) -> list[str]:
    """The command line of one run, by W&B's own expansion of the file."""
    from wandb.sdk.launch.sweeps.utils import create_sweep_command, create_sweep_command_args

    chosen = {key: {"value": choose(node)} for key, node in sweep["parameters"].items()}
    arguments = create_sweep_command_args({"args": chosen})
    line: list[str] = []
    for word in create_sweep_command(list(sweep["command"])):
        name = word[2:-1] if str(word).startswith("${") else None
        line += {"env": ["/usr/bin/env"]}.get(name) or arguments[name] if name else [str(word)]
    return line


def ends(node: dict[str, Any]) -> list[Any]:
    return list(node["values"]) if "values" in node else [node["min"], node["max"]]


@pytest.mark.parametrize("path", FILES, ids=lambda path: path.stem)
def test_both_ends_of_every_parameter_make_a_run_of_train(path: Path) -> None:
    sweep = yaml.safe_load(path.read_text())
    assert (ROOT / sweep["program"]).is_file() and sweep["method"] in ("bayes", "random", "grid")
    for which in (0, -1):
        line = expand(sweep, lambda node, which=which: ends(node)[which])
        cfg = composed(line[line.index("src.train") + 1 :], check=True)
        assert cfg["task"]["monitor"] == sweep["metric"]["name"]
        project = cfg["logger"]["project"]
        assert cfg["logger"] == {"name": "wandb", "project": project, "mode": "online", "artifacts": False}


@pytest.mark.slow
def test_the_command_line_of_an_agent_trains(tmp_path: Path) -> None:
    """Offline, and as small as can be; all else as the agent would start it."""
    line = expand(
        yaml.safe_load((ROOT / "scripts/wandb/segmentation.yaml").read_text()), lambda node: ends(node)[-1]
    )
    path = f"{Path(sys.executable).parent}:{os.environ['PATH']}"
    small = [word for word in TINY if not word.startswith("logger")]
    done = subprocess.run(
        [*line, *small, "trainer.max_steps=2", "logger.mode=offline", "run_dir=out"],
        cwd=tmp_path,
        env=environment(PATH=path, WANDB_SWEEP_ID="abc12345", WANDB_RUN_ID="run12345"),
        capture_output=True,
        text=True,
        timeout=600,
    )
    assert done.returncode == 0, done.stderr
    assert list((tmp_path / "out/wandb").glob("offline-run-*-run12345")), (
        "the agent's run, not one of its own"
    )
