"""Lock of a run directory: one process at a time writes there, and a lock that nobody holds is taken over.

The file `.lock` names its holder, and is touched while that lives. It needs no locks of the file system: only
that a link, or a file that must not exist yet, is made by one process alone.
"""

from __future__ import annotations

import contextlib
import errno
import json
import os
import threading
import time
from collections.abc import Iterator
from dataclasses import asdict
from pathlib import Path

from ganatomy.errors import UserError
from ganatomy.runs.process_identity import UNKNOWN, Holder, identify

NAME = ".lock"
LEFT_OVER = (NAME, ".reserve")
"""Beginnings of the names of files that a killed run may leave and the next one removes."""
BEAT = 20.0
"""Seconds between heartbeats."""
STALE = 300.0
"""Seconds without a heartbeat after which a process that cannot be seen from here counts as gone."""
REBOOTED = 60.0
"""The same for a process of a host of this name that has booted since, or is another one of this name."""
TRIES = 1000
NO_LINKS = {errno.EPERM, errno.ENOSYS, errno.EOPNOTSUPP, errno.EMLINK, errno.EACCES, errno.EINVAL}


class InUse(UserError):
    """The run directory is another process's: nothing may be written there."""


class RunLock:
    """Lock of one run directory by this process.

    Args:
        directory: Run directory; it must exist.
        key: Key of the command line that named it, for the message.
    """

    def __init__(self, directory: Path, key: str) -> None:
        self.path, self.key = directory / NAME, key
        self.me = Holder.here()
        self.own = directory / f"{NAME}.{self.me.token}"
        self.note = ""
        self._ended = threading.Event()
        self._beating = threading.Lock()

    def take(self) -> None:
        """Take the lock; InUse if another process holds it.

        A lock that was left is taken by the one process that makes `.lock.<token of its holder>.next`. That
        file counts only as long as `.lock` names the same holder, so of two that come late none wins.
        `note` says who held it, where that one is not surely gone.
        """
        with self._own_file():
            for _ in range(TRIES):
                holders = self._holders()
                if not holders:
                    self._make(self.path)
                elif holders[-1].token == self.me.token or self._follow(holders):
                    threading.Thread(target=self._beat_on, daemon=True).start()
                    return
        raise InUse(f"{self.key}: {self.path} cannot be taken; remove it if no process writes there")

    def holder(self) -> str:
        """Return the line that names the process that holds the lock; empty if it may be taken."""
        try:
            with contextlib.suppress(OSError):
                self.own.touch()
            if holders := self._holders():
                self._free(holders)
        except InUse as error:
            return str(error)
        finally:
            self._remove_own()
        return ""

    def _follow(self, holders: list[Holder]) -> bool:
        """Take a lock that was left; False if another process was faster."""
        note = self._free(holders)
        claim = self._next(holders[-1])
        if not self._make(claim):
            return False
        now = Holder.read(self.path)
        if now is None or now.token != holders[0].token:
            claim.unlink(missing_ok=True)
            return False
        self.own.replace(self.path)
        for holder in holders:
            self._next(holder).unlink(missing_ok=True)
        self.note = note
        return True

    def release(self) -> None:
        """Remove the lock, if it is still this process's."""
        self._ended.set()
        with self._beating, contextlib.suppress(OSError):
            if os.getpid() == self.me.who.pid and self._mine():
                self.path.unlink(missing_ok=True)

    def _beat_on(self) -> None:
        while not self._ended.wait(BEAT):
            with contextlib.suppress(OSError, UserError):  # the run's own writing reports it
                self.beat()

    def beat(self) -> None:
        """Touch the lock; end this process at once if another has taken it over."""
        with self._beating:
            if self._ended.is_set():
                return
            if Holder.read(self.path) is None:  # removed by hand
                with self._own_file():
                    self._make(self.path)
            holder = Holder.read(self.path)
            if holder is None or holder.token in (self.me.token, UNKNOWN.token):
                os.utime(self.path)
                return
            os.write(2, f"error: {self._line(holder)}; this one ends and writes nothing more\n".encode())
            os._exit(1)

    def _mine(self) -> bool:
        holder = Holder.read(self.path)
        return holder is not None and holder.token == self.me.token

    @contextlib.contextmanager
    def _own_file(self) -> Iterator[None]:
        """Write a file that names this process, to be linked to; its time is that of the file system."""
        try:
            self.own.write_text(json.dumps(asdict(self.me)))
        except OSError as error:
            self._remove_own()
            if error.errno not in (errno.EROFS, errno.EACCES, errno.EPERM):
                raise OSError(error.errno, error.strerror, str(self.path)) from error
            raise UserError(
                f"{self.key}: {self.path.parent} cannot be written ({error.strerror}); mend that or choose "
                "another run_dir"
            ) from error
        try:
            yield
        finally:
            self._remove_own()

    def _remove_own(self) -> None:
        with contextlib.suppress(OSError):
            self.own.unlink(missing_ok=True)

    def _holders(self) -> list[Holder]:
        """Return the holder of the lock and those that claimed to follow it; the last one is in charge."""
        holders: list[Holder] = []
        after = Holder.read(self.path)
        while after is not None and after not in holders:
            holders.append(after)
            after = Holder.read(self._next(after))
        return holders

    def _next(self, holder: Holder) -> Path:
        return self.path.with_name(f"{NAME}.{holder.token}.next")

    def _make(self, path: Path) -> bool:
        """Make a lock that names this process, whole; False if there is one."""
        try:
            os.link(self.own, path)
        except FileExistsError:
            return False
        except OSError as error:
            if error.errno not in NO_LINKS:
                raise OSError(error.errno, error.strerror, str(path)) from error
            try:
                handle = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o644)
            except FileExistsError:
                return False
            with os.fdopen(handle, "w") as file:
                file.write(json.dumps(asdict(self.me)))
        return True

    def _free(self, holders: list[Holder]) -> str:
        """Return a line if the lock may be taken from the last holder, empty where that is surely gone.

        Raises:
            InUse: It lives, or may live.
        """
        holder = holders[-1]
        lives = holder.who.lives()
        if lives is False:
            return ""
        if lives:
            raise InUse(f"{self._line(holder)}; wait until it ends, or stop it: kill {holder.who.pid}")
        if self.me.queued_again(holder):
            return f"lock: taken over from {_name(holder)}, an earlier start of this SLURM job"
        sign = self.path if len(holders) == 1 else self._next(holders[-2])
        limit = REBOOTED if holder.who.rebooted() else STALE
        with contextlib.suppress(FileNotFoundError):  # released meanwhile
            now = self.own.stat().st_mtime if self.own.exists() else time.time()
            age = now - sign.stat().st_mtime
            if age <= limit:
                raise InUse(
                    f"{self._line(holder)}, last sign {max(age, 0):.0f} s ago; wait until it ends. If it is "
                    f"gone, wait {limit - age + 1:.0f} s or remove {self.path}"
                )
        return f"lock: taken over from {_name(holder)}, which gave no sign for {limit:.0f} s"

    def _line(self, holder: Holder) -> str:
        return f"{self.key}: {self.path.parent} is in use by {_name(holder)}"


def _name(holder: Holder) -> str:
    if holder.token == UNKNOWN.token:
        return "a process that its .lock does not name"
    job = f" (SLURM job {holder.job.rpartition('/')[2]})" if holder.job else ""
    return f"process {holder.who.pid} on {holder.who.host}{job} since {holder.since}"


def in_use(directory: Path) -> str:
    """Return the line that names the process that writes in a run directory; empty if none does."""
    return RunLock(directory, "run_dir").holder() if (directory / NAME).exists() else ""


def held_here(directory: Path) -> bool:
    """Return True if this process holds the lock of a run directory."""
    holder = Holder.read(directory / NAME)
    return holder is not None and holder.who == identify()
