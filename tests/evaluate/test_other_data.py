"""Other data: classes by name, intervals, warnings about known subjects, and what is refused in one line."""

from __future__ import annotations

import shutil
from datetime import datetime
from pathlib import Path
from types import SimpleNamespace
from typing import cast

import numpy as np
import pytest
import yaml

from ganatomy.errors import UserError
from ganatomy.evaluate.__main__ import folder_for
from ganatomy.evaluate.cases import contents_of
from ganatomy.evaluate.settings import EvaluateConfig
from tests.evaluate.conftest import evaluated, pictures

Folder = tuple[Path, list[str], Path]


@pytest.fixture(scope="module")
def there(folder_run: Folder, tmp_path_factory: pytest.TempPathFactory) -> tuple[list[str], dict[str, float]]:
    """Words of new pictures, and the scores of the run on them."""
    words = pictures(tmp_path_factory.mktemp("new"), 6, seed=1)
    run, *_ = folder_run
    return words, evaluated(tmp_path_factory.mktemp("out") / "plain", f"run={run}", *words).metrics


def test_another_order_of_classes_gives_the_same_scores(
    folder_run: Folder, there: tuple[list[str], dict[str, float]], tmp_path: Path
) -> None:
    """The same pictures, their masks with cyst = 2 and tumour = 1."""
    words = pictures(tmp_path / "turned", 6, seed=1, order=(0, 2, 1))
    assert words[-1] == "data.classes=[background,tumour,cyst]"
    found = evaluated(tmp_path / "out", f"run={folder_run[0]}", *words)
    assert found.metrics == pytest.approx(there[1], nan_ok=True)
    assert "warning" not in found.page, "no one was in the training"


def test_every_case_counts_and_intervals_hold_the_scores(
    folder_run: Folder, there: tuple[list[str], dict[str, float]], tmp_path: Path
) -> None:
    found = evaluated(tmp_path / "out", f"run={folder_run[0]}", *there[0])
    assert len(found.rows) == found.metrics["test/volumes"] == 6
    ours = {row["score"]: row for row in found.intervals if row["source"] == "this run"}
    dice = np.array([float(row["dice/cyst"]) for row in found.rows])
    low, high = (float(ours["dice/cyst"][end]) for end in ("low", "high"))
    half = 2.5705818 * dice.std(ddof=1) / 6**0.5  # Student's t of 5 degrees of freedom, from a table
    assert (low, high) == pytest.approx((dice.mean() - half, dice.mean() + half), abs=1e-6)
    assert {row["source"] for row in found.intervals} >= {"this run", "mean_label", "otsu"}


def test_a_split_of_the_data_is_taken(folder_run: Folder, tmp_path: Path) -> None:
    words = pictures(tmp_path / "new", 6, seed=1)
    found = evaluated(tmp_path / "out", f"run={folder_run[0]}", *words, "split=test", "data.split=[1,1,1]")
    assert len(found.rows) == 2


def test_subjects_of_the_training_are_told(folder_run: Folder, tmp_path: Path) -> None:
    run, words, _ = folder_run
    found = evaluated(tmp_path / "out", f"run={run}", *words)
    assert "warning: the run was trained on 3 of the 9 evaluated subjects" in found.page
    assert "warning: the run chose its weights on 3 of the 9 evaluated subjects" in found.page
    others = pictures(tmp_path / "others", 9, seed=5, name="p")  # other pictures of the same names
    found = evaluated(tmp_path / "out2", f"run={run}", *others)
    assert "3 of the 9 evaluated subjects have names of subjects that the run was trained on" in found.page
    own = evaluated(tmp_path / "out3", f"run={run}", "split=train")
    assert "trained on 3 of the 3 evaluated subjects" in own.page
    assert len(evaluated(tmp_path / "out4", f"run={run}", "split=all").rows) == 9
    for page in (found.page, own.page):
        assert "p0" not in page.split("<body")[1].split("base64")[0], "no name of a case"


def test_a_class_that_the_run_does_not_know_is_refused_or_left_out(
    folder_run: Folder, there: tuple[list[str], dict[str, float]], tmp_path: Path
) -> None:
    run, words = folder_run[0], [word.replace("tumour", "stone") for word in there[0]]
    with pytest.raises(
        UserError, match=r"knows no class stone \(it has cyst, tumour\).*ignore_classes=\[stone\]"
    ):
        evaluated(tmp_path / "out", f"run={run}", *words)
    with pytest.raises(UserError, match="ignore_classes: the data have no class ston; did you mean 'stone'"):
        evaluated(tmp_path / "out", f"run={run}", *words, "ignore_classes=[ston]")
    assert not (tmp_path / "out").exists()
    found = evaluated(tmp_path / "out", f"run={run}", *words, "ignore_classes=[stone]")
    assert "stone left out" in found.page and "tumour missing in these data" in found.page
    assert found.metrics["test/dice/tumour"] in (None, 0.0)


REFUSED = {
    "data.size=64": "data.size: images are prepared as in the run's training; leave it out",
    "data.intensity=range": "data.intensity: images are prepared",
    "data.patch=16": "data.patch: nothing is trained here",
    "data.channels=3": r"data.channels=3: the run has 1; leave it out",
    "data.mask=auto": "data.mask=auto: the run has another region; name files, or leave it out",
    "run=null": "run: name a finished run, as in run=runs/segmentation/DIR",
    "data.label=null": "6 of 6 cases have no label map to be scored against",
    "split=val": "split=val: these data have no such case",
    "twin=nowhere": "twin=nowhere: is no run directory",
    "run=nowhere": "run=nowhere: is no run directory",
    "device=cuda:9": "device=cuda:9: there is no such device",
}


@pytest.mark.parametrize("word", REFUSED)
def test_what_does_not_fit_is_one_line(
    folder_run: Folder, there: tuple[list[str], dict[str, float]], tmp_path: Path, word: str
) -> None:
    words = [
        f"run={folder_run[0]}",
        *there[0],
        *(["data.split=[1,0,0]"] if word == "split=val" else []),
        word,
    ]
    with pytest.raises(UserError, match=REFUSED[word]) as error:
        evaluated(tmp_path / "out", *words)
    assert "\n" not in str(error.value) and not (tmp_path / "out").exists()


def test_the_words_of_the_training_may_be_typed_again(folder_run: Folder, tmp_path: Path) -> None:
    run, words, _ = folder_run
    own = yaml.safe_load((run / "config.yaml").read_text())["data"]
    again = [f"data.size={own['size']}", "data.intensity=zscore", "data.patch=null", "data.augment=[]"]
    assert own["intensity"] == "zscore" and own["patch"] is None and own["augment"] == []
    found = evaluated(tmp_path / "again", f"run={run}", *words, *again)
    assert found.metrics == evaluated(tmp_path / "plain", f"run={run}", *words).metrics


def test_data_without_labels_are_refused(folder_run: Folder, tmp_path: Path) -> None:
    words = pictures(tmp_path / "new", 4, seed=2)
    (tmp_path / "new/masks/q1.png").unlink()
    words = [*words, "data.missing_label=background"]
    assert len(evaluated(tmp_path / "with", f"run={folder_run[0]}", *words).rows) == 4
    words = [word for word in words if "data.label=" not in word and "missing" not in word]
    with pytest.raises(UserError, match=r"have no label map to be scored against.*predict"):
        evaluated(tmp_path / "out", f"run={folder_run[0]}", *words)


def test_data_of_which_nothing_can_be_read(folder_run: Folder, tmp_path: Path) -> None:
    words = pictures(tmp_path / "new", 3, seed=2)
    for path in tmp_path.glob("new/images/*"):
        path.write_bytes(b"\x89PNG\r\n\x1a\nbroken")
    with pytest.raises(
        UserError, match=r"^data: no case is left without a grave fault; correct them, or name "
    ):
        evaluated(tmp_path / "out", f"run={folder_run[0]}", *words, "data.on_error=skip")


def test_an_output_with_files_is_refused(folder_run: Folder, tmp_path: Path) -> None:
    (tmp_path / "out").mkdir()
    (tmp_path / "out/mine.txt").write_text("mine")
    with pytest.raises(UserError, match=r"output=.*already holds files"):
        evaluated(tmp_path / "out", f"run={folder_run[0]}")
    (tmp_path / "file").write_text("mine")
    with pytest.raises(UserError, match="file is a file where a folder is needed"):
        evaluated(tmp_path / "file/out", f"run={folder_run[0]}")


def test_evaluations_of_one_second_have_folders_of_their_own(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    config, now = (
        cast(EvaluateConfig, SimpleNamespace(output=None, runs=["runs/a"])),
        datetime(2026, 3, 1, 12, 0, 7),
    )
    names = []
    for _ in range(3):
        place = folder_for(config, now)
        place.mkdir(parents=True)
        names.append(place.as_posix())
    first = "evaluations/2026-03-01_12-00-07_a"
    assert names == [first, f"{first}_2", f"{first}_3"]


def test_cases_that_changed_or_went_are_refused(folder_run: Folder, tmp_path: Path) -> None:
    run, _, folder = folder_run
    rows = evaluated(tmp_path / "own", f"run={run}").rows
    one, other = (row["case"].removeprefix("images_") for row in rows[:2])
    path, image = (folder / f"{kind}/{one}.png" for kind in ("masks", "images"))
    kept = path.read_bytes()
    try:
        path.write_bytes((folder / f"masks/{other}.png").read_bytes())
        with pytest.raises(UserError, match="1 of its 3 cases are not as the run saw them"):
            evaluated(tmp_path / "out", f"run={run}")
        image.rename(folder / "away.png")
        with pytest.raises(
            UserError, match="1 of the 3 cases of its split test are not in its data any more"
        ):
            evaluated(tmp_path / "out", f"run={run}")
        (folder / "away.png").rename(image)
        (folder / "images").rename(folder / "gone")
        with pytest.raises(
            UserError, match=r"run=.*: its own data cannot be read .*name a data set with data="
        ):
            evaluated(tmp_path / "out", f"run={run}")
        (folder / "gone").rename(folder / "images")
    finally:
        path.write_bytes(kept)


def test_a_run_without_kept_baselines_says_so(folder_run: Folder, tmp_path: Path) -> None:
    run = shutil.copytree(folder_run[0], tmp_path / "old")
    (run / "baselines.safetensors").unlink()
    found = evaluated(tmp_path / "out", f"run={run}")
    assert found.metrics["baseline/otsu/dice"] is None and found.metrics["test/dice"] is not None
    assert f"the run has no baselines.safetensors; resume={run} writes it" in found.page


def test_a_twin_stands_beside_with_paired_differences(folder_run: Folder, tmp_path: Path) -> None:
    run, *_ = folder_run
    found = evaluated(tmp_path / "out", f"run={run}", f"twin={run}")
    assert found.metrics["twin/dice"] == found.metrics["test/dice"]
    assert "level with its twin without a discriminator: Dice" in found.page
    gaps = [row for row in found.intervals if row["source"] == "this run - twin"]
    assert gaps and all(float(row[end]) == 0 for row in gaps for end in ("value", "low", "high"))


def test_classes_of_other_data_alone_are_ignored(folder_run: Folder, tmp_path: Path) -> None:
    with pytest.raises(
        UserError, match=r"^ignore_classes: is for other data, data=\.\.\.; the run knows the classes"
    ):
        evaluated(tmp_path / "out", f"run={folder_run[0]}", "ignore_classes=[tumour]")
    with pytest.raises(
        UserError, match=r"^run=.*: has no data\.json that lists its cases; name a finished run$"
    ):
        contents_of(tmp_path)
