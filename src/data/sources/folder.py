"""Images in folders, what belongs to them found by their names."""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from src.data.lists import read_splits, split_named
from src.data.matching import assigned
from src.data.problems import few
from src.data.readers import sifted, stem, suffix
from src.data.records import Fault, Record
from src.data.sources.files import Files
from src.data.sources.templates import Template, globbed, owned, visible
from src.errors import UserError


@dataclass(kw_only=True)
class Folder(Files):
    """Images that match `image`; masks, targets, class and subject are named by templates.

    image, exclude: glob patterns below `root`. label, target: a path below `root` that may hold `*` and,
    in braces, the words {name}, {stem}, {folder}, {parent}, {top} (conf/data/folder.yaml tells them) and
    the named groups of `match`, a regular expression searched in the path. Beside a `*` a word stands
    whole: {stem}* of case_1 does not take what is case_10's. Several masks of one image are merged. kind:
    template of the class of the image. subject: template of who it belongs to. given_split: template of
    the split, such as {top}. splits: a list below `root` (see `read_splits`), which counts before
    given_split; its column group holds images together.
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
        excluded = set(globbed(self.folder, self.exclude)) if self.exclude else set()
        found, over = sifted(path for path in globbed(self.folder, self.image) if path not in excluded)
        passed = ", ".join(f"{count} {ending or 'without ending'}" for ending, count in over.items())
        if not found:
            passed = f" (passed over: {passed})" if passed else ""
            raise UserError(f"data.image={self.image}: no image in {self.folder} matches{passed}")
        notes = [Fault("", "passed over", f"files passed over: {passed}", grave=False)] if passed else []
        words = [self._words(path) for path in found]
        if self.kind and not self.kinds:
            self.kinds = tuple(sorted({self._filled("kind", each) for each in words}))
        labels, strangers = self._files("label", words)
        targets, others = self._files("target", words)
        records = [self._record(*each) for each in zip(found, words, labels, targets, strict=True)]
        if self.splits:
            path = self.folder / self.splits
            records = assigned(records, read_splits(path), str(path))
        return self.completed(records, [*notes, *strangers, *others])

    def _files(
        self, role: str, words: Sequence[dict[str, str]]
    ) -> tuple[list[list[str] | None], list[Fault]]:
        """The masks or targets of each image, each file with one owner, and what to say of files without
        one."""
        text = getattr(self, role)
        if not text:
            return [None] * len(words), []
        template = Template(text, role)
        both = [template.found(self.folder, each) for each in words]
        mine = owned([ours for ours, _ in both], [template.words(each) for each in words])
        if role == "label" and self.missing_label == "background":
            mine = [[file for file in files if (self.folder / file).exists()] for files in mine]
        taken = {file for files in mine for file in files}
        begin = sorted({file for _, more in both for file in more} - taken)
        notes = []
        if begin:
            words_of = f"{len(begin)} files hold more of a name than an image has: {few(begin)}"
            notes.append(
                Fault("", "no image", f"data.{role}={text}: {words_of}; they are nobody's", grave=False)
            )
        if role == "label" and self.missing_label == "background":
            notes += self._orphans(template, words, taken)
        return list(mine), notes

    def _orphans(self, template: Template, words: Sequence[dict[str, str]], taken: set[str]) -> list[Fault]:
        """Masks that no image has: where images may lack one, a name that does not fit would go unseen."""
        everything = template.everything(words[0])
        if ".." in everything.split("/"):
            return []
        images = {each["path"] for each in words}
        masks, _ = sifted(visible(self.folder, everything))
        left = [
            file
            for file in (path.relative_to(self.folder).as_posix() for path in masks)
            if file not in taken | images
        ]
        told = f"data.label={template.text}: {len(left)} masks belong to no image: {few(left)}"
        return (
            [Fault("", "mask without image", f"{told}; correct data.label, or remove them")] if left else []
        )

    def _record(
        self, path: Path, words: dict[str, str], label: list[str] | None, target: list[str] | None
    ) -> Record:
        name = words["path"]
        content: dict[str, Any] = {"image": name}
        content |= {
            role: files for role, files in (("label", label), ("target", target)) if files is not None
        }
        kind = self._filled("kind", words) if self.kind else ""
        if kind:
            if kind not in self.kinds:
                raise UserError(f"{path}: its kind {kind} is none of data.kinds={list(self.kinds)}")
            content["class"] = self.kinds.index(kind)
        subject = self._filled("subject", words).lstrip("./")
        split = (
            split_named(self._filled("given_split", words), f"data.given_split={self.given_split}: {name}")
            if self.given_split
            else None
        )
        case = name[: -len(suffix(name))].replace("/", "_")
        return Record(case, subject, split, content, kind)

    def _filled(self, key: str, words: dict[str, str]) -> str:
        return Template(getattr(self, key), key).filled(words)

    def _words(self, path: Path) -> dict[str, str]:
        relative = path.relative_to(self.folder)
        words = {"path": relative.as_posix(), "stem": stem(path), "name": path.name}
        words |= {"folder": relative.parent.as_posix(), "parent": path.parent.name, "top": relative.parts[0]}
        if self.match:
            try:
                found = re.search(self.match, words["path"])
            except re.error as error:
                raise UserError(f"data.match={self.match}: is no regular expression ({error})") from error
            if found is None:
                raise UserError(
                    f"data.match={self.match}: does not match {words['path']}; "
                    "correct it, or data.image and data.exclude"
                )
            words |= {key: value or "" for key, value in found.groupdict().items()}
        return words
