"""Images below a folder that a table names without their folder or extension."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Collection
from functools import cached_property
from pathlib import Path, PurePosixPath

from ganatomy.data.io.readers import KNOWN, sifted, stem, suffix
from ganatomy.data.sources.files.places import placed
from ganatomy.data.sources.files.templates import visible
from ganatomy.errors import UserError


class NamedImages:
    """Images below a folder, by name.

    Args:
        folder: The folder.
        where: Glob pattern of the images; None for all images below the folder.
    """

    def __init__(self, folder: Path, where: str | None) -> None:
        self.folder, self.where = folder, where

    @cached_property
    def files(self) -> list[str]:
        """Return the paths of all images below the folder, sorted."""
        found = visible(self.folder, self.where) if self.where else sifted(visible(self.folder, "**/*"))[0]
        return [path.relative_to(self.folder).as_posix() for path in found]

    @cached_property
    def _by_stem(self) -> dict[str, list[str]]:
        stems: dict[str, list[str]] = defaultdict(list)
        for file in self.files:
            stems[stem(file)].append(file)
        return stems

    def place(self, name: str, table: str) -> str:
        """Return the path of the image of a name; the name itself if there is none.

        A name without a folder is that of an image in any folder; without an extension, of any extension;
        capitals of extensions do not matter. The folders of a path may be fewer, as after a move.

        Args:
            name: What the table names.
            table: Name of the table, for messages.

        Raises:
            UserError: It could be any of several images.
        """
        if not name or (self.folder / name).is_file():
            return name
        if "/" in name:
            return placed(self.folder, "", name)
        ending = suffix(name) if suffix(name) in KNOWN else ""
        bare = name[: len(name) - len(ending)]
        found = [file for file in self._by_stem.get(bare, ()) if ending in ("", suffix(file))]
        exact = [file for file in found if PurePosixPath(file).name == name]
        found = exact if len(exact) == 1 else found
        if len(found) > 1:
            raise UserError(
                f"{table}: {name}: {found[0]} and {found[1]} have the same name; write the folders into the "
                "table, or say where images are, as in 'data.where=\"images/*\"'"
            )
        return found[0] if found else name

    def others(self, named: Collection[str], used: Collection[str]) -> tuple[list[str], list[str]]:
        """Return images that a table does not name: those it may mean, and those in other folders.

        It may mean the images of the pattern; without one, those beside images that it names.

        Args:
            named: Images that it names.
            used: Files that it names as something else.
        """
        known = {*named, *used}
        left = [file for file in self.files if file not in known]
        if self.where:
            return left, []
        places, endings = {PurePosixPath(file).parent for file in named}, set(map(suffix, named))
        beside = [file for file in left if PurePosixPath(file).parent in places]
        apart = [f for f in left if suffix(f) in endings and PurePosixPath(f).parent not in places]
        return beside, apart
