"""Read lists of the cases of train, val and test."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

from ganatomy.data.io.text_tables import rows_of, word
from ganatomy.data.records import Split
from ganatomy.errors import UserError

NAMES: dict[str, Split] = {
    "train": "train", "training": "train", "tr": "train",
    "val": "val", "validation": "val", "valid": "val", "dev": "val",
    "test": "test", "testing": "test", "ts": "test",
}  # fmt: skip
Groups = dict[str, tuple[str | None, Split]]
Entry = tuple[str, str | None, Split, str]
"""Name, group, split, and its position in the list."""


def split_named(name: Any, where: str) -> Split:
    """Return the split of this name. Raises UserError for an unknown name, with its position."""
    split = NAMES.get(str(name).strip().lower())
    if split is None:
        raise UserError(f"{where}: split {str(name).strip() or '(empty)'}; choose train, val or test")
    return split


def read_splits(path: Path, fold: int | None = None, shown: Callable[[str], str] = str) -> Groups:
    """Return name -> (group, split) as written in the list, with slashes normalised.

    The list is a CSV (columns file, split, and optionally group), a JSON file ({train: [...], val: [...],
    test: [...]}, or a list of these, one per fold: nnU-Net's splits_final.json), or a folder with train.txt,
    val.txt and test.txt, one name per line.

    Args:
        path: The list.
        fold: The fold to use, if the list has several.
        shown: Returns a name as messages show it.

    Raises:
        UserError: For anything else, an unknown split, and a name in two splits.
    """
    found: Groups = {}
    places: dict[str, str] = {}
    for name, group, split, place in _entries(path, fold):
        if name in found and found[name] != (group, split):
            other_group, other = found[name]
            one, two = (
                (other, split)
                if other != split
                else (f"group {shown(str(other_group))}", f"group {shown(str(group))}")
            )
            raise UserError(
                f"{path}: {shown(name)} is in {one} ({places[name]}) and in {two} ({place}); name it once"
            )
        found[name], places[name] = (group, split), place
    if not found:
        raise UserError(f"{path}: holds no names")
    return found


def tidy(name: str) -> str:
    """Return a name with forward slashes and without a leading ./."""
    name = name.strip().replace("\\", "/")
    while name.startswith("./"):
        name = name[2:]
    return name


def _entries(path: Path, fold: int | None) -> Iterator[Entry]:
    if path.suffix.lower() == ".json":
        return _from_json(path, fold)
    if fold is not None:
        raise UserError(f"data.fold={fold}: {path} holds no folds; remove data.fold")
    return _from_folder(path) if path.is_dir() else _from_rows(path)


def _from_folder(path: Path) -> Iterator[Entry]:
    lists = sorted(p for p in path.glob("*.txt") if p.stem.lower() in NAMES)
    if not lists:
        raise UserError(f"{path}: holds none of train.txt, val.txt and test.txt; write them, a name a line")
    for file in lists:
        try:
            lines = file.read_text(encoding="utf-8-sig").splitlines()
        except (OSError, ValueError) as error:
            raise UserError(f"{file}: cannot be read as a list of names ({error})") from error
        for number, line in enumerate(lines, 1):
            if line.strip():
                yield tidy(line), None, split_named(file.stem, str(file)), f"{file.name}, line {number}"


def _from_rows(path: Path) -> Iterator[Entry]:
    for number, given in rows_of(path, f"{path}: is not a table of splits"):
        row = {str(key).strip().lower(): value for key, value in given.items()}
        name, split = word(row.get("file")), word(row.get("split"))
        if not name or not split:
            raise UserError(f"{path}, row {number}: needs the columns file and split")
        yield (
            tidy(name),
            word(row.get("group")) or None,
            split_named(split, f"{path}, row {number}"),
            f"row {number}",
        )


def _from_json(path: Path, fold: int | None) -> Iterator[Entry]:
    try:
        lists = json.loads(path.read_text(encoding="utf-8-sig"))
    except (OSError, ValueError) as error:
        raise UserError(f"{path}: cannot be read as lists of names ({error})") from error
    if isinstance(lists, list) and lists and all(isinstance(row, dict) for row in lists):
        if all("file" in row for row in lists):
            yield from _from_rows(path)
            return
        lists = _fold(path, lists, fold)
    elif fold is not None:
        raise UserError(f"data.fold={fold}: {path} holds no folds; remove data.fold")
    if not isinstance(lists, dict):
        raise UserError(f"{path}: holds no lists of names; write {{train: [...], val: [...], test: [...]}}")
    for key, names in lists.items():
        split = split_named(key, str(path))
        if not isinstance(names, list) or not all(isinstance(name, str | int) for name in names):
            raise UserError(f"{path}: {key} is not a list of names")
        for number, name in enumerate(names, 1):
            yield tidy(str(name)), None, split, f"{key}, name {number}"


def _fold(path: Path, lists: list[Any], fold: int | None) -> Any:
    if fold is None:
        raise UserError(
            f"{path}: holds {len(lists)} folds; choose one: data.split_file={path} data.fold=0 "
            f"(to {len(lists) - 1})"
        )
    if not 0 <= fold < len(lists):
        raise UserError(f"data.fold={fold}: {path} holds folds 0 to {len(lists) - 1}")
    return lists[fold]
