"""Pseudonyms of DICOM: nobody without the secret can undo them, and nothing else names a patient."""

from __future__ import annotations

import hashlib
import hmac
import json
import re
import stat
from pathlib import Path
from typing import Any

import pytest

from ganatomy.data.datamodule import DataModule
from ganatomy.data.io.dicom.hiding import without_names
from ganatomy.data.io.dicom.pseudonyms import read_secret, secret_file
from ganatomy.data.problems import told_once
from ganatomy.data.quality import inventory
from ganatomy.data.sources.dicom import Dicom
from ganatomy.data.splits.held import Held
from ganatomy.data.splits.split import Splitting
from ganatomy.data.summary import summary
from ganatomy.errors import UserError
from tests.data.io.dicom.make import pattern, series

SECRETS = ("a" * 64, "b" * 64)
PERSON = re.compile(rb"Mueller|MUELLER|481932|1980|Klinik", re.I)
BY_CHANCE = re.compile(rb"[0-9a-f]{32,}|-?\d+\.\d+")
"""Pseudonyms, hashes and measurements, whose digits may spell a year."""


@pytest.fixture
def secrets(tmp_path: Path) -> list[str]:
    """Paths of two secrets."""
    paths = [tmp_path / f"secret{number}" for number in range(2)]
    for path, text in zip(paths, SECRETS, strict=True):
        path.write_text(text)
        path.chmod(0o600)
    return list(map(str, paths))


@pytest.fixture
def tree(tmp_path: Path) -> Path:
    """Six patients, each in a folder of their own name; one has two series."""
    for number in range(6):
        tags: dict[str, Any] = {"PatientID": f"481932{number}", "PatientName": "Mueller^Anna"}
        tags |= {"PatientBirthDate": "19800231", "InstitutionName": "Klinik", "AccessionNumber": "481932A"}
        series(tmp_path / "tree" / f"Mueller_{number}", pattern(7, 6, 4, seed=number), **tags)
    series(tmp_path / "tree" / "Mueller_0" / "b", pattern(7, 6, 4, seed=9), PatientID="4819320")
    return tmp_path / "tree"


def test_they_have_128_bits_and_follow_from_the_secret_alone(tree: Path, secrets: list[str]) -> None:
    one, other = (Dicom(root=str(tree), secret=secret) for secret in secrets)
    for record in one.records():
        assert re.fullmatch(r"patient-[0-9a-f]{32}_series-[0-9a-f]{32}", record.case)
        assert record.case.startswith(f"{record.subject}_")
    again = Dicom(root=str(tree), secret=secrets[0])
    assert [record.case for record in again.records()] == [record.case for record in one.records()]
    assert not {r.subject for r in one.records()} & {r.subject for r in other.records()}


def test_they_follow_from_nothing_in_a_run(tree: Path, secrets: list[str], tmp_path: Path) -> None:
    """Every word of data.json as a key, and none, with the hashes that one would try."""
    data = DataModule(Dicom(root=str(tree), secret=secrets[0]), 1, split=(2, 1, 2), cache="none")
    stored = json.dumps(summary(data))
    subjects = {name for names in json.loads(stored)["subjects"].values() for name in names}
    keys = [b"", *(word.encode() for word in re.findall(r"[0-9a-f]{8,64}", stored))]
    for number in range(6):
        text = f"481932{number}".encode()
        plain = [hashlib.new(kind, text).hexdigest() for kind in ("md5", "sha1", "sha256", "sha512")]
        messages = (text, b"patient\0" + text)
        keyed = [hmac.new(key, each, hashlib.sha256).hexdigest() for key in keys for each in messages]
        assert not [name for name in subjects for found in (*plain, *keyed) if found[:8] in name]
    real = hmac.new(SECRETS[0].encode(), b"patient\x004819320", hashlib.sha256).hexdigest()[:32]
    assert f"patient-{real}" in subjects


def test_split_order_and_content_do_not_depend_on_the_secret(tree: Path, secrets: list[str]) -> None:
    dealt = []
    for secret in secrets:
        source = Dicom(root=str(tree), secret=secret)
        keys = {row["case"]: row["SeriesInstanceUID"] for row in source.keys()}  # noqa: SIM118
        records = Splitting((2, 1, 2))(source.records())
        dealt.append([(keys[r.case], r.split, source.content(r), r.order) for r in records])
    assert dealt[0] == dealt[1] and len({split for _, split, *_ in dealt[0]}) == 3


def test_a_resumed_run_needs_its_secret(tree: Path, secrets: list[str]) -> None:
    def data(secret: str, held: Held | None = None) -> DataModule:
        source = Dicom(root=str(tree), secret=secret)
        return DataModule(source, 1, split=(2, 1, 2), cache="none", held=held)

    stored = summary(data(secrets[0]))
    held = Held.of("runs/x", stored)
    data(secrets[0], held).setup()
    with pytest.raises(UserError) as said:
        data(secrets[1], held).setup()
    assert str(said.value) == (
        "data.secret: runs/x: none of its cases has a name here: they were made with another secret than "
        f"{secrets[1]}; give that of the run, data.secret=FILE"
    )
    text = re.sub(r"(patient|series)-([0-9a-f]{8})[0-9a-f]{24}", r"\1-\2", json.dumps(stored))
    for earlier in (json.loads(text), {**json.loads(text), "contents": None}):
        with pytest.raises(UserError, match=r"names of an earlier version.*start a new run$"):
            data(secrets[0], Held.of("runs/x", earlier)).setup()


def test_a_secret_is_made_in_the_users_settings(tree: Path, tmp_path: Path, monkeypatch: Any) -> None:
    monkeypatch.delenv("GANATOMY_SECRET")
    monkeypatch.setenv("XDG_CONFIG_HOME", str(tmp_path / "settings"))
    before = sorted(tree.rglob("*"))
    first = [record.case for record in Dicom(root=str(tree)).records()]
    (made,) = (path for path in (tmp_path / "settings").rglob("*") if path.is_file())
    assert made == secret_file(None, tree) and stat.S_IMODE(made.stat().st_mode) == 0o600
    assert len(made.read_text().strip()) == 64 and sorted(tree.rglob("*")) == before
    assert [record.case for record in Dicom(root=str(tree)).records()] == first
    beside = tmp_path / "tree.secret"
    beside.write_text("c" * 64)
    beside.chmod(0o600)
    assert secret_file(None, tree) == beside
    assert not {record.case for record in Dicom(root=str(tree)).records()} & set(first)
    monkeypatch.setenv("GANATOMY_SECRET", str(made))
    assert [record.case for record in Dicom(root=str(tree)).records()] == first


@pytest.mark.parametrize(
    ("text", "mode", "said"),
    [
        (None, 0, "is not there; copy it from where it was, or make one: python -c"),
        ("short", 0o600, "is shorter than 32 characters; make one"),
        ("a" * 64, 0o644, "everyone on this machine can read it; chmod 600"),
        (b"\xff" * 64, 0o600, "cannot be read or made"),
    ],
)
def test_a_bad_secret_is_one_line(tree: Path, tmp_path: Path, text: Any, mode: int, said: str) -> None:
    path = tmp_path / "own"
    if text is not None:
        path.write_bytes(text if isinstance(text, bytes) else text.encode())
        path.chmod(mode)
    with pytest.raises(UserError, match=re.escape(f"data.secret={path}: {said}")) as error:
        read_secret(str(path), tree)
    assert "\n" not in str(error.value)


def test_damage_names_nobody(tree: Path, tmp_path: Path, caplog: Any) -> None:
    """Cut files, broken headers, copies, a label that is missing, in data.json, on the page, in the cache."""
    cut, broken, copied = (sorted((tree / f"Mueller_{n}").iterdir()) for n in (1, 2, 3))
    cut[0].write_bytes(cut[0].read_bytes()[:-50])
    broken[0].write_bytes(broken[0].read_bytes().replace(b"0.8\\0.6", b"0.8\\x.6"))
    (tree / "Mueller_3" / "copy").write_bytes(copied[0].read_bytes()[:-2] + b"\7\7")
    (tree / "notes.Mueller").write_text("no DICOM")
    (tree / "Mueller_head").write_bytes(bytes(128) + b"DICM" + b"\2\0\0\0UL\xff\xff")
    labels = "{folder}/{series}.nii.gz"
    for more in ({}, {"label": labels, "classes": ["no", "yes"]}):
        source = Dicom(root=str(tree), **more)
        cache = tmp_path / f"cache{len(more)}"
        data = DataModule(source, 1, split=(1, 1, 1), cache="disk", cache_dir=str(cache), on_error="skip")
        try:
            stored = json.dumps(summary(data))
        except UserError as error:
            stored = str(error)
        found = inventory.take(Splitting((1, 1, 1))(source.records()), Dicom(root=str(tree), **more))
        lines = [stored, *told_once(found.faults), *data.notes, *map(str, found.faults), caplog.text]
        assert len(found.faults) > 3
        uids = {row["SeriesInstanceUID"].encode() for row in source.keys()}  # noqa: SIM118
        for content in (*(line.encode() for line in lines), *(p.read_bytes() for p in cache.rglob("*.json"))):
            assert not PERSON.search(words := BY_CHANCE.sub(b"", content)), words
            assert not any(uid in content for uid in uids)


@pytest.mark.parametrize(
    "rows", ["4819320,train\n4819321,val\n999Mueller,test", "4819320,train\n4819320,val"]
)
def test_a_list_of_patients_names_nobody(tree: Path, rows: str) -> None:
    (tree / "list.csv").write_text(f"file,split\n{rows}\n")
    source = Dicom(root=str(tree), splits="list.csv")
    try:
        words = " ".join(fault.words for record in source.records() for fault in record.problems)
    except UserError as error:
        words = str(error)
    assert words and not PERSON.search(words.encode()), words


def test_what_libraries_quote_is_left_out() -> None:
    root = Path("/data")
    path = root / "Li" / "Doe_John" / "IM 1.dcm"
    said = f"{path}: no 'Doe^John' in Doe_John (\"1980\"), IM 1.dcm; isn't it 'data.image=\"*\"'?"
    assert without_names(said, [path], root, "patient-1") == (
        "patient-1: no … in … (…), …; isn't it 'data.image=\"*\"'?"
    )
