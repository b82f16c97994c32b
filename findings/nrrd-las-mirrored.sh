#!/usr/bin/env bash
# MONAI reads a NRRD in left-anterior-superior as if it were right-anterior-superior: the patient is mirrored.
#
# One would guess: of the three spaces of the body that NRRD names (LPS, RAS, LAS) each is either turned to the affine's RAS or refused.
# What happens: NrrdReader turns LPS and takes the numbers of RAS and LAS as they are. Of LAS left is then right, and the origin is on
#   the other side of the body. There is no warning.
# Why it matters: left and right are what must not be mixed up, and a network trained on files from several programs sees some of
#   them mirrored. Resampled together with a file of the other convention, image and mask lie apart.
# Versions: MONAI 1.6.1 with pynrrd 1.1.3, SimpleITK 2.5.7 (which turns all three).
# This project: reads NRRD by SimpleITK.
# Exit code: 0 it is still so, 1 it changed, 2 the packages could not be installed.
set -eu
constraints=$(cd "$(dirname "$0")/.." && pwd)/constraints.txt
T=$(mktemp -d)
trap 'rm -rf "$T"' EXIT
{ python3 -m venv "$T/venv" && "$T/venv/bin/pip" -qq --disable-pip-version-check install -c "$constraints" \
    monai==1.6.1 torch==2.13.0 numpy==2.4.6 pynrrd==1.1.3 SimpleITK==2.5.7; } || exit 2
cd "$T"
"$T/venv/bin/python" -W ignore - <<'PY'
import sys

import monai
import nrrd
import numpy as np
import SimpleITK
from monai.data import NrrdReader

print("MONAI", monai.__version__, "pynrrd", nrrd.__version__, "SimpleITK", SimpleITK.Version_VersionString())
print("expected: one point of the patient by both readers, in each of the three spaces")
same = {}
for space in ("left-posterior-superior", "right-anterior-superior", "left-anterior-superior"):
    head = (
        "NRRD0005\ntype: uint8\ndimension: 3\nsizes: 4 3 2\nencoding: raw\n"
        f"space: {space}\nspace directions: (1,0,0) (0,1,0) (0,0,1)\nspace origin: (10,20,30)\n\n"
    )
    with open("image.nrrd", "wb") as file:
        file.write(head.encode() + bytes(range(24)))
    reader = NrrdReader()
    _, meta = reader.get_data(reader.read("image.nrrd"))
    image = SimpleITK.ReadImage("image.nrrd")
    last = np.array([3, 2, 1])
    here = np.asarray(meta["affine"])[:3] @ [*last, 1]
    there = np.array(image.TransformIndexToPhysicalPoint(last.tolist())) * (-1, -1, 1)  # LPS to RAS
    same[space] = np.allclose(here, there)
    print(f"seen, {space}: last voxel at RAS {here.tolist()} by MONAI, {there.tolist()} by SimpleITK")
sys.exit(0 if list(same.values()) == [True, True, False] else 1)
PY
