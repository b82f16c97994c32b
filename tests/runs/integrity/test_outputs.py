"""Places that nothing can be written to are refused, whatever command is asked to write there."""

from __future__ import annotations

import os
import socket
from pathlib import Path

import pytest

from ganatomy.errors import UserError
from ganatomy.planning.writing import refuse_existing
from ganatomy.runs.integrity.outputs import refuse_no_file, refuse_no_folder, refuse_no_page

NO_PLACES = {
    "/dev/stdout": "a device",
    "/dev/null": "a device",
    "/dev/fd/1": "a device",
    "/proc/self/fd/1": "a device",
    "pipe": "a pipe",
    "plug": "a socket",
    "astray": "a link that leads nowhere",
}


@pytest.fixture
def places(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.chdir(tmp_path)
    os.mkfifo("pipe")
    Path("astray").symlink_to("gone")
    Path("file.html").write_text("mine")
    Path("folder.html").mkdir()
    with socket.socket(socket.AF_UNIX) as plug:
        plug.bind("plug")
    return tmp_path


@pytest.mark.parametrize("place", NO_PLACES)
def test_no_device_and_no_pipe_is_written_to(places: Path, place: str) -> None:
    """Nothing opens it: a pipe would wait for a reader, and a written file is moved to its place."""
    for refuse, wanted in ((refuse_no_file, "a file"), (refuse_no_folder, "a folder")):
        with pytest.raises(
            UserError, match=f"^output: {place} is {NO_PLACES[place]} where {wanted} is needed"
        ):
            refuse(Path(place))
    with pytest.raises(UserError, match=NO_PLACES[place]):
        refuse_existing(Path(place), overwrite=True)


def test_a_folder_is_no_file_and_a_file_no_folder(places: Path) -> None:
    with pytest.raises(UserError, match=r"folder\.html is a folder where a file is needed"):
        refuse_no_page(Path("folder.html"))
    with pytest.raises(UserError, match=r"file\.html is a file where a folder is needed; name a folder"):
        refuse_no_folder(Path("file.html"))
    for refuse in (refuse_no_file, refuse_no_folder):
        with pytest.raises(UserError, match=r"file\.html is a file where a folder is needed; .* elsewhere"):
            refuse(Path("file.html/new/place"))
    with pytest.raises(UserError, match=r"^output: notes\.txt is no name of a page"):
        refuse_no_page(Path("notes.txt"))


def test_a_place_that_nobody_may_write_or_look_at(places: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    with pytest.raises(
        UserError, match=r"^output: n{300} cannot be read \(File name too long\); name another$"
    ):
        refuse_no_file(Path("n" * 300))
    monkeypatch.setattr(os, "access", lambda *_: False)
    with pytest.raises(UserError, match=r"^output: no permission to write in .*; name a file elsewhere$"):
        refuse_no_file(Path("new.html"))


def test_what_can_be_written_is_not_refused(places: Path) -> None:
    refuse_no_page(Path("file.html"))
    refuse_no_file(Path("new/below/it.yaml"))
    refuse_no_folder(Path("folder.html"))
    refuse_no_folder(Path("new/below"))
    if Path("/dev/shm").is_dir():
        refuse_no_folder(Path("/dev/shm/answers"))
    assert not Path("new").exists()
