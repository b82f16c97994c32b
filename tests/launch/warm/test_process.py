"""A forked process beside a fresh one: the same exit and surroundings, nothing of its neighbours."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

from ganatomy.launch.signals import SIGNALS
from ganatomy.launch.warm import Client, Server
from ganatomy.launch.warm.handle import Handle
from ganatomy.launch.warm.imports import Recording
from ganatomy.runs.integrity import checked
from tests.conftest import ROOT, environment
from tests.launch.warm.conftest import Script

ENDS = {
    "nothing": "",
    "code": "import sys; sys.exit(3)",
    "text": "import sys; sys.exit('error: data.root: none')",
    "output that nobody flushed": "import sys; sys.stdout.write('x')",
    "exception": "1 / 0",
    "interrupt": "raise KeyboardInterrupt",
    "at once": "import os; os._exit(7)",
    "abort": "import os; os.abort()",
    "segmentation fault": "import ctypes; ctypes.string_at(0)",
    "killed": "import os; os.kill(os.getpid(), 9)",
    "memory": "import resource; resource.setrlimit(resource.RLIMIT_AS, (1 << 30,) * 2); bytearray(4 << 30)",
    "exit handler": "import atexit, os; atexit.register(os.write, 1, b'bye')",
}


@pytest.mark.parametrize("text", ENDS.values(), ids=ENDS.keys())
def test_it_ends_as_a_fresh_process_does(script: Script, text: str) -> None:
    script.write(text)
    process = script.start()
    code, output = script.fresh()
    assert process.wait(60) == code and isinstance(process, Handle)
    last = [lines.splitlines()[-1:] for lines in (script.output(), output)]
    assert last[0] == last[1]


SURROUNDINGS = """
import json, os, resource, signal, sys, tempfile, time
from ganatomy.invocation import child_command
began = int(open("/proc/self/stat").read().rpartition(")")[2].split()[19]) / os.sysconf("SC_CLK_TCK")
age = float(open("/proc/uptime").read().split()[0]) - began
print(json.dumps({
    "words": [sys.argv, sys.orig_argv, sys.path, __name__, sys.modules["__main__"].__spec__.name],
    "place": [os.getcwd(), tempfile.gettempdir(), os.getsid(0) == os.getpid() == os.getpgid(0)],
    "signals": [str(signal.getsignal(number)) for number in sorted(signal.valid_signals())],
    "masked": [str(signal.pthread_sigmask(signal.SIG_BLOCK, []))],
    "files": sorted(os.listdir("/proc/self/fd")),
    "streams": [
        [stream.line_buffering, stream.encoding, stream.errors, stream.isatty()]
        for stream in (sys.stdin, sys.stdout, sys.stderr)
    ],
    "limits": [resource.getrlimit(number) for number in range(16)],
    "threads": len(os.listdir("/proc/self/task")),
    "flags": str(sys.flags),
    "child": child_command("train"),
    "cpu seconds of its own": time.process_time() <= age + 0.05,
    "environment": dict(os.environ),
}))
"""


def test_its_surroundings_are_those_of_a_fresh_process(script: Script) -> None:
    """All but the variables that imports set, which they would set in a fresh process too."""
    script.write(SURROUNDINGS)
    assert script.start("task=segmentation", "a=b c").wait(60) == 0
    here, there = (
        json.loads(text) for text in (script.output(), script.fresh("task=segmentation", "a=b c")[1])
    )
    ours, theirs = here.pop("environment"), there.pop("environment")
    assert here == there
    assert {name: ours.get(name) for name in theirs} == theirs


def test_random_numbers_are_its_own(script: Script) -> None:
    script.write(
        "import random, uuid, numpy, torch, tempfile\n"
        "print(random.random(), uuid.uuid4(), numpy.random.rand(), torch.rand(1), tempfile.mktemp())"
    )
    found = set()
    for _ in range(2):
        assert script.start().wait(60) == 0
        found |= set(script.output().split())
    assert len(found) == 10


def test_a_module_that_is_edited_between_two_runs(script: Script) -> None:
    """A user's network, which GANATOMY_TARGETS allows, is imported by the run and not by the server."""
    script.write("import of_mine; print(of_mine.LAYERS)")
    for layers in ("3", "45"):
        script.write(f"LAYERS = {layers}", "of_mine")
        assert script.start().wait(60) == 0
        assert script.output() == f"{layers}\n"


def test_one_is_killed_and_the_other_goes_on(script: Script, tmp_path: Path) -> None:
    script.write("import time\nwhile True: time.sleep(0.1)")
    first, second = script.start(), script.start()
    first.kill()
    assert first.wait(60) == -signal.SIGKILL
    assert second.poll() is None
    with pytest.raises(subprocess.TimeoutExpired):
        second.wait(0.1)
    second.terminate()
    assert second.wait(60) == -signal.SIGTERM


def test_signals_reach_its_handlers(script: Script) -> None:
    script.write(
        "import signal, sys, time\n"
        "signal.signal(signal.SIGTERM, lambda number, frame: sys.exit(128 + number))\n"
        "print('ready', flush=True)\n"
        "time.sleep(600)"
    )
    process = script.start()
    while "ready" not in script.output():
        time.sleep(0.02)
    server = script.server.process
    assert server is not None
    for number in SIGNALS:  # as a scheduler sends it to every process of a job
        server.send_signal(number)
    process.terminate()
    assert process.wait(60) == 128 + signal.SIGTERM
    assert isinstance(script.start(), Handle)


@pytest.mark.parametrize(
    "variable, value",
    [
        ("OMP_NUM_THREADS", "3"),
        ("PYTHONHASHSEED", "7"),
        ("GANATOMY_ALLOCATOR", "system"),
        ("GLIBC_TUNABLES", "x=1"),
        ("LANG", "xx"),
    ],
)
def test_another_setting_of_the_libraries_takes_a_fresh_process(
    script: Script, capsys: pytest.CaptureFixture[str], variable: str, value: str
) -> None:
    script.write(f"import os; print(os.environ['{variable}'])")
    checked._said.clear()  # a reason is said once
    process = script.start(env=environment(**{variable: value}))
    assert process.wait(60) == 0 and isinstance(process, subprocess.Popen)
    assert script.output().endswith(f"{value}\n")
    assert "is another than when the libraries were imported" in capsys.readouterr().err


FOLDERS = """
import os, weakref
from wandb.sdk.data_types._private import MEDIA_TMP
print(MEDIA_TMP.name, os.path.isdir(MEDIA_TMP.name), len(weakref.finalize._registry) > 0)
"""


def test_temporary_folders_of_libraries_are_its_own(script: Script) -> None:
    """One run that ends takes nothing from the others, and leaves nothing behind."""
    script.write(FOLDERS)
    seen = []
    for _ in range(2):
        process = script.start()
        assert process.wait(60) == 0 and isinstance(process, Handle)
        name, *there = script.output().split()
        assert there == ["True", "True"]
        assert not Path(name).exists()
        seen.append(name)
    assert seen[0] != seen[1]


def test_a_library_that_looks_for_programs_while_it_is_imported() -> None:
    """os.get_exec_path, which subprocess calls, asks os.environ for b"PATH" too, and is refused."""
    given = type(os.environ)
    os.environ.__class__ = Recording
    Recording.asked, Recording.listed = set(), set()
    try:
        os.get_exec_path()
    finally:
        os.environ.__class__ = given
    assert Recording.asked == {"PATH"}


def test_gpus_of_its_own_need_no_fresh_process(script: Script) -> None:
    """A worker of a sweep has its own, and no library has looked for any yet."""
    script.write("import os, torch; print(os.environ['CUDA_VISIBLE_DEVICES'], torch.cuda._is_in_bad_fork())")
    process = script.start(env=environment(CUDA_VISIBLE_DEVICES="5"))
    assert process.wait(60) == 0 and isinstance(process, Handle)
    assert script.output() == "5 False\n"


def test_a_folder_that_hides_a_library_takes_a_fresh_process(script: Script) -> None:
    script.write("import yaml; print(yaml.WHO)")
    script.write("WHO = 'mine'", "yaml")
    process = script.start()
    assert process.wait(60) == 0 and isinstance(process, subprocess.Popen)
    assert script.output() == "mine\n"


def test_it_ends_with_its_client(server: Server, script: Script, tmp_path: Path) -> None:
    """As a fresh run does when a worker of a sweep is killed."""
    script.write(
        "import os, pathlib, signal, sys, time\n"
        "def end(number, frame): pathlib.Path('ended').touch(); sys.exit()\n"
        "signal.signal(signal.SIGTERM, end)\n"
        "pathlib.Path('begun').touch()\n"
        "time.sleep(600)"
    )
    client = (
        "import sys, time\nfrom ganatomy.launch.warm import Client\n"
        f"process = Client({server.address!r}).run('script', [])\ntime.sleep(600)"
    )
    process = subprocess.Popen([sys.executable, "-c", client], cwd=tmp_path, env=environment())
    for name in ("begun", "ended"):
        while not (tmp_path / name).exists():
            assert process.poll() is None or name == "ended"
            time.sleep(0.02)
        process.kill()
    process.wait()


def test_without_a_server_every_process_is_fresh(tmp_path: Path) -> None:
    process = Client().run("platform", [], cwd=tmp_path, stdout=subprocess.DEVNULL)
    assert isinstance(process, subprocess.Popen) and process.wait(60) == 0
    with Server(wanted=False) as none:
        assert not none.alive() and not none.address


def test_a_foreign_command_is_never_forked(server: Server, tmp_path: Path) -> None:
    for line in (["sh", "-c", "exit 4"], [sys.executable, "-c", "raise SystemExit(4)"]):
        process = server.start_process(line, cwd=tmp_path, env={**os.environ, "PYTHONPATH": str(ROOT)})
        assert isinstance(process, subprocess.Popen) and process.wait(60) == 4
