"""Weights that a run starts from: of another run, or a file. Tensors alone are read, no class is built."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import safetensors
import safetensors.torch
import torch
from torch import Tensor

from ganatomy.config.mistakes.suggestions import nearest
from ganatomy.config.security.elsewhere import checked
from ganatomy.errors import UserError
from ganatomy.runs.checkpoints import checkpoint_file
from ganatomy.runs.checkpoints.rotation import BEST, LAST, numbered
from ganatomy.runs.integrity.checked import read_bytes, read_file
from ganatomy.runs.integrity.checksums import Damaged, sha256
from ganatomy.tasks.recipe import PLAYERS

State = dict[str, Tensor]
WEIGHTS = "generator.safetensors"
AVERAGE = "average.module."
"""Prefix of the averaged generator in a checkpoint; a run without one has none."""


@dataclass(frozen=True)
class Source:
    """Weights to start from.

    Attributes:
        typed: Run or file, as it was typed.
        file: What was read of it, e.g. "generator.safetensors".
        digest: SHA-256 of that file.
        states: Weights by player, with the names that they have in the player.
        model: Section `model` of the run's config.yaml; {} if there is none.
        discriminator_file: Checkpoint that the discriminator's weights come from; empty for none.
        trained_on: Names of the subjects that they were trained on, where data.json says it.
    """

    typed: str
    file: str
    digest: str
    states: dict[str, State]
    model: Mapping[str, Any] = field(default_factory=dict)
    discriminator_file: str = ""
    trained_on: frozenset[str] = frozenset()


def open_source(typed: str, players: Collection[str]) -> Source:
    """Read the weights to start from.

    Args:
        typed: Run directory, .safetensors file or checkpoint.
        players: Players that are wanted.

    Returns:
        Weights of those players that the source has.

    Raises:
        UserError: There is no such source, it is damaged, or of a kind that is not loaded.
    """
    path = check_place(typed)
    try:
        if path.is_dir():
            return _of_run(typed, path, players)
        if path.suffix == ".ckpt":
            return _of_checkpoint(typed, path, path.parent.parent, players)
        return _of_file(typed, path, players)
    except OSError as error:
        raise UserError(f"init: {typed}: cannot be read ({error.strerror or error})") from error
    except Damaged as error:
        raise UserError(f"init: {error}; resume={path} mends its files, or give another run") from error
    except UserError as error:
        raise UserError(f"init: {error}") from error


def check_place(typed: str) -> Path:
    """Return the path of a source, which is not read; UserError if it is none."""
    path = Path(typed).expanduser()
    if path.is_dir():
        if not (path / "config.yaml").is_file():
            raise UserError(
                f"init: {typed}: is no run directory (it has no config.yaml); give a run or a file"
            )
    elif not path.is_file():
        raise UserError(f"init: {typed}: there is no such run or file{_similar(path)}")
    elif path.suffix not in (".ckpt", ".safetensors"):
        raise UserError(
            f"init: {typed}: is no run directory, no .safetensors file and no checkpoint of a run (.ckpt); "
            "files that may hold code are not loaded: write the weights with safetensors.torch.save_file"
        )
    return path


def _of_run(typed: str, run: Path, players: Collection[str]) -> Source:
    """Read the tested weights of a run; of one that has not finished, those of its checkpoint."""
    content = read_bytes(run, WEIGHTS)
    if content is None:
        found = next((path for path in _checkpoints(run) if path.is_file()), None)
        if found is None:
            raise UserError(f"{typed}: holds neither {WEIGHTS} nor a checkpoint; finish that run first")
        return _of_checkpoint(typed, found, run, players)
    states: dict[str, State] = {}
    tested = _parsed(content, run / WEIGHTS)
    if "generator" in players:
        states["generator"] = tested
    file = ""
    if "discriminator" in players and (pair := _beside(run, tested)):
        states["discriminator"], file = pair
    return Source(typed, WEIGHTS, sha256(content), states, _model(run), file, _subjects(run))


def _beside(run: Path, tested: State) -> tuple[State, str] | None:
    """Return D's weights from the checkpoint that holds the tested generator, and the checkpoint's name."""
    for path in _checkpoints(run):
        try:
            weights = checkpoint_file.load(path)["state_dict"]
        except checkpoint_file.Damaged:
            continue
        generator, discriminator = _generator(weights), _below(weights, "discriminator.")
        if discriminator and _equal(generator, tested):
            return discriminator, f"{path.parent.name}/{path.name}"
    return None


def _checkpoints(run: Path) -> list[Path]:
    folder = run / "checkpoints"
    return [folder / BEST, folder / LAST, *(path for path, _ in numbered(folder))]


def _of_checkpoint(typed: str, path: Path, run: Path, players: Collection[str]) -> Source:
    """Read a checkpoint of a run: the generator that it would be tested with, and the discriminator."""
    content = path.read_bytes()
    try:
        weights = checkpoint_file.load(path)["state_dict"]
    except checkpoint_file.Damaged as error:
        raise UserError(f"{path}: {error.reason}; give another run or file") from error
    found = {"generator": _generator(weights), "discriminator": _below(weights, "discriminator.")}
    states = {player: state for player, state in found.items() if player in players and state}
    name = path.name if Path(typed).expanduser() == path else f"{path.parent.name}/{path.name}"
    used = name if "discriminator" in states else ""
    return Source(typed, name, sha256(content), states, _model(run), used, _subjects(run))


def _of_file(typed: str, path: Path, players: Collection[str]) -> Source:
    """Read a .safetensors file of one network, or of both players by prefix."""
    content = read_bytes(path.parent, path.name)
    assert content is not None
    weights = _parsed(content, path)
    prefixes = tuple(f"{player}." for player in PLAYERS)
    if all(name.startswith((*prefixes, AVERAGE)) for name in weights):
        found = {"generator": _generator(weights), "discriminator": _below(weights, "discriminator.")}
    else:
        found = {"generator" if "generator" in players else "discriminator": weights}
    states = {player: state for player, state in found.items() if player in players and state}
    used = path.name if "discriminator" in states else ""
    return Source(
        typed, path.name, sha256(content), states, _model(path.parent), used, _subjects(path.parent)
    )


def _parsed(content: bytes, path: Path) -> State:
    try:
        weights: State = safetensors.torch.load(content)
    except (safetensors.SafetensorError, ValueError, KeyError, TypeError) as error:
        reason = " ".join(str(error).split())[:120]
        raise UserError(f"{path}: is damaged, or no safetensors file ({reason}); give another one") from error
    if not weights:
        raise UserError(f"{path}: holds no weights; give another file")
    return weights


def _model(run: Path) -> Mapping[str, Any]:
    """Return what config.yaml says of the networks, as plain values; {} if there is none that can be read."""
    try:
        content = checked(run / "config.yaml").content
    except (UserError, OSError):
        return {}
    model = content.get("model") if isinstance(content, dict) else None
    return model if isinstance(model, dict) else {}


def _subjects(run: Path) -> frozenset[str]:
    """Return the subjects of a run's training; none if its data.json does not say, or cannot be read."""
    try:
        named = ((read_file(run, "data.json") or {}).get("subjects") or {}).get("train") or ()
        return frozenset(map(str, named))
    except (Damaged, AttributeError, TypeError):
        return frozenset()


def _generator(weights: Mapping[str, Any]) -> State:
    """Return the generator that a checkpoint would be tested with: the averaged one if there is one."""
    return _below(weights, AVERAGE) or _below(weights, "generator.")


def _below(weights: Mapping[str, Any], prefix: str) -> State:
    return {
        name.removeprefix(prefix): value
        for name, value in weights.items()
        if name.startswith(prefix) and isinstance(value, Tensor)
    }


def _equal(one: State, other: State) -> bool:
    return one.keys() == other.keys() and all(torch.equal(value, other[name]) for name, value in one.items())


def _similar(path: Path) -> str:
    """Return the nearest name in the folder of a path that is not there."""
    siblings: Iterable[Path] = path.parent.iterdir() if path.parent.is_dir() else ()
    return nearest(path.name, [sibling.name for sibling in siblings])
