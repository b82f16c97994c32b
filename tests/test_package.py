"""The package: importable without torch, and the same from a checkout, a wheel and an editable install."""

from __future__ import annotations

import os
import re
import shutil
import subprocess
import sys
import zipfile
from pathlib import Path

import pytest

from tests.conftest import ROOT, TINY, environment

HEAVY = ("torch", "pytorch_lightning", "lightning", "monai", "wandb", "optuna", "scipy", "matplotlib")


@pytest.fixture(scope="module")
def wheel(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Built without the network, from a copy: a build leaves files behind."""
    copy = tmp_path_factory.mktemp("copy")
    checkout(copy)
    (copy / "tests").mkdir()
    (copy / "tests/test_x.py").touch()
    pip = [sys.executable, "-m", "pip", "wheel", "-q", "--no-deps", "--no-build-isolation", "-w", "dist", "."]
    start(pip, copy)
    (built,) = (copy / "dist").glob("*.whl")
    return built


def checkout(folder: Path) -> None:
    """What of the repository a build reads, links as links."""
    for name in ("src", "conf"):
        ignored = shutil.ignore_patterns("__pycache__")
        shutil.copytree(ROOT / name, folder / name, symlinks=True, ignore=ignored)
    for name in ("pyproject.toml", "LICENSE", "README.md", "ganatomy"):
        shutil.copy(ROOT / name, folder, follow_symlinks=False)


def empty_environment(folder: Path) -> Path:
    """A virtual environment that has this one's packages, but for what is installed editable here."""
    start([sys.executable, "-m", "venv", "--without-pip", str(folder)], folder.parent)
    (site,) = folder.glob("lib/python*/site-packages")
    others = [path for path in sys.path if path.endswith(("site-packages", "dist-packages"))]
    (site / "others.pth").write_text("\n".join(others))
    return site


def start(words: list[str], cwd: Path, **more: str) -> str:
    done = subprocess.run(words, cwd=cwd, env=environment(**more), capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    return done.stdout


def install(environment_folder: Path, *words: str) -> None:
    pip = [sys.executable, "-m", "pip", "--python", str(environment_folder / "bin/python"), "install", "-q"]
    own = ["--ignore-installed"]  # one that the borrowed packages hold counts as there
    start([*pip, *own, "--no-deps", "--no-index", "--no-build-isolation", *words], environment_folder)


def test_the_package_is_the_folder_src_and_holds_conf() -> None:
    assert (ROOT / "ganatomy").readlink() == Path("src") and (ROOT / "src/conf").readlink() == Path("../conf")


def test_a_wheel_holds_one_package_its_configuration_and_nothing_else(wheel: Path) -> None:
    names = set(zipfile.ZipFile(wheel).namelist())
    wanted = {f"ganatomy/{p.relative_to(ROOT)}" for p in (ROOT / "conf").rglob("*.yaml")}
    code = [p for p in (ROOT / "src").rglob("*") if p.suffix in (".py", ".html", ".js", ".typed")]
    wanted |= {f"ganatomy/{p.relative_to(ROOT / 'src')}" for p in code}
    assert {name for name in names if ".dist-info/" not in name} == wanted
    assert "ganatomy/py.typed" in wanted and "ganatomy/pictures/page.html" in wanted


@pytest.mark.slow
def test_an_installed_wheel_trains_from_another_folder(wheel: Path, tmp_path: Path) -> None:
    """Also where a folder there has the package's name, and with two processes."""
    site = empty_environment(tmp_path / "venv")
    install(tmp_path / "venv", str(wheel))
    folders = {path.name for path in site.iterdir()}
    assert {name for name in folders if name.startswith(("ganatomy", "src", "conf"))} == {
        "ganatomy",
        f"{wheel.name.partition('-py3')[0]}.dist-info",
    }
    (tmp_path / "ganatomy").mkdir()
    (tmp_path / "ganatomy/__init__.py").write_text("raise ImportError('not this one')")
    command = [str(tmp_path / "venv/bin/ganatomy"), "train", *TINY, "callbacks.report=true"]
    more = {"PYTHONPATH": ""}
    printed = start([*command, "trainer.max_steps=2", "trainer.val_every=1", "run_dir=out"], tmp_path, **more)
    assert printed.strip().splitlines()[-1] == "run: out"
    assert "ganatomy train data.subjects=6" in (tmp_path / "out/report.html").read_text()
    two = ["trainer=ddp", "trainer.devices=2", "trainer.max_steps=1", "trainer.val_every=1", "run_dir=two"]
    assert start([*command, *two], tmp_path, **more).strip().splitlines()[-1] == "run: two"


@pytest.mark.slow
def test_an_editable_install_is_found_first_and_a_checkout_runs_its_own_code(tmp_path: Path) -> None:
    """The folder of a repository is often called ganatomy, and is no package."""
    repository, other = tmp_path / "ganatomy", tmp_path / "other"
    for folder in (repository, other):
        folder.mkdir()
        checkout(folder)
    empty_environment(tmp_path / "venv")
    install(tmp_path / "venv", "-e", str(repository))
    python = str(tmp_path / "venv/bin/python")
    where = "import ganatomy.config.mistakes.overrides as words; print(words.CONF)"
    assert start([python, "-c", where], tmp_path, PYTHONPATH="").strip() == f"{repository}/conf"
    assert start([python, "-c", where], other, PYTHONPATH="").strip() == f"{other}/conf"
    assert start([python, "-c", where], tmp_path, PYTHONPATH=str(other)).strip() == f"{other}/conf"
    for module in (["src.train"], ["ganatomy.train"], ["ganatomy", "train"]):
        assert "seed: 0" in start([python, "-m", *module, "--cfg", "job"], other, PYTHONPATH="")


@pytest.mark.parametrize(
    "code",
    [
        "import ganatomy; dir(ganatomy)",
        "from ganatomy import UserError, Record",
        "call('--help')",
        "call('train', '--help')",
        "call('train', '--version')",
        "call('train', 'task=synthesis', 'model.optimizer.generator.lr=0.1', '--cfg', 'job')",
        "call('sweep', '--help')",
        "call('experiment', '--help')",
        "call('check', 'data=busi', '--cfg', 'job')",
        "call('completion', 'query', 'ganatomy train task=synthesis trainer.precision=')",
        "call('completion', 'query', 'ganatomy sweep tri')",
        "call('trian')",
    ],
)
def test_what_only_composes_a_configuration_starts_no_torch(code: str, tmp_path: Path) -> None:
    script = f"""
import sys
def call(*words):
    from ganatomy.cli import main
    sys.argv = ["ganatomy", *words]
    try:
        main()
    except SystemExit:
        pass
{code}
heavy = [name for name in {HEAVY} if name in sys.modules]
assert not heavy, heavy
"""
    start([sys.executable, "-c", script], tmp_path)


def test_public_names_are_there_and_others_are_not() -> None:
    import ganatomy

    for name in ganatomy.__all__:
        assert getattr(ganatomy, name) is not None and name in dir(ganatomy)
    with pytest.raises(AttributeError, match="has no attribute 'Gmae'"):
        _ = ganatomy.Gmae


def test_a_user_without_a_name_is_given_one(tmp_path: Path) -> None:
    """As in a container started for a number that no user has: MONAI asks for the name on import."""
    unknown = "import pwd; pwd.getpwuid = lambda number: {}[number]; "
    names = dict.fromkeys(("LOGNAME", "USER", "LNAME", "USERNAME", "GANATOMY_REACHED"), "")
    code = f"{unknown}import ganatomy, getpass; print(getpass.getuser())"
    assert start([sys.executable, "-c", code], tmp_path, **names) == f"uid_{os.getuid()}\n"
    known = start([sys.executable, "-c", code], tmp_path, **names | {"USER": "ann"})
    assert known == "ann\n"


def test_nothing_imports_by_the_folders_name() -> None:
    """A module imported as `src.x` beside `ganatomy.x` would be there twice, with other classes."""
    for folder in ("src", "tests", "benchmarks"):
        for path in (ROOT / folder).rglob("*.py"):
            if "old_runs" not in path.parts and path != Path(__file__):
                assert not re.search(r"\b(from|import) src[. ]", path.read_text()), path


def test_an_import_by_the_folders_name_is_refused_with_the_name_of_today() -> None:
    """But for commands and public names, which are the package's own."""
    code = "import sys; import src.train; from src import Record; print(Record.__module__, *sys.modules)"
    module, *loaded = start([sys.executable, "-c", code], ROOT.parent).split()
    assert module == "ganatomy.data.records" and "torch" not in loaded
    for name in ("tasks", "errors"):
        words = [sys.executable, "-c", f"import src.{name}"]
        done = subprocess.run(words, cwd=ROOT.parent, env=environment(), capture_output=True, text=True)
        line = f"ImportError: src.{name} is called ganatomy.{name} now; change the import"
        assert done.returncode == 1 and done.stderr.splitlines()[-1] == line


@pytest.mark.parametrize(
    ("name", "line"),
    [
        (
            "tasks.methods",
            "src.tasks.methods is called ganatomy.tasks.anomaly.methods now; change the import",
        ),
        ("core.multirun", "src.core.multirun is called ganatomy.runs.multirun now; change the import"),
        (
            "core.game",
            "src.core is no package any more; its modules went to ganatomy.config, ganatomy.runs, "
            "ganatomy.launch, ganatomy.training; see docs/architecture.md",
        ),
    ],
)
def test_an_import_of_a_module_that_moved_says_where_it_went(name: str, line: str) -> None:
    words = [sys.executable, "-c", f"import src.{name}"]
    done = subprocess.run(words, cwd=ROOT.parent, env=environment(), capture_output=True, text=True)
    assert done.returncode == 1 and done.stderr.splitlines()[-1] == f"ImportError: {line}"


@pytest.mark.parametrize("own", [None, "AVX2"])
def test_processors_with_amx_convolve_without_it_unless_told_otherwise(
    tmp_path: Path, own: str | None
) -> None:
    """Their wrong values are what tests/networks/test_small_maps.py fails by on such a processor."""
    code = "import os, ganatomy; print(os.environ['ONEDNN_MAX_CPU_ISA'])"
    names = {} if own is None else {"ONEDNN_MAX_CPU_ISA": own}
    given = {key: value for key, value in os.environ.items() if key != "ONEDNN_MAX_CPU_ISA"} | names
    found = subprocess.run(
        [sys.executable, "-c", code], env=given, capture_output=True, text=True, check=True
    )
    assert found.stdout == f"{own or 'AVX512_CORE_BF16'}\n"
