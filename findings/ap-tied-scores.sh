#!/usr/bin/env bash
# pycocotools: the average precision of equal scores is 1.0 or 0.5, by the order in which the boxes were written.
#
# One would guess: AP is a function of boxes and scores, so that the lines of a result file may stand in any order.
# What happens: equal scores are ranked in the order of the list (a stable sort). A hit and a false positive of one score give an AP of
#   1.0 if the hit is written first and 0.5 if it is second.
# Why it matters: scores with one or two decimals, those of an ensemble's votes, and confidences that saturate at 1.0 in half precision are full of
#   ties. A program that writes its boxes class by class or sorted by place is then better or worse on the same boxes.
# Versions: pycocotools 2.0.11.
# This project: boxes of one score enter the curve together (docs/scores.md, Ties), and written scores keep all digits.
# Exit code: 0 it is still so, 1 it changed, 2 the packages could not be installed.
set -eu
T=$(mktemp -d)
trap 'rm -rf "$T"' EXIT
{ python3 -m venv "$T/venv" && "$T/venv/bin/pip" -qq --disable-pip-version-check install \
    pycocotools==2.0.11 numpy==2.4.6; } || exit 2
cd "$T"
"$T/venv/bin/python" - <<'PY'
import contextlib
import importlib.metadata
import io
import sys

from pycocotools.coco import COCO
from pycocotools.cocoeval import COCOeval


def precision(boxes):
    truth = COCO()
    truth.dataset = {
        "info": {},
        "images": [{"id": 1, "width": 100, "height": 100}],
        "categories": [{"id": 1, "name": "lesion"}],
        "annotations": [
            {"id": 1, "image_id": 1, "category_id": 1, "bbox": [10, 10, 20, 20], "area": 400, "iscrowd": 0}
        ],
    }
    found = [{"image_id": 1, "category_id": 1, "bbox": box, "score": 0.5} for box in boxes]
    with contextlib.redirect_stdout(io.StringIO()):
        truth.createIndex()
        judge = COCOeval(truth, truth.loadRes(found), "bbox")
        judge.evaluate()
        judge.accumulate()
        judge.summarize()
    return round(float(judge.stats[0]), 6)


print("pycocotools", importlib.metadata.version("pycocotools"))
hit, miss = [10, 10, 20, 20], [60, 60, 20, 20]
first, second = precision([hit, miss]), precision([miss, hit])
print("expected: one AP of two boxes of score 0.5, a hit and a false positive, in either order")
print(f"seen: {first} with the hit first, {second} with the hit second")
sys.exit(0 if (first, second) == (1.0, 0.5) else 1)
PY
