#!/usr/bin/env bash
# Hydra: a callback that sets hydra.sweep.dir at the start of a multirun moves multirun.yaml alone; the jobs write to the old folder.
#
# One would guess: on_multirun_start gets the configuration that the multirun goes by, so what it sets there holds for all of it.
# What happens: sweeper and launcher read the object that was changed, but each job is composed anew from the words of the command line.
# Why it matters: a callback that makes a folder of its own for each multirun (two that are begun in one second have the same default name)
#   leaves the jobs of both in the first one's folder, where they write over each other, and says nothing.
# Versions: hydra-core 1.3.8.
# This project: adds the word hydra.sweep.dir=... to the overrides that jobs are composed from (tests/launch/test_new_folders.py).
# Exit code: 0 it is still so, 1 it changed, 2 the packages could not be installed.
set -eu
T=$(mktemp -d)
trap 'rm -rf "$T"' EXIT
{ python3 -m venv "$T/venv" && "$T/venv/bin/pip" -qq --disable-pip-version-check install hydra-core==1.3.8; } || exit 2
cd "$T"
cat > mover.py <<'PY'
from hydra.experimental.callback import Callback
from omegaconf import read_write


class Mover(Callback):
    def on_multirun_start(self, config, **kwargs):
        with read_write(config):
            config.hydra.sweep.dir = "new"
PY
cat > app.py <<'PY'
import hydra


@hydra.main(version_base="1.3", config_path=None)
def app(config):
    pass


app()
PY
PYTHONPATH=. venv/bin/python app.py --multirun hydra.sweep.dir=old '+hydra.callbacks.mover={_target_: mover.Mover}' > log 2>&1 || { cat log; exit 1; }
seen=$(find old new -name multirun.yaml -o -name config.yaml | sort | tr '\n' ' ')
echo "expected: new/multirun.yaml old/0/.hydra/config.yaml"
echo "seen: $seen"
[ "$seen" = "new/multirun.yaml old/0/.hydra/config.yaml " ]
