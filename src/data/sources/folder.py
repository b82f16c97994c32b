"""Images in folders, with masks, targets, classes and subjects found by their names."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, ClassVar

from ganatomy.data.io.readers import sifted, stem, suffix
from ganatomy.data.problems import few
from ganatomy.data.records import Fault, Record, Side
from ganatomy.data.sources.files.base import Files
from ganatomy.data.sources.files.templates import Template, globbed, owned, subject_of, visible, words_of
from ganatomy.data.splits.lists import read_splits, split_named
from ganatomy.data.splits.matching import assigned
from ganatomy.errors import UserError
from ganatomy.text.values import as_typed


@dataclass(kw_only=True)
class Folder(Files):
    """Images that match `image`; masks, targets, class and subject are named by templates.

    Templates contain the words {name}, {stem}, {folder}, {parent}, {top} (see conf/data/folder.yaml) and the
    named groups of `match`. Next to a `*` a word matches as a whole: {stem}* of case_1 does not match a file
    of case_10. Several masks of one image are merged. `instances` may be a template too: of files that number
    the objects of an image.

    Attributes:
        image: glob pattern below `root`.
        exclude: glob pattern of images to leave out.
        match: a regular expression searched in the path, whose named groups become words.
        label: template of the masks below `root`; it may contain `*`.
        target: template of the targets below `root`; it may contain `*`.
        mask: template of the regions of losses and scores, voxels that are not 0; `auto` reads no files.
        kind: template of the class of the image.
        subject: template of the subject.
        given_split: template of the split, such as {top}.
        splits: a list below `root` (see `read_splits`), which takes precedence over given_split; its column
            group keeps images together.
    """

    names_maps: ClassVar[str] = "template"
    image: str = "images/*"
    exclude: str | None = None
    match: str | None = None
    label: str | None = None
    target: str | None = None
    mask: str | None = None
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
        if self.exclude and not excluded:
            unmet = f"data.exclude={self.exclude}: no file in {self.folder} matches, so nothing is left out"
            notes.append(Fault("", "exclude", unmet, grave=False))
        words = [self._words(path) for path in found]
        if self.kind and not self.image_classes:
            self.image_classes = tuple(sorted({self._filled("kind", each) for each in words}))
        labels, label_notes = self._files("label", words)
        targets, target_notes = self._files("target", words)
        masks, mask_notes = self._files("mask", words)
        maps, map_notes = self._files("instances", words)
        sides = zip(labels, targets, masks, maps, strict=True)
        records = [self._record(p, w, *own) for p, w, own in zip(found, words, sides, strict=True)]
        if self.two_sided and self.target:
            alone, more = self._alone(words, {file for files in targets for file in files or ()})
            records, notes = [*records, *alone], [*notes, *more]
        if self.splits:
            path = self.folder / self.splits
            records = assigned(records, read_splits(path), str(path))
        return self.completed(records, [*notes, *label_notes, *target_notes, *mask_notes, *map_notes])

    def _files(
        self, role: str, words: Sequence[dict[str, str]]
    ) -> tuple[list[list[str] | None], list[Fault]]:
        """Return the files of a role of each image, each with one owner, and notes about the other files."""
        text = self.maps if role == "instances" else getattr(self, role)
        if not text or (role, text) == ("mask", "auto"):
            return [None] * len(words), []
        template = Template(text, role)
        if role == "target" and self.two_sided and not any(map(any, map(template.words, words))):
            return [None] * len(words), []  # it says nothing of an image: no case is a pair
        both = [template.found(self.folder, each) for each in words]
        own = owned([files for files, _ in both], [template.words(each) for each in words])
        marks, alone = role in ("label", "instances"), role == "target" and self.two_sided
        if (marks and self.missing_label == "background") or alone:
            own = [[file for file in files if (self.folder / file).exists()] for files in own]
        taken = {file for files in own for file in files}
        begin = sorted({file for _, more in both for file in more} - taken)
        notes = []
        if begin:
            parts = f"{len(begin)} files match the name of an image only in part: {few(begin)}"
            notes.append(Fault("", "no image", f"data.{role}={text}: {parts}; they are ignored", grave=False))
        if marks and self.missing_label == "background":
            notes += self._orphans(template, words, taken)
        return list(own), notes

    def _alone(self, words: Sequence[dict[str, str]], taken: set[str]) -> tuple[list[Record], list[Fault]]:
        """Return the targets that belong to no image, as cases of that side alone, and a note.

        Args:
            words: words of each image.
            taken: targets of the images.
        """
        text = f"data.target={self.target}"
        template, images = Template(str(self.target), "target"), {each["path"] for each in words}
        found = [files for files in template.groups(self.folder, words) if not taken.intersection(files)]
        if not found and not taken:
            raise UserError(f"{text}: no file in {self.folder} matches")
        if twice := [file for files in found for file in files if file in images]:
            raise UserError(
                f"{text}: {len(twice)} of its files are images too: {few(twice)}; have data.image and "
                "data.target name different files (data.exclude leaves some out of data.image)"
            )
        alone = []
        for files in found:
            own = self._words(self.folder / files[0])
            record = self._record(self.folder / files[0], own, None, files, side="target")
            alone.append(record)
        names = {each["stem"] for each in words}
        same = sorted({stem(Path(r.content["target"][0])) for r in alone} & names)
        note = f"{text}: {len(same)} names are those of images and targets of different subjects: {few(same)}"
        mend = 'if they are the same people, set data.subject="{stem}"'
        known = {self._filled("subject", each).lstrip("./") for each in words}
        several = same and not known.intersection(r.subject for r in alone)
        return alone, [Fault("", "same names", f"{note}; {mend}", grave=False)] if several else []

    def _orphans(self, template: Template, words: Sequence[dict[str, str]], taken: set[str]) -> list[Fault]:
        """Report masks without an image: if images may lack a mask, a misspelt name would stay unnoticed."""
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
        key = f"data.{template.key}"
        text = f"{key}={template.text}: {len(left)} masks belong to no image: {few(left)}"
        fault = Fault("", "mask without image", f"{text}; correct {key}, or remove them")
        return [fault] if left else []

    def _record(
        self,
        path: Path,
        words: dict[str, str],
        label: list[str] | None,
        target: list[str] | None,
        mask: list[str] | None = None,
        maps: list[str] | None = None,
        side: Side = "",
    ) -> Record:
        name = words["path"]
        content: dict[str, Any] = {} if side == "target" else {"image": name}
        content |= {
            role: files
            for role, files in (("label", label), ("target", target), ("mask", mask), ("instances", maps))
            if files is not None
        }
        kind = self._filled("kind", words) if self.kind else ""
        if side == "target":
            kind = kind if kind in self.image_classes else ""
        elif kind:
            if kind not in self.image_classes:
                known = as_typed(self.image_classes)
                raise UserError(f"{path}: its kind {kind} is not in data.image_classes={known}; add it")
            content["class"] = self.image_classes.index(kind)
        subject = subject_of(words, self.subject, name)
        split = (
            split_named(self._filled("given_split", words), f"data.given_split={self.given_split}: {name}")
            if self.given_split
            else None
        )
        case = name[: -len(suffix(name))].replace("/", "_")
        return Record(case, subject, split, content, kind, side=side)

    def _filled(self, key: str, words: dict[str, str]) -> str:
        return Template(getattr(self, key), key).filled(words)

    def _words(self, path: Path) -> dict[str, str]:
        relative = path.relative_to(self.folder).as_posix()
        return words_of(relative, self.match, ", or data.image and data.exclude")
