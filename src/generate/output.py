"""The folder of the images: opened for one request, completed by the same one."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import torch

from ganatomy.data.io.synthetic import SyntheticFolder
from ganatomy.errors import UserError
from ganatomy.files import sync_folder, write_whole
from ganatomy.generate.request import Request
from ganatomy.inference.loaded import LoadedRun
from ganatomy.runs.directory import failed_game, without_nan
from ganatomy.runs.integrity.checked import read_file
from ganatomy.runs.integrity.outputs import refuse_no_folder
from ganatomy.runs.lock import LEFT_OVER, RunLock
from ganatomy.tasks.synthesis.facts import provenance
from ganatomy.version import __version__

NAME = "provenance.json"
ANOTHER = "choose another output, or remove that folder"
NO_SEARCH = "the nearest training images are found in the training data, which generate does not read"


@contextmanager
def opened(path: Path, content: Mapping[str, Any], folder: SyntheticFolder) -> Iterator[None]:
    """Hold the output folder within the block; provenance.json says what is drawn there.

    Args:
        path: The folder; it is made if it is missing.
        content: Provenance, with the `request` that decides the images.
        folder: The images in it.

    Raises:
        UserError: The folder holds other files, images of another request or more images, or another process
            writes there.
    """
    refuse_no_folder(path)
    _check_same(path, content, folder)
    made = _missing_parents(path)
    try:
        path.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise UserError(f"output: {path} cannot be made ({error.strerror}); choose another output") from error
    lock = RunLock(path, "output")
    try:
        lock.take()
    except BaseException:
        for folder_made in made:
            folder_made.rmdir()
        raise
    try:
        _check_same(path, content, folder)
        _sweep(path)
        write(path, {**content, "finished": False})
        yield
    finally:
        _sweep(path)
        lock.release()


def write(path: Path, content: Mapping[str, Any]) -> None:
    """Write provenance.json."""
    text = json.dumps(without_nan(content), indent=2, allow_nan=False)
    write_whole(path / NAME, f"{text}\n".encode())
    sync_folder(path)


def provenance_of(loaded: LoadedRun, request: Request, plain: Mapping[str, Any]) -> dict[str, Any]:
    """Return the content of provenance.json before the images are there.

    Args:
        loaded: The finished run.
        request: What is to be drawn.
        plain: What decides the content of image n, see `Request.to_plain`.
    """
    told = provenance(
        request.facts,
        request.form,
        images=request.count,
        seed=request.seed,
        weights_hash=loaded.weights_hash,
        scores=read_file(loaded.path, "metrics.json") or {},
        configuration=loaded.cfg.to_plain(),
        environment=read_file(loaded.path, "environment.json") or {},
    )
    if request.way is not None:
        told["noise"] += "; between two images on the arc between their noises"
    return {
        **told,
        "copies": "-",
        "copies_why": NO_SEARCH,
        "copies_in_test": request.facts.memorisation,
        "scores_of": "images of the run's own test, drawn without truncation",
        "game": failed_game(loaded.path) or "healthy",
        "request": dict(plain),
        "made": {
            "command": "generate",
            "ganatomy": __version__,
            "torch": str(torch.__version__),
            "time": datetime.now(UTC).isoformat(timespec="seconds"),
        },
    }


def _check_same(path: Path, content: Mapping[str, Any], folder: SyntheticFolder) -> None:
    """Raise UserError unless the folder is empty or holds a part of the same images."""
    names = [entry.name for entry in path.iterdir()] if path.is_dir() else []
    names = [name for name in names if not name.startswith((*LEFT_OVER, f".{NAME}"))]
    if not names:
        return
    try:
        there = json.loads((path / NAME).read_text(encoding="utf-8"))
        request, count, weights = there["request"], int(there["images"]), there["generator"]["sha256"]
    except (OSError, ValueError, KeyError, TypeError):
        raise UserError(
            f"output: {path} already holds files that generate did not make; choose another output"
        ) from None
    if weights != content["generator"]["sha256"]:
        raise UserError(f"output: {path} holds images of other weights; {ANOTHER}")
    ours = json.loads(json.dumps(content["request"]))
    for key, value in ours.items():
        if request.get(key) != value:
            raise UserError(f"output: {path} holds images of {key}={_told(request.get(key))}; {ANOTHER}")
    if count > folder.count or max(4, len(str(count))) != folder.width:
        raise UserError(f"output: {path} holds images of n={count}; {ANOTHER}")


def _told(value: Any) -> str:
    return json.dumps(value, ensure_ascii=False)[:80]


def _sweep(path: Path) -> None:
    """Remove the temporary files of processes that were killed."""
    for place in (path, path / "images", path / "labels"):
        for left in place.glob(".*.tmp") if place.is_dir() else ():
            left.unlink(missing_ok=True)


def _missing_parents(path: Path) -> list[Path]:
    """Return the folders that have to be made for `path`, itself first."""
    return [place for place in (path, *path.parents) if not place.exists()]
