#!/usr/bin/env bash
# scikit-image: the peaks of a volume whose labels are all 0 are an array of shape (0, 2), not (0, 3).
#
# One would guess: peak_local_max returns one column for each axis, however many rows; without labels it does, (0, 3) of a volume.
# What happens: with labels the answer for no label at all is made for two axes, whatever the image has.
# Why it matters: seeds of a watershed are set by volume[tuple(peaks.T)]: in two dimensions no peaks are no problem, in three the program ends.
# Versions: scikit-image 0.26.0.
# This project: gives the array as many columns as the image has axes (tests/baselines/test_watershed.py).
# Exit code: 0 it is still so, 1 it changed, 2 the packages could not be installed.
set -eu
T=$(mktemp -d)
trap 'rm -rf "$T"' EXIT
{ python3 -m venv "$T/venv" && "$T/venv/bin/pip" -qq --disable-pip-version-check install scikit-image==0.26.0; } || exit 2
seen=$("$T/venv/bin/python" - <<'PY'
import numpy as np
from skimage.feature import peak_local_max

for sides in ((8, 8), (8, 8, 8)):
    image, labels = np.zeros(sides), np.zeros(sides, np.int32)
    print(len(sides), peak_local_max(image).shape[1], peak_local_max(image, labels=labels).shape[1])
PY
)
echo "expected: axes, columns without labels, columns with labels: 2 2 2; 3 3 3"
echo "seen: $(echo "$seen" | tr '\n' ';')"
[ "$seen" = "$(printf '2 2 2\n3 3 2')" ]
