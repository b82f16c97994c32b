#!/usr/bin/env bash
# MONAI's cross entropy with class weights has two values for one truth: of class numbers, and of the same truth one-hot.
#
# One would guess: DiceCELoss takes label maps as class numbers (to_onehot_y=True) or one-hot, so that both give one loss.
# What happens: with weights 1, 2 and 10 they differ by the mean weight of the image's voxels, 4.4 times for random labels. The truth is handed on to torch
#   as it comes, and torch divides a weighted loss of class numbers by the sum of the weights, one of probabilities by the number of voxels.
# Why it matters: the balance of cross entropy and Dice, and the learning rate that suits, change with how the labels are stored.
# Versions: monai 1.6.1, torch 2.13.0 (CPU).
# This project: one-hot and class numbers give the same value, divided by the sum of the weights (ganatomy.tasks.segmentation.losses).
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
from monai.losses import DiceCELoss

torch.manual_seed(0)
torch.set_num_threads(1)
logits, numbers = torch.randn(2, 3, 32, 32), torch.randint(0, 3, (2, 1, 32, 32))
one_hot = torch.nn.functional.one_hot(numbers[:, 0], 3).movedim(-1, 1).float()
ratios = {}
for weight in (None, torch.tensor([1.0, 2.0, 10.0])):
    own = {"softmax": True, "weight": weight, "lambda_dice": 0.0}
    first = float(DiceCELoss(to_onehot_y=True, **own)(logits, numbers))
    second = float(DiceCELoss(**own)(logits, one_hot))
    print(f"weights {None if weight is None else weight.tolist()}: class numbers {first:.4f}, the same one-hot {second:.4f}")
    ratios[weight is None] = second / first
mean = float(torch.tensor([1.0, 2.0, 10.0])[numbers].mean())
print(f"ratio with weights {ratios[False]:.4f}; mean weight of a voxel {mean:.4f}")
sys.exit(not (abs(ratios[True] - 1) < 1e-5 and abs(ratios[False] - mean) < 1e-3))
PY
