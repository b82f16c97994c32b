"""Fingerprint and content of file-based cases: the bytes of their files and the loading settings."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import MISSING, fields
from pathlib import Path
from typing import Any

from ganatomy.data.io.readers import parts, suffix
from ganatomy.data.records import Record
from ganatomy.data.sources.files.claims import ROLES
from ganatomy.data.sources.files.settings import FileSettings

OMITTED = (*ROLES, "stated")
"""Keys of a record's content to leave out: files enter by their bytes, and stated values are not loaded."""
LOADING = {
    *("channels", "spatial_dims", "size", "classes", "box_classes", "image_classes", "label_values"),
    "boxes_from_label",
}
"""Loading settings that existed when `content` was defined; it names the three that change the arrays."""
CHOOSING = {
    *("root", "image", "label", "target", "exclude", "match", "kind", "subject", "given_split", "given_fold"),
    *("splits", "table", "boxes", "box_class", "box_order", "box_units", "case", "where", "keep"),
    *("annotations", "images", "crowd", "one_based", "skip_difficult", "least", "name", "names", "shared"),
    *("series", "modality", "outside", "secret", "download", "mask", "missing", "target_series"),
    *("target_modality",),
}
"""Settings that choose cases, files and slices; their effect is part of the record."""
ADDED = {"target_grid": None, "ignore_label": None}
"""Settings added since, with their default, with which the texts are those of before."""
FIRST_NAMES = {"image_classes": "kinds"}
"""Settings renamed since: the texts keep the first name, so that caches made before stay valid."""


def fingerprint(source: FileSettings, record: Record) -> str:
    """Return a text that changes with the files' bytes, the folder and any setting outside `CHOOSING`."""
    settings = {
        FIRST_NAMES.get(key, key): plain(value)
        for key, value in _settings(source).items()
        if key not in CHOOSING and not (key in ADDED and value == ADDED[key])
    }
    case = _case_text(source, record, companions)
    objects = " instances" if source.with_instances and source.boxes_from_label else ""
    return f"files-2 {type(source).__qualname__} {source.place} {case} {settings}{objects}"


def content(source: FileSettings, record: Record) -> str:
    """Return a text that is equal on every machine and stable over versions.

    A setting added later is included only if it differs from its default.
    """
    known = (source.channels, source.label_values, source.boxes_from_label)
    later = {
        key: plain(value)
        for key, value in _settings(source).items()
        if key not in LOADING | CHOOSING and plain(value) != plain(_default(source, key))
    }
    text = _bytes_text(source, record) if source.private else _case_text(source, record, detached)
    return f"files-1 {text} {known}" + (f" {later}" if later else "")


def _case_text(source: FileSettings, record: Record, more: Callable[[Path], list[Path]]) -> str:
    """Return the case, the digests of its files and their companions, and the rest of the record."""
    paths = [path for role in ROLES for path in source.paths(record, role)]
    files = [entry for path in paths for entry in _digests(source, path, more)]
    rest = {key: value for key, value in record.content.items() if key not in OMITTED}
    return f"{record.case} {files} {rest}"


def _bytes_text(source: FileSettings, record: Record) -> str:
    """Return the digests of a case's files and the rest of its record, without any name."""
    entries = [_digests(source, path, detached) for role in ROLES for path in source.paths(record, role)]
    digests = [entry[1] for each in entries for entry in each if isinstance(entry, tuple)]
    rest = {key: value for key, value in record.content.items() if key not in OMITTED}
    return f"{digests} {rest}"


def _digests(source: FileSettings, path: Path, more: Callable[[Path], list[Path]]) -> list[Any]:
    """Return names and digests; the name alone for a file that does not exist."""
    try:
        return [(each.name, source.digests(each)) for each in (path, *more(path))]
    except (FileNotFoundError, NotADirectoryError):
        return [path.name]
    except OSError as error:  # `load` reports it
        return [(path.name, type(error).__name__)]


def companions(path: Path) -> list[Path]:
    """Return the files that are read with this one: the voxels of a header, the header of voxels."""
    return parts(path)[1:]


def detached(path: Path) -> list[Path]:
    """Return the companions of formats that always keep voxels in a separate file."""
    return companions(path) if suffix(path) in (".mhd", ".nhdr") else []


def _settings(source: FileSettings) -> dict[str, Any]:
    return {field.name: getattr(source, field.name) for field in fields(source) if field.init}


def _default(source: FileSettings, name: str) -> Any:
    field = next(field for field in fields(source) if field.name == name)
    return field.default if field.default_factory is MISSING else field.default_factory()


def plain(value: Any) -> Any:
    """Return equal values for equal settings, whatever container holds them."""
    if isinstance(value, Mapping):
        return {str(key): plain(each) for key, each in sorted(value.items())}
    return tuple(map(plain, value)) if isinstance(value, Sequence) and not isinstance(value, str) else value
