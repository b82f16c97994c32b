#!/usr/bin/env bash
# Hydra: reading the list of a job's own overrides fails where one of them holds a relative interpolation that is valid.
#
# One would guess: HydraConfig.get().overrides.task is a list of the strings that were typed, for logs and for starting the job again.
# What happens: it is a ListConfig, and its elements are resolved as they are read. A word such as net={width: 16, body: {channels: ${..width}}}
#   composes and resolves as meant, but inside the list of words `..width` names a key of hydra.overrides, which is not there:
#   list(overrides.task) raises InterpolationKeyError. An absolute ${seed} in a word is replaced or fails likewise, and no longer says what was typed.
# Why it matters: launchers, callbacks and sweeps that hand the words on, or write them down, end a job that Hydra had composed without complaint.
# Versions: hydra-core 1.3.8 with omegaconf 2.3.1.
# This project: the words are read without resolving (ganatomy.runs.multirun.given_words).
# Exit code: 0 it is still so, 1 it changed, 2 the packages could not be installed.
set -eu
T=$(mktemp -d)
trap 'rm -rf "$T"' EXIT
{ python3 -m venv "$T/venv" && "$T/venv/bin/pip" -qq --disable-pip-version-check install \
    hydra-core==1.3.8 omegaconf==2.3.1; } || exit 2
cd "$T"
cat > job.py <<'PY'
import hydra
from hydra.core.hydra_config import HydraConfig
from omegaconf import OmegaConf
from omegaconf.errors import InterpolationKeyError


@hydra.main(version_base="1.3", config_path=None)
def job(cfg):
    print("composed:", OmegaConf.to_container(cfg, resolve=True))
    words = HydraConfig.get().overrides.task
    print("expected: the overrides are a list of the words that were typed")
    try:
        print("seen:", list(words))
        raise SystemExit(1)
    except InterpolationKeyError as error:
        print("seen: InterpolationKeyError:", str(error).splitlines()[0])
    print("unresolved:", OmegaConf.to_container(words, resolve=False))


job()
PY
"$T/venv/bin/pip" list --disable-pip-version-check 2>/dev/null | grep -iE "^(hydra-core|omegaconf) "
"$T/venv/bin/python" job.py '+net={width: 16, body: {channels: "${..width}"}}' hydra.run.dir=. hydra.output_subdir=null
