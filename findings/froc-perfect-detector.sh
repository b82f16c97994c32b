#!/usr/bin/env bash
# MONAI gives a perfect detector of one lesion the FROC score 0, and one of ten lesions 0.9.
#
# One would guess: all lesions found and no false positive is a sensitivity of 1 at every rate, and a score of 1.
# What happens: compute_froc_curve_data never counts at the lowest of the probabilities, so the weakest true positive is lost where
#   no false positive lies below it: 1 lesion scores 0, 10 score 0.9, and lesions that share one probability all
#   count as missed. A false alarm of low probability added to the perfect answer lifts 0 to 1.
# Why it matters: on small validation sets the better detector scores lower, and a checkpoint chosen by this score is the one with a
#   false positive.
# Versions: MONAI 1.6.1.
# This project: has its own FROC, in which every probability is a threshold (tests/metrics/detection: the perfect detector scores 1).
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
import numpy as np
from monai.metrics import compute_froc_curve_data, compute_froc_score


def score(false, true, lesions):
    rates, found = compute_froc_curve_data(np.array(false), np.array(true), lesions, num_images=1)
    return round(float(compute_froc_score(rates, found)), 6)


print("MONAI", monai.__version__)
print("expected: 1.0 in each line, as every lesion is found before any false positive")
cases = {
    "one lesion, found": score([], [0.9], 1),
    "ten lesions, found": score([], np.linspace(0.5, 0.95, 10), 10),
    "four lesions, found with one probability": score([], [0.9] * 4, 4),
    "one lesion, found, and a false alarm below it": score([0.1], [0.9], 1),
}
for name, value in cases.items():
    print(f"seen, {name}: {value}")
sys.exit(0 if list(cases.values()) == [0.0, 0.9, 0.0, 1.0] else 1)
PY
