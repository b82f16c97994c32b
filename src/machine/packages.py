"""Installed packages against what a distribution asks for."""

from __future__ import annotations

from importlib.metadata import PackageNotFoundError, metadata, requires, version
from typing import NamedTuple

from packaging.requirements import Requirement


class Installed(NamedTuple):
    """What a distribution needs, as it is installed here.

    Attributes:
        versions: Version of each needed package, or "missing".
        faults: A line for each needed package that is missing or has another version than is asked for.
        missing: Packages of each extra that are not there in the version asked for.
    """

    versions: dict[str, str]
    faults: list[str]
    missing: dict[str, list[str]]

    @classmethod
    def of(cls, distribution: str) -> Installed:
        """Compare the requirements of an installed distribution with what is there.

        Raises:
            PackageNotFoundError: The distribution is not installed.
        """
        asked = [Requirement(line) for line in requires(distribution) or []]
        extras = metadata(distribution).get_all("Provides-Extra") or []
        needed = [each for each in asked if _wanted(each, "")]
        missing = {
            extra: [e.name for e in asked if e not in needed and _wanted(e, extra) and not _serves(e)]
            for extra in extras
        }
        wrong = [each for each in needed if not _serves(each)]
        faults = [f"{e.name}: {_version(e.name)}, {e.specifier or 'any version'} is needed" for e in wrong]
        return cls({each.name: _version(each.name) for each in needed}, faults, missing)


def _wanted(requirement: Requirement, extra: str) -> bool:
    return requirement.marker is None or requirement.marker.evaluate({"extra": extra})


def _serves(requirement: Requirement) -> bool:
    found = _version(requirement.name)
    return found != "missing" and requirement.specifier.contains(found, prereleases=True)


def _version(name: str) -> str:
    try:
        return version(name)
    except PackageNotFoundError:
        return "missing"
