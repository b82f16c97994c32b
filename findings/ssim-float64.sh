#!/usr/bin/env bash
# MONAI's SSIM of float64 images is computed in float32, and of values far from zero it exceeds 1.
#
# One would guess: tensors of float64 are computed in float64, and no SSIM is above 1.
# What happens: SSIMMetric casts both images to float32 and takes variances as differences of squares. Of whole numbers around 60000,
#   with a data_range of 100, the digits are gone: it gives 1.9 or so where 0.985 is right. At 30000 it is 0.01 too low,
#   which is enough to turn round which of two methods is better.
# Why it matters: counts of 16 bits far above their own contrast are such values, and handing over doubles does not help.
# Versions: MONAI 1.6.1, torch 2.13.0.
# This project: float64 from end to end, and equal to scikit-image's at any offset (tests/metrics/test_similarity.py).
# Exit code: 0 it is still so, 1 it changed, 2 the packages could not be installed.
set -eu
constraints=$(cd "$(dirname "$0")/.." && pwd)/constraints.txt
T=$(mktemp -d)
trap 'rm -rf "$T"' EXIT
{ python3 -m venv "$T/venv" && "$T/venv/bin/pip" -qq --disable-pip-version-check install -c "$constraints" \
    monai==1.6.1 torch==2.13.0 numpy==2.4.6; } || exit 2
cd "$T"
"$T/venv/bin/python" -W ignore - <<'PY'
import sys

import monai
import torch
from monai.metrics import SSIMMetric

RANGE = 100.0
line = torch.exp(-((torch.arange(11, dtype=torch.float64) - 5) ** 2) / (2 * 1.5**2))
WINDOW = (line[:, None] * line / line.sum() ** 2)[None, None]


def mean(image):
    return torch.nn.functional.conv2d(image, WINDOW)


def by_hand(x, y):
    """SSIM of Wang et al. 2004 in float64, with second moments about the image's own mean."""
    far, a, b = x.mean(), (0.01 * RANGE) ** 2, (0.03 * RANGE) ** 2
    u, v = x - far, y - far
    uu, vv, uv = mean(u * u) - mean(u) ** 2, mean(v * v) - mean(v) ** 2, mean(u * v) - mean(u) * mean(v)
    x, y = mean(u) + far, mean(v) + far
    return float(((2 * x * y + a) * (2 * uv + b) / ((x * x + y * y + a) * (uu + vv + b))).mean())


print("MONAI", monai.__version__, "torch", torch.__version__)
draw = torch.Generator().manual_seed(0)
clean = 100 * torch.rand(1, 1, 64, 64, dtype=torch.float64, generator=draw)
noisy = clean + 5 * torch.randn(1, 1, 64, 64, dtype=torch.float64, generator=draw)
pairs = {}
for offset in (0, 30000, 60000):
    x, y = (clean + offset).round(), (noisy + offset).round()
    pairs[offset] = by_hand(x, y), float(SSIMMetric(spatial_dims=2, data_range=RANGE)(x, y))
    print(f"{x.dtype} around {offset}: expected {pairs[offset][0]:.4f}, seen {pairs[offset][1]:.4f}")
kept = abs(pairs[0][0] - pairs[0][1]) < 1e-3
sys.exit(0 if kept and pairs[60000][1] > 1.05 and all(right < 1 for right, _ in pairs.values()) else 1)
PY
