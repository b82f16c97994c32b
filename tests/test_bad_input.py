"""Bad input through the real command: one clear line, exit code 2, nothing left behind."""

from __future__ import annotations

import errno
import os
import runpy
import shutil
import subprocess
import sys
import tempfile
from pathlib import Path
from unittest import mock

import pytest

from ganatomy.config.mistakes.explain import explain
from tests.conftest import TINY, environment

CASES = {
    "misspelt key": (
        ["trainer.max_step=3"],
        "trainer.max_step: no such key; did you mean 'trainer.max_steps'?",
    ),
    "another choice over the first one's keys": (
        [
            "model.adversarial.weight={name: adaptive, share: 0.2}",
            "model.adversarial.weight={name: warmup, steps: 9}",
        ],
        "model.adversarial.weight: joins what stands there, which takes no steps; clear it first: "
        "model.adversarial.weight=null '+model.adversarial.weight={...}'",
    ),
    "misspelt key in braces": (
        ["model.optimizer.generator={lrr: 1.0}"],
        "model.optimizer.generator.lrr: no such key; did you mean 'model.optimizer.generator.lr'?",
    ),
    "misspelt key before braces": (
        ["model.adversarial.wieght={name: adaptive, share: 0.2}"],
        "model.adversarial.wieght: no such key; did you mean 'model.adversarial.weight'?",
    ),
    "misspelt group": (["modle=adversarial_unet"], "modle: no such key; did you mean 'model'?"),
    "misspelt choice": (
        ["task=segmentatoin"],
        "task=segmentatoin: no such choice; did you mean 'segmentation'?",
    ),
    "misspelt key added with +": (
        ["+trainer.max_step=3"],
        "trainer.max_step: no such key; did you mean 'max_steps'?",
    ),
    "misspelt argument": (
        ["+model.generator.chanels=[4,8]"],
        "UNet takes no such argument; did you mean 'channels'?",
    ),
    "misspelt class": (
        ["model.generator._target_=monai.networks.nets.UNett"],
        "model.generator._target_: monai.networks.nets has no UNett; did you mean",
    ),
    "misspelt augmentation": (
        ["model.adversarial.augment=adda"],
        "model.adversarial.augment: no such choice 'adda'; did you mean 'ada'?",
    ),
    "misspelt loss": (["model.adversarial.loss=hingee"], "no such choice 'hingee'; did you mean 'hinge'?"),
    "a word for a list": (["task.mirror_axes=both"], "task.mirror_axes: give a list or auto, got 'both'"),
    "a section for a list": (
        ["task.mirror_axes={a: 1}"],
        "task.mirror_axes: cannot take the place of what stands there, got {a: 1}",
    ),
    "wrong type": (
        ["trainer.max_steps=soon"],
        "trainer.max_steps: must be a whole number, got 'soon'",
    ),
    "impossible value": (
        ["data.batch_size=0"],
        "data.batch_size: must be 1 or more, got 0",
    ),
    "wrong type of an argument": (["model.optimizer.generator.lr=fast"], "model.optimizer.generator.lr:"),
    "a size no network can halve": (
        ["data.size=41", "model.generator.channels=[4,8,8]", "model.generator.strides=[2,2]"],
        "nearest sizes that fit: 40x40",
    ),
    "braces without quotes": (
        ["data.label=masks/{name}"],
        """masks/{name} contains characters that must be quoted; type 'data.label="masks/{name}"'""",
    ),
    "no task": (["task=null"], "task=null: no such choice; choose from anomaly, detection"),
    "a group without a choice": (["task"], "task: is missing its value; type task=..., one of anomaly"),
    "a part of the other data sets": (["data=common"], "data=common: is a part of others and no choice"),
    "two values for one run": (
        ["trainer.max_steps=5,6"],
        "trainer.max_steps: 5,6 asks for several runs (--multirun)",
    ),
    "a flag that is none": (["--task=x"], "--task=x: no such flag; keys are set without dashes (task=...)"),
    "an own class": (
        ["model.generator={_target_: mylab.nets.TinyNet, width: 8}"],
        "for a class of your own set GANATOMY_TARGETS=mylab.",
    ),
    "a generator that answers a list": (
        ["model.generator={_target_: monai.networks.nets.BasicUNetPlusPlus, features: [4, 4, 8, 8, 8, 4]}"],
        "model.generator: BasicUNetPlusPlus returns a list where one tensor is needed; wrap it in a class",
    ),
    "a generator that rounds sides down": (
        [
            "model.generator={_target_: monai.networks.nets.AutoEncoder, channels: [4, 8], strides: [2, 2]}",
            "data.size=33",
        ],
        "data.size: AutoEncoder cannot halve images of 33x33; nearest sizes that fit: 32x32",
    ),
    "a target that runs a program": (["model.generator._target_=os.system"], "os.system is refused"),
    "a target that loads a pickle": (["model.generator._target_=torch.load"], "torch.load is refused"),
    "a detour to a module": (
        ["model.generator._target_=torch.nn.modules.module.torch.load"],
        "model.generator._target_",
    ),
    "a score that is not there": (
        ["task.monitor=val/dise"],
        "task.monitor: no score is named val/dise; did you mean",
    ),
    "a score without direction": (
        ["task.monitor=val/volumes"],
        "task.monitor: val/volumes declares no direction (higher_is_better); choose another score\n",
    ),
    "a penalty without name": (
        ["model.adversarial.penalties=[{gamma: 1.0}]"],
        "model.adversarial.penalties[0].name: is missing",
    ),
    "channels that are not there": (["+model.generator.in_channels=3"], "model.generator: UNet cannot take"),
    "a discriminator too deep": (
        ["model.discriminator.num_layers_d=6"],
        "model.discriminator: PatchDiscriminator",
    ),
    "no such device": (["trainer.accelerator=gpu"], "error: trainer: "),
    "half precision without a GPU": (
        ["trainer.precision=16-mixed"],
        "trainer.precision: 16-mixed needs a GPU",
    ),
    "no source": (["init=nowhere"], "init: nowhere: there is no such run or file"),
    "nothing frozen": (["freeze=[encoder.*]"], "freeze: encoder.* is the name of no parameter"),
    "no such run": (["resume=nowhere"], "nowhere: is no run directory"),
    "an update that cannot be": (["update.accumulate=9"], "update.accumulate"),
}


@pytest.mark.parametrize("case", CASES)
def test_one_line_and_exit_code_two(command, tmp_path: Path, case: str) -> None:
    words, line = CASES[case]
    result = command(*TINY, *words, "run_dir=out")
    assert result.returncode == 2, result.stderr
    assert line in result.stderr
    assert len(result.stderr.strip().splitlines()) == 1, result.stderr
    assert "Traceback" not in result.stderr + result.stdout
    assert not (tmp_path / "out").exists()


def test_a_typo_inside_an_experiment_file(command, tmp_path: Path) -> None:
    folder = tmp_path / "mine" / "experiment"
    folder.mkdir(parents=True)
    (folder / "x.yaml").write_text("# @package _global_\ntrainer:\n  max_stepz: 3\n")
    result = command(f"hydra.searchpath=[file://{tmp_path}/mine]", "experiment=x", "run_dir=out")
    assert result.returncode == 2
    assert "trainer.max_stepz: no such key; did you mean 'max_steps'?" in result.stderr


def test_every_mistake_is_named(command) -> None:
    result = command("data.batch_size=0", "trainer.max_steps=0", "run_dir=out")
    assert "data.batch_size" in result.stderr and "trainer.max_steps" in result.stderr


def test_an_existing_run_directory_is_kept(command, tmp_path: Path) -> None:
    (tmp_path / "out").mkdir()
    (tmp_path / "out" / "thesis.txt").write_text("mine")
    result = command(*TINY, "run_dir=out")
    assert result.returncode == 2
    assert "already holds files" in result.stderr and len(result.stderr.strip().splitlines()) == 1
    assert [p.name for p in (tmp_path / "out").iterdir()] == ["thesis.txt"]


@pytest.mark.skipif(os.geteuid() == 0 and not shutil.which("setpriv"), reason="root may write anywhere")
def test_no_permission_to_write(tmp_path: Path) -> None:
    locked = tmp_path / "locked"
    locked.mkdir(mode=0o555)
    drop = ["setpriv", "--bounding-set=-all", "--inh-caps=-all"] if os.geteuid() == 0 else []
    result = _plain([*drop, sys.executable, "-m", "src.train", *TINY, f"run_dir={locked}/out"], tmp_path)
    assert result.returncode == 2, result.stderr
    assert "no permission" in result.stderr and len(result.stderr.strip().splitlines()) == 1


def test_who_owns_the_folder_that_refuses_is_said(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    owner = tmp_path.stat().st_uid
    error = PermissionError(errno.EACCES, "Permission denied", str(tmp_path / "runs/x"))
    assert "belongs to" not in str(explain(error))
    monkeypatch.setattr(os, "geteuid", lambda: owner + 1)
    said = f" there ({tmp_path} belongs to user {owner}, and this is user {owner + 1}); mend that or"
    assert said in str(explain(error))


def test_no_place_for_temporary_files(tmp_path: Path) -> None:
    line = [sys.executable, "-m", "tests.call", __name__, train_without_temporary_files.__name__, "[]"]
    result = _plain(line, tmp_path)
    assert result.returncode == 2, result.stderr
    assert result.stderr.startswith("error: TMPDIR: ") and len(result.stderr.strip().splitlines()) == 1
    assert not list(tmp_path.iterdir())


def train_without_temporary_files() -> None:
    """Run the command where Python would find no folder for them."""
    with mock.patch.object(tempfile, "_candidate_tempdir_list", lambda: ["/dev/null/none"]):
        tempfile.tempdir = None
        sys.argv = ["src.train", *TINY, "run_dir=out"]
        runpy.run_module("src.train", run_name="__main__", alter_sys=True)


def test_a_directory_that_cannot_be_made(command) -> None:
    result = command(*TINY, "run_dir=/proc/out")
    assert result.returncode == 2
    assert "/proc/out: cannot be made" in result.stderr and len(result.stderr.strip().splitlines()) == 1


def test_missing_data(command, tmp_path: Path) -> None:
    """The template that data=brain needs is not installed: a nilearn without its files."""
    fake = tmp_path / "shadow" / "nilearn"
    fake.mkdir(parents=True)
    (fake / "__init__.py").write_text("")
    path = os.pathsep.join([str(tmp_path / "shadow"), environment()["PYTHONPATH"]])
    result = command(*TINY, "data.cache=none", "run_dir=out", env={"PYTHONPATH": path})
    assert result.returncode == 2
    assert "data=brain" in result.stderr and len(result.stderr.strip().splitlines()) == 1


def test_a_disk_with_no_room(tmp_path: Path) -> None:
    """Files may grow to 60 kB, so the first checkpoint does not fit: told as on a full disk."""
    limited = [
        "prlimit",
        "--fsize=61440",
        sys.executable,
        "-m",
        "src.train",
        *TINY,
        f"run_dir={tmp_path}/out",
    ]
    result = _plain(limited, tmp_path)
    assert result.returncode == 2, result.stderr
    assert "no room left on the disk" in result.stderr
    assert not list((tmp_path / "out" / "checkpoints").glob("*"))


def test_too_little_room_is_said_before_training(compose, tmp_path: Path) -> None:
    from ganatomy.errors import UserError
    from ganatomy.runs.directory import check_room

    with pytest.raises(UserError, match="MB free on the disk"):
        check_room(tmp_path, 10**18)


def _plain(words: list[str], cwd: Path) -> subprocess.CompletedProcess[str]:
    return subprocess.run(words, cwd=cwd, env=environment(), capture_output=True, text=True, timeout=300)
