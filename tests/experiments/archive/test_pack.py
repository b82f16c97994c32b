"""What an archive holds: the same bytes each time, what RO-Crate asks for, and nothing of the machine."""

from __future__ import annotations

import hashlib
import json
import os
import re
import subprocess
import zipfile
from collections.abc import Callable
from pathlib import Path

import pytest

from ganatomy.config.locations import CONF
from ganatomy.errors import UserError
from ganatomy.experiments.archive import pack
from ganatomy.experiments.archive.data_sets import UNSTATED, data_set
from ganatomy.experiments.archive.pack import contents, refuse_paths
from ganatomy.experiments.archive.run_files import Content
from tests.experiments.archive.conftest import keep, request, unpacked, zipped
from tests.experiments.conftest import STUB, ran

Small = Callable[..., Path]
OWN = {"common", "folder", "table", "coco", "voc", "yolo", "dicom", "decathlon"}
"""Choices that read the user's own files."""


def test_the_same_results_give_the_same_bytes_wherever_and_whenever(
    tmp_path: Path, kept: Path, packed: dict[str, Content]
) -> None:
    """The day is that on which results were written, where no commit has them."""
    os.utime(kept / "small/results/verdicts.json", (1e9, 1e9))  # 2001-09-09
    first = zipped(contents(request(kept), "small")[0], tmp_path / "a.zip").read_bytes()
    again = zipped(contents(request(kept), "small")[0], tmp_path / "b.zip").read_bytes()
    assert first == again
    with zipfile.ZipFile(tmp_path / "a.zip") as archive:
        entries = archive.infolist()
        assert '"datePublished": "2001-09-09"' in archive.read("ro-crate-metadata.json").decode()
    assert [entry.filename for entry in entries] == sorted(packed)
    assert {(entry.date_time, entry.compress_type) for entry in entries} == {((1980, 1, 1, 0, 0, 0), 0)}


def test_hashes_are_those_of_sha256sum(tmp_path: Path, packed: dict[str, Content]) -> None:
    folder = unpacked(zipped(packed, tmp_path / "small.zip"), tmp_path / "small")
    line = ["sha256sum", "--check", "--strict", "--quiet", "checksums.txt"]
    subprocess.run(line, cwd=folder, check=True)
    graph = json.loads((folder / "ro-crate-metadata.json").read_text())["@graph"]
    files = {entity["@id"]: entity for entity in graph if entity["@type"] == "File"}
    there = {path.relative_to(folder).as_posix() for path in folder.rglob("*") if path.is_file()}
    assert files.keys() == there - {"ro-crate-metadata.json", "checksums.txt"}
    for name, entity in files.items():
        content = (folder / name).read_bytes()
        assert entity["sha256"] == hashlib.sha256(content).hexdigest()
        assert entity["contentSize"] == str(len(content))


def test_the_reference_library_reads_it(tmp_path: Path, packed: dict[str, Content]) -> None:
    """Every reference leads to an entity, and every part of the root to a file (RO-Crate 1.2)."""
    crates = pytest.importorskip("rocrate.rocrate", reason="rocrate is not installed")
    crate = crates.ROCrate(zipped(packed, tmp_path / "small.zip"))
    assert crate.version == "1.2" and crate.name == "A small experiment"
    assert {part.id for part in crate.root_dataset["hasPart"]} == set(packed) - {
        "ro-crate-metadata.json",
        "checksums.txt",
    }
    assert all(Path(part.source).is_file() for part in crate.root_dataset["hasPart"])
    claims = {entity["name"]: entity["description"] for entity in crate.get_by_type("Claim")}
    assert claims["gan.test/dice > twin.test/dice by 0.01"].startswith("Supported: with the adversary has")
    (action,) = crate.get_by_type("CreateAction")
    assert action["instrument"]["name"] == "GANatomy" and "#data-brain" in {e.id for e in action["object"]}
    assert crate.get("#data-brain")["license"]["name"].startswith("none needed of the images")
    assert crate.license["name"] == "not stated"


def test_a_licence_and_a_paper_have_their_addresses(kept: Path, small: Small) -> None:
    small(paper="Luc et al., arXiv 1611.08408")
    keep(kept)
    files, _ = contents(request(kept, licence="CC-BY-4.0"), "small")
    content = files["ro-crate-metadata.json"]
    assert isinstance(content, bytes)
    graph = {entity["@id"]: entity for entity in json.loads(content)["@graph"]}
    assert graph["./"]["license"] == {"@id": "https://spdx.org/licenses/CC-BY-4.0"}
    assert graph["https://arxiv.org/abs/1611.08408"]["name"] == "Luc et al., arXiv 1611.08408"


def test_every_published_data_set_has_a_licence() -> None:
    names = {path.stem for path in (CONF / "data").glob("*.yaml")} - OWN
    assert not [name for name in sorted(names) if data_set(name).licence == UNSTATED]
    found = data_set("oct_published")  # what the file says itself, and what the one below it says
    assert found.about.startswith("OCT as published") and found.licence == "published for research use"
    assert found.citation.endswith("sparse representation. IEEE TMI 32 (2013) 2034.")
    assert data_set("folder").licence == UNSTATED


@pytest.mark.parametrize(
    "text",
    [
        "data.root=/home/ada/scans",
        "root: '/mnt/scans/x'",
        "see `~/scans/x`",
        r"root: C:\scans\x",
        "[a](/srv/x/y)",
        "/data/x/",
    ],
)
def test_a_path_of_the_machine_is_refused(text: str) -> None:
    with pytest.raises(
        UserError, match=r"README.md: names a path of this machine, .*scans|README.md: .*/[xy]"
    ):
        refuse_paths({"README.md": f"first\n{text}\n".encode()})


def test_other_slashes_are_none() -> None:
    text = "a/b test/dice, ${paths.data}/oct https://arxiv.org/abs/1 src/a.py ../x/y noise / truth's 1/2"
    refuse_paths({"README.md": text.encode()})


@pytest.mark.slow
def test_refusals(tmp_path: Path, small: Small) -> None:
    """In one line each, and nothing is written."""
    folder = small()
    for words, line in (
        (["archive", "small"], "small: has no kept results; run it first"),
        (["archive"], "archive: which experiment?"),
        (["archive", "smal"], "smal: no such experiment in experiments; did you mean 'small'?"),
        (["archive", "small", "pin=true"], "pin: is another deed than archive"),
        (["small", "output=x.zip"], "output, weights, licence: are of an archive"),
        (["small", "of=x"], "of=x: goes with archive and check"),
        (["check", "nowhere.zip"], "nowhere.zip: there is no such file"),
        (["check", "experiments/small/README.md"], "is no archive of an experiment"),
    ):
        code, _, said = ran(tmp_path, *words)
        assert code == 2 and line in said and said.count("\n") == 1, said
    keep(folder.parent)
    taken = tmp_path / "archives/small.zip"
    taken.parent.mkdir()
    taken.write_text("mine")
    code, _, said = ran(tmp_path, "archive", "small")
    assert code == 2 and "output: archives/small.zip is there already" in said
    with (folder / "results/table.md").open("a") as file:
        file.write("by hand\n")
    code, _, said = ran(tmp_path, "archive", "small", "output=b.zip")
    assert code == 2 and "table.md: was changed by hand" in said
    assert taken.read_text() == "mine" and not (tmp_path / "b.zip").exists()


@pytest.mark.slow
def test_a_reviewer_checks_it_and_runs_it_again(tmp_path: Path, small: Small) -> None:
    """The commands of the README inside, with the stand-in for `train`."""
    small()
    assert ran(tmp_path, "small", STUB, "jobs=2")[0] == 0
    code, printed, said = ran(tmp_path, "archive", "small", "licence=CC-BY-4.0")
    assert code == 0, said
    assert "small: scale cpu: 2 supported, 1 not supported" in printed
    assert "without weights, as no finished run is here: gan, twin" in printed
    there = tmp_path / "reviewer"
    there.mkdir()
    (tmp_path / "archives/small.zip").rename(there / "small.zip")
    page = unpacked(there / "small.zip", there / "small") / "README.md"
    lines = re.findall(r"^(?:python -m src\.experiment|rm -r) .*$", page.read_text(), re.M)
    checked, verified, removed, anew = (line.partition("  ")[0].split() for line in lines)
    assert checked[2:] == ["src.experiment", "check", "small.zip"]
    code, printed, said = ran(there, *checked[3:])
    assert code == 0 and "files are as they were packed" in printed, said
    assert ran(there, "check", "small")[0] == 0
    code, printed, said = ran(there, *verified[3:], STUB)
    assert code == 0 and "gan seed 0: test/dice: " in printed and ": equal" in printed, said
    table = (there / "small/experiments/small/results/table.md").read_text()
    subprocess.run(removed, cwd=there, check=True)
    code, _, said = ran(there, *anew[3:], STUB)
    assert code == 0, said
    assert (there / "small/experiments/small/results/table.md").read_text() == table


def test_a_name_that_a_system_may_read_otherwise_is_not_packed(
    kept: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(pack, "own_files", lambda scales: {"experiments/small/my figure.png": b""})
    with pytest.raises(UserError, match=r"^'experiments/small/my figure\.png': is no name for an archive"):
        contents(request(kept), "small")
