"""Cards of this machine, shared out among runs that go on side by side.

A run sees its cards alone, by `CUDA_VISIBLE_DEVICES`. A starter that has cards of its own to give, such as
srun, is left to do so.
"""

from __future__ import annotations

import contextlib
import fcntl
import os
import re
import subprocess
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path

from ganatomy.errors import UserError

VARIABLE = "CUDA_VISIBLE_DEVICES"
GIVE_CARDS = {"srun", "ssh"}
"""Starters whose runs have other cards than this process sees."""
MIG = re.compile(r"^\s+MIG .*\(UUID: (MIG-[^)]+)\)", re.M)
GPU = re.compile(r"^GPU (\d+): .*\(UUID: [^)]+\)\n?((?:[ \t]+MIG .*\n?)*)", re.M)


def visible(starter: Sequence[str] = (), environment: Mapping[str, str] | None = None) -> list[str]:
    """Return the names of the cards that runs started here may use; empty without cards.

    Args:
        starter: Command that starts a run; with srun or ssh the cards are not ours to give.
        environment: Environment variables; None for those of this process.

    Returns:
        Numbers, UUIDs or MIG instances, as CUDA_VISIBLE_DEVICES takes them.
    """
    if starter and Path(starter[0]).name in GIVE_CARDS:
        return []
    named = (os.environ if environment is None else environment).get(VARIABLE)
    if named is None:
        listed = _listed()
        return _counted() if listed is None else of_list(listed)
    names = []
    for name in (part.strip() for part in named.split(",")):
        if not re.fullmatch(r"\d+|(GPU|MIG)-\S+", name):  # CUDA stops at the first that it does not know
            break
        names.append(name)
    return names


def of_list(listed: str) -> list[str]:
    """Return the cards that `nvidia-smi -L` lists: by number, those in MIG mode as their instances."""
    names: list[str] = []
    for card in GPU.finditer(listed):
        names += MIG.findall(card[2]) or [card[1]]
    return names


def _listed() -> str | None:
    """Return what `nvidia-smi -L` says; None where there is none."""
    try:
        done = subprocess.run(
            ["nvidia-smi", "-L"], capture_output=True, text=True, timeout=60, stdin=subprocess.DEVNULL
        )
    except (OSError, subprocess.TimeoutExpired):
        return None
    return done.stdout if done.returncode == 0 else None


def _counted() -> list[str]:
    import torch

    return [str(index) for index in range(torch.cuda.device_count())]


def share(index: int, devices: int, names: Sequence[str]) -> str | None:
    """Return CUDA_VISIBLE_DEVICES of one of several workers: the next cards in turn; None without cards.

    Args:
        index: Number of the worker.
        devices: Cards of a worker.
        names: Names of all cards.

    Example:
        >>> [share(worker, 2, ["0", "1", "2", "3"]) for worker in range(3)]
        ['0,1', '2,3', '0,1']
    """
    if not names:
        return None
    first = index * devices % max(1, len(names) - len(names) % devices)
    return ",".join(names[first : first + devices])


def sharing(jobs: int, devices: int, names: Sequence[str]) -> str:
    """Return the line that says that runs share cards; empty where each has its own.

    Args:
        jobs: Runs at a time.
        devices: Cards of a run.
        names: Names of all cards.

    Raises:
        UserError: A run on several cards has MIG instances, of which a process sees only one.
    """
    if devices > 1 and any(name.startswith("MIG-") for name in names):
        raise UserError(
            f"trainer.devices: {devices}, but a process sees only one MIG instance; set it to 1, or end the "
            "MIG mode of the cards"
        )
    if not names or jobs <= max(1, len(names) // devices):
        return ""
    room = max(1, len(names) // devices)
    each, there = _count(devices), _count(len(names))
    return f"cards: {jobs} runs at a time with {each} each share {there}; with jobs={room} each has its own"


def _count(cards: int) -> str:
    return f"{cards} card{'s' * (cards > 1)}"


class Cards:
    """Cards in the hands of runs that begin and end: the least used are given next.

    Args:
        names: Names of all cards; empty without cards.

    Example:
        >>> cards = Cards(["0", "1"])
        >>> first, second = cards.take(1), cards.take(1)
        >>> cards.give_back(first)
        >>> first, second, cards.take(1)
        ('0', '1', '0')
    """

    def __init__(self, names: Sequence[str]) -> None:
        self.users = dict.fromkeys(names, 0)

    def take(self, count: int) -> str | None:
        """Return CUDA_VISIBLE_DEVICES of a run on `count` cards, or on all of fewer; None without cards."""
        if not self.users:
            return None
        chosen = set(sorted(self.users, key=lambda name: self.users[name])[:count])
        for name in chosen:
            self.users[name] += 1
        return ",".join(name for name in self.users if name in chosen)

    def give_back(self, taken: str | None) -> None:
        """Count the cards of a run that ended as free."""
        for name in taken.split(",") if taken else ():
            self.users[name] -= 1


@contextlib.contextmanager
def claimed(folder: Path, number: int, devices: int, names: Sequence[str]) -> Iterator[str | None]:
    """Hold cards that no other job of the folder holds; jobs are processes that know nothing of each other.

    Where too few are free, the job shares those that its number gives. A lock ends with its process.

    Args:
        folder: Folder of the jobs, for the locks.
        number: Number of this job.
        devices: Cards of a job.
        names: Names of all cards; empty without cards.

    Yields:
        CUDA_VISIBLE_DEVICES of the job; None without cards.
    """
    with contextlib.ExitStack() as held:
        mine: list[str] = []
        for name in names if len(names) >= devices else ():
            if len(mine) < devices and _lock(folder / f".card-{name.replace('/', '-')}", held):
                mine.append(name)
        if len(mine) < devices:  # the next job may have them
            held.close()
            yield share(number, devices, names)
        else:
            yield ",".join(mine)


def _lock(path: Path, held: contextlib.ExitStack) -> bool:
    """Lock a file until `held` ends; False if another job holds it."""
    path.parent.mkdir(parents=True, exist_ok=True)
    file = path.open("w")
    try:
        fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except OSError:
        file.close()
        return False
    held.enter_context(file)
    return True
