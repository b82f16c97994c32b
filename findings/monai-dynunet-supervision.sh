#!/usr/bin/env bash
# MONAI's DynUNet with deep supervision can be copied before its first pass and not after it, and safetensors refuses its state.
#
# One would guess: a network can be deep-copied at any time, as for an averaged copy (EMA), and its state dict holds each parameter once.
# What happens: the heads of the last pass, which are part of a graph, stay in the module, so that copy.deepcopy raises from the first training pass on. Every
#   layer is in the module twice, in a list and in nested skip layers: the state dict has 100 entries for 51 tensors, and safetensors will not write it.
# Why it matters: a run trains to its end and fails when its weights are written; an averaged copy works only if it is made first.
# Versions: monai 1.6.1, torch 2.13.0 (CPU), safetensors 0.8.0.
# This project: writes each tensor once and reads it back under all of its names; copies are made before training (ganatomy.runs.weights).
# Exit code: 0 it is still so, 1 it changed, 2 the packages could not be installed.
set -eu
constraints=$(cd "$(dirname "$0")/.." && pwd)/constraints.txt
T=$(mktemp -d)
trap 'rm -rf "$T"' EXIT
{ python3 -m venv "$T/venv" && "$T/venv/bin/pip" -qq --disable-pip-version-check install -c "$constraints" \
    monai==1.6.1 torch==2.13.0 numpy==2.4.6 safetensors==0.8.0; } || exit 2
cd "$T"
"$T/venv/bin/python" -W ignore - <<'PY'
import copy
import sys

import safetensors.torch
import torch
from monai.networks.nets import DynUNet

torch.set_num_threads(1)


def works(what):
    try:
        what()
    except RuntimeError as error:
        return f"RuntimeError: {' '.join(str(error).split())[:90]}..."
    return "works"


net = DynUNet(2, 1, 2, [3, 3, 3, 3], [1, 2, 2, 2], [2, 2, 2], deep_supervision=True, deep_supr_num=2)
before = works(lambda: copy.deepcopy(net))
net.train()(torch.zeros(1, 1, 32, 32))
after = works(lambda: copy.deepcopy(net))
state = net.state_dict()
saved = works(lambda: safetensors.torch.save(state))
tensors = len({value.data_ptr() for value in state.values()})
print(f"copy before a training pass: {before}\ncopy after it: expected works, seen {after}")
print(f"state dict: {len(state)} entries, {tensors} tensors; safetensors: expected works, seen {saved}")
sys.exit(not (before == "works" and after != "works" and saved != "works" and len(state) > tensors))
PY
