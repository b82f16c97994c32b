"""Which cases are still to be predicted, and what their answers are called."""

from __future__ import annotations

import hashlib
import json
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from ganatomy.data.io.readers import suffix
from ganatomy.data.problems import files_of
from ganatomy.data.records import Record
from ganatomy.errors import UserError
from ganatomy.inference.inputs import Inputs, Named
from ganatomy.inference.loaded import LoadedRun
from ganatomy.predict import journal
from ganatomy.predict.journal import Entry
from ganatomy.predict.settings import PredictConfig


@dataclass(frozen=True)
class Plan:
    """What a call of `predict` does.

    Attributes:
        names: Path of each case's answer below the output, without an extension, by case.
        todo: Cases that are predicted now.
        done: Cases whose answers are there already.
    """

    names: dict[str, str]
    todo: list[Record]
    done: dict[str, Entry]


def plan(config: PredictConfig, loaded: LoadedRun, source: Named, records: Sequence[Record]) -> Plan:
    """Return what is to be done, given what an earlier call left in the folder of the answers.

    Args:
        config: Keys of the command.
        loaded: The run.
        source: Source of the inputs.
        records: All cases.

    Raises:
        UserError: The folder holds other files, or answers of other weights or settings.
    """
    folder, settings = config.folder, settings_hash(config)
    earlier = journal.read(folder) if folder.is_dir() else {}
    if not earlier and folder.is_dir() and any(not p.name.startswith(".") for p in folder.iterdir()):
        raise UserError(f"output={config.output}: holds other files; choose a new or an empty folder")
    for entry in earlier.values():
        if entry.weights_sha256 and entry.weights_sha256 != loaded.weights_hash:
            raise UserError(
                f"output={config.output}: holds answers of {entry.run}, which has other weights; choose "
                "another folder"
            )
        if entry.settings_sha256 and entry.settings_sha256 != settings:
            raise UserError(
                f"output={config.output}: holds answers with other settings (precision, mirror_axes, "
                "samples, doubt, window, format or series); give those again, or choose another folder"
            )
    done = {
        record.case: earlier[record.case]
        for record in records
        if record.case in earlier
        and earlier[record.case].stands(folder)
        and earlier[record.case].input_sha256 == input_hash(source, record)
    }
    todo = [record for record in records if record.case not in done]
    return Plan(names_of(source, records), todo, done)


def names_of(source: Named, records: Sequence[Record]) -> dict[str, str]:
    """Return a path for each case's answer, without an extension: that of its file, else the case's name.

    Args:
        source: The inputs; the names that a table of them gives to cases are names of answers too.
        records: The cases.
    """
    own = {name.replace("/", "_") for name in source.names} if isinstance(source, Inputs) else set()
    found = {}
    for record in records:
        files = files_of(record, "image")
        of_file = len(files) == 1 and not record.private and record.case not in own
        path = files[0] if of_file else record.case
        found[record.case] = path[: len(path) - len(suffix(path))] if path != record.case else path
    inside = {case: name if _below(name) else "" for case, name in found.items()}
    counts = Counter(name.casefold() for name in inside.values())
    return {case: name if name and counts[name.casefold()] == 1 else case for case, name in inside.items()}


def _below(name: str) -> bool:
    """Return True if a path stays below the folder that it is joined to."""
    return not Path(name).is_absolute() and ".." not in Path(name).parts


def input_hash(source: Named, record: Record) -> str:
    """Return the SHA-256 of the files of a case; empty if one cannot be read."""
    try:
        return journal.sha256_of(source.paths(record, "image"))
    except OSError:
        return ""


def settings_hash(config: PredictConfig) -> str:
    """Return the SHA-256 of the settings that decide the content of answers."""
    return hashlib.sha256(json.dumps(config.deciding(), sort_keys=True).encode()).hexdigest()
