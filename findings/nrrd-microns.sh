#!/usr/bin/env bash
# SimpleITK converts microns of a NIfTI to millimetres, and those of a NRRD not.
#
# One would guess: one library gives one spacing, in mm, of one image that states its units in two formats.
# What happens: a NIfTI with voxels of 500 micron has a spacing of 0.5. The same voxels as a NRRD whose `space units` are "um" have
#   one of 500; the units are dropped, they are not among the metadata either, and no warning is given.
# Why it matters: histology, micro-CT and OCT are written in microns. Every length, volume and distance (HD95) of theirs is then a
#   thousand times, or a thousand million times, too large, by the format alone.
# Versions: SimpleITK 2.5.7, nibabel 5.4.2 (to write the NIfTI).
# This project: reads `space units` itself and converts um, mm, cm and m; other words are refused.
# Exit code: 0 it is still so, 1 it changed, 2 the packages could not be installed.
set -eu
T=$(mktemp -d)
trap 'rm -rf "$T"' EXIT
{ python3 -m venv "$T/venv" && "$T/venv/bin/pip" -qq --disable-pip-version-check install \
    SimpleITK==2.5.7 nibabel==5.4.2 numpy==2.4.6; } || exit 2
cd "$T"
"$T/venv/bin/python" - <<'PY'
import sys

import nibabel
import numpy as np
import SimpleITK

voxels = np.arange(24, dtype=np.uint8).reshape(4, 3, 2)
image = nibabel.Nifti1Image(voxels, np.diag([500, 500, 500, 1]))
image.header.set_xyzt_units("micron")
image.to_filename("image.nii")
head = (
    "NRRD0005\ntype: uint8\ndimension: 3\nsizes: 4 3 2\nencoding: raw\nspace: right-anterior-superior\n"
    "space directions: (500,0,0) (0,500,0) (0,0,500)\nspace origin: (0,0,0)\n"
    'space units: "um" "um" "um"\n\n'
)
with open("image.nrrd", "wb") as file:
    file.write(head.encode() + voxels.tobytes(order="F"))

print("SimpleITK", SimpleITK.Version_VersionString(), "nibabel", nibabel.__version__)
print("expected: (0.5, 0.5, 0.5) mm of both files")
nifti, nrrd = SimpleITK.ReadImage("image.nii"), SimpleITK.ReadImage("image.nrrd")
units = [key for key in nrrd.GetMetaDataKeys() if "unit" in key.lower()]
print(f"seen: NIfTI {nifti.GetSpacing()}, NRRD {nrrd.GetSpacing()}; keys of the NRRD that name units: {units}")
alike = (SimpleITK.GetArrayFromImage(nifti) == SimpleITK.GetArrayFromImage(nrrd)).all()
sys.exit(0 if alike and nifti.GetSpacing() == (0.5,) * 3 and nrrd.GetSpacing() == (500.0,) * 3 and not units else 1)
PY
