#!/usr/bin/env bash
# MONAI's evaluator with amp=True computes in float32 on a CPU: its autocast is written for CUDA.
#
# One would guess: SupervisedEvaluator(device=cpu, amp=True) computes in bfloat16, as torch.autocast("cpu") does, or refuses.
# What happens: it enters torch.autocast("cuda"), which without a GPU turns itself off with a warning. The network sees and gives float32.
#   The bundles of MONAI's model zoo set "amp": true, and so do scripts made from them.
# Why it matters: a half-precision figure measured on a CPU is one of float32, and half the speed that the machine has.
# Versions: monai 1.6.1, torch 2.13.0, pytorch-ignite 0.5.5.
# This project: autocast is given the device that computes (ganatomy.inference.loaded).
# Exit code: 0 it is still so, 1 it changed, 2 the packages could not be installed.
set -eu
constraints=$(cd "$(dirname "$0")/.." && pwd)/constraints.txt
T=$(mktemp -d)
trap 'rm -rf "$T"' EXIT
{ python3 -m venv "$T/venv" && "$T/venv/bin/pip" -qq --disable-pip-version-check install -c "$constraints" \
    monai==1.6.1 torch==2.13.0 numpy==2.4.6 pytorch-ignite==0.5.5; } || exit 2
cd "$T"
"$T/venv/bin/python" -W ignore - <<'PY'
import sys

import torch
from monai.engines import SupervisedEvaluator

kinds = []


class Network(torch.nn.Conv2d):
    def forward(self, image):
        made = super().forward(image)
        kinds.append(made.dtype)
        return made


data = [{"image": torch.ones(1, 1, 8, 8), "label": torch.ones(1, 1, 8, 8)}]
network = Network(1, 1, 3, padding=1)
SupervisedEvaluator(torch.device("cpu"), data, network, amp=True).run()
with torch.autocast("cpu"):
    network(data[0]["image"])
engine, plain = kinds
print(f"expected of the evaluator with amp=True on a CPU: {plain}, as torch.autocast('cpu') gives; seen: {engine}")
sys.exit(not (engine == torch.float32 and plain == torch.bfloat16))
PY
