"""Locate an image that an annotation names by the folders of another machine, and name its case."""

from __future__ import annotations

from glob import escape
from pathlib import Path, PurePosixPath

from ganatomy.data.io.readers import KNOWN, stem, suffix


def placed(root: Path, within: str, name: str) -> str:
    """Return the path below `root` of the image `name`.

    It is looked for in the folder `within`, then with fewer of the named folders, then, if named without an
    extension, as the only image of that name. If it is not found, the path is as named. Backslashes count as
    slashes.

    Args:
        root: the data set's folder.
        within: folder of the images below `root`.
        name: path of the image in the annotation.
    """
    folder = Path(within)
    if (root / folder / name).exists() and not Path(name).is_absolute():
        return (folder / name).as_posix()
    parts = [part for part in name.replace("\\", "/").split("/") if part not in ("", ".", "..")]
    tails = [folder.joinpath(*parts[first:]) for first in range(len(parts))]
    tries = [*tails, Path(*parts)]
    for place in tries:
        if (root / place).is_file():
            return place.as_posix()
    ended = [file for place in tries if suffix(place) not in KNOWN for file in _ended(root, place)]
    return (ended[0] if len(ended) == 1 else folder / name).as_posix()


def _ended(root: Path, place: Path) -> list[Path]:
    """Return the images of this name with any known extension."""
    found = (root / place.parent).glob(f"{escape(place.name)}.*") if place.name else []
    return [place.parent / file.name for file in found if suffix(file) in KNOWN and stem(file) == place.name]


def case_of(image: str) -> str:
    """Return the image's path without extension, joined by underscores."""
    path = PurePosixPath(image)
    return path.with_name(path.name.rpartition(".")[0] or path.name).as_posix().replace("/", "_")


def whole_number(value: object) -> int:
    """Return a number of pixels given as number or text; 0 if it is not a positive integer."""
    try:
        number = float(str(value).strip())
    except ValueError:
        return 0
    return int(number) if number > 0 and number.is_integer() else 0
