"""The command: counts, faults and near-duplicates, at the terminal and on the page."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path
from types import SimpleNamespace

import numpy as np
import pytest

from ganatomy.errors import UserError
from tests import commands

ROOT = Path(__file__).resolve().parents[3]


def check(folder: Path, *words: str) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, "-m", "src.check", *words, f"paths.cache={folder / 'cache'}"]
    return commands.run(command, folder, commands.environment(COLUMNS="200"))


@pytest.fixture
def words(tmp_path: Path, picture) -> list[str]:
    """Nine images with masks, and the settings that read them."""
    for number in range(9):
        picture(f"images/{number}.png")
        picture(f"masks/{number}.png", np.full((20, 16), 255 * (number % 2), np.uint8))
    classes = "data.classes=[background,lesion]"
    return ["data=folder", f"data.root={tmp_path}", "data.label='masks/{name}'", classes]


def test_the_page_shows_what_is_there(tmp_path, words, compose, capsys):
    from ganatomy.check import check as run
    from ganatomy.config.schema import Config
    from ganatomy.training.build import build_data

    cfg = compose(*words, "data.label_values=[0,255]", f"data.cache_dir={tmp_path}/cache", tiny=False)
    assert run(build_data(Config.from_plain(cfg)), 16, 24, tmp_path / "check.html").faults == []
    said = capsys.readouterr().out
    assert "0 faults that stop training" in said and "labels used" not in said
    page = (tmp_path / "check.html").read_text()
    assert page.count("<img") == 9 and "<svg" in page and "http" not in page
    assert 'name="viewport"' in page and "svg { max-width: 100%" in page  # a telephone shows it whole
    assert page.count('class="wide" tabindex="0"') == page.count("<table") > 0  # and keys scroll it


def test_how_many_labels_are_used_is_said(tmp_path, words, compose, capsys):
    from ganatomy.check import check as run
    from ganatomy.config.schema import Config
    from ganatomy.training.build import build_data

    own = ["data.label_values=[0,255]", f"data.cache_dir={tmp_path}/cache", "data.label_fraction=0.3"]
    run(build_data(Config.from_plain(compose(*words, *own, tiny=False))), 0, 0, tmp_path / "check.html")
    said = capsys.readouterr().out
    assert "labels used (data.label_fraction): 2 of 5 training cases, 2 of 5 subjects" in said


@pytest.mark.slow
def test_the_command_names_faults_and_ends_with_their_code(tmp_path, words):
    (tmp_path / "masks/4.png").unlink()
    broken = check(tmp_path, *words)
    assert broken.returncode == 1
    assert "masks/4.png: is not there" in broken.stdout and "label value 255" in broken.stdout
    assert "masks/4.png: is not there" in (tmp_path / "check.html").read_text()

    typo = check(tmp_path, "duplikates=3")
    assert typo.returncode == 2 and typo.stderr.strip().count("\n") == 0 and "duplicates" in typo.stderr


@pytest.mark.parametrize(
    ("output", "words_of_refusal"),
    [
        ("/dev/stdout", "/dev/stdout is no name of a page"),
        ("masks/1.png", "masks/1.png is no name of a page; give one that ends in .html"),
        ("pipe.html", "pipe.html is a pipe where a file is needed"),
        ("masks/1.png/new.html", "1.png is a file where a folder is needed"),
        ("plan.html", "plan.html is the name of a page; with plan=true it is the plan's: plan.yaml"),
        ("pipe", "pipe is a pipe where a file is needed"),
        ("masks", "masks is a folder where a file is needed"),
        ("/dev/null", "/dev/null is a device where a file is needed"),
    ],
)
def test_a_page_replaces_nothing_that_is_no_page(tmp_path, words, monkeypatch, output, words_of_refusal):
    """Of the first four the page is named, of the others the plan, which may be replaced."""
    from ganatomy.errors import UserError
    from ganatomy.planning.checking import files

    monkeypatch.chdir(tmp_path)
    os.mkfifo("pipe")
    os.mkfifo("pipe.html")
    plan = not output.endswith(("stdout", ".png", "pipe.html", "new.html"))
    more = {"plan_task": None, "minutes": 10.0, "memory": 8.0}
    config = SimpleNamespace(plan=plan, overwrite=plan, output=output, **more)
    with pytest.raises(UserError, match=words_of_refusal):
        files(config)


def test_of_many_kinds_the_least_and_the_most_are_told():
    from ganatomy.data.quality import counts, inventory
    from ganatomy.data.sources.stacked_digits import StackedDigits

    source = StackedDigits(train=40, val=2, test=2)
    found = inventory.take(source.records(), source)
    heads, rows = counts.table(found, source)
    most = max(found.image_classes["train"].values())
    assert heads == ["split", "cases", "subjects", "per class (1000)"]
    assert rows[0] == ["train", "40", "40", f"0 to {most}"]


@pytest.mark.slow
def test_the_example_of_the_help_can_be_pasted(tmp_path, picture):
    """Into bash as it is printed, but for the folder and the interpreter's name."""
    for number in range(6):
        picture(f"images/{number}.png")
        picture(f"masks/{number}.png", np.full((20, 16), number % 2, np.uint8))
    help_text = check(tmp_path, "--help").stdout
    assert "common," not in help_text and "folder," in help_text
    line = next(line for line in help_text.splitlines() if "data=folder" in line)
    line = line.strip().replace("DIR", str(tmp_path)).replace("python", sys.executable, 1)
    ended = subprocess.run(
        ["bash", "-c", line],
        capture_output=True,
        text=True,
        cwd=tmp_path,
        env=os.environ | {"PYTHONPATH": str(ROOT), "OMP_NUM_THREADS": "1"},
        check=False,
    )
    assert ended.returncode == 0, ended.stdout + ended.stderr
    assert "% lesion" in ended.stdout and "0 faults that stop training" in ended.stdout


@pytest.mark.parametrize("own", [True, False])
def test_settings_are_told_as_they_are_typed(tmp_path, picture, compose, capsys, own):
    """And a target that has an intensity of its own is not asked for one."""
    from ganatomy.check import check as run
    from ganatomy.config.schema import Config
    from ganatomy.training.build import build_data

    for number in range(6):
        picture(f"images/{number}.png", np.full((20, 16), 10 + number, np.uint8))
        picture(f"ct/{number}.png", np.full((20, 16), 200 + number, np.uint8))
    words = ["data=folder", f"data.root={tmp_path}", "data.target='ct/{name}'", "data.size=null"]
    words += ["data.intensity=[zscore]", *(["data.target_intensity=[-1024,1500]"] if own else [])]
    run(
        build_data(Config.from_plain(compose(*words, f"data.cache_dir={tmp_path}/cache", tiny=False))),
        0,
        0,
        tmp_path / "c.html",
    )
    said = capsys.readouterr().out
    assert "data.intensity: [zscore]" in said and "None" not in said
    assert ("are the units different?" in said) is not own
    assert ("data.target_intensity: [-1024,1500] mapped to 0 to 1" in said) is own


def test_pictures_that_are_to_be_volumes_are_named(tmp_path, words, compose):
    from ganatomy.check import check as run
    from ganatomy.config.schema import Config
    from ganatomy.training.build import build_data

    own = [
        "data.label_values=[0,255]",
        f"data.cache_dir={tmp_path}/cache",
        "data.spatial_dims=3",
        "data.size=8",
    ]
    data = build_data(Config.from_plain(compose(*words, *own, tiny=False)))
    with pytest.raises(UserError, match=r"images/\d\.png: data\.spatial_dims=3: .* set data\.spatial_dims=2"):
        run(data, 0, 0, tmp_path / "check.html")
