"""The page of a run: it answers to this machine and to itself alone, and shows what predict would write."""

from __future__ import annotations

import http.client
import io
import json
import shutil
import sys
import threading
import time
import urllib.error
import urllib.request
import uuid
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import nibabel as nib
import numpy as np
import pytest
import uvicorn
from PIL import Image

from ganatomy.demo.__main__ import main
from ganatomy.demo.answers import KEPT
from ganatomy.demo.server import Page, serve
from ganatomy.errors import UserError
from ganatomy.inference.loaded import load_run
from tests.data.io.dicom import make
from tests.finished import OBLIQUE, blobs
from tests.index.browser import CHROMIUM, browser
from tests.index.inside import Inside


@pytest.fixture(scope="module")
def address(finished: Callable[[str], Path]) -> Iterator[str]:
    """The page of the enhancement run, which denoises volumes slice by slice."""
    settings = uvicorn.Config(
        Page(load_run(finished("enhancement")), 1.0).application(), port=0, log_level="error", lifespan="off"
    )
    server = uvicorn.Server(settings)
    thread = threading.Thread(target=server.run, daemon=True)
    thread.start()
    while not server.started:
        time.sleep(0.05)
    yield f"http://127.0.0.1:{server.servers[0].sockets[0].getsockname()[1]}"
    server.should_exit = True
    thread.join()


@pytest.fixture
def scan(tmp_path: Path) -> Path:
    image = nib.Nifti1Image((blobs(5, 20, 16, 12) * 1500).astype(np.int16), OBLIQUE)
    nib.save(image, tmp_path / "scan.nii.gz")
    return tmp_path / "scan.nii.gz"


def posted(address: str, *files: Path, **headers: str) -> tuple[int, dict[str, Any]]:
    """Status and content of the answer to dropped files."""
    mark, body = uuid.uuid4().hex, b""
    for file in files:
        head = f'--{mark}\r\nContent-Disposition: form-data; name="file"; filename="{file.name}"\r\n\r\n'
        body += head.encode() + file.read_bytes() + b"\r\n"
    body += f"--{mark}--\r\n".encode()
    kind = {"Content-Type": f"multipart/form-data; boundary={mark}"}
    request = urllib.request.Request(f"{address}/predict", body, {**kind, **headers})
    try:
        with urllib.request.urlopen(request) as answer:
            return answer.status, json.load(answer)
    except urllib.error.HTTPError as error:
        return error.code, json.loads(error.read())


def got(url: str) -> bytes:
    with urllib.request.urlopen(url) as answer:
        return bytes(answer.read())


def test_an_image_gets_its_answer(address: str, scan: Path, finished: Any, tmp_path: Path) -> None:
    code, found = posted(address, scan)
    assert (code, found["slices"], found["shape"]) == (200, 12, "20 x 16 x 12")
    for name in ("input", *found["pictures"]):
        with Image.open(
            io.BytesIO(got(f"{address}/picture/{found['key']}/{name.replace(' ', '%20')}/3"))
        ) as tile:
            assert tile.width >= 16 and np.asarray(tile).std() > 0
    (tmp_path / "answer.nii.gz").write_bytes(got(f"{address}/answer/{found['key']}"))
    made = nib.load(tmp_path / "answer.nii.gz")
    assert np.array_equal(made.affine, nib.load(scan).affine)
    from ganatomy import load

    assert np.array_equal(made.get_fdata(), load(finished("enhancement"))(scan).array)


def test_an_image_unlike_the_training_images_has_a_warning(address: str, scan: Path) -> None:
    image = nib.load(scan)
    nib.save(nib.Nifti1Image(image.dataobj, image.affine @ np.diag([2, 2, 2, 1])), scan)
    assert "spacing" in " ".join(posted(address, scan)[1]["warnings"])


def test_a_mistake_is_one_line(address: str, tmp_path: Path) -> None:
    (tmp_path / "note.txt").write_text("hello")
    code, found = posted(address, tmp_path / "note.txt")
    assert code == 400 and "no image is there" in found["error"] and str(tmp_path) not in found["error"]
    asked = http.client.HTTPConnection(address.removeprefix("http://"))
    asked.request("POST", "/predict", headers={"Content-Length": "1100000"})
    answer = asked.getresponse()
    assert answer.status == 413 and "larger than 1 MB" in json.load(answer)["error"]


def test_several_images_are_no_answer_and_a_port_is_one_page_s(
    address: str, scan: Path, tmp_path: Path
) -> None:
    code, found = posted(address, scan, shutil.copy(scan, tmp_path / "other.nii.gz"))
    assert (code, found["error"]) == (400, "2 images were dropped; drop one, or one DICOM series")
    port = int(address.rpartition(":")[2])
    with pytest.raises(
        UserError, match=f"^port={port}: is taken; give another, or port=0 for any that is free$"
    ):
        serve(SimpleNamespace(name="run"), port, 1.0)  # type: ignore[arg-type]


def test_a_dropped_table_reads_no_other_file(address: str, scan: Path, tmp_path: Path) -> None:
    (tmp_path / "list.csv").write_text(f"image\n{scan}\n")
    code, found = posted(address, tmp_path / "list.csv")
    assert code == 400 and found["error"] == "input=list.csv: no image is there (passed over: 1 .csv)"


def test_a_series_leaves_no_secret(address: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("HOME", str(tmp_path))
    monkeypatch.delenv("GANATOMY_SECRET", raising=False)
    made = make.series(tmp_path / "series", (blobs(3, 12, 10, 4) * 900).astype(np.int16), PatientID="Doe")
    code, found = posted(address, *made)
    assert code == 200 and found["name"].startswith("patient-")
    assert list(tmp_path.iterdir()) == [tmp_path / "series"]


def test_many_at_once(address: str, scan: Path) -> None:
    with ThreadPoolExecutor(8) as pool:
        assert {code for code, _ in pool.map(lambda _: posted(address, scan), range(8))} == {200}


def test_no_other_site_and_no_other_name(address: str, scan: Path) -> None:
    assert posted(address, scan, Origin="http://elsewhere.example")[0] == 403
    with pytest.raises(urllib.error.HTTPError, match="400"):
        urllib.request.urlopen(urllib.request.Request(address, headers={"Host": "elsewhere.example"}))


def test_old_answers_are_forgotten(address: str, scan: Path) -> None:
    first = posted(address, scan)[1]["key"]
    for _ in range(KEPT):
        last = posted(address, scan)[1]["key"]
    assert got(f"{address}/answer/{last}")
    with pytest.raises(urllib.error.HTTPError, match="404"):
        got(f"{address}/answer/{first}")


@pytest.mark.skipif(CHROMIUM is None, reason="no Chromium on this machine")
def test_the_page_in_a_browser(address: str, scan: Path) -> None:
    with browser() as chromium:
        chromium.call("Page.navigate", url=address)
        wait(chromium, "document.title === 'run'")
        page = chromium.call("DOM.getDocument")["root"]["nodeId"]
        field = chromium.call("DOM.querySelector", nodeId=page, selector="#file")["nodeId"]
        chromium.call("DOM.setFileInputFiles", nodeId=field, files=[str(scan)])
        wait(chromium, "!document.getElementById('shown').hidden")
        wait(chromium, "document.getElementById('over').naturalWidth > 10")
        chromium.ask("document.getElementById('cut').value = 20")
        chromium.ask("document.getElementById('cut').dispatchEvent(new Event('input'))")
        assert chromium.ask("document.body.style.getPropertyValue('--cut')") == "20%"
        assert chromium.ask("document.getElementById('save').getAttribute('href')").startswith("/answer/")
        assert [line for line in chromium.complaints if address not in line] == []


def wait(chromium: Any, condition: str) -> None:
    for _ in range(300):
        if chromium.ask(condition):
            return
        time.sleep(0.1)
    raise AssertionError(condition)


def test_a_package_that_is_missing_is_named(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setitem(sys.modules, "python_multipart", None)
    code, _, text = Inside("demo", main, capsys)(tmp_path, "run=here")
    line = "error: demo: python_multipart is not installed; pip install 'ganatomy[demo]'\n"
    assert (code, text) == (2, line)
