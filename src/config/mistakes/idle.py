"""Keys that are given and would have no effect: the key that they need is missing, or another one rules."""

from __future__ import annotations

from typing import TYPE_CHECKING

from ganatomy.errors import UserError
from ganatomy.text.values import as_typed

if TYPE_CHECKING:
    from collections.abc import Sequence

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


def refuse_idle(plain: Plain, words: Sequence[str] = ()) -> Plain:
    """Return the configuration of a new run.

    Args:
        plain: The configuration.
        words: Words of the command line. A key whose other one is typed as null may stand there: it counts in
            other jobs of a multirun or sweep (`init=null,RUN init_players=generator`).

    Raises:
        UserError: A key is given and has no effect, as the key that it needs is missing or another one rules.
    """
    from ganatomy.config.schema import Config

    for key, (other, word) in BESIDE.items():
        default = Config.model_fields[key].default
        idle = plain.get(other) != "auto" if other == "plan" else plain.get(other) is None
        compared = f"{other}=null" in words
        if idle and not compared and plain.get(key, default) != default:
            raise UserError(
                f"{key}={as_typed(plain[key])}: counts beside {word} alone; give that, or leave {key} out"
            )
    data = plain.get("data") or {}
    if data.get("split_file") and data.get("folds") is not None:
        raise UserError(
            f"data.folds={data['folds']}: data.split_file says who tests, so all folds would be alike; leave "
            "data.folds out (data.fold alone chooses a fold of a list that has several)"
        )
    return plain
