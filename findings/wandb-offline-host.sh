#!/usr/bin/env bash
# W&B: a run that was begun with mode="offline" still looks up a host of its maker when the process ends, to report its own use.
#
# One would guess: wandb.init(mode="offline") keeps everything on this machine; that is what the mode is for.
# What happens: the client's own telemetry has a timer of a minute and a last report at exit, and does not ask for the mode of the run. Only the
#   environment variable WANDB_MODE=offline, set before the import, keeps it quiet; the argument of init comes too late for it.
# Why it matters: in a hospital a process that looks up an outside host is an incident, whatever it would have sent.
# Versions: wandb 0.31.0.
# This project: offline sets the variable before wandb is imported (ganatomy.runs.offline); tests/test_network.py watches every command.
# Exit code: 0 it is still so, 1 it changed, 2 the packages could not be installed.
set -eu
T=$(mktemp -d)
trap 'rm -rf "$T"' EXIT
{ python3 -m venv "$T/venv" && "$T/venv/bin/pip" -qq --disable-pip-version-check install wandb==0.31.0; } || exit 2
cd "$T"
cat > offline.py <<'PY'
import atexit
import sys

hosts = set()
sys.addaudithook(lambda event, given: hosts.add(str(given[0])) if event == "socket.getaddrinfo" else None)
import wandb

run = wandb.init(project="x", dir=".", mode="offline", settings=wandb.Settings(silent=True))
run.log({"loss": 1.0})
run.finish()
atexit._run_exitfuncs()
print(*sorted(hosts - {"localhost", "127.0.0.1", "::1"}))
PY
asked=$(env -u WANDB_MODE HOME="$T" "$T/venv/bin/python" -W ignore offline.py | tail -n 1)
quiet=$(env WANDB_MODE=offline HOME="$T" "$T/venv/bin/python" -W ignore offline.py | tail -n 1)
echo "expected: mode=\"offline\" looks up no host"
echo "seen: mode=\"offline\" looks up: ${asked:-nothing}"
echo "seen: with WANDB_MODE=offline as well: ${quiet:-nothing}"
[ -n "$asked" ] && [ -z "$quiet" ]
