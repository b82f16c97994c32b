"""Identity of a process, despite reused ids, reboots and containers of one name; holders of locks."""

from __future__ import annotations

import contextlib
import functools
import json
import os
import socket
import time
import uuid
from dataclasses import dataclass
from pathlib import Path

BOOT_ID = Path("/proc/sys/kernel/random/boot_id")


@dataclass(frozen=True)
class ProcessIdentity:
    """Host, boot, process namespace, id and start time of a process.

    Process ids are compared within one boot and one namespace (container) only. `begun` is in clock ticks
    since boot; it and the others are empty where the system does not tell.
    """

    host: str
    boot: str
    namespace: str
    pid: int
    begun: str

    def lives(self) -> bool | None:
        """Return True if the process still runs; None if that cannot be seen from here."""
        host, boot, namespace = _here()
        if (self.host, self.boot, self.namespace) != (host, boot, namespace):
            return None
        try:
            os.kill(self.pid, 0)
        except ProcessLookupError:
            return False
        except PermissionError:
            pass
        begun = _begun(self.pid)
        return begun is None or begun == self.begun

    def rebooted(self) -> bool:
        """Return True if it ran on a host of this name before its last boot, or on another of this name."""
        return self.host == _here()[0] and self.boot != _here()[1]


def identify(pid: int | None = None) -> ProcessIdentity:
    """Return the identity of a process of this machine; of this one unless `pid` is given."""
    number = pid or os.getpid()
    return ProcessIdentity(*_here(), number, _begun(number) or "")


@functools.cache
def _here() -> tuple[str, str, str]:
    boot = namespace = ""
    with contextlib.suppress(OSError):
        boot = BOOT_ID.read_text().strip()
        namespace = str(Path("/proc/self/ns/pid").readlink()).strip("pid:[]")
    return socket.gethostname(), boot, namespace


def _begun(pid: int) -> str | None:
    """Return the clock ticks since boot at which a process began; None if unknown, empty if it has ended."""
    try:
        fields = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
    except OSError:  # no /proc, or one that hides the processes of others
        return None
    return "" if fields[0] in "ZX" else fields[19]


def whoami(pid: int | None = None) -> str:
    """Return a process's identity as one text: place, process id and start time, parted by blanks."""
    who = identify(pid)
    return f"{who.host}/{who.boot}/{who.namespace} {who.pid} {who.begun}"


def alive(who: str) -> bool | None:
    """Return True if the process of this text still runs; None if that cannot be seen from here."""
    place, pid, begun = who.split(" ")
    host, _, rest = place.partition("/")
    boot, _, namespace = rest.partition("/")
    return ProcessIdentity(host, boot, namespace, int(pid), begun).lives()


@dataclass(frozen=True)
class Holder:
    """Process that holds a lock; `token` differs each time a lock is taken."""

    who: ProcessIdentity
    since: str
    job: str
    step: str
    restarts: int
    token: str

    @classmethod
    def here(cls) -> Holder:
        """Return this process, with its SLURM job and how often that was queued again."""
        env = os.environ
        job = env.get("SLURM_JOB_ID", "")
        return cls(
            who=identify(),
            since=time.strftime("%Y-%m-%d %H:%M:%S"),
            job=f"{env.get('SLURM_CLUSTER_NAME', '')}/{job}" if job else "",
            step=env.get("SLURM_STEP_ID", ""),
            restarts=int(env.get("SLURM_RESTART_COUNT") or 0),
            token=uuid.uuid4().hex,
        )

    @classmethod
    def read(cls, path: Path) -> Holder | None:
        """Read the holder from a lock; None if there is none, `UNKNOWN` if the file is not whole."""
        try:
            plain = json.loads(path.read_bytes())
            return cls(**{**plain, "who": ProcessIdentity(**plain["who"])})
        except FileNotFoundError:
            return None
        except (ValueError, TypeError, KeyError):
            return UNKNOWN

    def queued_again(self, earlier: Holder) -> bool:
        """Return True if this is a later start of the SLURM job of `earlier`, which has ended then.

        A batch script runs on one host at a time, and so does the first task of a step.
        """
        if not self.job or self.job != earlier.job:
            return False
        return self.restarts > earlier.restarts or (
            self.step == earlier.step and self.who.host != earlier.who.host
        )


UNKNOWN = Holder(ProcessIdentity("", "", "", 0, ""), "", "", "", 0, "unknown")
