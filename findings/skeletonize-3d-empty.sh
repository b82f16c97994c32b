#!/usr/bin/env bash
# scikit-image's 3D skeleton of a small object is empty.
#
# One would guess: a skeleton keeps the topology, so that an object of a few voxels leaves at least one voxel.
# What happens: 61 of the 255 masks that fit into 2 x 2 x 2 voxels vanish, such as three voxels around a corner. In 2D none of the 15 masks of 2 x 2 does.
# Why it matters: clDice and lengths of vessels are computed from skeletons: a small branch, or a small true lesion, is neither found nor missed, and the
#   precision of an answer that has nothing else is 0 / 0.
# Versions: scikit-image 0.26.0, numpy 2.4.6.
# This project: an object whose skeleton is empty is taken as its own skeleton (ganatomy.metrics.structures.centreline).
# Exit code: 0 it is still so, 1 it changed, 2 the packages could not be installed.
set -eu
T=$(mktemp -d)
trap 'rm -rf "$T"' EXIT
{ python3 -m venv "$T/venv" && "$T/venv/bin/pip" -qq --disable-pip-version-check install scikit-image==0.26.0 numpy==2.4.6; } || exit 2
cd "$T"
"$T/venv/bin/python" -W ignore - <<'PY'
import sys

import numpy as np
from skimage.morphology import skeletonize

gone = {}
for dims in (2, 3):
    inner = (slice(2, 4),) * dims
    gone[dims] = 0
    for number in range(1, 2 ** 2**dims):
        mask = np.zeros((6,) * dims, bool)
        mask[inner] = np.array([int(bit) for bit in f"{number:0{2**dims}b}"], bool).reshape((2,) * dims)
        gone[dims] += not skeletonize(mask).any()
    print(f"{dims}D, masks within {' x '.join('2' * dims)}: {2 ** 2**dims - 1}, expected 0 without a skeleton, seen {gone[dims]}")
sys.exit(not (gone[2] == 0 and gone[3] > 0))
PY
