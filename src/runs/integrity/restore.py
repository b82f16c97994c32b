"""Before a run goes on, each of its files is as it was written, or restored from its copy, or refused.

A file is trusted if checksums.txt has its digest. One that is not is either damaged (its copy in
`copies` replaces it, and a line says so) or edited by hand (refused with what differs).
"""

from __future__ import annotations

import os
import sys
from collections.abc import Mapping, Sequence
from pathlib import Path

from ganatomy.errors import UserError
from ganatomy.files import write_whole
from ganatomy.runs.integrity import checksums
from ganatomy.runs.integrity.checksums import Damaged, Known, readable_lines, sha256
from ganatomy.runs.integrity.contents import damage, differences, listed, parsed, reason
from ganatomy.runs.integrity.decision import Decision, Pair
from ganatomy.runs.integrity.links import refuse_links
from ganatomy.runs.integrity.regular import AS_THEY_STAND, has_name, refuse_folders
from ganatomy.runs.process_place import is_rank_zero

COPIES = "copies"
COPIED = ("config.yaml", "data.json", "environment.json", "status.json", "metrics.csv")
"""Files of which a copy is kept; every other one is written again at the end of a run."""
HISTORY = "metrics.csv"
RESULTS = (
    *("metrics.json", "scores.csv", "generator.safetensors"),
    *("task.safetensors", "preprocessing.json", "baselines.safetensors"),
)
"""Files that a finished run writes again at its end."""
FIXED = ("config.yaml", "data.json")
"""Files that decide the numbers of a run: one that was edited is refused."""


def restore_resumed(words: Sequence[str]) -> None:
    """Restore the files of the run that `resume=DIR` names on a command line; `resume_force=true` counts."""
    given = dict(word.lstrip("+").partition("=")[::2] for word in words if "=" in word)
    run = given.get("resume", "").strip("'\"")
    if run not in ("", "null"):
        folder, force = Path(run).expanduser(), given.get("resume_force", "").lower() == "true"
        refuse_links(folder, force)
        restore(folder, force)


def restore(run: Path, force: bool = False) -> list[str]:
    """Restore what is damaged in a run directory from its copies; return a line for each finding.

    The lines are written to stderr by the first process, too. Nothing is written if anything is refused.

    Args:
        run: Run directory.
        force: Go on with an edited config.yaml or data.json as it stands.

    Raises:
        UserError: A file was edited by hand, or is damaged and so is its copy, or is a folder.
    """
    refuse_folders(run, (*COPIED, *RESULTS), COPIES)
    decision = decide(run, force)
    if decision.refused:
        raise UserError("\n".join(decision.refused))
    if decision.writes:
        checksums.record(run, decision.writes)
        for name, content in decision.writes.items():
            if not (run / name).is_file() or (run / name).read_bytes() != content:
                write_whole(run / name, content)
    if is_rank_zero() and "GANATOMY_LAUNCH" not in os.environ:  # its parent has said it
        sys.stderr.write("".join(f"{line}\n" for line in decision.lines))
    return decision.lines


def decide(run: Path, force: bool = False) -> Decision:
    """Compare each file of a run with checksums.txt and its copy; decide, and write nothing.

    Args:
        run: Run directory.
        force: Accept an edited config.yaml or data.json as it stands.
    """
    decision, sound = Decision(), False
    try:
        sound = checksums.read_checksums(run) is not None
        if not sound and (run / COPIES).is_dir():
            decision.lines.append(f"{run / checksums.NAME}: is missing; {_unchecked(run)}")
        elif not sound and has_name(run):
            decision.lines.append(f"{run / checksums.NAME}: is missing, and so is {COPIES}; {AS_THEY_STAND}")
    except Damaged as error:
        decision.lines.append(f"{error}; {_unchecked(run)}")
    known = readable_lines(run)  # a digest that fits is right wherever it stands
    for name in COPIED:
        pair = _pair(run, name, known)
        if pair.file is None and pair.copy is None:
            _lost(run, pair, known, decision)
        elif pair.copy is None and not known:  # a version that wrote neither
            _readable(run, pair, decision)
        else:
            _decide(run, pair, known if sound else {}, decision, force)
    for name in known if sound else ():
        path = run / name
        apart = name not in COPIED and not name.startswith(f"{COPIES}/") and path.is_file()
        if apart and sha256(path.read_bytes()) not in known[name]:
            decision.lines.append(f"{path}: is damaged; the run writes it again at its end")
    return decision


def _unchecked(run: Path) -> str:
    """Return the end of the line about checksums.txt, with the results that no line of it fits."""
    known = readable_lines(run)
    there = [name for name in RESULTS if (run / name).is_file()]
    names = [name for name in there if sha256((run / name).read_bytes()) not in known.get(name, ())]
    results = f"; {', '.join(names)}: not checked, the run writes them again at its end" if names else ""
    return f"written anew, as files and copies agree{results}"


def _pair(run: Path, name: str, known: Known) -> Pair:
    copied = f"{COPIES}/{name}"
    file, copy = ((run / one).read_bytes() if (run / one).is_file() else None for one in (name, copied))
    return Pair(
        name,
        file,
        copy,
        file is not None and sha256(file) in known.get(name, ()),
        copy is not None and sha256(copy) in known.get(copied, ()),
    )


def _lost(run: Path, pair: Pair, known: Known, decision: Decision) -> None:
    """Note a file that is gone with its copy."""
    if pair.name not in known:
        return
    if pair.name in FIXED:
        decision.refused.append(f"{run / pair.name}: is missing, and so is its copy; start a new run")
    else:
        decision.lines.append(f"{run / pair.name}: is missing, and so is its copy; goes on without it")


def _readable(run: Path, pair: Pair, decision: Decision) -> None:
    """Refuse a file without checksum and copy that cannot be read."""
    why = reason(pair.name, pair.file or b"")
    if why and pair.name in FIXED:
        decision.refused.append(f"{run / pair.name}: {why}; put back a copy of yours, or start a new run")
    elif why:
        decision.refused.append(f"{run / pair.name}: {why}; delete it to go on without what it held")


def _decide(run: Path, pair: Pair, known: Known, decision: Decision, force: bool) -> None:
    """Decide about a file that has a checksum or a copy; `known` is empty if checksums.txt is damaged."""
    path, copied = run / pair.name, f"{COPIES}/{pair.name}"
    alike = not known and pair.file is not None and pair.file == pair.copy
    if pair.file is not None and (pair.file_trusted or (alike and not reason(pair.name, pair.file))):
        if (known and pair.copy_trusted) or (pair.copy is None and copied not in known):
            return
        if not alike and not pair.copy_trusted:
            decision.lines.append(f"{run / copied}: is damaged or missing; written anew")
        decision.writes |= {copied: pair.file, pair.name: pair.file}
    elif pair.copy_trusted:
        assert pair.copy is not None
        _against_copy(path, pair.name, pair.file, pair.copy, decision, force)
    else:
        _unvouched(path, pair, bool(known), decision, force)


def _against_copy(
    path: Path, name: str, file: bytes | None, copy: bytes, decision: Decision, force: bool
) -> None:
    """Decide about a file that differs from its sound copy."""
    why = "is missing" if file is None else damage(name, file, copy)
    content = copy
    if why or file is None:
        decision.lines.append(f"{path}: {why}; restored from its copy")
    elif not (differ := differences(parsed(name, copy), parsed(name, file))):
        decision.lines.append(f"{path}: differs in its layout alone; restored from its copy")
    elif name not in FIXED:
        decision.lines.append(f"{path}: was changed ({listed(differ)}); restored from its copy")
    elif force:
        content = file
        decision.lines.append(f"{path}: goes on with what stands there ({listed(differ)})")
    else:
        decision.refused.append(_edited(path, f"was changed since the run wrote it ({listed(differ)})"))
        return
    decision.writes |= {name: content, f"{COPIES}/{name}": content}


def _unvouched(path: Path, pair: Pair, damaged: bool, decision: Decision, force: bool) -> None:
    """Decide about a file and a copy that differ, and that no checksum vouches for.

    Args:
        path: The file.
        pair: The file and its copy.
        damaged: checksums.txt is sound, so neither is as it was written.
        decision: Gets the decision.
        force: Accept an edited file as it stands.
    """
    name, copied = pair.name, f"{COPIES}/{pair.name}"
    file, copy = (
        "is missing" if content is None else reason(name, content) for content in (pair.file, pair.copy)
    )
    copy = copy or ("is damaged" if damaged else "")
    if not file and not copy and name == HISTORY:
        file = (
            "" if _continues(parsed(name, pair.copy or b""), parsed(name, pair.file or b"")) else "is damaged"
        )
    if not file and name in FIXED and not force:
        how = "was changed since the run wrote it, and its copy is damaged"
        if not copy:
            how = f"differs from its copy ({_between(name, pair)})"
        decision.refused.append(_edited(path, how, not copy))
    elif not file or not copy:
        content = pair.copy if file else pair.file
        assert content is not None
        if file or damaged or copy:
            where = "its copy" if file else f"what stands there (its copy {copy})"
            decision.lines.append(f"{path}: {file or 'was changed'}; goes on with {where}")
        decision.writes |= {name: content, copied: content}
    elif name in ("environment.json", "status.json"):
        decision.lines.append(f"{path}: {file}, and its copy {copy}; goes on without what it held")
        decision.writes |= {name: b"{}\n", copied: b"{}\n"}
    else:
        way = "start a new run" if name in FIXED else "delete both to go on without what they held"
        decision.refused.append(f"{path}: {file}, and its copy {path.parent / copied} {copy}; {way}")


def _continues(old: Sequence[Mapping[str, str]], new: Sequence[Mapping[str, str]]) -> bool:
    """Return True if a history holds every value of an older one."""
    by_step = {row["step"]: row for row in new}
    values = ((row["step"], item) for row in old for item in row.items() if item[1] != "")
    return all(by_step.get(step, {}).get(name) == value for step, (name, value) in values)


def _between(name: str, pair: Pair) -> str:
    old, new = (parsed(name, content or b"") for content in (pair.copy, pair.file))
    return listed(differences(old, new)) or "in its layout"


def _edited(path: Path, how: str, copy: bool = True) -> str:
    back = f"put it back (delete {path.name}, and its copy is restored)" if copy else "put back what it held"
    return f"{path}: {how}; {back}, or go on with what stands there: resume_force=true"
