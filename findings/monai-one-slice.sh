#!/usr/bin/env bash
# MONAI's NIfTI writer fails on a volume of one slice that it is told not to resample.
#
# One would guess: NibabelWriter writes an array [1, 8, 8, 1] with its affine as it writes [1, 8, 8, 2]; single slices are common (a localiser, a
#   chest X-ray, an ultrasound frame in NIfTI).
# What happens: with resample=False the writer takes the slice away as if it were a channel and compares a number with None:
#   TypeError "'>=' not supported between instances of 'NoneType' and 'int'". SaveImage wraps it as "cannot find a suitable writer".
# Why it matters: a bundle that saves on the input's own grid fails for exactly these files, with advice to install a package.
# Versions: monai 1.6.1, nibabel 5.4.2, torch 2.13.0.
# This project: bundles write NIfTI with nibabel themselves (ganatomy.export).
# Exit code: 0 it is still so, 1 it changed, 2 the packages could not be installed.
set -eu
constraints=$(cd "$(dirname "$0")/.." && pwd)/constraints.txt
T=$(mktemp -d)
trap 'rm -rf "$T"' EXIT
{ python3 -m venv "$T/venv" && "$T/venv/bin/pip" -qq --disable-pip-version-check install -c "$constraints" \
    monai==1.6.1 torch==2.13.0 numpy==2.4.6 nibabel==5.4.2; } || exit 2
cd "$T"
"$T/venv/bin/python" -W ignore - <<'PY'
import sys

import numpy as np
import torch
from monai.data import NibabelWriter


def written(slices):
    """What writing a volume of so many slices says."""
    writer = NibabelWriter()
    try:
        writer.set_data_array(torch.zeros(1, 8, 8, slices), channel_dim=0)
        writer.set_metadata({"affine": np.eye(4)}, resample=False)
        writer.write(f"{slices}.nii.gz")
    except TypeError as error:
        return f"TypeError: {error}"
    return "written"


two, one = written(2), written(1)
print("expected: written; seen with two slices:", two)
print("expected: written; seen with one slice: ", one)
sys.exit(not (two == "written" and one.startswith("TypeError")))
PY
