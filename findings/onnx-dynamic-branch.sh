#!/usr/bin/env bash
# torch.onnx.export with dynamic shapes follows one branch of an `if` on a size, and says nothing.
#
# One would guess: torch.export of `x * 2 if x.shape[2] < 33 else x * 3` with that side dynamic is refused, or leaves a limit in the file: its
#   documentation says that a branch on a dynamic size narrows what the program takes.
# What happens: the exporter goes on with another way of capturing, the file names the side as free, and the branch of the example input is
#   taken for every size. At 40 pixels onnxruntime answers 2 where the module answers 3.
# Why it matters: a network that treats large images otherwise (windows, padding) is exported wrong for exactly those.
# Versions: torch 2.13.0, onnx 1.23.2, onnxscript 0.7.2, onnxruntime 1.32.0.
# This project: `export` compares onnxruntime with torch at several sizes and fixes the sides where they differ
#   (ganatomy.export.onnx_file).
# Exit code: 0 it is still so, 1 it changed, 2 the packages could not be installed.
set -eu
constraints=$(cd "$(dirname "$0")/.." && pwd)/constraints.txt
T=$(mktemp -d)
trap 'rm -rf "$T"' EXIT
{ python3 -m venv "$T/venv" && "$T/venv/bin/pip" -qq --disable-pip-version-check install -c "$constraints" \
    torch==2.13.0 numpy==2.4.6 onnx==1.23.2 onnxscript==0.7.2 onnxruntime==1.32.0; } || exit 2
cd "$T"
"$T/venv/bin/python" -W ignore - <<'PY'
import sys

import numpy as np
import onnxruntime
import torch


class Branching(torch.nn.Module):
    def forward(self, x):
        return x * 2 if x.shape[2] < 33 else x * 3


free = torch.export.Dim.DYNAMIC
try:
    made = torch.onnx.export(
        Branching(), (torch.ones(2, 1, 32, 32),), dynamo=True, dynamic_shapes=({0: free, 2: free, 3: free},), verbose=False
    )
except Exception as error:
    print("seen: refused,", type(error).__name__)
    sys.exit(1)
session = onnxruntime.InferenceSession(made.model_proto.SerializeToString())
given = session.get_inputs()[0]
large = np.ones((2, 1, 40, 40), np.float32)
seen = float(session.run(None, {given.name: large})[0].max())
wanted = float(Branching()(torch.from_numpy(large)).max())
print(f"expected at 40 pixels: {wanted:g}, or a refusal; seen: {seen:g}, from a file whose input is {given.shape}")
sys.exit(not (seen == 2 and wanted == 3))
PY
