"""Watchdog of a run of several processes: one that does not come is named, and all end.

A thread in each process looks at what the main thread does, and tells the others through the group's store.
The training itself does nothing more than count its batches.
"""

from __future__ import annotations

import json
import linecache
import os
import re
import sys
import threading
import time
from contextlib import suppress
from pathlib import Path
from typing import Any

from ganatomy.launch.reports import launched, report_error

WAITS = re.compile(r"\bdist\.|\.wait\(|all_reduce|all_gather|broadcast\(|barrier\(")
"""Lines of a main thread that waits for the others."""
FOR_GPU = re.compile(r"\.(item|cpu|tolist|synchronize)\(")
"""Lines that wait for a GPU, whose collectives are among its work."""
HUNG = "watch/hung"
ANSWER = 10.0
"""Seconds for the store to answer."""
_watchdog: Watchdog | None = None
_phase, _count, _step = "the start", 0, -1


def moved(phase: str, step: int = -1) -> None:
    """Note that a batch begins; `step` is the number of batches trained."""
    global _phase, _count, _step
    _phase, _count, _step = phase, _count + 1, step if step >= 0 else _step


def watch(directory: Path, hang_after: float) -> None:
    """Begin to watch the processes of the default group.

    Args:
        directory: Run directory, whose status is set if a process hangs.
        hang_after: Seconds that a process may wait for the others.
    """
    global _watchdog
    import torch.distributed as dist

    store = dist.distributed_c10d._get_default_store().clone()  # no public name; a client of its own
    _watchdog = Watchdog(store, dist.get_rank(), dist.get_world_size(), directory, hang_after)
    _watchdog.start()


def stop_watching() -> None:
    """End the watch in this process."""
    if _watchdog is not None:
        _watchdog.ended.set()


class Watchdog(threading.Thread):
    """Thread that looks after one process.

    Args:
        store: Store of the group (torch.distributed), a client for this thread alone.
        rank: Number of this process.
        size: Number of processes.
        directory: Run directory.
        hang_after: Seconds that a process may wait for the others.
    """

    def __init__(self, store: Any, rank: int, size: int, directory: Path, hang_after: float) -> None:
        super().__init__(daemon=True)
        self.store, self.rank, self.size = store, rank, size
        self.directory, self.hang_after = directory, hang_after
        self.every = min(5.0, hang_after / 5)
        self.ended = threading.Event()
        self._beats = 0
        self._seen: tuple[Any, ...] = ()
        self._since = time.monotonic()

    def run(self) -> None:
        from datetime import timedelta

        self.store.set_timeout(timedelta(seconds=ANSWER))
        while not self.ended.wait(self.every):
            waits, place = where()
            if (seen := (_count, waits, place)) != self._seen:
                self._seen, self._since = seen, time.monotonic()
            hung = waits and time.monotonic() - self._since > self.hang_after
            try:
                self._tell(waits, place)
                if self.store.check([HUNG]):
                    self._end(self.store.get(HUNG).decode(), mine=False)
                if hung:
                    text = self._describe(waits, place)
                    if (_count, *where()) != self._seen:  # it came after all
                        continue
                    first = self.store.compare_set(HUNG, "", text).decode()
                    self._end(first, mine=first == text)
            except RuntimeError:  # the store is gone, and with it the process that holds it
                if hung and not self.ended.is_set():
                    self._end(f"process 0 of {self.size} does not answer; {self._mine(place)}", mine=True)

    def _tell(self, waits: bool, place: str) -> None:
        self._beats += 1
        note = {"beat": self._beats, "waits": waits, "place": place}
        self.store.set(f"watch/{self.rank}", json.dumps(note))

    def _describe(self, waits: bool, place: str) -> str:
        """Return the line: which processes did not come, and where this one waits for them."""
        before = self._notes()
        for _ in range(4):
            time.sleep(self.every)
            self._tell(waits, place)
        late, silent = [], []
        for rank, note in self._notes().items():
            name = f"process {rank} of {self.size}"
            if not note or note == before[rank]:
                silent.append(f"{name} does not answer (it was stopped, or its machine is gone)")
            elif not note["waits"]:
                late.append(f"{name} did not come: it is in {note['place']}")
            elif note["place"] != place:
                silent.append(f"{name} waits for something else, in {note['place']}")
        who = late or silent or ["the processes wait for each other"]
        return f"{', '.join(who)}; {self._mine(place)}"

    def _mine(self, place: str) -> str:
        seconds = time.monotonic() - self._since
        return f"process {self.rank} of {self.size} waited {seconds:.0f} s (trainer.hang_after) in {place}"

    def _notes(self) -> dict[int, dict[str, Any]]:
        """Return what each of the other processes told last."""
        notes = {}
        for rank in (rank for rank in range(self.size) if rank != self.rank):
            key = f"watch/{rank}"
            notes[rank] = json.loads(self.store.get(key)) if self.store.check([key]) else {}
        return notes

    def _end(self, text: str, mine: bool) -> None:
        """End this process: its main thread cannot. The first to notice speaks; rank zero sets the status."""
        from ganatomy.runs.directory import Run
        from ganatomy.runs.reserve import last_status

        if self.ended.is_set():
            return
        with suppress(Exception):
            if mine and launched():
                report_error(TimeoutError(text), f"error: {text}", code=1)
            elif mine:
                sys.stderr.write(f"error: {text}\n")
            silent = "process 0 of" in text and "does not answer" in text
            if not launched() and (self.rank == 0 or (mine and silent)):
                last_status(Run(self.directory), "failed", text)
        sys.stderr.flush()
        os._exit(1)


def where() -> tuple[bool, str]:
    """Return if the main thread waits for other processes, and the place in this package where it is."""
    frame = sys._current_frames().get(threading.main_thread().ident or 0)
    waits, first = False, True
    while frame is not None:
        module = frame.f_globals.get("__name__", "")
        if first:
            line = linecache.getline(frame.f_code.co_filename, frame.f_lineno)
            known = module.split(".")[0] in ("torch", "ganatomy", "pytorch_lightning")
            waits = module.startswith("torch.distributed") or bool(known and WAITS.search(line))
            waits = waits or bool(known and _on_gpu() and FOR_GPU.search(line))
            first = False
        if module.split(".")[0] == "ganatomy":
            step = f", step {_step}" if _step >= 0 else ""
            return waits, f"{module}.{frame.f_code.co_name} line {frame.f_lineno} ({_phase}{step})"
        frame = frame.f_back
    return waits, f"code outside this package ({_phase})"


def _on_gpu() -> bool:
    torch = sys.modules.get("torch")
    return bool(torch and torch.cuda.is_initialized())
