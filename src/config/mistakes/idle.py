"""Keys that say something beside another key alone, given without it."""

from __future__ import annotations

from typing import TYPE_CHECKING

from ganatomy.errors import UserError

if TYPE_CHECKING:
    from ganatomy.config.section import Plain

BESIDE = {
    "init_players": ("init", "init=RUN"),
    "init_hash": ("init", "init=RUN"),
    "synthetic_share": ("synthetic", "synthetic=RUN"),
    "synthetic_hash": ("synthetic", "synthetic=RUN"),
    "plan_minutes": ("plan", "plan=auto"),
    "plan_memory": ("plan", "plan=auto"),
}
"""Key to the one that it needs, and to the word that gives that."""


def refuse_idle(plain: Plain) -> Plain:
    """Return the configuration of a new run.

    Raises:
        UserError: A key is not at its default and has no effect, as the key that it needs is not given.
    """
    from ganatomy.config.schema import Config

    for key, (other, word) in BESIDE.items():
        default = Config.model_fields[key].default
        idle = plain.get(other) != "auto" if other == "plan" else plain.get(other) is None
        if idle and plain.get(key, default) != default:
            raise UserError(f"{key}={plain[key]}: counts beside {word} alone; give that, or leave {key} out")
    return plain
