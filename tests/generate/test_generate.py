"""`generate`: the images of `save_samples`, from the run alone, and all others by number."""

from __future__ import annotations

import csv
import hashlib
import json
import shutil
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest
import torch
from PIL import Image

from ganatomy.config.resolve import validate
from ganatomy.errors import UserError
from ganatomy.generate.maker import Maker
from ganatomy.generate.request import Request, Way, synthesis_of
from ganatomy.generate.sheet import chosen
from ganatomy.inference.loaded import load_run
from ganatomy.runs.directory import Run
from ganatomy.tasks.segmentation import SegmentationTask
from ganatomy.tasks.synthesis.facts import ImageFacts
from ganatomy.tasks.synthesis.sampler import Sampler
from ganatomy.training import build
from tests.conftest import composed
from tests.generate.conftest import SMALL, files

Drawn = Callable[..., Path]
Finished = Callable[[str], Path]


@pytest.mark.parametrize("name", ["plain", "kinds", "colour", "volumes"])
def test_the_files_of_save_samples_byte_for_byte(finished: Finished, drawn: Drawn, name: str) -> None:
    run = finished(name)
    saved = files(run / "synthetic")
    assert len(saved) == 5 == len(set(saved.values())), "images that tell something"
    assert files(drawn(run, n=4)) == saved


def test_image_n_is_the_same_in_every_folder_and_seeds_differ(finished: Finished, drawn: Drawn) -> None:
    run = finished("plain")
    asked = (("few", 2, None), ("many", 5, 0), ("other", 2, 1))
    few, many, other = (files(drawn(run, name, n=n, seed=seed)) for name, n, seed in asked)
    names = ("images/0001.png", "images/0002.png")
    assert [few[name] for name in names] == [many[name] for name in names]
    assert not {few[name] for name in names} & {other[name] for name in names}


def test_images_are_drawn_on_one_thread(finished: Finished) -> None:
    """On more of them the last bits differ, and with them the files of another machine."""
    task: Any = load_run(finished("plain"), "cpu").task
    kept = json.loads((finished("plain") / "preprocessing.json").read_text())
    facts = ImageFacts.from_plain(kept["synthesis"])
    threads: list[int] = []
    task.evaluator.register_forward_pre_hook(lambda *_: threads.append(torch.get_num_threads()))
    before = torch.get_num_threads()
    torch.set_num_threads(3)
    try:
        Sampler(task.drawer, facts)(1)
        assert torch.get_num_threads() == 3 and threads == [1]
    finally:
        torch.set_num_threads(before)


@pytest.mark.slow
def test_two_processes_give_the_files_of_one(finished: Finished, drawn: Drawn) -> None:
    run = finished("volumes")
    assert files(drawn(run, "two", n=5, processes=2)) == files(drawn(run, "one", n=5, processes=1))


def test_classes_by_name(finished: Finished, drawn: Drawn) -> None:
    """The noise of an image is that of its number; its class is the one asked for."""
    run = finished("kinds")
    where = drawn(run, class_="dark", n=3)
    rows = list(csv.DictReader((where / "index.csv").open()))
    assert [row["kind"] for row in rows] == ["dark"] * 3
    task: Any = load_run(run, "cpu").task
    facts = json.loads((run / "preprocessing.json").read_text())["synthesis"]
    with torch.no_grad():
        image = task.drawer(task.drawer.noise("synthetic 3")[None], torch.tensor([1]))[0, 0].double().numpy()
    expected = np.clip(np.rint(image * facts["scale"][0] + facts["offset"][0]), 0, 255)
    assert facts["image_classes"] == ["bright", "dark"]
    assert np.abs(np.asarray(Image.open(where / "images/0003.png")) - expected).max() <= 1
    both = drawn(run, "both", classes=["dark", "bright"], n=4)
    assert [row["kind"] for row in csv.DictReader((both / "index.csv").open())] == ["dark", "bright"] * 2
    assert files(both)["images/0003.png"] == files(where)["images/0003.png"]


def test_what_was_stopped_goes_on_with_the_rest_alone(
    finished: Finished, drawn: Drawn, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    run = finished("plain")
    whole = files(drawn(run, "whole", n=5))
    write, made = Maker.write, []

    def until_three(self: Maker, number: int) -> None:
        if len(made) == 3:
            raise KeyboardInterrupt
        made.append(number)
        write(self, number)

    monkeypatch.setattr(Maker, "write", until_three)
    with pytest.raises(KeyboardInterrupt):
        drawn(run, n=5)
    where = tmp_path / "out"
    assert len(files(where)) == 3 and not json.loads((where / "provenance.json").read_text())["finished"]
    (where / "images/.0004.png.host-1.tmp").write_bytes(b"half")
    made.clear()
    monkeypatch.setattr(Maker, "write", lambda self, number: made.append(number) or write(self, number))
    drawn(run, n=5)
    assert made == [4, 5] and files(where) == whole and len(list((where / "images").glob(".*"))) == 0
    assert json.loads((where / "provenance.json").read_text())["finished"]
    made.clear()
    drawn(run, n=7)
    assert made == [6, 7], "more of the same"
    assert sorted(path.name for path in where.iterdir()) == [
        *("images", "index.csv", "overview.png", "provenance.json")
    ]


@pytest.mark.parametrize(
    ("keys", "line"),
    [
        ({"n": 3, "seed": 4}, r"output: .* holds images of seed=0; choose another"),
        ({"n": 3, "truncation": 0.5}, r"output: .* holds images of truncation=null; choose"),
        ({"n": 3, "format": "npz"}, r'output: .* holds images of format="png8"; choose'),
        ({"n": 2}, r"output: .* holds images of n=3; choose"),
    ],
)
def test_another_request_does_not_mix_with_images_that_are_there(
    finished: Finished, drawn: Drawn, keys: dict[str, Any], line: str
) -> None:
    where = drawn(finished("plain"), n=3)
    before = {path: path.read_bytes() for path in where.rglob("*") if path.is_file()}
    with pytest.raises(UserError, match=line):
        drawn(finished("plain"), **keys)
    assert {path: path.read_bytes() for path in where.rglob("*") if path.is_file()} == before


def test_a_folder_with_other_files_is_left_alone(finished: Finished, drawn: Drawn, tmp_path: Path) -> None:
    (tmp_path / "out").mkdir()
    (tmp_path / "out/thesis.tex").write_text("mine")
    with pytest.raises(UserError, match="already holds files that generate did not make"):
        drawn(finished("plain"), n=1)
    with pytest.raises(UserError, match="already holds files that generate did not make"):
        drawn(finished("plain"), output=str(finished("plain") / "synthetic"), n=4)
    (tmp_path / "a file").write_text("mine")
    with pytest.raises(UserError, match="is a file where a folder is needed"):
        drawn(finished("plain"), output="a file", n=1)
    assert [path.name for path in (tmp_path / "out").iterdir()] == ["thesis.tex"]


def test_the_provenance_tells_all_but_names(finished: Finished, drawn: Drawn) -> None:
    run = finished("plain")
    where = drawn(run, n=2, truncation=0.5)
    told = json.loads((where / "provenance.json").read_text())
    assert (
        told["generator"]["sha256"]
        == hashlib.sha256((run / "generator.safetensors").read_bytes()).hexdigest()
    )
    saved = json.loads((run / "synthetic/provenance.json").read_text())
    same = ("synthetic", "what", "format", "type", "units", "generator", "seed", "noise", "data", "scores")
    assert {key: told[key] for key in same} == {key: saved[key] for key in same}
    assert told["configuration"]["model"] == saved["configuration"]["model"]
    assert told["copies"] == "-" and told["copies_why"] and told["copies_in_test"] == saved["copies"]
    assert told["request"]["truncation"]["psi"] == 0.5 and told["made"]["ganatomy"]
    assert str(run.parent) not in json.dumps(told)


def test_the_index_is_data(finished: Finished, drawn: Drawn) -> None:
    where = drawn(finished("kinds"), n=6)
    words = ["data=table", f"data.root={where}", "data.kind=kind", "data.image_classes=[bright,dark]"]
    data = build.build_data(validate(composed(*SMALL[:1], *SMALL[2:], *words, "save_samples=0", tiny=False)))
    data.setup()
    assert sum(len(records) for records in data.records.values()) == 6
    assert data.image_classes == ("bright", "dark")
    assert Image.open(where / "overview.png").width > 400


def test_a_run_whose_game_failed_says_so(
    finished: Finished, drawn: Drawn, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    run = shutil.copytree(finished("plain"), tmp_path / "failed")
    Run(run).status("done", game="collapse")
    where = drawn(run, n=1)
    assert (
        "the game of this run failed (collapse): its images may be worth nothing" in capsys.readouterr().err
    )
    assert json.loads((where / "provenance.json").read_text())["game"] == "collapse"


@pytest.mark.parametrize(
    ("name", "keys", "line"),
    [
        ("kinds", {"class_": "brigth"}, "class=brigth: the run has no such class; did you mean 'bright'?"),
        ("kinds", {"classes": []}, "classes: is empty; name at least one of bright, dark"),
        ("kinds", {"classes": ["dark"], "class_": "dark"}, "class: give either class= or classes=, not both"),
        ("plain", {"class_": "dark"}, "class: this run knows no classes of images; leave class= out"),
        ("plain", {"masks": "."}, "masks: this run does not draw from label maps; leave masks= out"),
        ("painted", {}, "masks: this run draws from label maps (background, lesion) and keeps none"),
        ("plain", {"from_": 3}, "to: is missing; a way has two ends: from=3 to=7"),
        ("plain", {"from_": 3, "to": 3}, "to=3: is where the way begins; name another image"),
        ("plain", {"from_": 3, "to": 4, "n": 9}, "n: a way has steps= images; leave n= out"),
        ("kinds", {"from_": 3, "to": 4}, "to=4: has another class than image 3, and a way keeps one"),
        ("volumes", {"format": "png8"}, "format: png8 cannot hold volumes; choose nifti or npz"),
        ("plain", {"truncation": 1.5}, "truncation: must be 1 or less"),
        ("plain", {"device": "tpu7"}, "device=tpu7: there is no such device here"),
    ],
)
def test_refused_in_one_line(
    finished: Finished, drawn: Drawn, tmp_path: Path, name: str, keys: dict[str, Any], line: str
) -> None:
    with pytest.raises(UserError) as refusal:
        drawn(finished(name), **keys)
    assert str(refusal.value).startswith(line) and "\n" not in str(refusal.value)
    assert not (tmp_path / "out").exists()


def test_a_run_of_another_task_names_the_right_command() -> None:
    other: Any = SimpleNamespace(task=SegmentationTask.__new__(SegmentationTask), path=Path("runs/seg"))
    with pytest.raises(UserError, match=r"is a run of task=segmentation, .*predict run=runs/seg input=PATH"):
        synthesis_of(other)


@pytest.mark.slow
def test_the_command_itself(finished: Finished, command: Any, tmp_path: Path) -> None:
    run = finished("plain")
    done = command(f"run={run}", "n=2", "output=images", "device=cpu", module="src.generate")
    assert done.returncode == 0, done.stderr
    assert done.stdout == "images: images\n" and len(files(tmp_path / "images")) == 3
    wrong = command(f"run={run}", "sede=2", module="src.generate")
    assert wrong.returncode == 2 and wrong.stderr == "error: sede: no such key; did you mean 'seed'?\n"
    assert sorted(path.name for path in tmp_path.iterdir()) == ["images"]


def test_the_sheet_has_a_row_for_each_class() -> None:
    """Of 30 classes in turns the first twelve, with as many images as there are."""

    def request(kinds: tuple[int, ...] | None, count: int) -> Any:
        fields = {"seed": 0, "psi": None, "way": None, "masks": None, "form": None, "facts": None}
        return Request(count=count, kinds=kinds, **fields)  # type: ignore[arg-type]

    many = chosen(request(tuple(range(30)), 70))
    assert many == [*range(1, 13), *range(31, 43), *range(61, 71)]
    assert chosen(request((1, 0, 1), 7)) == [1, 2, 3, 4, 5, 6, 7], "a class that is named twice"
    assert chosen(request(None, 100)) == list(range(1, 49))
    assert chosen(replace(request(None, 100), way=Way(1, 2, 100)))[::47] == [1, 100]
