#!/usr/bin/env bash
# MONAI's hinge loss is taken of tanh(D): a discriminator that is sure and wrong hardly learns, nor does its generator.
#
# One would guess: PatchAdversarialLoss(criterion="hinge") is the hinge loss of the literature: max(0, 1 - D) of a real image, with
#   a gradient of -1 for as long as the margin is not met, and -D for the generator.
# What happens: the scores pass a tanh first. A real image scored -8 costs 2 and not 9, and its gradient is 5e-7 and not 1. The
#   generator's loss is max(0, 1 - tanh(D)) of its images, of which the gradient is the same 5e-7. The docstring has it that
#   an activation is applied, not that the margin thereby turns into a saturating loss.
# Why it matters: hinge is chosen because it does not saturate. Here a discriminator that runs ahead, as on small medical sets,
#   leaves the generator with no gradient, and published settings are not those that run.
# Versions: MONAI 1.6.1, torch 2.13.0.
# This project: its own losses, whose values and gradients are compared with the published formulas (tests/adversarial/test_losses.py).
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
import torch
from monai.losses import PatchAdversarialLoss

print("MONAI", monai.__version__, "torch", torch.__version__)
monais = PatchAdversarialLoss(criterion="hinge")
seen = {}
for player, by_hand in (("discriminator, real", lambda d: torch.relu(1 - d).mean()), ("generator", lambda d: -d.mean())):
    scores = torch.full((1, 1, 4, 4), -8.0, requires_grad=True)
    loss = by_hand(scores)
    (slope,) = torch.autograd.grad(loss, scores)
    print(f"expected, {player}, D = -8: loss {loss.item():g}, gradient {slope.sum().item():.1e}")
    loss = monais(scores, target_is_real=True, for_discriminator=player != "generator")
    (slope,) = torch.autograd.grad(loss, scores)
    seen[player] = loss.item(), slope.sum().item()
    print(f"seen,     {player}, D = -8: loss {loss.item():g}, gradient {slope.sum().item():.1e}")
sys.exit(0 if all(abs(loss - 2) < 1e-3 and abs(slope) < 1e-5 for loss, slope in seen.values()) else 1)
PY
