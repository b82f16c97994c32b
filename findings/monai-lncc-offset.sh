#!/usr/bin/env bash
# MONAI's loss of local correlation leaves its range of -1 to 0 where images are far from zero, and is below perfect at every border.
#
# One would guess: a correlation does not change when one image is scaled and shifted, so the loss of (3 y + 7, y) is -1, that of an image and itself.
# What happens: windows at the border are padded with zeros after the images' values are used as they are, so the value 7 beside the padding counts as an
#   edge: -0.77 for a volume of 24^3, -0.94 for an image of 96^2. Variances are differences of large float32 sums: with an offset of 1000 (Hounsfield
#   units, raw MR) they cancel, and the loss is -200,000 instead of -1, a number that a sum of weighted losses then follows.
# Why it matters: it is the usual loss where pairs are of different modalities, whose values have different offsets and scales.
# Versions: monai 1.6.1, torch 2.13.0 (CPU).
# This project: local correlation is taken of images normalised to about 1, over the windows that lie inside (ganatomy.tasks.translation.losses).
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

import torch
from monai.losses import LocalNormalizedCrossCorrelationLoss

torch.manual_seed(0)
torch.set_num_threads(1)
wrong = []
for shape in ((24, 24, 24), (96, 96)):
    y = torch.rand(1, 1, *shape)
    loss = LocalNormalizedCrossCorrelationLoss(spatial_dims=len(shape), kernel_size=9)
    itself, scaled, shifted = (float(loss(x, y)) for x in (y, 3 * y + 7, y + 1000))
    print(f"{shape}: (y, y) {itself:.3f}; expected the same of (3 y + 7, y) and (y + 1000, y); seen {scaled:.3f} and {shifted:.0f}")
    wrong.append(abs(itself + 1) < 1e-4 and scaled > -0.96 and shifted < -1000)
sys.exit(not all(wrong))
PY
