"""Images in folders, what belongs to them found by their names."""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from src.data.readers import sifted, stem, suffix
from src.data.records import Record
from src.data.sources.files import Files
from src.data.splits import NAMES, Groups, read_splits
from src.errors import UserError


@dataclass(kw_only=True)
class Folder(Files):
    """Images that match `image`; masks, targets, class and subject are named by templates.

    image, exclude: glob patterns below `root`. label, target: a path below `root` that may hold `*` and,
    in braces, {stem} (file name without extension), {folder} (its folder below root), {parent} (the
    innermost folder), and the named groups of `match`, a regular expression searched in the path. Several
    masks of one image are merged. kind: template of the class of the image. subject: template of who it
    belongs to. given_split: template of the split, such as {top}, the outermost folder. splits: a CSV
    below `root` with the columns file and split, and group where images belong together.
    """

    image: str = "images/*"
    exclude: str | None = None
    match: str | None = None
    label: str | None = None
    target: str | None = None
    kind: str | None = None
    subject: str = "{folder}/{stem}"
    given_split: str | None = None
    splits: str | None = None

    def records(self) -> list[Record]:
        excluded = set(self.folder.glob(self.exclude)) if self.exclude else set()
        found, over = sifted(path for path in self.folder.glob(self.image) if path not in excluded)
        if not found:
            others = ", ".join(f"{count} {ending or 'without ending'}" for ending, count in over.items())
            others = f" (passed over: {others})" if over else ""
            raise UserError(f"data.image={self.image}: no image in {self.folder} matches{others}")
        self._name_kinds(found)
        given = read_splits(self.folder / self.splits) if self.splits else {}
        return [self._record(path, given) for path in found]

    def _name_kinds(self, found: Sequence[Path]) -> None:
        if self.kind and not self.kinds:
            self.kinds = tuple(sorted({self._fill(self.kind, self._words(path), "kind") for path in found}))

    def _record(self, path: Path, given: Groups) -> Record:
        words = self._words(path)
        name = words["path"]
        content: dict[str, Any] = {"image": name}
        for role, template in (("label", self.label), ("target", self.target)):
            if template:
                content[role] = self._find(self._fill(template, words, role))
        kind = self._fill(self.kind, words, "kind") if self.kind else ""
        if kind:
            if kind not in self.kinds:
                raise UserError(f"{path}: its kind {kind} is none of data.kinds={list(self.kinds)}")
            content["class"] = self.kinds.index(kind)
        subject = self._fill(self.subject, words, "subject").lstrip("./")
        group, split = next(
            (given[k] for k in (name, Path(name).name, words["stem"], subject) if k in given), (None, None)
        )
        if self.given_split and split is None:
            split = NAMES.get(self._fill(self.given_split, words, "split").lower())
        case = name[: -len(suffix(name))].replace("/", "_")
        return Record(case, group or subject, split, content, kind)

    def _words(self, path: Path) -> dict[str, str]:
        relative = path.relative_to(self.folder)
        words = {"path": relative.as_posix(), "stem": stem(path), "name": path.name}
        words |= {"folder": relative.parent.as_posix(), "parent": path.parent.name, "top": relative.parts[0]}
        if self.match:
            found = re.search(self.match, words["path"])
            if found is None:
                raise UserError(
                    f"data.match={self.match}: does not match {words['path']}; "
                    "correct it, or data.image and data.exclude"
                )
            words |= {key: value or "" for key, value in found.groupdict().items()}
        return words

    def _fill(self, template: str, words: dict[str, str], key: str) -> str:
        try:
            return template.format(**words)
        except (KeyError, IndexError, ValueError) as error:
            raise UserError(
                f"data.{key}={template}: no such word {error}; there are {', '.join(words)}"
            ) from error

    def _find(self, pattern: str) -> list[str]:
        """Files below root; a path without wildcards is kept even when missing, to be named as such."""
        if not any(letter in pattern for letter in "*?["):
            return [pattern]
        return sorted(path.relative_to(self.folder).as_posix() for path in self.folder.glob(pattern))
