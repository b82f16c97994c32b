#!/usr/bin/env bash
# torchmetrics puts predictions of exactly 1 into a bin of their own, beyond the last: the calibration error is another one.
#
# One would guess: with n_bins=1 the expected calibration error is |mean confidence - accuracy|, as there is one bin.
# What happens: a probability of exactly 1.0, which a softmax in float32 gives often, falls behind the last edge, into an extra
#   bin. Here one bin gives 0.75 where the definition (Naeini et al. 2015) gives 0.25.
# Why it matters: over-confident networks are what the score is for, and their certain predictions are counted apart.
# Versions: torchmetrics 1.9.0, torch 2.13.0.
# This project: the last bin is closed at 1 (ganatomy.metrics.calibration.reliability).
# Exit code: 0 it is still so, 1 it changed, 2 the packages could not be installed.
set -eu
constraints=$(cd "$(dirname "$0")/.." && pwd)/constraints.txt
T=$(mktemp -d)
trap 'rm -rf "$T"' EXIT
{ python3 -m venv "$T/venv" && "$T/venv/bin/pip" -qq --disable-pip-version-check install -c "$constraints" \
    torchmetrics==1.9.0 torch==2.13.0 numpy==2.4.6; } || exit 2
cd "$T"
"$T/venv/bin/python" -W ignore - <<'PY'
import sys

import torch
from torchmetrics.functional.classification import binary_calibration_error

truth = torch.tensor([0, 0, 1, 1])
same = True
for certain, words in ((1.0, "1.0"), (1.0 - 1e-6, "1 - 1e-6")):
    probability = torch.tensor([certain, certain, 0.5, 0.5])
    wanted = float((probability.mean() - truth.float().mean()).abs())
    seen = float(binary_calibration_error(probability, truth, n_bins=1, norm="l1"))
    print(f"expected with one bin and {words}: {wanted:.2f}; seen: {seen:.2f}")
    same = same and (abs(seen - wanted) > 0.4) == (certain == 1.0)
sys.exit(not same)
PY
