"""What many tests share: the smallest whole run, and the command itself."""

from __future__ import annotations

import gc
import itertools
import os
import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

# Even where the environment forbids it: each worker would compile all tests, and each command all of src/.
sys.dont_write_bytecode = False
os.environ.pop("PYTHONDONTWRITEBYTECODE", None)

import hypothesis  # noqa: E402 - its modules are compiled, too

from ganatomy import invocation  # noqa: E402
from tests import commands  # noqa: E402
from tests.commands import Started, environment  # noqa: E402
from tests.durations import LIST, function  # noqa: E402
from tests.reached import sitecustomize  # noqa: E402, F401 - notes the errors that are reached, where asked to

hypothesis.settings.register_profile("ci", derandomize=True)  # new examples are found at home
if os.environ.get("CI"):
    hypothesis.settings.load_profile("ci")

ROOT = Path(__file__).resolve().parents[1]
SLOW = set(LIST.read_text(encoding="utf-8").split("\n"))
TINY = [
    "data.subjects=6",  # four to train, one each to validate and test
    "data.size=32",
    "data.slices=3",
    "data.batch_size=4",  # three batches an epoch
    "model.generator.channels=[4,8]",
    "model.generator.strides=[2]",
    "model.discriminator.channels=4",
    "model.discriminator.num_layers_d=1",
    "model.scheduler.generator.T_max=20",
    "trainer.max_steps=8",
    "trainer.val_every=4",
    "trainer.log_every=1",
    "trainer.threads=1",
    "trainer.accelerator=cpu",
    "callbacks.progress=none",
    "callbacks.report=false",
    "callbacks.samples=0",
    "logger=csv",
]


def pytest_itemcollected(item: pytest.Item) -> None:
    """Mark what `make test-fast` runs."""
    if function(item.nodeid) not in SLOW and not any(map(item.get_closest_marker, ("slow", "long", "gpu"))):
        item.add_marker("fast")


@pytest.hookimpl(trylast=True)
def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Have each worker begin with its share of the slow tests, so that none of them comes last."""
    workers = int(os.environ.get("PYTEST_XDIST_WORKER_COUNT", "1"))
    if workers > 1:
        items[:] = slow_first(items, workers)


def slow_first(items: list[pytest.Item], workers: int) -> list[pytest.Item]:
    """Return the tests in an order whose parts, one a worker, begin with files that hold slow tests.

    A file stays together: it may share what it has made.
    """
    files: dict[Path, list[pytest.Item]] = {}
    for item in items:
        files.setdefault(item.path, []).append(item)
    slow = [tests for tests in files.values() if any(map(_slow, tests))]
    others = [tests for tests in files.values() if not any(map(_slow, tests))]
    ordered: list[pytest.Item] = []
    for worker in range(workers):
        ordered += itertools.chain(*slow[worker::workers])
        while others and len(ordered) < len(items) * (worker + 1) / workers:
            ordered += others.pop(0)
    return ordered + list(itertools.chain(*others))


def _slow(item: pytest.Item) -> bool:
    return item.get_closest_marker("slow") is not None


def pytest_collection_finish() -> None:
    """Have the garbage collector skip what is imported and collected by now: it stays to the end."""
    gc.collect()
    gc.freeze()


@pytest.fixture(scope="session", autouse=True)
def cache(tmp_path_factory: pytest.TempPathFactory) -> None:
    """Prepared cases go to a folder of the tests', not to the user's."""
    os.environ["GANATOMY_CACHE"] = str(tmp_path_factory.mktemp("cache"))


@pytest.fixture(scope="session", autouse=True)
def secret(tmp_path_factory: pytest.TempPathFactory) -> None:
    """Pseudonyms of DICOM are made with a secret of the tests', not with one in the user's folder."""
    path = tmp_path_factory.mktemp("secret") / "secret"
    path.write_text("0123456789abcdef" * 4)
    path.chmod(0o600)
    os.environ["GANATOMY_SECRET"] = str(path)


@pytest.fixture(scope="session", autouse=True)
def disk() -> Iterator[None]:
    """No test cuts the power, so nothing waits for the disk in this process."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(os, "fsync", lambda handle: None)
        yield


@pytest.fixture(autouse=True)
def shell() -> None:
    """Every test is a shell of its own: a command of another one has settled no GANATOMY_TARGETS for it."""
    invocation._settled.clear()


def composed(*overrides: str, tiny: bool = True) -> dict[str, Any]:
    """Return the plain configuration of `python -m src.train <overrides>`."""
    from hydra import compose as hydra_compose
    from hydra import initialize_config_dir
    from hydra.core.global_hydra import GlobalHydra
    from hydra.core.hydra_config import HydraConfig

    from ganatomy.config.locations import CONF
    from ganatomy.config.resolve import resolve_config
    from ganatomy.config.resolvers import register_resolvers

    register_resolvers()
    GlobalHydra.instance().clear()
    words = [*(TINY if tiny else []), *overrides]
    with initialize_config_dir(str(CONF), version_base="1.3"):
        cfg = hydra_compose("train", words, return_hydra_config=True)
        HydraConfig.instance().set_config(cfg)
        plain = {key: value for key, value in cfg.items() if key != "hydra"}
        cfg = type(cfg)(plain)
        return resolve_config(cfg, [word for word in words if word in overrides])


@pytest.fixture
def compose() -> Callable[..., dict[str, Any]]:
    """The plain configuration of `python -m src.train <overrides>`."""
    return composed


@pytest.fixture
def given_scores(monkeypatch: pytest.MonkeyPatch) -> dict[str, set[str]]:
    """By task, the scores that runs in this process give; each must have an entry that names the task."""
    from ganatomy.metrics.registry import describe, known
    from ganatomy.tasks.base import AdversarialTask

    given: dict[str, set[str]] = {}
    finish = AdversarialTask._finish

    def checked(self: AdversarialTask, stage: str) -> None:
        finish(self, stage)
        tasks = {kind.__name__.removesuffix("Task").lower() for kind in type(self).__mro__}
        for name in self.final:
            score = score_of(name)
            entry = describe(score)
            assert score in known(), f"{name}: has no entry in src/metrics/registry.py"
            assert not entry.tasks or tasks & set(entry.tasks), f"{name}: the entry names none of {tasks}"
            for task in tasks:
                given.setdefault(task, set()).add(score)

    monkeypatch.setattr(AdversarialTask, "_finish", checked)
    return given


def score_of(name: str) -> str:
    """`dice` of `test/dice/gm`, `baseline/otsu/dice` or `val/floor/dice`."""
    beside = name.startswith(("val/floor/", "val/baseline/"))
    parts = (name.removeprefix("val/") if beside else name).split("/")
    return parts[2] if parts[0] == "baseline" else parts[1]


@pytest.fixture
def run(
    compose: Callable[..., dict[str, Any]], given_scores: dict[str, set[str]], tmp_path: Path
) -> Callable[..., Path]:
    """Train in this process; the value is the run directory. `resume` names one made before."""
    from ganatomy.config.resolve import validate
    from ganatomy.train import train

    def of(name: str, *overrides: str, resume: bool = False) -> Path:
        directory = tmp_path / name
        cfg = compose(*overrides, *([f"resume={directory}"] if resume else []))
        train(validate(cfg), directory)
        return directory

    return of


@pytest.fixture
def command(tmp_path: Path) -> Callable[..., subprocess.CompletedProcess[str]]:
    """The real command in a folder of its own: `command("task=segmentation")`."""

    def of(*words: str, module: str = "src.train", **more: Any) -> subprocess.CompletedProcess[str]:
        line = [sys.executable, "-m", module, *words]
        return commands.run(line, more.pop("cwd", tmp_path), environment(**more.pop("env", {})), **more)

    return of


def started(module: str, folder: Path, *words: str) -> Started:
    """The real command in this folder, left to run."""
    return commands.start([sys.executable, "-m", module, *words], folder)


@pytest.fixture(scope="session")
def finished(tmp_path_factory: pytest.TempPathFactory) -> Callable[[str], Path]:
    """A finished run of one of `tests.finished.SETS`, trained when first asked for; see `trained`."""
    from tests.finished import trained

    made: dict[str, Path] = {}

    def of(name: str) -> Path:
        if name not in made:
            made[name] = trained(name, tmp_path_factory.mktemp(name))
        return made[name]

    return of
