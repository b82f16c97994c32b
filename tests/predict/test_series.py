"""Of a folder with several DICOM series, those are answered that the run was trained on."""

from __future__ import annotations

from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pydicom
import pytest

from ganatomy.config.schema import DataConfig
from ganatomy.inference.inputs import NamedDicom, inputs
from ganatomy.predict.series import as_trained, source_of
from ganatomy.training.preprocessing import Preprocessing
from tests.data.io.dicom import make
from tests.data.io.dicom.make import pattern


@pytest.fixture(scope="module")
def tree(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """T1 and T2 of two patients, and a localiser of one slice."""
    folder = tmp_path_factory.mktemp("tree")
    for person in ("a", "b"):
        for name, slices in (("T1 se", 4), ("T2 tse", 4), ("survey", 1)):
            volume = pattern(8, 9, slices)
            make.series(folder / person, volume, PatientID=person, SeriesDescription=name, Modality="MR")
    return folder


def run_of(target: str = "ganatomy.data.sources.dicom.Dicom", **how: Any) -> DataConfig:
    data = {"_target_": target, "batch_size": 1, "workers": 0, "cache": "none", "augment": [], **how}
    return DataConfig.from_plain(data)


def taken(tree: Path, dims: int = 3, target: str = "ganatomy.data.sources.dicom.Dicom", **how: Any) -> Any:
    source = inputs(Preprocessing(dims, 1, size=None), tree)
    assert isinstance(source, NamedDicom) and len(source.records()) == 6
    chosen, line = as_trained(source, run_of(target, **how))
    files = [path for record in chosen.records() for path in chosen.paths(record, "image")]
    return (
        sorted({str(pydicom.dcmread(path).SeriesDescription) for path in files}),
        len(chosen.records()),
        line,
    )


def test_those_of_the_training_are_taken(tree: Path) -> None:
    said = (
        "2 of 6 DICOM series are taken, as in the run's training (data.series=T2, data.least=3); "
        "series='*' takes all"
    )
    assert taken(tree, series="T2", least=3) == (["T2 tse"], 2, said)
    named, count, line = taken(tree, series=["T1", "T2"], modality="MR", least=3)
    assert (named, count) == (["T1 se", "T2 tse"], 4)
    assert "(data.series=[T1,T2], data.modality=MR, data.least=3)" in line


def test_localisers_are_no_volumes(tree: Path) -> None:
    assert taken(tree, least=3)[:2] == (["T1 se", "T2 tse"], 4)
    assert taken(tree, dims=2, least=3) == (["T1 se", "T2 tse", "survey"], 6, ""), "a slice is a picture"


def test_where_none_is_like_them_all_are_taken_and_it_is_said(tree: Path) -> None:
    _, count, line = taken(tree, series="FLAIR", least=3)
    assert count == 6 and line.startswith(
        "none of the 6 DICOM series is like those of the run's training (data.s"
    )


def test_a_run_of_other_files_takes_all(tree: Path) -> None:
    assert taken(tree, target="ganatomy.data.sources.folder.Folder", series="T2")[1:] == (6, "")


def test_the_command_may_name_others(tree: Path) -> None:
    cfg = SimpleNamespace(data=run_of(series="T2", least=3))
    run: Any = SimpleNamespace(preprocessing=Preprocessing(3, 1, size=None), cfg=cfg)
    for series, count, said in ((None, 2, True), ("T1", 2, False), ("*", 6, False)):
        config: Any = SimpleNamespace(input=tree, series=series)
        source, line = source_of(config, run)
        assert (len(source.records()), bool(line)) == (count, said)
