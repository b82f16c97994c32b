#!/usr/bin/env bash
# torch.load does not compare the checksums that its files carry: a flipped bit is another weight, without a word.
#
# One would guess: a file of torch.save is a zip archive with a CRC-32 of every member, so a damaged one is refused as any zip reader does.
# What happens: torch.load, with weights_only or mmap or neither, returns the damaged numbers. Here 0.5005 becomes 1.7e38;
#   most bits change a weight by less, and a training goes on from them. Python's zipfile names the damaged member of the same file.
# Why it matters: a checkpoint on a bad disk or after a broken copy trains on, and no figure afterwards is what it seems.
# Versions: torch 2.13.0.
# This project: every checkpoint has a SHA-256 that is compared before it is loaded; of older files the CRC-32 is
#   (ganatomy.runs.checkpoints.checkpoint_file).
# Exit code: 0 it is still so, 1 it changed, 2 the packages could not be installed.
set -eu
constraints=$(cd "$(dirname "$0")/.." && pwd)/constraints.txt
T=$(mktemp -d)
trap 'rm -rf "$T"' EXIT
{ python3 -m venv "$T/venv" && "$T/venv/bin/pip" -qq --disable-pip-version-check install -c "$constraints" \
    torch==2.13.0 numpy==2.4.6; } || exit 2
cd "$T"
"$T/venv/bin/python" -W ignore - <<'PY'
import sys
import zipfile

import torch

weights = torch.linspace(0, 1, 1000)
torch.save({"weights": weights}, "whole.pt")
content = bytearray(open("whole.pt", "rb").read())
place = bytes(content).index(weights.numpy().tobytes()) + 4 * 500 + 3
content[place] ^= 0x40  # one bit of the exponent of weights[500]
open("flipped.pt", "wb").write(content)

print("expected: refused, as zipfile does:", zipfile.ZipFile("flipped.pt").testzip(), "is damaged")
same = True
for words in ({"weights_only": True}, {"weights_only": True, "mmap": True}, {"weights_only": False}):
    try:
        loaded = torch.load("flipped.pt", **words)["weights"]
    except Exception as error:
        print("seen:", words, type(error).__name__, error)
        same = False
        continue
    print(f"seen: {words} loads; weights[500] is {loaded[500]:.4g}, was {weights[500]:.4g}")
    same = same and int((loaded != weights).sum()) == 1
sys.exit(not (same and zipfile.ZipFile("flipped.pt").testzip()))
PY
