"""No command speaks to another machine, or listens to one, unless asked to."""

from __future__ import annotations

import os
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import suppress
from pathlib import Path

import pytest

from tests.conftest import ROOT, TINY, environment

HOOK = """
import os, socket, sys

LOG = {log!r}
HERE = ("127.", "::1", "localhost", "::ffff:127.")

def told(event, arguments):
    if event in ("socket.connect", "socket.bind", "socket.sendto"):
        address = arguments[1]
        host = address[0] if isinstance(address, tuple) else ""
        beyond = isinstance(address, tuple) and not str(host).startswith(HERE)
    elif event in ("socket.getaddrinfo", "socket.gethostbyname", "socket.gethostbyaddr"):
        host = arguments[0]
        beyond = host not in (None, socket.gethostname()) and not str(host).startswith(HERE)
    else:
        return
    if beyond:
        handle = os.open(LOG, os.O_WRONLY | os.O_APPEND | os.O_CREAT)
        os.write(handle, f"{{event}} {{host!r}} {{sys.argv[:2]}}\\n".encode())
        os.close(handle)

sys.addaudithook(told)
"""
"""Of every Python process: sockets and names that lead beyond this machine."""
LOOPBACK = {
    "tcp": ("0100007F",),
    "tcp6": ("00000000000000000000000001000000", "0000000000000000FFFF00000100007F"),
}
pytestmark = pytest.mark.skipif(not sys.platform.startswith("linux"), reason="sockets are read in /proc")


def descendants(pid: int) -> set[int]:
    """The process and all that it started, also what has another process group."""
    children: dict[int, list[int]] = {}
    for stat in Path("/proc").glob("[0-9]*/stat"):
        with suppress(OSError):
            parent = int(stat.read_text().rpartition(")")[2].split()[1])
            children.setdefault(parent, []).append(int(stat.parent.name))
    found, todo = set(), [pid]
    while todo:
        found.add(one := todo.pop())
        todo += children.get(one, [])
    return found


def sockets(pids: set[int]) -> set[str]:
    """Inodes of the sockets that these processes hold."""
    found = set()
    for pid in pids:
        with suppress(OSError):
            handles = [str(handle.readlink()) for handle in Path(f"/proc/{pid}/fd").iterdir()]
            found |= {handle[8:-1] for handle in handles if handle.startswith("socket:")}
    return found


def beyond(pid: int) -> Iterator[str]:
    """Internet sockets of the process and its descendants, of any language, that are not on loopback."""
    held = sockets(descendants(pid))
    for kind, here in LOOPBACK.items():
        for family in (kind, kind.replace("tcp", "udp")):
            for line in Path(f"/proc/net/{family}").read_text().splitlines()[1:]:
                cells = line.split()
                ends = [cells[1].split(":")[0], *([cells[2].split(":")[0]] if cells[3] == "01" else [])]
                if cells[9] in held and not all(end in here for end in ends):
                    yield f"{family} {cells[1]} {cells[2]}"


Watched = Callable[..., subprocess.CompletedProcess[str]]


@pytest.fixture
def watched(tmp_path: Path) -> Watched:
    """Run a command to its end; fail if it or a process that it starts opens a socket beyond loopback."""
    hook = tmp_path / "hook"
    hook.mkdir()
    log = tmp_path / "events"
    (hook / "sitecustomize.py").write_text(HOOK.format(log=str(log)))

    def of(module: str, *words: str, **more: str) -> subprocess.CompletedProcess[str]:
        plain = environment(**more)
        plain["PYTHONPATH"] = f"{hook}{os.pathsep}{plain['PYTHONPATH']}"
        output, line = tmp_path / "output", [sys.executable, "-m", module, *words]
        seen: set[str] = set()
        with output.open("w") as file:
            process = subprocess.Popen(line, cwd=tmp_path, env=plain, stdout=file, stderr=subprocess.STDOUT)
            while process.poll() is None:
                seen.update(beyond(process.pid))
                time.sleep(0.05)
        events = log.read_text() if log.exists() else ""
        assert not seen and not events, f"{words}: {sorted(seen)} {events}"
        return subprocess.CompletedProcess(line, process.returncode, output.read_text())

    return of


def test_the_watch_sees_a_socket(watched: Watched, tmp_path: Path) -> None:
    """In Python by the hook; in another language in /proc: here a child without the hook."""
    (tmp_path / "opens.py").write_text("import socket; socket.socket().bind(('0.0.0.0', 0))")
    with pytest.raises(AssertionError, match=r"socket\.bind"):
        watched("opens", PYTHONPATH=str(tmp_path))
    (tmp_path / "events").unlink()
    held = "import socket, time; s = socket.socket(); s.bind(('', 0)); s.listen(); time.sleep(1)"
    (tmp_path / "starts.py").write_text(
        f"import subprocess, sys; subprocess.run([sys.executable, '-S', '-c', {held!r}])"
    )
    with pytest.raises(AssertionError, match="tcp 00000000"):
        watched("starts", PYTHONPATH=str(tmp_path))


@pytest.mark.slow
def test_a_run_with_wandb_offline_and_its_resumption(watched: Watched, tmp_path: Path) -> None:
    words = [*TINY[:-1], "logger=wandb", "run_dir=run", "trainer.max_steps=4", "name=as_typed"]
    done = watched("src.train", *words)
    assert done.returncode == 0, done.stdout
    assert any((tmp_path / "run/wandb").glob("offline-run-*/*.wandb"))
    kept = [path for path in (tmp_path / "run/wandb").rglob("*") if path.is_file()]
    assert not [path for path in kept if b"as_typed" in path.read_bytes()], "W&B keeps the command line"
    done = watched("src.train", "resume=run", "trainer.max_steps=4")
    assert done.returncode == 0, done.stdout


@pytest.mark.slow
def test_two_processes_find_each_other_on_loopback(watched: Watched) -> None:
    done = watched("src.train", *TINY, "trainer=ddp", "trainer.devices=2", "trainer.max_steps=2")
    assert done.returncode == 0, done.stdout


@pytest.mark.slow
def test_check_and_experiments(watched: Watched) -> None:
    done = watched("src.check", "data=brain", "data.subjects=6", "data.size=32", "data.slices=3")
    assert done.returncode == 0, done.stdout
    done = watched("src.experiment", "list", f"folder={ROOT}/experiments")
    assert done.returncode == 0, done.stdout


@pytest.mark.slow
def test_a_sweep(watched: Watched) -> None:
    done = watched("src.sweep", "+sweep=segmentation", "trials=1", *TINY, "trainer.max_steps=4")
    assert done.returncode == 0, done.stdout


def test_a_data_set_is_fetched_only_when_asked_for(watched: Watched, tmp_path: Path) -> None:
    (tmp_path / "medmnist.py").write_text("raise SystemExit('imported')")
    done = watched("src.check", "data=medmnist", f"data.root={tmp_path}/none")
    assert done.returncode == 2 and "data.download=true" in done.stdout, done.stdout
