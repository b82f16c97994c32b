#!/usr/bin/env bash
# MONAI's generalised Dice loss calls a wholly wrong answer nearly right once the image is large.
#
# One would guess: the loss of an answer that has every voxel wrong is 1, whatever the size of the image.
# What happens: the weights of the classes are 1 / n^2 for n voxels, so that sums of weights times voxels shrink with the image, while 1e-5 is added to
#   numerator and denominator to avoid 0 / 0: 0.995 at 64^2, 0.43 at 1024^2, 0.16 at 2048^2. In a volume of 64^3 it is as in an image of 512^2.
# Why it matters: the loss is chosen for rare classes in large volumes, and there its gradient fades, without a word.
# Versions: monai 1.6.1, torch 2.13.0 (CPU).
# This project: the weights are scaled so that they add up to 1 before anything is added (ganatomy.tasks.segmentation.losses).
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
from monai.losses import GeneralizedDiceLoss

torch.set_num_threads(1)
seen = {}
for side in (64, 1024, 2048):
    truth = torch.zeros(1, 2, side, side)
    truth[:, 0, : side // 2] = 1
    truth[:, 1, side // 2 :] = 1
    right, wrong = (float(GeneralizedDiceLoss(softmax=True)(sign * 20 * (2 * truth - 1), truth)) for sign in (1, -1))
    print(f"{side} x {side}, each voxel right: {right:.3f}; each voxel wrong: expected 1.000, seen {wrong:.3f}")
    seen[side] = wrong
sys.exit(not (seen[64] > 0.99 and seen[1024] < 0.5 and seen[2048] < 0.2))
PY
