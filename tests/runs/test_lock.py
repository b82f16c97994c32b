"""One process writes in a run directory: the lock, who takes it over, and room for the last status."""

from __future__ import annotations

import errno
import json
import os
import subprocess
import sys
import threading
from collections.abc import Callable, Iterator
from dataclasses import asdict, replace
from itertools import count
from pathlib import Path
from typing import Any

import pytest
import torch.distributed as dist

from ganatomy.errors import UserError
from ganatomy.launch.ownership import owned
from ganatomy.runs import lock as locks
from ganatomy.runs import process_identity, reserve
from ganatomy.runs.directory import Run, open_new
from ganatomy.runs.lock import RunLock, in_use
from ganatomy.runs.process_identity import Holder, alive, identify
from ganatomy.runs.process_place import from_rank_zero

DEAD = 4_194_305
"""Larger than any process id of Linux."""


@pytest.fixture(autouse=True)
def no_job(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in [name for name in os.environ if name.startswith("SLURM_")]:
        monkeypatch.delenv(name)


@pytest.fixture
def other(tmp_path: Path) -> Any:
    """Write the lock of another process, which differs from this one in what is given."""

    def of(age: float = 0.0, job: str = "", step: str = "", restarts: int = 0, **who: Any) -> Holder:
        me = Holder.here()
        them = replace(me, who=replace(me.who, **who), job=job, step=step, restarts=restarts, token="theirs")
        path = tmp_path / ".lock"
        path.write_text(json.dumps(asdict(them)))
        written = path.stat().st_mtime
        os.utime(path, (written - age, written - age))
        return them

    return of


@pytest.fixture
def sleeper() -> Iterator[int]:
    """Another process of this machine."""
    process = subprocess.Popen([sys.executable, "-c", "import time; time.sleep(600)"])
    yield process.pid
    process.kill()
    process.wait()


def taken(folder: Path) -> str:
    """Take the lock and give it back; the line that was said."""
    lock = RunLock(folder, "resume")
    lock.take()
    assert in_use(folder)
    lock.release()
    assert not list(folder.glob(".lock*"))
    return lock.note


def test_a_second_is_refused_and_a_later_one_is_not(tmp_path: Path) -> None:
    first = RunLock(tmp_path, "run_dir")
    first.take()
    with pytest.raises(UserError) as error:
        RunLock(tmp_path, "resume").take()
    line = str(error.value)
    assert line.startswith(f"resume: {tmp_path} is in use by process {os.getpid()} on ")
    assert "since 2" in line and f"kill {os.getpid()}" in line and "\n" not in line
    assert in_use(tmp_path) == line.replace("resume: ", "run_dir: ")
    first.release()
    assert not in_use(tmp_path) and not list(tmp_path.iterdir())
    assert taken(tmp_path) == ""


def test_a_process_that_is_gone_leaves_nothing_to_wait_for(tmp_path: Path, other: Any, sleeper: int) -> None:
    other(pid=DEAD)
    assert taken(tmp_path) == ""
    who = identify(sleeper)
    other(pid=sleeper, begun=str(int(who.begun) - 1))  # its id was given to another process
    assert taken(tmp_path) == ""
    other(pid=sleeper, begun=who.begun, age=1e6)  # alive, whatever its heartbeat says
    with pytest.raises(UserError, match=f"process {sleeper} "):
        taken(tmp_path)


def test_a_zombie_is_gone() -> None:
    process = subprocess.Popen([sys.executable, "-c", ""])
    who = identify(process.pid)
    os.waitid(os.P_PID, process.pid, os.WEXITED | os.WNOWAIT)
    assert who.lives() is False
    process.wait()


@pytest.mark.parametrize(
    "where, limit",
    [
        ({"host": "elsewhere"}, locks.STALE),
        ({"host": "elsewhere", "boot": "another"}, locks.STALE),
        ({"namespace": "1"}, locks.STALE),  # another container of this host: its ids say nothing here
        ({"boot": "another"}, locks.REBOOTED),
    ],
    ids=["another host", "its boot differs too", "another container", "before this boot"],
)
def test_who_cannot_be_seen_is_given_time(
    tmp_path: Path, other: Any, where: dict[str, str], limit: float
) -> None:
    other(age=limit - 30, **where)
    with pytest.raises(UserError) as error:
        taken(tmp_path)
    assert "last sign" in str(error.value) and f"or remove {tmp_path}/.lock" in str(error.value)
    seconds = float(str(error.value).split("wait ")[-1].split(" s")[0])
    assert 20 < seconds <= 32
    other(age=limit + 5, **where)
    assert "taken over from process" in taken(tmp_path)


def test_the_clock_is_that_of_the_file_system(
    tmp_path: Path, other: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A host whose clock is an hour fast neither takes over what lives, nor waits for what is gone."""
    monkeypatch.setattr(locks.time, "time", lambda: 1e12)
    other(age=10.0, host="elsewhere")
    with pytest.raises(UserError, match=r"last sign 1\d s ago"):
        taken(tmp_path)


@pytest.mark.parametrize(
    "mine, theirs, free",
    [
        ({"SLURM_JOB_ID": "7", "SLURM_RESTART_COUNT": "1"}, {"job": "/7"}, True),
        ({"SLURM_JOB_ID": "7"}, {"job": "/7"}, True),  # a batch script runs on one host at a time
        ({"SLURM_JOB_ID": "7", "SLURM_STEP_ID": "1"}, {"job": "/7", "step": "0"}, False),  # two at once
        ({"SLURM_JOB_ID": "8"}, {"job": "/7"}, False),
        ({"SLURM_JOB_ID": "7", "SLURM_CLUSTER_NAME": "a"}, {"job": "b/7"}, False),
        ({}, {"job": ""}, False),
    ],
)
def test_a_job_that_is_queued_again_on_another_host(
    tmp_path: Path,
    other: Any,
    monkeypatch: pytest.MonkeyPatch,
    mine: dict[str, str],
    theirs: dict[str, str],
    free: bool,
) -> None:
    for name, value in mine.items():
        monkeypatch.setenv(name, value)
    other(host="elsewhere", **theirs)
    if free:
        assert "an earlier start of this SLURM job" in taken(tmp_path)
    else:
        with pytest.raises(UserError, match="elsewhere"):
            taken(tmp_path)


@pytest.mark.parametrize("content", ["", "{", "[]", "null", '{"who": 3}', "\x00" * 100])
def test_a_lock_that_is_not_whole_is_given_time_too(tmp_path: Path, content: str) -> None:
    path = tmp_path / ".lock"
    path.write_text(content)
    with pytest.raises(UserError, match="a process that its "):
        taken(tmp_path)
    os.utime(path, (1, 1))
    assert "taken over" in taken(tmp_path)


@pytest.mark.parametrize("links", [True, False], ids=["links", "no links"])
@pytest.mark.parametrize("left", ["a lock", "a lock and a claim on it", "nothing"])
def test_of_many_takers_one_wins(
    tmp_path: Path, other: Any, monkeypatch: pytest.MonkeyPatch, links: bool, left: str
) -> None:
    if not links:

        def no_link(*_: Any) -> None:
            raise OSError(errno.EPERM, "Operation not permitted")

        monkeypatch.setattr(locks.os, "link", no_link)
    before = sys.getswitchinterval()
    sys.setswitchinterval(1e-5)
    try:
        for _ in range(15):
            if left != "nothing":
                other(pid=DEAD)
            if left == "a lock and a claim on it":
                claim = replace(other(pid=DEAD), token="died while it took over")
                (tmp_path / ".lock.theirs.next").write_text(json.dumps(asdict(claim)))
            won: list[RunLock] = []

            def attempt(won: list[RunLock] = won) -> None:
                lock = RunLock(tmp_path, "resume")
                try:
                    lock.take()
                except UserError:
                    return
                won.append(lock)

            threads = [threading.Thread(target=attempt) for _ in range(6)]
            for thread in threads:
                thread.start()
            for thread in threads:
                thread.join()
            (winner,) = won
            assert Holder.read(tmp_path / ".lock") == winner.me
            winner.release()
            assert not [path for path in tmp_path.iterdir() if not path.name.endswith("over.next")]
    finally:
        sys.setswitchinterval(before)


def test_who_comes_while_another_takes_over_is_refused(
    tmp_path: Path, other: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The second has seen the lock that was left; then the first takes it over, and the second goes on."""
    other(pid=DEAD)
    first, second = RunLock(tmp_path, "run_dir"), RunLock(tmp_path, "resume")
    free, takes = second._free, iter([first.take])

    def late(holders: list[Holder]) -> str:
        note = free(holders)
        next(takes, lambda: None)()
        return note

    monkeypatch.setattr(second, "_free", late)
    with pytest.raises(UserError, match="in use"):
        second.take()
    assert Holder.read(tmp_path / ".lock") == first.me
    first.release()


def test_a_lock_that_names_nobody_for_long_cannot_be_taken(
    tmp_path: Path, other: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    """As on a file system where each look finds another holder that is gone."""
    other(pid=DEAD)
    monkeypatch.setattr(Holder, "read", changing(Holder.read))
    with pytest.raises(
        UserError, match=r"^run_dir: .*\.lock cannot be taken; remove it if no process writes th"
    ):
        RunLock(tmp_path, "run_dir").take()


def changing(read: Callable[[Path], Holder | None]) -> Callable[[Path], Holder | None]:
    """Read holders of which each is another."""
    tokens = map(str, count())

    def of(path: Path) -> Holder | None:
        found = read(path)
        return found if found is None else replace(found, token=next(tokens))

    return of


def test_heartbeats_and_a_lock_that_was_lost(
    tmp_path: Path, other: Any, monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str]
) -> None:
    lock = RunLock(tmp_path, "run_dir")
    lock.take()
    os.utime(lock.path, (1, 1))
    lock.beat()
    assert lock.path.stat().st_mtime > 1e9
    lock.path.unlink()  # by a user who thought that nobody is there
    lock.beat()
    assert Holder.read(lock.path) == lock.me

    def ended(code: int) -> None:
        raise SystemExit(code)

    monkeypatch.setattr(locks.os, "_exit", ended)
    other(host="elsewhere")
    with pytest.raises(SystemExit):
        lock.beat()
    assert "in use by process" in capfd.readouterr().err
    lock.release()
    assert (tmp_path / ".lock").exists()  # it is theirs
    lock.beat()  # one that was given back stays so


def test_a_run_of_another_rank_and_files_of_something_else_are_not_locked(tmp_path: Path) -> None:
    with owned(tmp_path / "new", False, is_rank_zero=False):
        assert not (tmp_path / "new").exists()
    (tmp_path / "letter.txt").write_text("dear")
    with owned(tmp_path, False, is_rank_zero=True):
        assert [path.name for path in tmp_path.iterdir()] == ["letter.txt"]
        with pytest.raises(UserError, match="already holds files"):
            open_new(tmp_path)
    with owned(tmp_path / "none", True, is_rank_zero=True):
        assert not (tmp_path / "none").exists()


def test_what_a_killed_run_left_does_not_hinder_a_new_one(tmp_path: Path, other: Any) -> None:
    other(pid=DEAD)
    (tmp_path / ".reserve").write_bytes(b"x")
    with owned(tmp_path, False, is_rank_zero=True):
        open_new(tmp_path)
        assert (tmp_path / ".reserve").stat().st_size == reserve.ROOM
    assert not list(tmp_path.iterdir())


@pytest.mark.parametrize("code", [errno.EROFS, errno.EACCES])
def test_a_directory_that_cannot_be_written(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, code: int
) -> None:
    def refuse(self: Path, *_: Any, **__: Any) -> None:
        raise OSError(code, os.strerror(code), str(self))

    monkeypatch.setattr(Path, "write_text", refuse)
    with pytest.raises(UserError) as error, owned(tmp_path, True, is_rank_zero=True):
        pass
    assert str(error.value).startswith(f"resume: {tmp_path} cannot be written (") and not list(
        tmp_path.iterdir()
    )


@pytest.mark.parametrize("full", ["until room is made", "whatever is freed"])
def test_the_status_is_true_on_a_full_disk(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, full: str
) -> None:
    """Files that are new need room; what stands there can be written over."""
    run = Run(tmp_path)
    run.status("running", "from step 0", best={"score": 0.5, "step": 3})
    reserve.keep(tmp_path)
    real = Path.open

    def opened(self: Path, mode: str = "r", *rest: Any, **more: Any) -> Any:
        if "w" in mode and (full != "until room is made" or (tmp_path / ".reserve").exists()):
            raise OSError(errno.ENOSPC, "No space left on device", str(self))
        return real(self, mode, *rest, **more)

    with monkeypatch.context() as patch:
        patch.setattr(Path, "open", opened)
        with pytest.raises(OSError):
            run.status("failed", "metrics.csv: no room left")
        assert run.read("status.json")["status"] == "running"
        assert reserve.last_status(run, "failed", "no room left") == ""
    found = json.loads((tmp_path / "status.json").read_text())
    assert found == {"status": "failed", "why": "no room left", "best": {"score": 0.5, "step": 3}}
    assert not (tmp_path / ".reserve").exists()


def test_the_texts_of_leases_tell_hosts_and_containers_apart(monkeypatch: pytest.MonkeyPatch) -> None:
    me = process_identity.whoami()
    place, pid, begun = me.split(" ")
    host, boot, namespace = place.split("/")
    assert alive(me) and alive(f"{place} {pid} {int(begun) - 1}") is False
    assert alive(f"{host}/{boot}/1 {pid} {begun}") is None and alive(f"{host}/x/{namespace} 1 1") is None
    monkeypatch.setattr(Path, "read_text", lambda self: (_ for _ in ()).throw(OSError()))
    assert alive(me)  # it exists; when it began is not told


def test_what_rank_zero_refuses_is_refused_in_every_process(tmp_path: Path) -> None:
    def refuse() -> None:
        raise UserError("run_dir: is in use")

    dist.init_process_group("gloo", init_method=f"file://{tmp_path / 'meet'}", rank=0, world_size=1)
    try:
        assert from_rank_zero(lambda: 5) == 5
        with pytest.raises(UserError, match=r"^run_dir: is in use$"):
            from_rank_zero(refuse)
    finally:
        dist.destroy_process_group()
