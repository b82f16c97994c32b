#!/usr/bin/env bash
# torchmetrics' SSIM of a volume takes six thousand times the volume's memory in float64, sixty times as much as in float32.
#
# One would guess: float64 doubles the memory of SSIM with an 11x11x11 Gaussian window.
# What happens: the convolution of float64 volumes has no kernel of its own on a CPU and unfolds every window: for one volume of 32x32x32 (0.26 MB)
#   the process grows by 1.7 GB, and one of 96x96x64 asks for 31 GB and is refused. In float32 it grows by some 30 MB.
# Why it matters: people compute scores in float64 to be safe, and a test set of ordinary volumes then fails for memory in its first case.
# Versions: torchmetrics 1.9.0, torch 2.13.0 (CPU).
# This project: SSIM is separable sums of slices in float64 (ganatomy.metrics.similarity), slab by slab.
# Exit code: 0 it is still so, 1 it changed, 2 the packages could not be installed.
set -eu
constraints=$(cd "$(dirname "$0")/.." && pwd)/constraints.txt
T=$(mktemp -d)
trap 'rm -rf "$T"' EXIT
{ python3 -m venv "$T/venv" && "$T/venv/bin/pip" -qq --disable-pip-version-check install -c "$constraints" \
    torchmetrics==1.9.0 torch==2.13.0 numpy==2.4.6; } || exit 2
cd "$T"
cat > grown.py <<'PY'
import resource
import sys

import torch
from torchmetrics.functional.image import structural_similarity_index_measure as ssim

torch.set_num_threads(1)
side = 32
volume = torch.rand(1, 1, side, side, side, dtype=getattr(torch, sys.argv[1]))
settings = {"data_range": 1.0, "gaussian_kernel": True, "sigma": 1.5, "kernel_size": 11}
before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
ssim(volume, volume, **settings)
print((resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before) / 1024)
PY
single=$("$T/venv/bin/python" -W ignore grown.py float32)
double=$("$T/venv/bin/python" -W ignore grown.py float64)
echo "expected: twice as much; seen: float32 grows by $single MB, float64 by $double MB, for a volume of 0.26 MB"
"$T/venv/bin/python" -c "import sys; a, b = map(float, sys.argv[1:]); sys.exit(not b > max(100, 8 * a))" "$single" "$double"
