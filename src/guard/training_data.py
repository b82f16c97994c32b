"""Events that the training data give before the first step."""

from __future__ import annotations

from collections.abc import Collection, Sequence

from ganatomy.guard.events import Event

FEWEST_IMAGES = 10
"""Training images below which no distribution of images can be learned."""


def constant_images(constant: int, different: int, count: int, what: str = "images") -> list[Event]:
    """Return an event if most of the images that were looked at hold nothing.

    Args:
        constant: Images of a single value.
        different: Images that differ from each other.
        count: Images that were looked at.
        what: "images" or "targets".
    """
    if count < 2 or (2 * constant < count and different > 1):
        return []
    cause = (
        f"{constant} of {count} training {what} hold a single value"
        if 2 * constant >= count
        else f"all of {count} training {what} are the same"
    )
    return [Event.named("constant_images", 0, "", cause)]


def few_images(count: int, from_noise: bool) -> list[Event]:
    """Return an event if a game that makes images from noise has too few to learn from."""
    if not from_noise or count >= FEWEST_IMAGES:
        return []
    cause = f"there are {count} training images" if count != 1 else "there is one training image"
    return [Event.named("few_images", 0, "", cause)]


def one_class(what: str, names: Sequence[str], present: Collection[int], background: bool) -> list[Event]:
    """Return an event if the training cases hold one class only, or none.

    Args:
        what: Where the classes are: "label maps", "boxes" or "images".
        names: All classes.
        present: Numbers of the classes that training holds.
        background: True if class 0 is the background, so that one class alone tells nothing even of two.
    """
    held = sorted(set(present) & set(range(len(names))))
    if not names or len(held) > 1 or (held and len(names) == 1 and not background):
        return []
    named = f"hold {names[held[0]]} alone" if held else "hold no class"
    return [Event.named("one_class", 0, "", f"the {what} of all training cases {named}")]
