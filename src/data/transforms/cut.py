"""What `data.size` cuts off images that are larger, and who may go on with the rest."""

from __future__ import annotations

from collections.abc import Sequence

from ganatomy.errors import UserError


def words(size: int | Sequence[int] | None, kept: Sequence[float], everywhere: bool = False) -> str:
    """What is left of images of which training keeps these shares, for people; "" where that is all of them.

    everywhere: in evaluation too.
    """
    cut = [share for share in kept if share < 1]
    if not cut:
        return ""
    sides = str(size if isinstance(size, int) else list(size or ())).replace(" ", "")
    seen = "so does evaluation" if everywhere else "evaluation sees all of each, in windows"
    return (
        f"data.size={sides} cuts {len(cut)} of {len(kept)} images: training keeps their middle, "
        f"{100 * min(cut):.3g} % of the largest; {seen}"
    )


def refuse(cut: str, resize: str | None) -> None:
    """For a task that judges images of one size: UserError where some would be cut and nobody asked for it.

    cut: their `words`.
    """
    if cut and resize in (None, "pad"):
        raise UserError(
            f"{cut}, and this task judges whole images: set data.resize=letterbox to shrink them, a larger "
            "data.size, or data.resize=crop to go on with their middle alone"
        )
