"""An archive that was changed, or that would do harm, is found; one that was forged whole does not follow."""

from __future__ import annotations

import gzip
import hashlib
import json
import stat
import warnings
import zipfile
from collections.abc import Mapping
from pathlib import Path

import pytest

from ganatomy.errors import UserError
from ganatomy.experiments.archive import checking
from ganatomy.experiments.archive.checking import DoesNotFollow, check_archive, damage
from ganatomy.experiments.archive.container import Container
from ganatomy.experiments.archive.run_files import Content
from ganatomy.runs.terminal import Terminal
from tests.experiments.archive.conftest import unpacked, zipped
from tests.experiments.conftest import ran

RESULTS = "experiments/small/results"


def bytes_of(files: Mapping[str, Content]) -> dict[str, bytes]:
    return {name: c if isinstance(c, bytes) else c.read_bytes() for name, c in files.items()}


def forged(files: Mapping[str, Content], changed: Mapping[str, bytes]) -> dict[str, Content]:
    """Other contents, with the hashes of all lists as they should be."""
    new = bytes_of(files) | dict(changed)

    def renew(text: str, before: Mapping[str, bytes]) -> str:
        for name, content in before.items():
            now = hashlib.sha256(new[name]).hexdigest()
            text = text.replace(hashlib.sha256(content).hexdigest(), now)
        return text

    old = bytes_of(files)
    for name in (f"{RESULTS}/verdicts.json", "ro-crate-metadata.json", "checksums.txt"):
        new[name] = renew(new[name].decode(), {n: c for n, c in old.items() if n != name}).encode()
    body = new["checksums.txt"].decode().splitlines(keepends=True)[:-1]
    last = f"# lines above: {hashlib.sha256(''.join(body).encode()).hexdigest()}\n"
    return {**new, "checksums.txt": ("".join(body) + last).encode()}


def test_one_byte_of_any_file(tmp_path: Path, packed: dict[str, Content]) -> None:
    for name, content in bytes_of(packed).items():
        middle = len(content) // 2
        changed = content[:middle] + bytes([content[middle] ^ 1]) + content[middle + 1 :]
        container = Container(zipped({**packed, name: changed}, tmp_path / "small.zip"))
        if name == "checksums.txt":
            with pytest.raises(UserError, match=r"checksums.txt: is damaged"):
                damage(container)
        else:
            assert damage(container) == [f"{name}: was changed"]


def test_bytes_flipped_in_the_zip_itself(tmp_path: Path, packed: dict[str, Content]) -> None:
    """Whatever is hit: the content that is read is as it was packed, or the archive is refused."""
    path = zipped(packed, tmp_path / "small.zip")
    whole, contents = path.read_bytes(), bytes_of(packed)
    unseen = 0
    for place in range(0, len(whole), len(whole) // 300):
        path.write_bytes(whole[:place] + bytes([whole[place] ^ 0x10]) + whole[place + 1 :])
        try:
            container = Container(path)
            if damage(container):
                continue
        except UserError:
            continue
        unseen += 1  # a date or a mode
        assert {name: container.read(name, 10**8) for name in container.names} == contents
    assert unseen < 10


def test_a_file_less_and_a_file_more(tmp_path: Path, packed: dict[str, Content]) -> None:
    for name in packed:
        rest = {other: content for other, content in packed.items() if other != name}
        found = damage(Container(zipped(rest, tmp_path / "small.zip")))
        assert len(found) == 1 and name in found[0]
    more = Container(zipped({**packed, "runs/more.json": b"{}"}, tmp_path / "small.zip"))
    assert damage(more) == ["runs/more.json: was added, no checksum is known of it"]


def test_exit_codes(tmp_path: Path, packed: dict[str, Content]) -> None:
    zipped({**packed, "README.md": b"other"}, tmp_path / "changed.zip")
    code, _, said = ran(tmp_path, "check", "changed.zip")
    assert (code, said) == (2, "error: changed.zip: README.md: was changed\n")
    claims = bytes_of(packed)["ro-crate-metadata.json"].replace(b"Supported: with", b"Undecided: with")
    zipped(forged(packed, {"ro-crate-metadata.json": claims}), tmp_path / "forged.zip")
    code, _, said = ran(tmp_path, "check", "forged.zip")
    line = "error: forged.zip: ro-crate-metadata.json: has other verdicts than the figures\n"
    assert (code, said) == (3, line)


@pytest.mark.parametrize(
    ("name", "before", "after", "line"),
    [
        (f"{RESULTS}/runs.csv", b",0.801,", b",0.601,", "table.md: is not what the runs say"),
        (
            f"{RESULTS}/verdicts.json",
            b'"supported"',
            b'"not supported"',
            "verdicts.json: its claims is not what",
        ),
        (f"{RESULTS}/runs.csv", b"test/dice", b"test/other", "runs.csv: "),
        ("configurations/cpu/gan.yaml", b"max_steps: 8", b"max_steps: 9", "is not the configuration of gan"),
        ("experiments/small/experiment.yaml", b"by: 0.01", b"by: 0.2", "verdicts.json: its claims is"),
        ("experiments/small/experiment.yaml", b"title:", b"titel:", "experiment.yaml: titel"),
    ],
)
def test_a_forgery_does_not_follow(
    tmp_path: Path, packed: dict[str, Content], name: str, before: bytes, after: bytes, line: str
) -> None:
    """All hashes fit, and the figures say something else."""
    content = bytes_of(packed)[name]
    assert before in content
    path = zipped(forged(packed, {name: content.replace(before, after, 1)}), tmp_path / "small.zip")
    assert not damage(Container(path))
    with pytest.raises(DoesNotFollow) as error:
        check_archive(path, Terminal())
    assert line in str(error.value) and str(tmp_path) + "/" not in str(error.value).replace(f"{path}: ", "")


def entry(name: str, mode: int = stat.S_IFREG | 0o644, method: int = zipfile.ZIP_STORED) -> zipfile.ZipInfo:
    found = zipfile.ZipInfo(name)
    found.external_attr, found.create_system, found.compress_type = mode << 16, 3, method
    return found


NAMES = (
    *("../evil", "/evil", "a/../../evil", "a\\..\\evil", "C:evil", "a//evil", "./evil", ".git/x", "~/x"),
    *("a b", "NUL", "a\nb", "ä", "readme.MD", "README.md", "a/"),
)
"""readme.MD and README.md are there, in some case; NUL is written with a byte of zero for its U."""


@pytest.mark.parametrize(
    "added",
    [
        *map(entry, NAMES),
        entry("link", stat.S_IFLNK | 0o777),
        entry("pipe", stat.S_IFIFO | 0o644),
        entry("folder", stat.S_IFDIR | 0o755),
        entry("bomb", method=zipfile.ZIP_DEFLATED),
    ],
    ids=lambda found: repr(found.filename),
)
def test_what_could_do_harm_is_refused(
    tmp_path: Path, packed: dict[str, Content], added: zipfile.ZipInfo
) -> None:
    """Before anything is unpacked, by its name or kind alone."""
    path = zipped(packed, tmp_path / "small.zip")
    with warnings.catch_warnings(), zipfile.ZipFile(path, "a") as archive:
        warnings.simplefilter("ignore")  # a name that is there twice
        archive.writestr(added, b"/etc/passwd")
    path.write_bytes(path.read_bytes().replace(b"NUL", b"N\0L"))
    with pytest.raises(UserError, match=r"small\.zip: refused: "):
        check_archive(path, Terminal())
    assert {found.name for found in tmp_path.iterdir()} == {"small.zip"}


def test_links_in_a_folder_are_refused(tmp_path: Path, packed: dict[str, Content]) -> None:
    folder = unpacked(zipped(packed, tmp_path / "small.zip"), tmp_path / "small")
    assert not damage(Container(folder))
    original = folder / "README.md"
    original.rename(tmp_path / "README.md")
    original.symlink_to(tmp_path / "README.md")
    with pytest.raises(UserError, match=r"refused: 'README.md': it is a link"):
        Container(folder)
    original.unlink()
    (folder / "more").symlink_to(tmp_path)
    with pytest.raises(UserError, match=r"refused: 'more': it is a link"):
        Container(folder)


@pytest.mark.parametrize("content", [b"", b"PK\x05\x06", b"no zip"])
def test_what_is_no_archive(tmp_path: Path, content: bytes) -> None:
    (tmp_path / "x.zip").write_bytes(content)
    with pytest.raises(UserError, match=r"is no archive of an experiment"):
        check_archive(tmp_path / "x.zip", Terminal())
    (tmp_path / "empty").mkdir()
    with pytest.raises(UserError, match=r"has no checksums.txt and no ro-crate-metadata.json"):
        check_archive(tmp_path / "empty", Terminal())


def test_scores_that_grow_without_end_are_refused(
    tmp_path: Path, packed: dict[str, Content], monkeypatch: pytest.MonkeyPatch
) -> None:
    """Also where the second member of the gzip is the large one."""
    monkeypatch.setattr(checking, "MOST", 1_000_000)
    large = gzip.compress(b"arm\n", mtime=0) + gzip.compress(bytes(2_000_000), mtime=0)
    path = zipped(forged(packed, {f"{RESULTS}/cases.csv.gz": large}), tmp_path / "small.zip")
    with pytest.raises(UserError, match=r"cases.csv.gz: holds more than 1 MB"):
        check_archive(path, Terminal())


def test_metadata_without_its_form(tmp_path: Path, packed: dict[str, Content]) -> None:
    for content in ({}, {"@graph": [1]}, {"@graph": [{"@id": "x"}]}):
        files = forged(packed, {"ro-crate-metadata.json": json.dumps(content).encode()})
        with pytest.raises(DoesNotFollow, match=r"its files do not hold results"):
            check_archive(zipped(files, tmp_path / "small.zip"), Terminal())


def test_scores_that_are_no_gzip(tmp_path: Path, packed: dict[str, Content]) -> None:
    path = zipped(forged(packed, {f"{RESULTS}/cases.csv.gz": b"arm"}), tmp_path / "small.zip")
    with pytest.raises(UserError, match=r"small\.zip: .*cases\.csv\.gz: is no gzip \("):
        check_archive(path, Terminal())


def test_an_archive_holds_one_experiment_and_files_of_a_size(tmp_path: Path) -> None:
    both = {f"experiments/{name}/experiment.yaml": b"title: x" for name in ("one", "two")}
    container = Container(zipped(both, tmp_path / "two.zip"))
    with pytest.raises(UserError, match=r"two\.zip: holds no experiment, or several; one is needed$"):
        checking.unpacked(container, tmp_path / "out")
    with pytest.raises(
        UserError, match=r"two\.zip: .*one/experiment\.yaml: is larger than 3 B, so it is ref"
    ):
        container.read("experiments/one/experiment.yaml", 3)
