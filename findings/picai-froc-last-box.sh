#!/usr/bin/env bash
# picai_eval: a detector that finds both of two lesions, without a false positive, has a sensitivity of one half.
#
# One would guess: `lesion_TPR_at_FPR(1.0)` of a perfect detector is 1, since all lesions are found with no false positive.
# What happens: the end of the curve, at infinitely many false positives, is written over the lowest score, and not appended. What was found
#   with that score is lost: two lesions give 0.5, ten 0.9. With one more candidate below the last hit all is well.
# Why it matters: small test sets, good detectors and lists that were cut at a threshold have hits at their end; the better detector then gets
#   the lower score. `AP` of the same object is right.
# Versions: picai_eval 1.4.13.
# This project: the curve is read at the rates, and keeps its last step (ganatomy.metrics.detection.curves).
# Exit code: 0 it is still so, 1 it changed, 2 the packages could not be installed.
set -eu
T=$(mktemp -d)
trap 'rm -rf "$T"' EXIT
{ python3 -m venv "$T/venv" && "$T/venv/bin/pip" -qq --disable-pip-version-check install \
    picai_eval==1.4.13 numpy==2.4.6; } || exit 2
cd "$T"
"$T/venv/bin/python" -W ignore - <<'PY'
import contextlib
import importlib.metadata
import io
import sys

with contextlib.redirect_stdout(io.StringIO()):
    from picai_eval.metrics import Metrics

print("picai_eval", importlib.metadata.version("picai_eval"))
seen = []
for lesions in (2, 10):
    # (is a lesion, confidence, overlap)
    cases = {f"case{n}": [(1, 0.9 - 0.05 * n, 1.0)] for n in range(lesions)}
    perfect = Metrics(lesion_results=cases).lesion_TPR_at_FPR(1.0)
    longer = Metrics(lesion_results={**cases, "other": [(0, 0.01, 0.0)]}).lesion_TPR_at_FPR(1.0)
    print(f"{lesions} lesions, all found: expected 1.0; seen {perfect:.2f}; with one more candidate, which is none: {longer:.2f}")
    seen += [round(float(perfect), 6), round(float(longer), 6)]
sys.exit(0 if seen == [0.5, 1.0, 0.9, 1.0] else 1)
PY
