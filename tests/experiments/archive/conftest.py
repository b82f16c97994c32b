"""A small experiment with kept results, made without any run, and its archive."""

from __future__ import annotations

import shutil
from collections.abc import Callable, Mapping
from pathlib import Path

import pytest

from ganatomy.experiments.archive.container import write_zip
from ganatomy.experiments.archive.pack import contents
from ganatomy.experiments.archive.run_files import Content
from ganatomy.experiments.plan import runs
from ganatomy.experiments.results import report
from ganatomy.experiments.run import Request
from ganatomy.experiments.spec import read
from ganatomy.experiments.store import HEAD, Result


def keep(root: Path) -> None:
    """Write results of experiments/small: a Dice of 0.8 with the adversary and 0.7 without, in each case."""
    experiment = read(root, "small")
    results = {}
    for run in runs(experiment, Path("runs")):
        dice = (0.8 if run.arm == "gan" else 0.7) + 0.001 * run.seed
        scores = {"test/dice": dice, "test/auroc": 0.9, "loss": 0.1, "baseline/otsu/dice": 0.2}
        line = dict.fromkeys(HEAD, "1") | {"arm": run.arm, "seed": str(run.seed), "config": run.config}
        line |= {name: repr(scores.get(name, 0.5)) for name in experiment.scores}
        results[run.key] = Result(line, [{"subject": s, "test/dice": dice + 0.01 * s} for s in (0.0, 1.0)])
    report.write(experiment, results)


def request(root: Path, licence: str | None = None, weights: bool = True) -> Request:
    """`experiment archive small` with runs beside the experiments."""
    return Request(
        named="archive",
        of="small",
        root=root,
        scale="cpu",
        arms=None,
        seeds=None,
        jobs=1,
        keep="all",
        verify=False,
        pin=False,
        plan=False,
        minutes=None,
        until=False,
        max_seeds=None,
        launch=(),
        warm=False,
        patience=1.0,
        output=None,
        weights=weights,
        licence=licence,
        runs=root.parent / "runs/experiments",
        paths=(f"paths.data={root.parent / 'data'}", f"paths.cache={root.parent / 'cache'}"),
    )


@pytest.fixture(scope="session")
def packed(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Content]:
    """Files of the archive of experiments/small, which never change."""
    import yaml

    from ganatomy.experiments.results.report import BEGIN, END
    from tests.experiments.conftest import SPEC

    folder = tmp_path_factory.mktemp("kept") / "experiments/small"
    folder.mkdir(parents=True)
    (folder / "experiment.yaml").write_text(yaml.safe_dump(SPEC, sort_keys=False))
    page = f"# Small\n\n{BEGIN}\nnot yet run\n{END}\n\n![all arms](results/figure.png)\n"
    (folder / "README.md").write_text(page)
    keep(folder.parent)
    return contents(request(folder.parent), "small")[0]


@pytest.fixture
def kept(tmp_path: Path, small: Callable[..., Path]) -> Path:
    """Folder of the experiments, of which `small` has kept results."""
    folder = small()
    keep(folder.parent)
    return folder.parent


def zipped(files: Mapping[str, Content], path: Path) -> Path:
    """Write these files as an archive is written."""
    write_zip(path, files)
    return path


def unpacked(path: Path, folder: Path) -> Path:
    """Unpack a zip as a reviewer would."""
    shutil.unpack_archive(path, folder)
    return folder
