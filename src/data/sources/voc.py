"""Pascal VOC: one XML file of boxes an image."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Any
from xml.etree import ElementTree

from src.data.readers import stem
from src.data.records import Record
from src.data.sources.files import Files
from src.data.splits import NAMES, Groups, read_splits
from src.errors import UserError


@dataclass(kw_only=True)
class Voc(Files):
    """Boxes as the files have them: xmin, ymin to xmax, ymax, taken as the edges of the object.

    annotations: glob pattern below `root`. image: the image of an annotation, below `root`; {folder} is
    the annotation's folder, {stem} its name, {filename} what the file says. one_based: the first pixel is
    1 and xmax belongs to the object, as in the original VOC (LabelImg and its like write edges).
    given_split: template of the split, {top} being the outermost folder. splits: a CSV below `root` with
    the columns file and split, or the folder of the lists train.txt, val.txt and test.txt.
    skip_difficult: leave out the boxes so marked.
    """

    channels: int = 3
    annotations: str = "Annotations/*.xml"
    image: str = "JPEGImages/{filename}"
    one_based: bool = False
    given_split: str | None = None
    splits: str | None = None
    skip_difficult: bool = False

    def records(self) -> list[Record]:
        found = sorted(self.folder.glob(self.annotations))
        if not found:
            raise UserError(f"data.annotations={self.annotations}: no file in {self.folder} matches")
        trees = [(path, _parse(path)) for path in found]
        if not self.box_classes:
            self.box_classes = tuple(
                sorted({str(o.findtext("name")) for _, tree in trees for o in tree.iter("object")})
            )
        given = read_splits(self.folder / self.splits) if self.splits else {}
        return [self._record(path, tree, given) for path, tree in trees]

    def _record(self, path: Path, tree: ElementTree.Element, given: Groups) -> Record:
        folder = path.parent.relative_to(self.folder).as_posix()
        words = {"folder": folder, "top": folder.split("/")[0], "stem": stem(path)}
        image = self.image.format(filename=tree.findtext("filename") or "", **words)
        image = Path(image).as_posix()
        if ".." in image:
            image = (self.folder / image).resolve().relative_to(self.folder.resolve()).as_posix()
        objects = [
            o for o in tree.iter("object") if not (self.skip_difficult and o.findtext("difficult") == "1")
        ]
        content: dict[str, Any] = {"image": image, "boxes": [], "classes": []}
        for thing in objects:
            name = str(thing.findtext("name"))
            if name not in self.box_classes:
                raise UserError(f"{path}: {name} is none of data.box_classes={list(self.box_classes)}")
            content["boxes"].append(self._box(path, thing))
            content["classes"].append(list(self.box_classes).index(name))
        group, split = next(
            (given[k] for k in (image, Path(image).name, stem(path)) if k in given), (None, None)
        )
        if self.given_split and split is None:
            split = NAMES.get(self.given_split.format(**words).lower())
        case = image.rpartition(".")[0].replace("/", "_")
        return Record(case, group or case, split, content)

    def _box(self, path: Path, thing: ElementTree.Element) -> list[float]:
        try:
            x1, y1, x2, y2 = (
                float(thing.findtext(f"bndbox/{key}") or "") for key in ("xmin", "ymin", "xmax", "ymax")
            )
        except ValueError as error:
            raise UserError(f"{path}: a box of {thing.findtext('name')} lacks a coordinate") from error
        return [y1 - self.one_based, x1 - self.one_based, y2, x2]


def _parse(path: Path) -> ElementTree.Element:
    try:
        return ElementTree.parse(path).getroot()
    except (ElementTree.ParseError, OSError) as error:
        raise UserError(f"{path}: is no XML file of Pascal VOC ({error}); replace or remove it") from error
