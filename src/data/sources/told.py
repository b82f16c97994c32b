"""What tells two versions of a case that is made of files apart: their bytes, and what is done with them."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import MISSING, fields
from pathlib import Path
from typing import Any

from src.data.readers import parts, suffix
from src.data.records import Record
from src.data.sources.claims import ROLES
from src.data.sources.settings import FileSettings

TOLD_ELSEWHERE = (*ROLES, "stated")
"""Of a record's content: files are told by their bytes, and what is stated about them is compared, not
loaded."""
LOADING = {
    *("channels", "spatial_dims", "size", "classes", "box_classes", "kinds", "label_values"),
    "boxes_from_label",
}
"""Settings that say how files are loaded, of the time when `content` was first written down: it tells the
three of them that change the arrays of one record."""
CHOOSING = {
    *("root", "image", "label", "target", "exclude", "match", "kind", "subject", "given_split", "given_fold"),
    *("splits", "table", "boxes", "box_class", "box_order", "case", "where", "keep", "annotations", "images"),
    *("crowd", "one_based", "skip_difficult", "least", "name", "shared", "series", "modality"),
}
"""Settings that say which cases there are, and of which files and slices: what comes of them is in the
record."""


def fingerprint(source: FileSettings, record: Record) -> str:
    """Changes with the files' bytes, the folder and any setting but those of `CHOOSING`, new ones too."""
    settings = {key: plain(value) for key, value in _settings(source).items() if key not in CHOOSING}
    return f"files-2 {type(source).__qualname__} {source.place} {_told(source, record, beside)} {settings}"


def content(source: FileSettings, record: Record) -> str:
    """The same on every machine, and as it ever was: a later setting is told where it is not its default."""
    known = (source.channels, source.label_values, source.boxes_from_label)
    later = {
        key: plain(value)
        for key, value in _settings(source).items()
        if key not in LOADING | CHOOSING and plain(value) != plain(_default(source, key))
    }
    return f"files-1 {_told(source, record, detached)} {known}" + (f" {later}" if later else "")


def _told(source: FileSettings, record: Record, more: Callable[[Path], list[Path]]) -> str:
    """The case, the digests of its files and of those that are read with them, and the rest of the record."""
    paths = [path for role in ROLES for path in source.paths(record, role)]
    files = [told for path in paths for told in _digests(source, path, more)]
    rest = {key: value for key, value in record.content.items() if key not in TOLD_ELSEWHERE}
    return f"{record.case} {files} {rest}"


def _digests(source: FileSettings, path: Path, more: Callable[[Path], list[Path]]) -> list[Any]:
    """Names and digests; of what is not there, the name alone."""
    try:
        return [(each.name, source.digests(each)) for each in (path, *more(path))]
    except (FileNotFoundError, NotADirectoryError):
        return [path.name]
    except OSError as error:  # `load` says what is wrong
        return [(path.name, type(error).__name__)]


def beside(path: Path) -> list[Path]:
    """Files that are read with this one: the voxels of a header, the header of voxels."""
    return parts(path)[1:]


def detached(path: Path) -> list[Path]:
    """Those of `beside` of the formats in which voxels always lie in a file of their own."""
    return beside(path) if suffix(path) in (".mhd", ".nhdr") else []


def _settings(source: FileSettings) -> dict[str, Any]:
    return {field.name: getattr(source, field.name) for field in fields(source) if field.init}


def _default(source: FileSettings, name: str) -> Any:
    field = next(field for field in fields(source) if field.name == name)
    return field.default if field.default_factory is MISSING else field.default_factory()


def plain(value: Any) -> Any:
    """The same words for the same setting, whatever holds it."""
    if isinstance(value, Mapping):
        return {str(key): plain(each) for key, each in sorted(value.items())}
    return tuple(map(plain, value)) if isinstance(value, Sequence) and not isinstance(value, str) else value
