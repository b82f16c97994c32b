#!/usr/bin/env bash
# On a CPU, torch's gradient for the filter of a 3D convolution in bfloat16 is wrong where the padded map holds hardly more than the filter.
#
# One would guess: bfloat16 rounds to three digits, so gradients are within a percent of those in float32.
# What happens: for maps of 3x3x3 voxels, padded by 1, and a filter of 4x4x4, the filter's gradient is off by its own size or by any
#   factor, and may be NaN. The output and the gradient at the map are right, and so is everything in 2D, for larger maps, or in float32.
# Why it matters: such a layer is the last one of a patch discriminator for small 3D patches (MONAI's PatchDiscriminator on 24x24x24).
#   Mixed precision trains it on noise; a gradient scaler sees nothing, or skips steps for no reason that one can find.
# Versions: torch 2.13.0 (CPU, oneDNN as it is built in).
# This project: layers with a side shorter than their filter are computed in float32 (src/networks/quick_convolutions.py).
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

import torch
from torch.nn.functional import conv2d, conv3d

torch.set_num_threads(1)


def off(dims, side, channels, out):
    """Return the largest difference of the two gradients (map, filter) to float32's, in units of the largest value."""
    torch.manual_seed(0)
    x, weight = torch.randn(2, channels, *[side] * dims), torch.randn(out, channels, *[4] * dims)
    found = []
    for kind in (torch.float32, torch.bfloat16):
        inputs = [each.bfloat16().to(kind).requires_grad_() for each in (x, weight)]
        y = (conv2d if dims == 2 else conv3d)(*inputs, padding=1)
        found.append(torch.autograd.grad(y, inputs, torch.ones_like(y)))
    return [float((one.float() - two.float()).abs().max() / one.abs().max()) for one, two in zip(*found)]


wrong = 0
for dims, side in ((3, 3), (3, 5), (2, 3)):
    for channels, out in ((16, 1), (32, 16), (64, 32)):
        at_map, at_filter = off(dims, side, channels, out)
        wrong += dims == 3 and side == 3 and not at_filter < 0.5 and at_map < 0.02
        right = at_filter < 0.02
        print(f"{dims}D, side {side}, {channels} -> {out}: map {at_map:.3f}, filter {at_filter:.3g}; expected below 0.02")
        if (dims, side) != (3, 3) and not right:
            sys.exit(1)
sys.exit(wrong == 0)
PY
