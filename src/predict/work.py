"""One process at work: loading, computing and writing of successive cases overlap."""

from __future__ import annotations

import hashlib
import time
from collections import deque
from collections.abc import Callable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, cast

from ganatomy.data.problems import files_of
from ganatomy.data.records import Record
from ganatomy.errors import UserError
from ganatomy.inference.inputs import Named
from ganatomy.inference.panes import drawn
from ganatomy.inference.predictor import Loaded, Predicted, Predictor
from ganatomy.inference.said import said
from ganatomy.predict import dicom, outputs, pictures, plan
from ganatomy.predict.journal import Entry, Journal
from ganatomy.predict.settings import PredictConfig
from ganatomy.runs.directory import write_atomically
from ganatomy.tasks.shared.answers import Answer
from ganatomy.version import __version__

AHEAD = 2
"""Cases that are loaded ahead, and cases that wait to be written, at most."""
Report = Callable[[Entry], None]


@dataclass(frozen=True)
class Job:
    """What one process works on.

    Attributes:
        config: Keys of the command.
        predictor: The run, and the source.
        names: Path of each case's answer, by case.
        drawn: Cases of which a picture is drawn.
        warn: Returns how a loaded case is unlike the training images.
    """

    config: PredictConfig
    predictor: Predictor
    names: dict[str, str]
    drawn: frozenset[str]
    warn: Callable[[Loaded], list[str]]

    @property
    def folder(self) -> Path:
        """Return the folder of the answers."""
        return self.config.folder


def work(job: Job, records: Iterator[Record], report: Report) -> None:
    """Predict cases until there are no more; a file that cannot be read is noted, and the others go on.

    Args:
        job: What is done with each.
        records: The cases, one after another.
        report: Called with the entry of each case when its answer is on the disk.

    Raises:
        OSError: An answer cannot be written.
    """
    journal, writing = Journal(job.folder), deque[Future[None]]()
    root = cast(Named, job.predictor.data.source).folder

    def note(entry: Entry) -> None:
        journal.add(entry)
        report(entry)

    def finished(ready: Loaded, answer: Answer, begun: float) -> None:
        try:
            entry = _written(job, ready, job.predictor.finish(ready, answer), begun)
        except (UserError, ValueError) as error:  # an answer that the format cannot hold
            words = _line(error, ready.record, root)
            if job.config.format == "auto" and ready.record.private:
                words += "; format=nifti writes NIfTI"
            entry = _entry(job, ready.record, begun, status="failed", error=words)
        note(entry)

    with ThreadPoolExecutor(1) as reader, ThreadPoolExecutor(1) as writer:
        reading: deque[tuple[Record, Future[Loaded]]] = deque()

        def read_ahead() -> None:
            while len(reading) < AHEAD and (record := next(records, None)) is not None:
                reading.append((record, reader.submit(job.predictor.read, record)))

        read_ahead()
        while reading:
            record, loading = reading.popleft()
            begun = time.monotonic()
            try:
                ready = loading.result()
                read_ahead()
                answer = job.predictor.compute(ready)
            except Exception as error:
                if job.config.debug or isinstance(error, MemoryError):
                    raise
                note(_entry(job, record, begun, status="failed", error=_line(error, record, root)))
                read_ahead()
                continue
            writing.append(writer.submit(finished, ready, answer, begun))
            while len(writing) > AHEAD:
                writing.popleft().result()
        for future in writing:
            future.result()


def _written(job: Job, ready: Loaded, predicted: Predicted, begun: float) -> Entry:
    """Write the files of a case; return its entry."""
    name = job.names[ready.record.case]
    loaded, source = job.predictor.loaded, cast(Named, job.predictor.data.source)
    if job.config.format == "auto" and dicom.is_series(source, ready.record):
        about = dicom.about_of(job.config, loaded, source, ready.record)
        files = dicom.series_files(predicted, name, about, source, loaded)
    else:
        files = outputs.files_of(predicted, name, job.config.format == "auto")
    form = predicted.file.like.form if predicted.file and job.config.format == "auto" else None
    hashes = []
    for file, content in files:
        write_atomically(job.folder / file, content)
        hashes.append(hashlib.sha256(content).hexdigest())
    if ready.record.case in job.drawn:
        write_atomically(job.folder / pictures.FOLDER / f"{name}.png", drawn(ready, predicted))
    return _entry(
        job,
        ready.record,
        begun,
        output=[file for file, _ in files],
        output_sha256=hashes,
        warnings="; ".join([*predicted.notes, *job.warn(ready)]),
        values=predicted.answer.values,
        boxes=outputs.plain_boxes(predicted.answer.boxes),
        shape=[int(side) for side in ready.case["image"].shape[1:]],
        format=form.note if form else "",
    )


def _entry(job: Job, record: Record, begun: float, **more: Any) -> Entry:
    loaded, source = job.predictor.loaded, job.predictor.data.source
    return Entry(
        case=record.case,
        input=[] if record.private else files_of(record, "image"),
        seconds=round(time.monotonic() - begun, 3),
        time=datetime.now(UTC).isoformat(timespec="seconds"),
        version=__version__,
        device=f"{loaded.device} {loaded.cfg.trainer.precision}",
        run=" + ".join(Path(run).name for run in job.config.runs),
        weights_sha256=loaded.weights_hash,
        settings_sha256=plan.settings_hash(job.config),
        input_sha256=plan.input_hash(source, record),  # type: ignore[arg-type]
        **more,
    )


def _line(error: Exception, record: Record, root: Path) -> str:
    """Return the reason why a case failed, in one line that names it."""
    words = said(error, root)[:400]
    known = isinstance(error, UserError | OSError | ValueError)
    text = words if known else f"{type(error).__name__}: {words}"
    named = record.case in text or any(file in text for file in files_of(record))
    return text if named else f"{record.case}: {text}"
