"""Configurations of other versions: keys that were added, classes and keys that have another name now.

What stands here keeps hashes (`experiments.fingerprint`) and opens the runs of earlier versions
(`core.config.load`).
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import TYPE_CHECKING, Any

from ganatomy.errors import UserError

if TYPE_CHECKING:
    from ganatomy.config.section import Plain

ADDED: dict[str, Any] = {
    "trainer.channels_last": False,
    "data.changed": "stop",
    "data.missing_label": "fault",
    "data.instances": None,
    "data.shared": [],
    "data.finding": None,
    "data.target_intensity": None,
    "data.target_channels": None,
    "data.axes": None,
    "data.series": None,
    "data.modality": None,
    "task.scored": "network",
    "task.metrics": [],
}
"""A key that came after 062eb33 -> its FIRST default, which says what runs did before it was there.

It stays that, whatever conf/ says later: the key is not hashed while it has this value, and a configuration
without the key means this value. The names are today's."""

MOVED_CLASSES: dict[str, str] = {
    "ganatomy": "src",
    "ganatomy.networks.autoencoders.encoder": "src.networks.encoder",
    "ganatomy.networks.autoencoders.fanogan": "src.networks.fanogan",
    "ganatomy.networks.autoencoders.ganomaly": "src.networks.ganomaly",
    "ganatomy.networks.discriminators.confidence": "src.networks.confidence",
    "ganatomy.networks.discriminators.critic": "src.networks.critic",
    "ganatomy.networks.discriminators.masked_critic": "src.networks.masked_critic",
    "ganatomy.networks.discriminators.unet": "src.networks.unet_discriminator",
    "ganatomy.networks.image_to_image.centernet": "src.networks.centernet",
    "ganatomy.networks.image_to_image.denoisers": "src.networks.denoisers",
    "ganatomy.networks.image_to_image.spade": "src.networks.spade",
    "ganatomy.networks.image_to_image.super_resolution": "src.networks.super_resolution",
    "ganatomy.networks.image_to_image.unet": "src.networks.unet",
    "ganatomy.networks.noise_to_image.conditional": "src.networks.conditional",
    "ganatomy.networks.noise_to_image.dcgan": "src.networks.dcgan",
    "ganatomy.networks.noise_to_image.fastgan": "src.networks.fastgan",
    "ganatomy.networks.noise_to_image.modulated": "src.networks.modulated",
    "ganatomy.networks.noise_to_image.r3gan": "src.networks.r3gan",
    "ganatomy.networks.noise_to_image.stylegan2": "src.networks.stylegan2",
    "ganatomy.optim.schedules": "src.tasks.schedules",
    "ganatomy.runs.multirun": "src.core.multirun",
    "ganatomy.tasks.anomaly.methods": "src.tasks.methods",
    "ganatomy.tasks.anomaly.methods.FAnoGanTraining": "src.tasks.methods.FAnoGan",
    "ganatomy.tasks.anomaly.methods.GanomalyTraining": "src.tasks.methods.Ganomaly",
    "ganatomy.tasks.segmentation.self_training": "src.tasks.semi",
}
"""Dotted prefix of a `_target_` today -> what it was called in 062eb33. The longest prefix counts."""

MOVED_KEYS: dict[str, str] = {
    "data.image_classes": "data.kinds",
    "data.resize": "data.fit",
    "data.unlabelled_fraction": "data.unlabelled",
}
"""Dotted key, or section, today -> what it was called in 062eb33."""


def as_first(plain: Plain) -> Plain:
    """The configuration as 062eb33 would have written it: old names, and no key at its first default."""
    seen: Plain = _copied(plain, lambda target: _renamed(target, MOVED_CLASSES.items()))
    for key, first in ADDED.items():
        if get(seen, key, first) == first:
            _take(seen, key)
    for new, old in MOVED_KEYS.items():
        _move(seen, new, old)
    return seen


def as_today(plain: Plain, takes: Callable[[Plain, str], bool] | None = None) -> Plain:
    """A configuration of an earlier version by today's names.

    takes: whether this section, by its class, takes a key of that name; given, keys that were added since get
    their first default there.
    """
    seen: Plain = _copied(plain, lambda target: _today(target, MOVED_CLASSES))
    for new, old in MOVED_KEYS.items():
        if not _below(new, old) or get(seen, new, seen) is seen:  # what holds its new self is of today
            _move(seen, old, new)
    for key, first in ADDED.items() if takes else ():
        section, _, leaf = key.rpartition(".")
        node = get(seen, section)
        if isinstance(node, dict) and leaf not in node and takes and takes(node, leaf):
            node[leaf] = first
    return seen


def words_of_today(words: Sequence[str]) -> tuple[list[str], list[str]]:
    """Words of a command line with today's keys, and a line for each that came with its old one.

    UserError where the new key is given too.
    """
    given = {key_of(word) for word in words}
    done, lines = [], []
    for word in words:
        key = key_of(word)
        moved = _today(key, MOVED_KEYS)
        if moved != key:
            if moved in given:
                raise UserError(f"{key}: is called {moved} now, which is given too; leave {key} out")
            lines.append(f"{key}: renamed to {moved}")
        done.append(word.replace(key, moved, 1))
    return done, lines


def key_of(word: str) -> str:
    """The key that a word of the command line sets; empty for an option."""
    return "" if word.startswith("-") or "=" not in word else word.lstrip("+~").partition("=")[0]


def get(plain: Mapping[str, Any], key: str, default: Any = None) -> Any:
    """The value of a dotted key."""
    node: Any = plain
    for part in key.split("."):
        if not isinstance(node, Mapping) or part not in node:
            return default
        node = node[part]
    return node


def _below(name: str, prefix: str) -> bool:
    return name == prefix or name.startswith(f"{prefix}.")


def _today(name: str, moved: Mapping[str, str]) -> str:
    """The name of today of one that was of 062eb33, or is of today already."""
    known = max((len(new) for new in moved if _below(name, new)), default=-1)
    return _renamed(name, ((old, new) for new, old in moved.items() if len(old) > known))


def _renamed(name: str, pairs: Iterable[tuple[str, str]]) -> str:
    """`name` with the longest of the first prefixes that it begins with replaced by the second one."""
    fitting = [pair for pair in pairs if _below(name, pair[0])]
    before, after = max(fitting, key=lambda pair: len(pair[0]), default=("", ""))
    return after + name[len(before) :]


def _copied(node: Any, rename: Callable[[str], str]) -> Any:
    """A copy of plain values, the classes in it renamed."""
    if isinstance(node, Mapping):
        return {
            key: rename(value) if key == "_target_" and isinstance(value, str) else _copied(value, rename)
            for key, value in node.items()
        }
    return [_copied(item, rename) for item in node] if isinstance(node, list) else node


def _take(plain: Plain, key: str) -> list[Any]:
    """Remove a dotted key; its value in a list, or an empty list where there is no such key."""
    section, _, leaf = key.rpartition(".")
    node = get(plain, section) if section else plain
    return [node.pop(leaf)] if isinstance(node, dict) and leaf in node else []


def _move(plain: Plain, key: str, other: str) -> None:
    """Give a value its other dotted key; a section that is empty then goes."""
    *parents, leaf = other.split(".")
    for value in _take(plain, key):
        while (key := key.rpartition(".")[0]) and get(plain, key) == {}:
            _take(plain, key)
        node = plain
        for part in parents:
            node = node.setdefault(part, {})
        node[leaf] = value
