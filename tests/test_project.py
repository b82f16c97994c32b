"""The files around the code: what one of them says, the others do."""

from __future__ import annotations

import ast
import json
import os
import re
import shutil
import subprocess
import sys
import tomllib
from importlib.metadata import distributions, packages_distributions, requires
from pathlib import Path

import pytest
import yaml
from packaging.requirements import Requirement
from packaging.specifiers import SpecifierSet

ROOT = Path(__file__).parents[1]
PROJECT = tomllib.loads((ROOT / "pyproject.toml").read_text())
PINS = dict(
    line.split("==")
    for line in (ROOT / "constraints.txt").read_text().splitlines()
    if not line.startswith("#")
)

ENVIRONMENT = {name: value for name, value in os.environ.items() if not name.startswith(("MAKE", "MFLAGS"))}
"""Without what `make test` leaves there for a make inside it."""
ASKED_FOR = {"medmnist"}
"""Not even an extra, since it brings torchvision along: a user installs it, or brings the file."""


IMPORTED_AS = {"mlflow": "mlflow-skinny"}
"""Module -> the distribution that it is in, where that may not be installed."""
UNPINNED = {"trackio"}
"""Extras that do not fit beside the pinned versions: trackio needs Pillow below 13."""


def plain(name: str) -> str:
    return re.sub(r"[-_.]+", "-", name).lower()


def instructions(kind: str) -> list[str]:
    """The Dockerfile's instructions of a kind, continued lines joined."""
    text = re.sub(r"\\\n", " ", (ROOT / "Dockerfile").read_text())
    return [line.split(None, 1)[1] for line in text.splitlines() if line.startswith(kind + " ")]


def test_every_dependency_has_an_exact_version_and_a_reason() -> None:
    groups = PROJECT["project"]["optional-dependencies"]
    extras = [name for extra, group in groups.items() if extra not in UNPINNED for name in group]
    names = {plain(re.split(r"[\[>=<~!]", line)[0]) for line in PROJECT["project"]["dependencies"] + extras}
    assert names - {"ganatomy"} <= {plain(name) for name in PINS}
    assert PINS["torch"] == "2.13.0", "no build suffix: the machine decides between CPU and CUDA"
    text = (ROOT / "pyproject.toml").read_text()
    assert all(re.search(rf'"{re.escape(line)}", *#', text) for line in PROJECT["project"]["dependencies"])


def test_every_version_takes_the_oldest_python_that_is_promised() -> None:
    """Its first release: Debian 12 has 3.11.2, and a package may ask for 3.11.5."""
    oldest = min(SpecifierSet(PROJECT["project"]["requires-python"]), key=str).version
    pinned = {plain(name): number for name, number in PINS.items()}
    asked = {
        f"{each.name} {each.version}": SpecifierSet(each.metadata["Requires-Python"] or "")
        for each in distributions()
        if pinned.get(plain(each.name)) == each.version
    }
    assert len(asked) > 50
    assert {name: str(one) for name, one in asked.items() if not one.contains(f"{oldest}.0")} == {}


def test_every_import_is_of_a_declared_package() -> None:
    extras = [
        line
        for name in ("data", "export", "demo", "features", "tensorboard", "mlflow", "trackio")
        for line in PROJECT["project"]["optional-dependencies"][name]
    ]
    declared = {
        plain(re.split(r"[\[>=<~!]", line)[0]) for line in PROJECT["project"]["dependencies"] + extras
    }
    owners = packages_distributions()
    for path in (ROOT / "src").rglob("*.py"):
        for node in ast.walk(ast.parse(path.read_text())):
            names = [alias.name for alias in node.names] if isinstance(node, ast.Import) else []
            names += [node.module or ""] if isinstance(node, ast.ImportFrom) else []
            for name in (
                {name.split(".")[0] for name in names} - {"ganatomy"} - ASKED_FOR - sys.stdlib_module_names
            ):
                found = {plain(owner) for owner in owners.get(name, [IMPORTED_AS.get(name, name)])}
                assert declared & found, f"{path}: {name}"


def test_ci_runs_the_readmes_test_command() -> None:
    script = (ROOT / ".ci/run").read_text()
    assert os.access(ROOT / ".ci/run", os.X_OK)
    assert "\nmake test\n" in script and re.search(r"^make test\b", (ROOT / "README.md").read_text(), re.M)


def test_make_lists_its_targets() -> None:
    lines = subprocess.run(["make", "-s"], cwd=ROOT, env=ENVIRONMENT, capture_output=True, text=True).stdout
    assert re.findall(r"make (\w+)", lines)[0] == "setup"
    targets = ["setup", "train", "test", "test-fast", "test-long", "bench", "format", "lint", "docs"]
    for target in (*targets, "site", "experiments-check", "help"):
        assert re.search(rf"^  make {target} +\w", lines, re.M)


def make_setup(folder: Path, *arguments: str) -> subprocess.CompletedProcess[str]:
    shutil.copy(ROOT / "Makefile", folder)
    for name in ("pyproject.toml", "constraints.txt"):
        (folder / name).touch()
    command = ["make", "setup", *arguments]
    return subprocess.run(command, cwd=folder, env=ENVIRONMENT, capture_output=True, text=True)


def test_setup_refuses_an_old_python_in_one_line(tmp_path: Path) -> None:
    old = tmp_path / "old"
    old.write_text("#!/bin/sh\nexit 1\n")
    old.chmod(0o755)
    result = make_setup(tmp_path, f"PYTHON={old}")
    assert result.returncode == 2
    assert (
        result.stdout
        == f"{old} is not Python 3.11 or newer: name one with make setup PYTHON=/path/to/python\n"
    )


def test_setup_builds_once_and_again_when_the_versions_change(tmp_path: Path) -> None:
    """A stand-in for Python notes what it is asked to do, and so does the pip it makes."""
    fake = tmp_path / "python"
    fake.write_text(
        f"#!/bin/sh\ncase $* in *venv*) mkdir -p .venv/bin; cp {tmp_path}/pip .venv/bin/pip;; esac\n"
        f"echo python $* >> {tmp_path}/log\n"
    )
    (tmp_path / "pip").write_text(f"#!/bin/sh\necho pip $* >> {tmp_path}/log\n")
    for name in ("python", "pip"):
        (tmp_path / name).chmod(0o755)
    assert make_setup(tmp_path, f"PYTHON={fake}").returncode == 0
    made = [line for line in (tmp_path / "log").read_text().splitlines() if "sys.exit" not in line]
    assert made[0] == "python -m venv --clear .venv"
    assert all("-c constraints.txt" in line for line in made[1:])
    assert [line.split("constraints.txt ")[1] for line in made[1:]] == ["torch", "-e .[dev]"]

    def age(**days: int) -> None:
        (tmp_path / "log").unlink(missing_ok=True)
        for name in ("pyproject.toml", "constraints.txt", ".venv/.installed"):
            os.utime(tmp_path / name, (1e9 - 86400 * days.get(name.split(".")[0], 1),) * 2)
        command = ["make", "setup", f"PYTHON={fake}"]
        subprocess.run(command, cwd=tmp_path, env=ENVIRONMENT, capture_output=True, check=True)

    age(pyproject=2, constraints=2)
    assert not (tmp_path / "log").exists(), "nothing to do"
    for changed in ("pyproject", "constraints"):
        age(**{"pyproject": 2, "constraints": 2, changed: 0})
        log = (tmp_path / "log").read_text()
        assert "pip install" in log and "-m venv" not in log


def test_the_container_copies_what_exists_and_is_not_root() -> None:
    ignored = (ROOT / ".dockerignore").read_text().splitlines()
    built = {line.partition(" AS ")[2] for line in instructions("FROM")}
    for line in instructions("COPY"):
        *sources, _ = line.split()
        if line.startswith("--from="):
            assert sources.pop(0).partition("=")[2] in built - {""} and sources == ["/opt/venv"]
            continue
        for source in sources:
            assert (ROOT / source).exists() and f"!{source}" in ignored
    assert all("cuda" in line for line in instructions("FROM"))
    user = instructions("USER")[-1]
    assert int(user) > 0 and f"useradd --create-home --uid {user} " in " ".join(instructions("RUN"))
    text = (ROOT / "Dockerfile").read_text()
    assert text.index("\nUSER") < text.index("\nENTRYPOINT")
    installs = re.findall(r"pip install .*", text)
    assert installs and all("-c constraints.txt" in line or "--require-hashes" in line for line in installs)


def test_hadolint_has_nothing_to_say() -> None:
    hadolint = shutil.which("hadolint", path=f"{Path(sys.executable).parent}:{os.environ['PATH']}")
    if hadolint is None:
        pytest.skip("hadolint is not installed here")
    done = subprocess.run([hadolint, ROOT / "Dockerfile"], capture_output=True, text=True)
    assert done.returncode == 0 and not done.stdout, done.stdout


def test_the_replay_does_every_instruction_of_the_dockerfile() -> None:
    """Kinds of instruction that it would pass over change no file of the image."""
    text = (ROOT / ".ci/replay-docker").read_text()
    known = set(re.findall(r'"([A-Z]+)"', text))
    lines = re.sub(r"\\\n", " ", (ROOT / "Dockerfile").read_text()).splitlines()
    used = {line.split()[0] for line in lines if line.strip() and not line.startswith("#")}
    assert used - known == {"CMD"}


def test_the_lock_is_of_the_default_install_with_hashes_and_without_torch() -> None:
    """It names each dependency and what these need, in the version of constraints.txt, and no place."""
    text = (ROOT / "requirements.lock").read_text()
    blocks = re.split(r"\n(?=[a-z])", re.sub(r"^#.*\n", "", text, flags=re.M))
    locked = dict(re.match(r"(\S+)==(\S+)", block).groups() for block in blocks)  # type: ignore[union-attr]
    assert all(re.search(r"--hash=sha256:[0-9a-f]{64}\b", block) for block in blocks)
    assert "://" not in text
    pinned = {plain(name): number for name, number in PINS.items()}
    assert {name: number for name, number in locked.items() if number != pinned.get(plain(name))} == {}
    needed, seen = [Requirement(line) for line in PROJECT["project"]["dependencies"]], set()
    while needed:
        each = needed.pop()
        name = plain(each.name)
        if name in seen or (each.marker and not each.marker.evaluate({"extra": ""})):
            continue
        seen.add(name)
        if name not in ("torch", "setuptools"):
            assert name in {plain(one) for one in locked}, name
            needed += map(Requirement, requires(each.name) or [])


@pytest.mark.parametrize(
    "words", [["train", "task=segmentation", "name=two words"], ["evaluate", "run=runs/x"]]
)
def test_the_containers_entry_point_runs_any_command(words: list[str], tmp_path: Path) -> None:
    fake = tmp_path / "ganatomy"
    fake.write_text('#!/bin/sh\nprintf "%s\\n" "$@"\n')
    fake.chmod(0o755)
    entry = json.loads(instructions("ENTRYPOINT")[0])
    path = f"{tmp_path}:{os.environ['PATH']}"
    result = subprocess.run([*entry, *words], env={"PATH": path}, capture_output=True, text=True, check=True)
    assert result.stdout.splitlines() == words


def test_the_workflow_does_what_ci_does() -> None:
    workflow = yaml.safe_load((ROOT / ".github/workflows/ci.yml").read_text())
    job = workflow["jobs"]["checks"]
    commands = "\n".join(step.get("run", "") for step in job["steps"])
    wanted = re.findall(r"^make .*", (ROOT / ".ci/run").read_text(), re.M)
    assert [line for line in commands.splitlines() if line in wanted] == wanted
    assert job["strategy"]["matrix"]["python"] == ["3.11", "3.12"]
    assert all(re.search(r"@v\d+$", step["uses"]) for step in job["steps"] if "uses" in step)


def test_the_hooks_are_those_of_lint() -> None:
    hooks = yaml.safe_load((ROOT / ".pre-commit-config.yaml").read_text())["repos"][0]["hooks"]
    assert [hook["id"] for hook in hooks] == ["ruff-check", "ruff-format", "mypy"]


def test_the_version_and_the_licence_are_said_once_and_the_same() -> None:
    from ganatomy import __version__

    citation = yaml.safe_load((ROOT / "CITATION.cff").read_text())
    assert citation["version"] == __version__
    assert citation["license"] == PROJECT["project"]["license"] == "Apache-2.0"
    assert "Apache License" in (ROOT / "LICENSE").read_text()[:200]


def test_the_pages_name_only_what_is_there() -> None:
    for page in (ROOT / "README.md", *(ROOT / "docs").glob("*.md")):
        text = page.read_text()
        for link in re.findall(r"\]\((?!http)([^)#]+)", re.sub(r"^```.*?^```", "", text, flags=re.S | re.M)):
            assert (page.parent / link).is_file(), f"{page.name}: {link}"
        for command in re.findall(r"python -m src\.([a-z_]+)", text):
            places = (ROOT / f"src/{command}.py", ROOT / f"src/{command}/__main__.py")
            assert any(place.is_file() for place in places), f"{page.name}: {command}"
        for target in re.findall(r"(?:^|`)make ([\w-]+)", text, re.M):
            assert re.search(rf"^{target}:", (ROOT / "Makefile").read_text(), re.M), f"{page.name}: {target}"
    assert all(picture.stat().st_size < 300_000 for picture in (ROOT / "docs/images").iterdir())


def test_what_a_command_writes_by_default_is_ignored_by_git() -> None:
    """It may name cases, and nobody means to commit it."""
    ignored = (ROOT / ".gitignore").read_text().splitlines()
    for command in sorted((ROOT / "conf").glob("*.yaml")):
        named = re.search(r"^output: *(.+?) *(?:#(.*))?$", command.read_text(), re.MULTILINE)
        if named is None or named[1] == "???":
            continue
        meant = re.findall(r"null: (.+)", named[2])[0] if named[1] == "null" else named[1]
        for place in re.findall(r"[\w.]+", meant.split("<")[0]):
            assert f"/{place}" in ignored or f"/{place}/" in ignored, command.name
