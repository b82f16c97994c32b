"""Several processes that share the cases of one call; each takes the next one that nobody has taken."""

from __future__ import annotations

import multiprocessing as mp
import os
import threading
from collections.abc import Iterator, Sequence
from multiprocessing.context import SpawnProcess
from typing import Any

import torch

from ganatomy.data.records import Record
from ganatomy.errors import UserError
from ganatomy.predict.journal import Entry
from ganatomy.predict.settings import PredictConfig
from ganatomy.predict.work import Report

LOOK_EVERY = 1.0
"""Seconds between two looks at whether all processes live."""


def work_in_processes(config: PredictConfig, cases: Sequence[str], report: Report) -> None:
    """Predict cases in `config.processes` processes; what is written does not depend on their number.

    Args:
        config: Keys of the command.
        cases: Names of the cases.
        report: Called with the entry of each case.

    Raises:
        UserError: A process ended before its work was done.
    """
    context = mp.get_context("spawn")
    count = min(config.processes, len(cases))
    following, said = context.Value("i", 0), context.Queue()
    threads = config.threads or max(1, torch.get_num_threads() // count)
    workers = []
    for number in range(count):
        plain = {**config.to_plain(), "device": _device(config.device, number), "threads": threads}
        arguments = (plain, list(cases), following, said)
        workers.append(context.Process(target=_work, args=arguments, daemon=True))
        workers[-1].start()
    try:
        _listen(workers, said, len(cases), report)
    finally:
        for worker in workers:
            if worker.is_alive():
                worker.terminate()
        for worker in workers:
            worker.join()


def _listen(workers: Sequence[SpawnProcess], said: Any, total: int, report: Report) -> None:
    import queue

    done = 0
    while done < total:
        try:
            message = said.get(timeout=LOOK_EVERY)
        except queue.Empty:
            if not any(worker.is_alive() for worker in workers):
                codes = ", ".join(str(worker.exitcode) for worker in workers)
                raise UserError(
                    f"processes: all ended before the last case (exit codes {codes}); if memory ran out, "
                    "give fewer; the same command does the rest"
                ) from None
            continue
        if isinstance(message, Entry):
            report(message)
            done += 1
        else:
            raise UserError(str(message))


def _work(plain: dict[str, Any], cases: list[str], following: Any, said: Any) -> None:
    """Work in one process: load the run, and take cases until there are no more."""
    import signal

    from ganatomy.predict.plan import names_of
    from ganatomy.predict.series import source_of
    from ganatomy.predict.setup import job_of, load
    from ganatomy.predict.work import work
    from ganatomy.runs import console

    signal.signal(signal.SIGINT, signal.SIG_IGN)
    signal.signal(signal.SIGTERM, signal.SIG_DFL)
    threading.Thread(target=_end_with_parent, daemon=True).start()
    console.silence_libraries()
    try:
        config = PredictConfig.from_plain(plain)
        loaded = load(config)
        source, _ = source_of(config, loaded)
        records = source.records()
        by_case = {record.case: record for record in records}

        def taken() -> Iterator[Record]:
            while True:
                with following.get_lock():
                    number = following.value
                    following.value += 1
                if number >= len(cases):
                    return
                yield by_case[cases[number]]

        work(job_of(config, loaded, source, records, names_of(source, records)), taken(), said.put)
    except (UserError, OSError) as error:
        said.put(" ".join(str(error).split()))
    said.close()
    said.join_thread()


def _end_with_parent() -> None:
    """End this process when the command's own is gone, even if it was killed."""
    parent = mp.parent_process()
    if parent is not None:
        parent.join()
        os._exit(1)


def _device(device: str, number: int) -> str:
    """Return the device of a process: GPUs take turns where none is named."""
    count = torch.cuda.device_count() if device in ("auto", "cuda") else 0
    return f"cuda:{number % count}" if count else device
