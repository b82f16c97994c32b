"""The caches never serve another version of the data, and a second start reads no file."""

from __future__ import annotations

import hashlib
import logging
import os
import sys
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from ganatomy.data import cache
from ganatomy.data.datamodule import DataModule
from ganatomy.data.io import digests
from ganatomy.data.sources.folder import Folder
from ganatomy.data.sources.medmnist import MedMnist
from ganatomy.errors import UserError

SIDE = 8


@pytest.fixture(autouse=True)
def settled(monkeypatch):
    """Files count as settled at once."""
    monkeypatch.setattr(digests, "SETTLED", 0)


def write(root: Path, value: int, cases: int = 6) -> None:
    """Pictures and masks; those of two values have the same names, sizes and dates."""
    for folder in ("images", "masks"):
        (root / folder).mkdir(parents=True, exist_ok=True)
    for case in range(cases):
        image = np.random.default_rng(case).integers(0, 256, (SIDE, SIDE)).astype(np.uint8)
        mask = np.zeros((SIDE, SIDE), np.uint8)
        mask[case % 4, value % 8] = 1
        for array, folder in ((image, "images"), (mask, "masks")):
            path = root / folder / f"{case}.bmp"
            Image.fromarray(array).save(path)
            os.utime(path, (1e9, 1e9))


def data(root: Path, folder: Path, kind: str = "disk", **settings) -> DataModule:
    settings = {"label": "masks/{name}", "classes": ("a", "b"), **settings}
    return DataModule(Folder(root=str(root), **settings), 2, cache=kind, cache_dir=str(folder))


def columns(module: DataModule) -> set[int]:
    """In which columns the masks that the loaders serve are set."""
    module.setup()
    records = [record for records in module.records.values() for record in records]
    assert len(records) == 6
    return {int(np.argwhere(module.cache.get(record)["label"][0] == 1)[0, 1]) for record in records}


@pytest.mark.parametrize("kind", ["disk", "memory", "none"])
def test_two_folders_that_look_alike_do_not_share(tmp_path, kind):
    hashes = set()
    for value in (2, 5):
        write(tmp_path / str(value), value)
    for value in (2, 5, 2):
        module = data(tmp_path / str(value), tmp_path / "cache", kind)
        assert columns(module) == {value}
        hashes.add(tuple(sorted(fact.content for fact in module.facts.values())))
    assert len(hashes) == 2


@pytest.mark.parametrize("kind", ["disk", "none"])
def test_a_note_names_the_file_of_its_own_folder(tmp_path, kind):
    """Also where the bytes are the same."""
    for name in ("one", "two"):
        write(tmp_path / name, 1)
        Image.fromarray(np.full((SIDE, SIDE), 7, np.uint8)).save(tmp_path / name / "images" / "0.bmp")
        module = data(tmp_path / name, tmp_path / "cache", kind)
        module.setup()
        (fault,) = module.facts["images_0"].faults
        assert str(tmp_path / name / "images" / "0.bmp") in fault.words


@pytest.mark.parametrize("kind", ["disk", "memory", "none"])
def test_a_file_edited_in_place_with_its_date_set_back_is_read_anew(tmp_path, kind):
    write(tmp_path / "data", 2)
    assert columns(data(tmp_path / "data", tmp_path / "cache", kind)) == {2}
    write(tmp_path / "data", 6)
    assert columns(data(tmp_path / "data", tmp_path / "cache", kind)) == {6}


@pytest.mark.parametrize(
    "change",
    [
        {"label_values": (1, 0)},
        {"channels": 3},
        {"classes": ("a", "b", "c")},
        {"boxes_from_label": True},
        {"image_classes": ("x",)},
    ],
)
def test_a_setting_that_decides_what_is_loaded_does_too(tmp_path, change):
    write(tmp_path / "data", 2)
    sources = [data(tmp_path / "data", tmp_path / "cache", **more).source for more in ({}, change)]
    one, other = ([source.fingerprint(record) for record in source.records()] for source in sources)
    assert not set(one) & set(other)


def test_a_renamed_setting_is_hashed_by_its_first_name(tmp_path):
    """So caches that were made before the renaming stay valid."""
    write(tmp_path / "data", 2)
    source = data(tmp_path / "data", tmp_path / "cache", image_classes=["x"]).source
    text = source.fingerprint(source.records()[0])
    assert "'box_classes': (), 'kinds': ('x',), 'label_values'" in text and "image_classes" not in text


def test_a_setting_that_only_chooses_cases_keeps_the_others(tmp_path):
    write(tmp_path / "data", 2)
    sources = [data(tmp_path / "data", tmp_path, **more).source for more in ({}, {"exclude": "images/0*"})]
    one, other = ([source.fingerprint(record) for record in source.records()] for source in sources)
    assert one[1:] == other


def test_content_is_as_kept_results_have_it(tmp_path):
    """Their hash is made of these words."""
    write(tmp_path / "data", 2)
    source = data(tmp_path / "data", tmp_path / "cache", label_values=[0, 1]).source
    told = [
        (f"{0}.bmp", hashlib.sha256((tmp_path / "data" / folder / "0.bmp").read_bytes()).hexdigest())
        for folder in ("images", "masks")
    ]
    assert source.content(source.records()[0]) == f"files-1 images_0 {told} {{}} (1, [0, 1], False)"


@dataclass(kw_only=True)
class Later(Folder):
    """A source with a setting that came later."""

    axes: str | None = None
    order: tuple[int, ...] = (0, 1)


def test_a_later_setting_is_told_where_it_is_not_its_default(tmp_path):
    write(tmp_path / "data", 2)
    sources = [
        Later(root=str(tmp_path / "data"), **more) for more in ({}, {"order": [0, 1]}, {"axes": "HWC"})
    ]
    plain, same, other = (source.content(source.records()[0]) for source in sources)
    assert plain == same == Folder(root=str(tmp_path / "data")).content(sources[0].records()[0])
    assert other == f"{plain} {{'axes': 'HWC'}}"
    marks = {source.fingerprint(source.records()[0]) for source in sources}
    assert len(marks) == 2


OPENED: list[str] = []
WATCHED: list[str] = []


def _opened(event: str, arguments: tuple) -> None:
    if event == "open" and WATCHED and isinstance(arguments[0], str) and arguments[0].startswith(WATCHED[0]):
        OPENED.append(arguments[0])


@pytest.mark.parametrize("kind", ["disk", "none"])
def test_a_second_start_opens_no_file_of_the_data(tmp_path, kind):
    write(tmp_path / "data", 2)
    sys.addaudithook(_opened)
    counts = []
    try:
        WATCHED[:] = [str(tmp_path / "data")]
        for _ in range(2):
            OPENED.clear()
            data(tmp_path / "data", tmp_path / "cache", kind).setup()
            counts.append(len(OPENED))
    finally:
        WATCHED.clear()
    assert counts[0] >= 24 and counts[1] == 0  # 12 files, each hashed and read


def test_in_memory_a_second_start_reads_each_file_but_hashes_none(tmp_path, monkeypatch):
    write(tmp_path / "data", 2)
    first = data(tmp_path / "data", tmp_path / "cache", "memory")
    first.setup()
    monkeypatch.setattr(hashlib, "file_digest", None)
    again = data(tmp_path / "data", tmp_path / "cache", "memory")
    again.setup()
    assert again.facts == first.facts


def test_another_reader_makes_every_case_anew(tmp_path, monkeypatch):
    write(tmp_path / "data", 2)
    made = []
    for version in (1, 1, 2):
        monkeypatch.setattr(cache, "READERS", version)
        module = data(tmp_path / "data", tmp_path / "cache")
        load = module.source.load
        module.source.load = lambda record, load=load: made.append(record.case) or load(record)  # type: ignore[method-assign]
        module.setup()
    assert len(made) == 12


def test_what_could_not_be_read_is_tried_again(tmp_path, monkeypatch):
    """The cause may be a missing package, or a right to read."""
    write(tmp_path / "data", 2)
    import ganatomy.data.sources.files.base as files

    read = files.read

    def refused(path, *rest):
        raise files.ReadError(f"{path}: needs a package")

    monkeypatch.setattr(files, "read", refused)
    with pytest.raises(UserError, match="needs a package"):
        data(tmp_path / "data", tmp_path / "cache").setup()
    monkeypatch.setattr(files, "read", read)
    assert columns(data(tmp_path / "data", tmp_path / "cache")) == {2}


def test_a_file_that_changes_while_it_is_read_stops_the_start(tmp_path):
    write(tmp_path / "data", 2)
    module = data(tmp_path / "data", tmp_path / "cache")
    load = module.source.load

    def slow(record):
        case = load(record)
        write(tmp_path / "data", 3)
        return case

    module.source.load = slow  # type: ignore[method-assign]
    with pytest.raises(UserError, match=r"images/0\.bmp: changed while it was read"):
        module.setup()
    assert columns(data(tmp_path / "data", tmp_path / "cache")) == {3}


def test_a_case_made_anew_in_mid_run_from_a_changed_file_is_not_kept(tmp_path, caplog):
    write(tmp_path / "data", 2)
    module = data(tmp_path / "data", tmp_path / "cache")
    module.setup()
    for path in (tmp_path / "cache" / "cases").iterdir():
        path.unlink()
    write(tmp_path / "data", 4)
    with caplog.at_level(logging.WARNING, "ganatomy.data.cache"):
        assert columns(module) == {4}
    assert "images_0 changed since the start" in caplog.text
    assert not list((tmp_path / "cache" / "cases").iterdir())


def test_facts_of_other_settings_stay_known(tmp_path, monkeypatch):
    write(tmp_path / "data", 2)
    for more in ({}, {"channels": 3}):
        data(tmp_path / "data", tmp_path / "cache", **more).setup()
    monkeypatch.setattr(Folder, "load", None)
    for more in ({}, {"channels": 3}):
        data(tmp_path / "data", tmp_path / "cache", **more).setup()


def test_two_files_of_medmnist_of_one_name_differ(tmp_path):
    marks = []
    for value in (1, 2):
        arrays = {
            f"{split}_{what}": np.full((1, SIDE, SIDE) if what == "images" else (1, 1), value, np.uint8)
            for split in ("train", "val", "test")
            for what in ("images", "labels")
        }
        (tmp_path / str(value)).mkdir()
        path = tmp_path / str(value) / "own.npz"
        np.savez(path, **arrays)
        os.utime(path, (1e9, 1e9))
        source = MedMnist(root=str(tmp_path / str(value)), name="own")
        marks.append(source.fingerprint(source.records()[0]))
    assert marks[0] != marks[1]
