"""Messages about images that are larger than `data.size`."""

from __future__ import annotations

from collections.abc import Sequence

from ganatomy.errors import UserError


def words(size: int | Sequence[int] | None, kept: Sequence[float], everywhere: bool = False) -> str:
    """Return a line about images that training crops; empty if there are none.

    Args:
        size: the setting `data.size`.
        kept: share of each image that training keeps.
        everywhere: validation and test are cropped too.
    """
    cut = [share for share in kept if share < 1]
    if not cut:
        return ""
    sides = str(size if isinstance(size, int) else list(size or ())).replace(" ", "")
    evaluation = "so does evaluation" if everywhere else "evaluation sees all of each, in windows"
    return (
        f"data.size={sides} cuts {len(cut)} of {len(kept)} images: training keeps their middle, "
        f"{100 * min(cut):.3g} % of the largest; {evaluation}"
    )


def refuse(cut: str, resize: str | None) -> None:
    """Raise UserError if a task that needs images of one size would crop some without being told to.

    Args:
        cut: the line that `words` returns.
        resize: the setting `data.resize`.
    """
    if cut and resize in (None, "pad"):
        raise UserError(
            f"{cut}, and this task needs whole images: set data.resize=letterbox to shrink them, a larger "
            "data.size, or data.resize=crop to use their middle only"
        )
