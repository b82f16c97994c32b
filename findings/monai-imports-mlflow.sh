#!/usr/bin/env bash
# `import monai` imports MLflow too wherever it is installed, and with it hundreds of modules that no network or transform needs.
#
# One would guess: optional packages are imported when the handler that needs them is made.
# What happens: monai's package imports all of its modules, and the one of the MLflow handler imports mlflow at once, which imports
#   pydantic, fastapi and others and asks whether it runs under pytest.
# Why it matters: who installs a tracker beside MONAI for one run in ten pays for it in each: every trial of a sweep, every worker that is
#   spawned and imports monai, and every command that answers in seconds otherwise.
# Versions: monai 1.6.1, torch 2.13.0, mlflow-skinny 3.17.2.
# This project: MLflow is an extra of its own and not installed by default (docs/configuration.md).
# Exit code: 0 it is still so, 1 it changed, 2 the packages could not be installed.
set -eu
constraints=$(cd "$(dirname "$0")/.." && pwd)/constraints.txt
T=$(mktemp -d)
trap 'rm -rf "$T"' EXIT
{ python3 -m venv "$T/venv" && "$T/venv/bin/pip" -qq --disable-pip-version-check install -c "$constraints" \
    monai==1.6.1 torch==2.13.0 numpy==2.4.6 mlflow-skinny==3.17.2; } || exit 2
cd "$T"
"$T/venv/bin/python" -W ignore - <<'PY'
import sys

import monai.networks.nets  # no handler, no engine

own = [name for name in sys.modules if name.split(".")[0] == "mlflow"]
print(f"expected modules of mlflow after `import monai.networks.nets`: 0; seen: {len(own)}")
sys.exit(not len(own) > 100)
PY
