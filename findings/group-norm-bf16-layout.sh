#!/usr/bin/env bash
# Group norm of one channel a group is some thirty times slower in bfloat16 once channels are innermost.
#
# One would guess: channels_last and bfloat16, both recommended for training on a CPU, cost a normalisation little or nothing. GroupNorm(C, C) is
#   the affine instance norm without running statistics, as U-Nets of medical images have it.
# What happens: F.group_norm(x, C) with C groups, forward and backward, on [16, 16, 96, 96]: about 2 ms with channels first, some 60 ms with
#   channels last; in float32 the two layouts differ by a small factor. No warning, the values agree.
# Why it matters: a network whose convolutions gain from channels_last and bfloat16 becomes slower as a whole, and the profile of one layout
#   says nothing of the other.
# Versions: torch 2.13.0 (CPU).
# This project: on a CPU instance norm uses this kernel with channels first only (ganatomy.networks.quick_layers), and `trainer.channels_last=auto`
#   times whole updates before it changes the layout.
# Exit code: 0 it is still so, 1 it changed, 2 the packages could not be installed.
set -eu
constraints=$(cd "$(dirname "$0")/.." && pwd)/constraints.txt
T=$(mktemp -d)
trap 'rm -rf "$T"' EXIT
{ python3 -m venv "$T/venv" && "$T/venv/bin/pip" -qq --disable-pip-version-check install -c "$constraints" \
    torch==2.13.0 numpy==2.4.6; } || exit 2
cd "$T"
"$T/venv/bin/python" -W ignore - <<'PY'
import statistics
import sys
import time

import torch
from torch.nn.functional import group_norm

torch.set_num_threads(1)


def seconds(dtype, layout):
    """CPU time of forward and backward, the median of seven."""
    x = torch.randn(16, 16, 96, 96).to(dtype).contiguous(memory_format=layout).requires_grad_()
    gradient, found = torch.ones_like(x), []
    for _ in range(7):
        begun = time.process_time()
        torch.autograd.grad(group_norm(x, 16), x, gradient)
        found.append(time.process_time() - begun)
    return statistics.median(found)


slower = {}
for dtype in (torch.float32, torch.bfloat16):
    first, last = seconds(dtype, torch.contiguous_format), seconds(dtype, torch.channels_last)
    slower[dtype] = last / first
    print(f"{dtype}: channels first {1000 * first:.1f} ms, channels last {1000 * last:.1f} ms")
print(f"expected: about equal; seen in bfloat16: {slower[torch.bfloat16]:.0f} times as long")
sys.exit(not slower[torch.bfloat16] > 8)
PY
