"""Images drawn by one process or several; the files are the same."""

from __future__ import annotations

import multiprocessing
import os
import signal
from collections.abc import Generator, Sequence
from contextlib import closing
from multiprocessing.connection import Connection, wait
from multiprocessing.process import BaseProcess

from ganatomy.data.io.synthetic import SyntheticFolder
from ganatomy.errors import UserError
from ganatomy.generate.maker import written
from ganatomy.generate.request import Request

WORTH = 64
"""Images from which on more than one process is started on a CPU: each takes seconds to start."""


def count_of(processes: int | None, device: str, images: int) -> int:
    """Return the number of processes.

    Args:
        processes: Number asked for; None for one for each GPU, or for each core if there are many images.
        device: Device asked for, see `load_run`.
        images: Number of images that are to be drawn.
    """
    import torch

    if processes is None:
        if device in ("auto", "cuda") and torch.cuda.is_available():
            processes = torch.cuda.device_count()
        elif device in ("auto", "cpu") and images >= WORTH:
            processes = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count()
    return max(1, min(processes or 1, images))


def device_of(device: str, rank: int) -> str:
    """Return the device of a process: the GPUs in turn."""
    import torch

    if device in ("auto", "cuda") and torch.cuda.is_available():
        return f"cuda:{rank % torch.cuda.device_count()}"
    return device


def drawn(
    run: str, device: str, request: Request, folder: SyntheticFolder, numbers: Sequence[int], processes: int
) -> Generator[int, None, None]:
    """Draw and write images in new processes, and yield the number of each.

    If this process dies, they end after the image that they are at.

    Args:
        run: Directory of the finished run.
        device: Where to draw, see `load_run`.
        request: What is to be drawn.
        folder: Where it is written.
        numbers: Numbers of the images.
        processes: Number of processes.

    Raises:
        UserError: One of them met bad input, or ended before its images were there.
    """
    context = multiprocessing.get_context("spawn")
    workers: dict[Connection, BaseProcess] = {}
    try:
        for rank in range(processes):
            ours, theirs = context.Pipe(duplex=False)
            own = (run, device_of(device, rank), request, folder, numbers[rank::processes])
            worker: BaseProcess = context.Process(target=_work, args=(theirs, *own), daemon=True)
            worker.start()
            theirs.close()
            workers[ours] = worker
        left = set(workers)
        while left:
            for connection in wait(list(left)):
                assert isinstance(connection, Connection)
                try:
                    message = connection.recv()
                except EOFError:
                    left.discard(connection)
                    _check_end(workers[connection])
                    continue
                if isinstance(message, str):
                    raise UserError(message)
                yield message
    finally:
        for connection, worker in workers.items():
            worker.terminate()
            worker.join()
            connection.close()


def _check_end(worker: BaseProcess) -> None:
    worker.join()
    if worker.exitcode:
        raise UserError(
            f"processes: one of them ended with exit code {worker.exitcode}; if memory ran out, give fewer; "
            "the same command draws the rest"
        )


def _work(
    reports: Connection,
    run: str,
    device: str,
    request: Request,
    folder: SyntheticFolder,
    numbers: Sequence[int],
) -> None:
    """Draw a share of the images and report each of them."""
    from ganatomy.runs.console import silence_libraries

    signal.signal(signal.SIGINT, signal.SIG_IGN)  # the first process ends this one
    silence_libraries()
    with closing(reports):
        try:
            for number in written(run, device, request, folder, numbers):
                reports.send(number)
        except BrokenPipeError:  # the first process is gone
            return
        except UserError as error:
            reports.send(str(error))
