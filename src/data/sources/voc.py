"""Pascal VOC: one XML file of boxes per image."""

from __future__ import annotations

from dataclasses import dataclass
from glob import escape
from pathlib import Path
from typing import Any
from xml.etree import ElementTree

from ganatomy.data.io.readers import stem
from ganatomy.data.records import Fault, Record
from ganatomy.data.sources.files.listed import ListedFiles
from ganatomy.data.sources.files.places import case_of, placed, whole_number
from ganatomy.data.sources.files.templates import Template, subject_of, visible, words_of
from ganatomy.data.splits.lists import read_splits, split_named
from ganatomy.data.splits.matching import assigned
from ganatomy.errors import UserError
from ganatomy.text.values import as_typed


@dataclass(kw_only=True)
class Voc(ListedFiles):
    """Boxes xmin, ymin, xmax, ymax as written in the files, taken as the edges of the object.

    Attributes:
        annotations: glob pattern below `root`.
        image: template of the image of an annotation, below `root`. The words are the annotation's (see
            conf/data/folder.yaml); {filename} is the name written in the file.
        match: a regular expression searched in the path of an annotation, whose named groups become words.
        subject: template of the subject, by the same words as `image`; None: each image is a subject.
        one_based: the first pixel is 1 and xmax belongs to the object, as in the original VOC (LabelImg and
            similar tools write edges).
        given_split: template of the split, such as {top}.
        splits: a list of images or annotations below `root` (see `read_splits`), such as the folder
            ImageSets/Main; it takes precedence over given_split.
        skip_difficult: leave out boxes marked difficult.
    """

    channels: int = 3
    annotations: str = "Annotations/*.xml"
    image: str = "JPEGImages/{filename}"
    match: str | None = None
    subject: str | None = None
    one_based: bool = False
    given_split: str | None = None
    splits: str | None = None
    skip_difficult: bool = False

    def records(self) -> list[Record]:
        found = visible(self.folder, self.annotations)
        if not found:
            raise UserError(f"data.annotations={self.annotations}: no file in {self.folder} matches")
        trees = [(path, _parse(path)) for path in found]
        if not self.box_classes:
            self.box_classes = tuple(
                sorted({_name(path, thing) for path, tree in trees for thing in tree.iter("object")})
            )
        made = [self._record(path, tree) for path, tree in trees]
        if self.splits:
            path = self.folder / self.splits
            names = {record.case: stem(of) for record, (of, _) in zip(made, trees, strict=True)}
            made = assigned(made, read_splits(path), str(path), lambda record: [names[record.case]])
        doubts = [
            doubt for record, (of, _) in zip(made, trees, strict=True)
            for doubt in self._doubt(of, record.content["image"])
        ]  # fmt: skip
        return self.completed(made, doubts)

    def _record(self, path: Path, tree: ElementTree.Element) -> Record:
        relative = path.relative_to(self.folder)
        words = words_of(relative.as_posix(), self.match)
        words["filename"] = (tree.findtext("filename") or "").strip()
        image = self._image(path, words)
        objects = [
            o for o in tree.iter("object") if not (self.skip_difficult and o.findtext("difficult") == "1")
        ]
        content: dict[str, Any] = {"image": image, "boxes": [], "classes": []}
        for thing in objects:
            name = _name(path, thing)
            if name not in self.box_classes:
                raise UserError(
                    f"{path}: {name} is not in data.box_classes={as_typed(self.box_classes)}; add it"
                )
            content["boxes"].append(self._box(path, thing))
            content["classes"].append(list(self.box_classes).index(name))
        if stated := _stated(tree):
            content["stated"] = stated
        split = None
        if self.given_split:
            word = Template(self.given_split, "given_split").filled(words)
            split = split_named(word, f"data.given_split={self.given_split}: {relative.as_posix()}")
        case = case_of(image)
        return Record(case, subject_of(words, self.subject, case), split, content)

    def _image(self, path: Path, words: dict[str, str]) -> str:
        """Return the path of the image below `root`, found with fewer of the named folders if needed."""
        named = "{filename}" in self.image
        if named and not words["filename"]:
            raise UserError(
                f"{path}: names no image (<filename>); name it, or set data.image, such as "
                'data.image="JPEGImages/{stem}.jpg"'
            )
        image = Path(Template(self.image, "image").filled(words)).as_posix()
        if ".." in image.split("/"):
            root, place = self.folder.resolve(), (self.folder / image).resolve()
            if place.is_relative_to(root) and (place.exists() or not named):
                return place.relative_to(root).as_posix()
            if not named and not self.outside:
                raise UserError(
                    f"data.image={self.image}: {place} is outside data.root={self.root}; "
                    "move it there, or set data.outside=true"
                )
        if not self.image.endswith("/{filename}"):
            return image
        within = Template(self.image.removesuffix("{filename}"), "image").filled(words)
        return placed(self.folder, within, words["filename"])

    def _doubt(self, path: Path, image: str) -> list[Fault]:
        """Return a note if an annotation names another image than its own file name, as after renaming."""
        if "{filename}" not in self.image or stem(path) == stem(image):
            return []
        own = [p.name for p in (self.folder / image).parent.glob(f"{escape(stem(path))}.*")]
        if not own:
            return []
        words = f"{path}: names {Path(image).name}, but {own[0]} exists too; to use that one, set"
        example = f"{Path(self.image).parent.as_posix()}/{{stem}}{Path(own[0]).suffix}"
        return [Fault("", "other image", f"{words} 'data.image=\"{example}\"'", grave=False)]

    def _box(self, path: Path, thing: ElementTree.Element) -> list[float]:
        try:
            x1, y1, x2, y2 = (
                float(thing.findtext(f"bndbox/{key}") or "") for key in ("xmin", "ymin", "xmax", "ymax")
            )
        except ValueError as error:
            turned = thing.find("robndbox") is not None
            why = (
                "is rotated (robndbox); write upright boxes (bndbox)"
                if turned
                else "has no four numbers in its bndbox; write xmin, ymin, xmax and ymax"
            )
            raise UserError(f"{path}: a box of {thing.findtext('name')} {why}") from error
        return [y1 - self.one_based, x1 - self.one_based, y2, x2]


def _name(path: Path, thing: ElementTree.Element) -> str:
    """Return the class of an object. Raises UserError if it has none."""
    name = (thing.findtext("name") or "").strip()
    if not name:
        raise UserError(f"{path}: an object has no <name>; name its class")
    return name


def _stated(tree: ElementTree.Element) -> dict[str, Any]:
    """Return the shape and channels that <size> states; 0 states nothing."""
    width, height, depth = (
        whole_number(tree.findtext(f"size/{key}")) for key in ("width", "height", "depth")
    )
    stated: dict[str, Any] = {"shape": (height, width)} if width and height else {}
    return stated | ({"channels": depth} if depth else {})


def _parse(path: Path) -> ElementTree.Element:
    try:
        return ElementTree.parse(path).getroot()
    except (ElementTree.ParseError, OSError) as error:
        raise UserError(
            f"{path}: is not an XML file of Pascal VOC ({error}); replace or remove it"
        ) from error
