#!/usr/bin/env bash
# W&B: a run resumed offline (resume="must", the same id) counts its steps from 0 again.
#
# One would guess: wandb.init(id=..., resume="must") goes on behind the last step, offline as online, or refuses, as it cannot ask the server.
# What happens: the last step is asked of the server alone. Offline nothing is asked, nothing refused and nothing said: both parts hold
#   rows 0, 1, 2, ... of one run, which lie over each other once they are sent. A step given with log(step=...) is kept.
# Why it matters: training in a hospital is offline and is resumed; its curves would be folded together.
# Versions: wandb 0.31.0.
# This project: gives every row its step, the number of batches done (tests/callbacks/test_trackers.py).
# Exit code: 0 it is still so, 1 it changed, 2 the packages could not be installed.
set -eu
T=$(mktemp -d)
trap 'rm -rf "$T"' EXIT
{ python3 -m venv "$T/venv" && "$T/venv/bin/pip" -qq --disable-pip-version-check install wandb==0.31.0; } || exit 2
cd "$T"
cat > part.py <<'PY'
import sys

import wandb

resume, given = sys.argv[1] == "second", sys.argv[2] == "given"
settings = wandb.Settings(silent=True)
run = wandb.init(project="x", id="one", dir=".", mode="offline", resume="must" if resume else None, settings=settings)
for batch in range(3 * resume, 3 * resume + 3):
    run.log({"batch": batch}, **({"step": batch} if given else {}))
run.finish()
PY
cat > steps.py <<'PY'
"""Steps of the rows in W&B's offline files: LevelDB's log framing after a header of seven bytes."""

import json
import struct
import sys

from wandb.proto.wandb_internal_pb2 import Record

for name in sys.argv[1:]:
    with open(name, "rb") as file:
        data = file.read()
    place, part, steps = 7, b"", []
    while place + 7 <= len(data):
        if 32768 - place % 32768 < 7:
            place += 32768 - place % 32768
            continue
        length, kind = struct.unpack("<HB", data[place + 4 : place + 7])
        part += data[place + 7 : place + 7 + length]
        place += 7 + length
        if kind in (1, 4):
            record, part = Record.FromString(part), b""
            if record.WhichOneof("record_type") == "history":
                row = {i.key or "/".join(i.nested_key): json.loads(i.value_json) for i in record.history.item}
                steps.append(f"batch {row['batch']} at step {row['_step']}")
    print(", ".join(steps))
PY
seen() {
  rm -rf wandb
  for part in first second; do
    env WANDB_MODE=offline HOME="$T" "$T/venv/bin/python" -W ignore part.py "$part" "$1" >/dev/null 2>&1
    sleep 1  # folders are named by the second
  done
  "$T/venv/bin/python" steps.py wandb/offline-run-*/run-one.wandb
}
own=$(seen own)
given=$(seen given)
echo "expected: the second part goes on at step 3"
echo "seen: $own" | tr '\n' ';'
echo
echo "seen with log(step=...): $given" | tr '\n' ';'
echo
[ "$(echo "$own" | tail -n 1)" = "batch 3 at step 0, batch 4 at step 1, batch 5 at step 2" ]
[ "$(echo "$given" | tail -n 1)" = "batch 3 at step 3, batch 4 at step 4, batch 5 at step 5" ]
