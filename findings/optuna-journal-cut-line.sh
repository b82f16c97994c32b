#!/usr/bin/env bash
# Optuna: a journal whose last line was cut, as by a full disk, opens; the next trial then makes it unreadable for good.
#
# One would guess: a journal is made for workers that die, so a cut last line is dropped (it opens, after all), and the study goes on.
# What happens: opening skips the cut line, and shows all finished trials. The next write is appended to the cut line without a line break, so
#   a line in the middle is no JSON: every later read, by any worker, raises JSONDecodeError, and that write is lost too.
# Why it matters: a search of days on a shared file system is gone after one moment without space, though only its last line was.
# Versions: optuna 5.0.0, JournalFileBackend.
# This project: each line of the journal has a checksum; a cut one is dropped, with a word, before the next is written
#   (ganatomy.sweeps.journal).
# Exit code: 0 it is still so, 1 it changed, 2 the packages could not be installed.
set -eu
T=$(mktemp -d)
trap 'rm -rf "$T"' EXIT
{ python3 -m venv "$T/venv" && "$T/venv/bin/pip" -qq --disable-pip-version-check install optuna==5.0.0; } || exit 2
cd "$T"
"$T/venv/bin/python" -W ignore - <<'PY'
import sys
from json import JSONDecodeError

import optuna
from optuna.storages import JournalStorage
from optuna.storages.journal import JournalFileBackend

optuna.logging.set_verbosity(optuna.logging.ERROR)


def study():
    storage = JournalStorage(JournalFileBackend("journal.log"))
    return optuna.create_study(storage=storage, study_name="search", load_if_exists=True)


study().optimize(lambda trial: trial.suggest_float("x", 0, 1), n_trials=2)
with open("journal.log", "r+b") as journal:  # the disk was full: half of the last line is missing
    journal.truncate(len(journal.read()) - 20)

opened = study()
print(f"seen: it opens with {len(opened.trials)} trials")


def more():
    opened.optimize(lambda trial: trial.suggest_float("x", 0, 1), n_trials=1)


lost = 0
for what, do in (("one more trial", more), ("open it again", study)):
    print(f"expected: {what}: goes on from the lines that are whole")
    try:
        do()
        print("seen: it does")
    except JSONDecodeError as error:
        print("seen: JSONDecodeError:", error)
        lost += 1
sys.exit(lost != 2)
PY
