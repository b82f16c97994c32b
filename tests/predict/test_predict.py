"""Files in, answers out: broken files are named, a stop loses nothing, processes change no byte."""

from __future__ import annotations

import csv
import shutil
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import nibabel as nib
import numpy as np
import pytest
import yaml
from PIL import Image

from ganatomy.config.locations import CONF
from ganatomy.errors import UserError
from ganatomy.predict import work
from ganatomy.predict.command import predict
from ganatomy.predict.settings import PredictConfig
from tests.finished import blobs

Finished = Callable[[str], Path]


def settings(run: Path, files: Path | str, output: Path, **more: Any) -> PredictConfig:
    """The keys of a call, with the defaults of conf/predict.yaml."""
    plain = yaml.safe_load((CONF / "predict.yaml").read_text())
    plain = {key: value for key, value in plain.items() if key not in ("defaults", "hydra")}
    given = {"run": str(run), "input": str(files), "output": str(output), "threads": 1, "pictures": 0}
    return PredictConfig.from_plain({**plain, **given, **more})


def table(output: Path) -> list[dict[str, str]]:
    with (output / "predictions.csv").open() as file:
        return list(csv.DictReader(file))


def contents(folder: Path) -> dict[str, bytes]:
    """Every answer below a folder, without the log."""
    paths = [path for path in folder.rglob("*") if path.is_file() and "predictions" not in path.name]
    return {path.relative_to(folder).as_posix(): path.read_bytes() for path in paths}


@pytest.fixture(scope="module")
def hundred(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A hundred pictures, five of which are broken, each in another way."""
    folder = tmp_path_factory.mktemp("hundred")
    for n in range(100):
        path = folder / f"part{n % 3}/p{n:03d}.png"
        path.parent.mkdir(exist_ok=True)
        Image.fromarray((blobs(n, 24, 24) * 40_000).astype(np.uint16)).save(path)
    whole = (folder / "part0/p000.png").read_bytes()
    (folder / "part1/p001.png").write_bytes(whole[:100])
    (folder / "part2/p002.png").write_bytes(b"")
    (folder / "part0/p003.png").write_bytes(b"<html>404</html>")
    (folder / "part1/p004.png").unlink()
    nib.save(nib.Nifti1Image(np.zeros((24, 24, 1, 5)), np.eye(4)), folder / "part1/p004.nii")
    (folder / "part2/p005.png").write_bytes(whole[:200] + bytes(300) + whole[500:])
    return folder


@pytest.fixture(scope="module")
def answered(finished: Finished, hundred: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The answers to the hundred pictures."""
    output = tmp_path_factory.mktemp("answered") / "out"
    assert predict(settings(finished("segmentation"), hundred, output)) == 5
    return output


def test_broken_files_are_named_and_the_others_go_on(answered: Path, hundred: Path) -> None:
    rows = table(answered)
    failed = {row["input"]: row["error"] for row in rows if row["status"] == "failed"}
    names = ["part0/p003.png", "part1/p001.png", "part1/p004.nii", "part2/p002.png", "part2/p005.png"]
    assert sorted(failed) == names
    assert all(name in why and "\n" not in why for name, why in failed.items())
    assert len(list(answered.rglob("p*.png"))) == 95
    assert len(rows) == 100 and len({row["weights_sha256"] for row in rows}) == 1


def test_a_second_call_does_the_failed_ones_alone(
    answered: Path, hundred: Path, finished: Finished, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    output = Path(shutil.copytree(answered, tmp_path / "out"))
    assert predict(settings(finished("segmentation"), hundred, output)) == 5
    assert "0 predicted in" in capsys.readouterr().out
    assert contents(output) == contents(answered)


def test_a_stop_half_way_loses_nothing(
    answered: Path, hundred: Path, finished: Finished, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Killed after 40 cases, in the middle of a line of its journal; then an answer is damaged."""
    computed: list[str] = []
    compute = work.Predictor.compute

    def counted(self: Any, ready: Any) -> Any:
        computed.append(ready.record.case)
        if len(computed) == 41:
            raise KeyboardInterrupt
        return compute(self, ready)

    monkeypatch.setattr(work.Predictor, "compute", counted)
    config = settings(finished("segmentation"), hundred, tmp_path / "out")
    with pytest.raises(KeyboardInterrupt):
        predict(config)
    assert not (tmp_path / "out/predictions.csv").exists()
    journal = next((tmp_path / "out").glob(".predictions-*.jsonl"))
    journal.write_text(journal.read_text() + '{"case": "part0_p0')
    (tmp_path / "out/part0/p006.png").write_bytes(b"damaged")
    computed[:] = ["."] * 41
    assert predict(config) == 5
    assert len(computed) - 41 == 95 - 40 + 1
    assert contents(tmp_path / "out") == contents(answered)


@pytest.mark.slow
def test_two_processes_write_the_bytes_of_one(
    answered: Path, hundred: Path, finished: Finished, tmp_path: Path
) -> None:
    output = tmp_path / "out"
    assert predict(settings(finished("segmentation"), hundred, output, processes=2)) == 5
    assert contents(output) == contents(answered)
    for ours, theirs in zip(table(output), table(answered), strict=True):
        same = ("case", "status", "input_sha256", "output_sha256", "weights_sha256", "warnings")
        assert [ours[key] for key in same] == [theirs[key] for key in same]


def test_other_weights_or_settings_are_not_mixed(
    answered: Path, hundred: Path, finished: Finished, tmp_path: Path
) -> None:
    output = Path(shutil.copytree(answered, tmp_path / "out"))
    run = finished("segmentation")
    with pytest.raises(UserError, match=r"^output=.*: holds answers with other settings"):
        predict(settings(run, hundred, output, mirror_axes=[1]))
    lines = (output / ".predictions.jsonl").read_text()
    digest = table(output)[0]["weights_sha256"]
    (output / ".predictions.jsonl").write_text(lines.replace(digest, "0" * 64))
    with pytest.raises(UserError, match=r"^output=.*: holds answers of run, which has other weights"):
        predict(settings(run, hundred, output))


@pytest.fixture
def scratch(tmp_path: Path) -> Iterator[Path]:
    (tmp_path / "scans").mkdir()
    Image.fromarray((blobs(1, 24, 24) * 40_000).astype(np.uint16)).save(tmp_path / "scans/a.png")
    yield tmp_path


@pytest.mark.parametrize("place", ["scans", "scans/answers"])
def test_nothing_is_written_among_the_inputs(scratch: Path, finished: Finished, place: str) -> None:
    with pytest.raises(UserError, match=r"^output=.*: lies in the folder of the input"):
        predict(settings(finished("segmentation"), scratch / "scans", scratch / place))
    assert [path.name for path in (scratch / "scans").iterdir()] == ["a.png"]


def test_a_folder_with_other_files_is_refused(scratch: Path, finished: Finished) -> None:
    (scratch / "out").mkdir()
    (scratch / "out/thesis.tex").write_text("mine")
    with pytest.raises(UserError, match=r"^output=.*: holds other files"):
        predict(settings(finished("segmentation"), scratch / "scans", scratch / "out"))


def test_pictures_of_the_first_cases(scratch: Path, finished: Finished) -> None:
    for name in "bcd":
        shutil.copy(scratch / "scans/a.png", scratch / f"scans/{name}.png")
    predict(settings(finished("segmentation"), scratch / "scans", scratch / "out", pictures=3))
    drawn = sorted(path.name for path in (scratch / "out/pictures").iterdir())
    assert drawn == ["a.png", "b.png", "c.png"]
    with Image.open(scratch / "out/overview.png") as sheet:
        assert sheet.width == 3 * 420
        strip = np.asarray(sheet)[:22]
        assert strip.std() > 0, "a line above each picture says which row of the table it is"


def test_the_command(command: Any, scratch: Path, finished: Finished) -> None:
    run = finished("segmentation")
    result = command(
        f"run={run}", f"input={scratch / 'scans'}", "output=out", "pictures=0", module="src.predict"
    )
    assert result.returncode == 0, result.stderr
    assert result.stdout.endswith("predictions: out/predictions.csv\n")
    result = command(f"run={run}", "inputs=x", "output=out", module="src.predict")
    assert result.returncode == 2 and "inputs" in result.stderr and "input" in result.stderr
