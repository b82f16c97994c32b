#!/usr/bin/env bash
# Pillow inverts a WhiteIsZero TIFF of 8 bits and leaves one of 16 bits as it is.
#
# One would guess: whether a picture comes out as negative or as positive does not depend on how many bits it has.
# What happens: PhotometricInterpretation 0 (WhiteIsZero) is honoured at 8 bits and ignored at 16. The 16-bit image has the very values of
#   one that says BlackIsZero. (tifffile's imread gives stored values at both depths.)
# Why it matters: film scanners and exports of radiographs in MONOCHROME1 write WhiteIsZero. In a set of both depths some lungs are
#   then white and some black, and a network that learned from 8-bit copies meets negatives in the 16-bit originals.
# Versions: Pillow 13.0.0, tifffile 2026.3.3 (to write the files).
# This project: inverts WhiteIsZero at every depth of whole numbers, and refuses floats, which have no largest value.
# Exit code: 0 it is still so, 1 it changed, 2 the packages could not be installed.
set -eu
T=$(mktemp -d)
trap 'rm -rf "$T"' EXIT
{ python3 -m venv "$T/venv" && "$T/venv/bin/pip" -qq --disable-pip-version-check install \
    pillow==13.0.0 tifffile==2026.3.3 numpy==2.4.6; } || exit 2
cd "$T"
"$T/venv/bin/python" - <<'PY'
import sys

import numpy as np
import PIL
import tifffile
from PIL import Image

print("Pillow", PIL.__version__, "tifffile", tifffile.__version__)
print("expected: stored 0 is the brightest value and the largest stored value 0, at 8 and at 16 bits")
inverted = {}
for kind in (np.uint8, np.uint16):
    top = int(np.iinfo(kind).max)
    stored = np.array([[0, 100, top]], kind)
    tifffile.imwrite("film.tif", stored, photometric="miniswhite")
    read = np.asarray(Image.open("film.tif"))
    inverted[kind] = read.tolist() == (top - stored).tolist() or (False if read.tolist() == stored.tolist() else None)
    print(f"seen, {stored.dtype}: stored {stored.tolist()} read {read.tolist()}")
sys.exit(0 if inverted == {np.uint8: True, np.uint16: False} else 1)
PY
