#!/usr/bin/env bash
# One NIfTI lies in two places: nibabel and SimpleITK choose between sform and qform by different rules.
#
# One would guess: both libraries put voxel (0, 0, 0) of one file at one point of the patient.
# What happens: nibabel takes the sform whenever its code is not 0. SimpleITK takes it if its code is 1 (scanner) and the
#   qform if it is 2 (aligned), 3 (Talairach) or 4 (MNI) and the qform has a code. No warning is given.
# Why it matters: a registered image keeps its scanner's qform and has the registration's result as an sform of code 2 or 4. A mask
#   drawn in a program built on ITK and an image read by nibabel or MONAI then lie centimetres apart, in a file without an error.
# Versions: nibabel 5.4.2, SimpleITK 2.5.7.
# This project: places every NIfTI by its sform, says so (docs/formats.md), and takes an image and its mask through one reader.
# Exit code: 0 it is still so, 1 it changed, 2 the packages could not be installed.
set -eu
T=$(mktemp -d)
trap 'rm -rf "$T"' EXIT
{ python3 -m venv "$T/venv" && "$T/venv/bin/pip" -qq --disable-pip-version-check install \
    nibabel==5.4.2 SimpleITK==2.5.7 numpy==2.4.6; } || exit 2
cd "$T"
"$T/venv/bin/python" - <<'PY'
import sys

import nibabel
import numpy as np
import SimpleITK

turn = np.deg2rad(15)
scanner = np.diag([1.0, 1, 2, 1])
scanner[:3, 3] = -10, -20, -30
aligned = np.diag([1.0, 1, 2, 1])
aligned[:2, :2] = [[np.cos(turn), -np.sin(turn)], [np.sin(turn), np.cos(turn)]]
aligned[:3, 3] = 40, 50, 60

print("nibabel", nibabel.__version__, "SimpleITK", SimpleITK.Version_VersionString())
print("expected: 0.0 mm between the two libraries' places of one voxel, whatever the codes are")
apart = {}
for code in (1, 2, 3, 4):
    image = nibabel.Nifti1Image(np.zeros((4, 5, 6), np.int16), None)
    image.set_qform(scanner, code=1)
    image.set_sform(aligned, code=code)
    image.to_filename("image.nii")
    here = nibabel.load("image.nii").affine[:3, 3]
    there = np.array(SimpleITK.ReadImage("image.nii").GetOrigin()) * (-1, -1, 1)  # LPS to RAS
    apart[code] = float(np.linalg.norm(here - there))
    print(f"seen, sform code {code}: nibabel {here.tolist()} SimpleITK {there.round(3).tolist()}: {apart[code]:.1f} mm apart")
sys.exit(0 if apart[1] < 0.01 and min(apart[code] for code in (2, 3, 4)) > 100 else 1)
PY
