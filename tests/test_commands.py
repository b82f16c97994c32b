"""Forked commands of the tests answer as fresh ones do."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

from tests import commands

SHOWN = """
import os, sys
open("here", "w").close()
sys.stdout.write(f"{sys.argv[1:]} {__name__} {sys.path[0]} {os.getcwd()} {os.environ['TYPED']}\\n")
sys.stderr.write("said\\n")
sys.exit(7)
"""
pytestmark = pytest.mark.skipif(sys.platform != "linux", reason="there is no server")


def test_output_code_folder_and_environment_are_a_fresh_ones(tmp_path: Path) -> None:
    (tmp_path / "shown.py").write_text(SHOWN)
    line = [sys.executable, "-m", "shown", "a=b", "c d"]
    plain = commands.environment(TYPED="so")
    forked = commands.run(line, tmp_path, plain)
    (tmp_path / "here").unlink()
    fresh = subprocess.run(line, cwd=tmp_path, env=plain, capture_output=True, text=True)
    assert (forked.returncode, forked.stdout, forked.stderr) == (7, fresh.stdout, "said\n")
    assert fresh.returncode == 7 and (tmp_path / "here").exists() and forked.args == line
    with pytest.raises(subprocess.CalledProcessError):
        commands.run(line, tmp_path, plain, check=True)


def test_it_is_forked_from_one_that_has_imported(tmp_path: Path) -> None:
    """And what one command imports or sets is unknown to the next."""
    (tmp_path / "has.py").write_text(
        "import sys; print('torch' in sys.modules, hasattr(sys, 'mine')); sys.mine = 1"
    )
    line = [sys.executable, "-m", "has"]
    assert [commands.run(line, tmp_path).stdout for _ in range(2)] == ["True False\n"] * 2
    other = commands.environment(PYTHONPATH=f"{tmp_path}{os.pathsep}{commands.ROOT}")
    assert commands.run(line, tmp_path, other).stdout == "False False\n"


def test_threads_and_what_is_registered_for_the_end_come_first(tmp_path: Path) -> None:
    (tmp_path / "ends.py").write_text(
        "import atexit, threading, time\natexit.register(print, 'registered')\n"
        "threading.Thread(target=lambda: (time.sleep(0.3), print('thread'))).start()\nprint('main')"
    )
    done = commands.run([sys.executable, "-m", "ends"], tmp_path)
    assert (done.returncode, done.stdout) == (0, "main\nthread\nregistered\n")


def test_a_message_for_an_exit_code_and_an_error_are_a_fresh_ones(tmp_path: Path) -> None:
    for code in ("import sys; sys.exit('a message')", "import sys; sys.exit(None)", "1 / 0"):
        (tmp_path / "fails.py").write_text(code)
        line = [sys.executable, "-m", "fails"]
        forked = commands.run(line, tmp_path)
        fresh = subprocess.run(
            line, cwd=tmp_path, env=commands.environment(), capture_output=True, text=True, check=False
        )
        assert forked.returncode == fresh.returncode
        assert forked.stderr.splitlines()[-1:] == fresh.stderr.splitlines()[-1:]


def test_signals_and_time_that_is_up(tmp_path: Path) -> None:
    (tmp_path / "waits.py").write_text("print('begun', flush=True); import time; time.sleep(600)")
    line = [sys.executable, "-m", "waits"]
    with commands.start(line, tmp_path) as process:
        assert process.stdout.readline() == "begun\n" and process.poll() is None
        process.send_signal(signal.SIGTERM)
        assert process.wait(60) == process.returncode == -signal.SIGTERM
    with pytest.raises(subprocess.TimeoutExpired):
        commands.run(line, tmp_path, timeout=1)


def test_both_streams_may_be_long_or_one(tmp_path: Path) -> None:
    (tmp_path / "long.py").write_text(
        "import sys\nfor _ in range(99):\n for file in (sys.stderr, sys.stdout): file.write('x' * 9999)"
    )
    line = [sys.executable, "-m", "long"]
    done = commands.run(line, tmp_path)
    assert len(done.stdout) == len(done.stderr) == 99 * 9999
    out, err = commands.start(line, tmp_path, merged=True).communicate(60)
    assert len(out) == 2 * 99 * 9999 and err == ""


def noted(number: int, folder: str, failing: int) -> None:
    """Leave a file; this one fails, and the others wait for it."""
    (Path(folder) / str(number)).touch()
    if failing == number:
        raise RuntimeError("planted")
    while failing >= 0:
        time.sleep(1)


def test_a_function_is_called_in_each_process_and_all_end_with_one(tmp_path: Path) -> None:
    commands.spawn(noted, (str(tmp_path), -1), 3)
    assert {path.name for path in tmp_path.iterdir()} == {"0", "1", "2"}
    with pytest.raises(AssertionError, match="RuntimeError: planted"):
        commands.spawn(noted, (str(tmp_path), 1), 2)
