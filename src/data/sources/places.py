"""Where an image lies that an annotation names by another machine's folders, and what its case is called."""

from __future__ import annotations

from glob import escape
from pathlib import Path, PurePosixPath

from src.data.readers import KNOWN, stem, suffix


def placed(root: Path, within: str, name: str) -> str:
    """Where below `root` the image `name` lies: in the folder `within`, or, where it is not there, by fewer
    of the folders that are named, or, named without an ending, with the only one there is; as it is named,
    where it is nowhere. Slashes may lean backwards."""
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
    """Images of this name with an ending."""
    found = (root / place.parent).glob(f"{escape(place.name)}.*") if place.name else []
    return [place.parent / file.name for file in found if suffix(file) in KNOWN and stem(file) == place.name]


def case_of(image: str) -> str:
    """The path without the file's ending, in one word."""
    path = PurePosixPath(image)
    return path.with_name(path.name.rpartition(".")[0] or path.name).as_posix().replace("/", "_")


def whole_number(value: object) -> int:
    """What a file states as a number of pixels, as number or text; 0 where it states none."""
    try:
        number = float(str(value).strip())
    except ValueError:
        return 0
    return int(number) if number > 0 and number.is_integer() else 0
