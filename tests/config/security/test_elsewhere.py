"""Files from elsewhere: what they cannot do by any route, and the one line that says so."""

from __future__ import annotations

import json
import re
import shutil
import subprocess
from collections.abc import Callable
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
import yaml

from ganatomy.config.compose import composed
from ganatomy.config.resolve import load
from ganatomy.config.security.elsewhere import MOST_BYTES, MOST_VALUES, check_file, check_references, checked
from ganatomy.errors import UserError
from ganatomy.experiments.pinned import Pinned
from ganatomy.experiments.spec import read
from ganatomy.invocation import is_secret, redacted
from ganatomy.sweeps.study import open_storage
from ganatomy.training.pretrained import OpenedRun
from tests.config.security import marker
from tests.conftest import ROOT

OLD = ROOT / "tests/old_runs/062eb33/config.yaml"
SECTIONS = {
    "data": ["data.augment=[{}]"],
    "generator": ["model.generator={}"],
    "discriminator": ["model.discriminator={}"],
    "optimizer": ["model.optimizer.generator={}"],
    "scheduler": ["model.scheduler.generator={}"],
    "degradation": ["task=enhancement", "degradation={}"],
    "loss": ["model.adversarial.loss={}"],
    "penalty": ["model.adversarial.penalties=[{}]"],
    "weight": ["model.adversarial.weight={}"],
    "augment": ["model.adversarial.augment={}"],
    "metrics": ["task.metrics=[{}]"],
    "task losses": ["task=enhancement", "+task.losses={frequency: {weight: 1.0, loss: {}}}"],
}


@pytest.fixture
def touched(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Path:
    path = tmp_path / "touched"
    monkeypatch.setenv("MARKER", str(path))
    return path


@pytest.mark.parametrize("section", SECTIONS)
@pytest.mark.parametrize(
    "node",
    [
        f"{{_target_: {marker.CLASS}}}",
        f"{{_target_: monai.transforms.LoadImaged, keys: image, reader: {marker.NAME}}}",
        f"{{_target_: monai.transforms.RandTorchVisiond, keys: image, name: {marker.NAME}}}",
        f"{{_target_: monai.networks.nets.UNet, channels: [4, 8], strides: [2], act: {marker.NAME}}}",
    ],
)
def test_no_section_runs_the_marker(section: str, node: str, touched: Path) -> None:
    words = [word.replace("{}", node) for word in SECTIONS[section]]
    with pytest.raises(UserError, match=r"^[^\n]*$"):
        composed(words, check=True)
    assert not touched.exists()


def test_a_judge_does_not_run_the_marker(touched: Path, tmp_path: Path) -> None:
    (tmp_path / "weights").touch()
    for node in (
        {"_target_": marker.CLASS},
        {"_target_": "monai.networks.nets.FlexUNetEncoderRegister", "name": marker.NAME},
        {"_target_": "monai.networks.nets.UNet", "spatial_dims": 2, "norm": [marker.NAME, {}]},
    ):
        with pytest.raises(UserError, match=r"^task\.evaluator: model\.generator"):
            config = {"model": {"generator": node}}
            OpenedRun(tmp_path, "task.evaluator", config, (), {}).network()
    assert not touched.exists()


@pytest.fixture
def run(tmp_path: Path) -> Callable[[str], Path]:
    """A run directory with these lines added to its config.yaml."""

    def of(more: str) -> Path:
        (tmp_path / "run").mkdir(exist_ok=True)
        (tmp_path / "run/config.yaml").write_text(OLD.read_text() + more)
        return tmp_path / "run"

    return of


@pytest.mark.parametrize(
    ("more", "line"),
    [
        ("own: ${oc.env:HOME}\n", "own: ${oc.env:HOME} may read the environment"),
        ("own: {a: [1, '${oc.decode:1}']}\n", "own.a[1]: ${oc.decode:1} may read"),
        ("own: ${hydra:runtime.cwd}\n", "own: ${hydra:runtime.cwd} may read"),
        ("own: ${command:train}\n", "own: ${command:train} may read"),
        ("own: \\${oc.env:HOME}\n", "may read the environment"),
        ("own: ${${name}:HOME}\n", "may read the environment"),
        ("own: ${oc.${name}:HOME}\n", "may read the environment"),
        ("own: $${name}\n", ""),
        ("mark: '$'\nown: ${mark}{oc.env:HOME}\n", "own: ${oc.env:HOME} becomes a reference"),
        ("own: ${..x\n", "own: ${..x may read"),
        (
            f"own: !!python/object/apply:{marker.NAME} []\n",
            "is no plain YAML (could not determine a constructor",
        ),
        (f"own: !!python/name:{marker.NAME}\n", "is no plain YAML"),
        ("seed: 3\n", "seed is given twice; take one out"),
        ("own: &a [*a]\n", "a section holds itself"),
        ("own: [1\n", "is no plain YAML (while parsing a flow sequence"),
        ("own: \x07\n", "is no plain YAML"),
        (f"own: {'[' * 3000}\n", "is no"),
        (f"own: {'9' * 5000}\n", "is no plain YAML"),
        (
            "bomb0: &b0 [1]\n" + "".join(f"bomb{n}: &b{n} [{f'*b{n - 1},' * 9}]\n" for n in range(1, 10)),
            "values",
        ),
    ],
)
def test_a_run_directory(run: Callable[[str], Path], touched: Path, more: str, line: str) -> None:
    folder = run(more)
    if not line:
        assert "$" in load(folder)["own"]
        return
    with pytest.raises(UserError, match=r"^[^\n]*$") as refused:
        load(folder)
    assert str(refused.value).startswith(f"{folder}/config.yaml: ") and line in str(refused.value)
    assert not touched.exists()


def test_a_run_directory_may_refer_to_its_own_keys(run: Callable[[str], Path]) -> None:
    assert load(run("own: ${trainer.max_steps}\n"))["own"] == 8


def test_a_large_file_is_read(tmp_path: Path) -> None:
    (tmp_path / "x.yaml").write_text(f"a: [{'1, ' * (MOST_VALUES // 50)}]\n")
    assert len(checked(tmp_path / "x.yaml").content["a"]) > 9000
    (tmp_path / "x.yaml").write_text("#" * (MOST_BYTES + 1))
    with pytest.raises(UserError, match=r"^is larger than 5 MB, so it is no configuration$"):
        checked(tmp_path / "x.yaml")


HYDRA = {
    "callbacks": f"# @package _global_\nhydra: {{callbacks: {{x: {{_target_: {marker.CLASS}}}}}}}\n",
    "package": f"# @package hydra.callbacks.x\n_target_: {marker.CLASS}\n",
    "package of several": f"# @package _global_.hydra.callbacks.x\n_target_: {marker.CLASS}\n",
    "launcher": f"# @package _global_\nhydra: {{launcher: {{_target_: {marker.CLASS}}}}}\n",
    "sweeper": f"# @package _global_\nhydra: {{sweeper: {{_target_: {marker.CLASS}}}}}\n",
    "logging": f'# @package hydra.job_logging\nhandlers: {{x: {{"()": {marker.NAME}}}}}\n',
    "environment": "# @package _global_\nhydra: {job: {env_set: {GANATOMY_TARGETS: tests.}}}\n",
    "copied environment": "# @package _global_\nhydra: {job: {env_copy: [GANATOMY_TARGETS]}}\n",
    "search path": "# @package _global_\nhydra: {searchpath: ['pkg://tests.config.security']}\n",
    "whole": "# @package _global_\nhydra: ${elsewhere}\nelsewhere: {}\n",
    "part": "# @package _global_\nhydra: {run: '${elsewhere}'}\nelsewhere: {}\n",
    "chosen": "# @package _global_\ndefaults: [{override /hydra/launcher: joblib}]\n",
    "placed": "# @package _global_\ndefaults: [{/model/generator@hydra.callbacks.x: unet}]\n",
    "by way of a sweep": '# @package _global_\nhydra: {sweeper: {params: {hydra.job_logging.x: "1,2"}}}\n',
    "program": "# @package _global_\nlaunch: sh -c true\n",
    "variable": "# @package _global_\nname: ${oc.env:HOME}\n",
}


@pytest.mark.parametrize("kind", HYDRA)
def test_a_file_of_a_group(kind: str, tmp_path: Path, touched: Path) -> None:
    (tmp_path / "experiment").mkdir()
    (tmp_path / "experiment/theirs.yaml").write_text(HYDRA[kind])
    with pytest.raises(UserError, match=r"experiment/theirs\.yaml: [^\n]*$"):
        composed(["experiment=theirs"], [str(tmp_path)])
    assert not touched.exists()


def test_files_in_the_folder_hydra_and_by_their_name() -> None:
    for content, package, place in (
        ({"_target_": marker.CLASS}, "hydra.launcher", "hydra/launcher/x"),
        ({"callbacks": {"x": 1}}, "_name_", "experiment/hydra"),
        ({"x": {"_target_": "y"}}, "_group_", "hydra/callbacks/x"),
    ):
        with pytest.raises(UserError, match=r"^hydra\.\S+: is typed on the command line"):
            check_file(content, package, place)


def test_what_a_file_of_a_group_may_hold(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("SCRATCH", "place")
    for name, text in {
        "experiment/mine.yaml": "# @package _global_\ndefaults: [{override /data: mine}]\nname: n_${seed}\n"
        "hydra: {sweep: {dir: here}, sweeper: {params: {seed: '0,1'}}, run: {dir: '${run_dir}'}}\n",
        "data/mine.yaml": "defaults: [brain, _self_]\nsubjects: 7\nregions: ${oc.env:SCRATCH}\n",
    }.items():
        (tmp_path / name).parent.mkdir(exist_ok=True)
        (tmp_path / name).write_text(text)
    plain = composed(["experiment=mine"], [str(tmp_path)])
    assert (plain["data"]["subjects"], plain["data"]["regions"], plain["name"]) == (7, "place", "n_0")


@pytest.mark.parametrize(
    "word",
    [
        "+hydra.job.env_set.GANATOMY_TARGETS=tests.",
        f"+hydra.callbacks.x._target_={marker.CLASS}",
        "hydra.searchpath=[pkg://tests]",
        "hydra/launcher=joblib",
        "name=${oc.env:HOME}",
        "name='${oc.env:HOME}'",
        "data.root=${hydra:runtime.cwd}",
    ],
)
def test_experiments_and_their_values(word: str, tmp_path: Path) -> None:
    source = ROOT / "experiments"
    name = next(path.parent.name for path in sorted(source.glob("*/experiment.yaml")))
    shutil.copytree(source / name, tmp_path / name, ignore=shutil.ignore_patterns("results*"))
    path = tmp_path / name / "experiment.yaml"
    content = yaml.safe_load(path.read_text())
    for part in (content["base"], next(iter(content["arms"].values()))["words"]):
        part.append(word)
        path.write_text(yaml.safe_dump(content))
        with pytest.raises(UserError, match=rf"^{re.escape(str(path))}: [^\n]*$"):
            read(tmp_path, name)
        part.remove(word)
    key, _, value = word.lstrip("+").partition("=")
    (tmp_path / name / "configuration.yaml").write_text(
        yaml.safe_dump([{"arms": "all", "values": {key: value.strip("'")}}])
    )
    with pytest.raises(UserError, match=r"configuration\.yaml: [^\n]*$"):
        Pinned(tmp_path / name, [])


def test_references_that_stay() -> None:
    check_references(
        {"a": "${trainer.max_steps}", "b": "x${..stem}", "c": "${oc.select:degradation.factor,null}"}
    )


Command = Callable[..., subprocess.CompletedProcess[str]]


def test_a_sweep(command: Command, tmp_path: Path, touched: Path) -> None:
    (tmp_path / "sweep").mkdir()
    for text, line in {
        "launch: sh -c true\n": "launch: starts a program",
        "train: ['+hydra.job.env_set.A=b']\n": "+hydra.job.env_set.A=b: keys of hydra are typed",
    }.items():
        space = "space: {seed: [0]}\n" if "train" not in text else "space: {trainer.log_every: [1]}\n"
        (tmp_path / "sweep/theirs.yaml").write_text(f"# @package _global_\n{text}{space}")
        done = command("--config-dir", ".", "+sweep=theirs", module="src.sweep")
        assert done.returncode == 2 and line in done.stderr and done.stderr.count("\n") == 1, done.stderr
    assert not touched.exists() and not list(tmp_path.rglob("journal.log"))


def test_the_variables_of_a_job_are_refused_and_a_widened_list_is_said_once(
    command: Command, tmp_path: Path
) -> None:
    done = command("+hydra.job.env_set.GANATOMY_TARGETS=tests.", env={"GANATOMY_TARGETS": "mylab."})
    said, line, *rest = done.stderr.splitlines()
    assert done.returncode == 2 and not rest
    assert said == "GANATOMY_TARGETS: configurations may also name classes of mylab."
    assert line.startswith("error: hydra.job.env_set: sets variables of the environment")


def test_secrets(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """By a variable, by the shell that put its value into a word, and by a password in a URL."""
    monkeypatch.setenv("MY_TOKEN", "abc123def456")
    monkeypatch.setenv("AUTHOR", "adversarial_unet")
    for word, line in {
        "name=${oc.env:MY_TOKEN}": "name: ${oc.env:MY_TOKEN} would write a secret into config.yaml",
        "name='${oc.env:NONE,${oc.env:my_password,x}}'": "name: ${oc.env:my_password} would write a secret",
        "name=x_abc123def456": "name: holds the value of MY_TOKEN",
    }.items():
        with pytest.raises(UserError, match=rf"^{re.escape(line)}[^\n]*$"):
            composed([word], check=True)
    assert composed([], check=True)["name"] == "adversarial_unet"
    plan: Any = SimpleNamespace(storage="none://me:p@ss/w0rd@db.lab/sweeps", directory=tmp_path / "sweep")
    with pytest.raises(UserError, match=r"^storage: ") as refused:
        open_storage(plan)
    assert "w0rd" not in str(refused.value)


def test_the_environment_of_a_run_holds_no_secret(monkeypatch: pytest.MonkeyPatch) -> None:
    from ganatomy.runs.environment import environment

    monkeypatch.setenv("MY_TOKEN", "abc123def456")
    monkeypatch.setenv("GANATOMY_TARGETS", "mylab.,other.")
    words = [
        "train",
        "+x.api_key=hush",
        "storage=postgresql://me:hush@db/x?password=hush",
        "y=abc123def456",
        "seed=1",
    ]
    monkeypatch.setattr("sys.argv", words)
    here: dict[str, Any] = environment(0)
    assert here["command"] == [
        "train", "+x.api_key=***", "storage=postgresql://me:***@db/x?password=***", "y=***", "seed=1",
    ]  # fmt: skip
    assert here["targets"] == ["mylab.", "other."] and "hush" not in json.dumps(here)


@pytest.mark.parametrize(
    ("text", "hidden"),
    [
        ("storage=postgresql://me:abc@db/sweeps", "storage=postgresql://me:***@db/sweeps"),
        ("storage=mysql+x://me:a/b@c@db/x?token=abc&b=1", "storage=mysql+x://me:***@db/x?token=***&b=1"),
        ("error: postgresql://:abc@db failed", "error: postgresql://:***@db failed"),
        ("+logger.api_key=abc", "+logger.api_key=***"),
        ("a@b.db_password=abc", "a@b.db_password=***"),
        ("storage=sqlite:///a@b.db", "storage=sqlite:///a@b.db"),
        ("model.generator.num_tokens=8", "model.generator.num_tokens=8"),
        ("data.mask_key=label", "data.mask_key=label"),
        ("data.augment=[{keys: [image]}]", "data.augment=[{keys: [image]}]"),
    ],
)
def test_what_is_hidden(text: str, hidden: str) -> None:
    assert redacted(text) == hidden


@pytest.mark.parametrize(
    "name", ["WANDB_API_KEY", "my_token", "DB_PASS", "MYSQL_PWD", "AWS_SECRET_ACCESS_KEY", "PGPASSWORD"]
)
def test_names_of_secrets(name: str) -> None:
    assert is_secret(name)


@pytest.mark.parametrize("name", ["GANATOMY_DATA", "HOME", "PWD", "OLDPWD", "SCRATCH", "XDG_CACHE_HOME"])
def test_other_names(name: str) -> None:
    assert not is_secret(name)
