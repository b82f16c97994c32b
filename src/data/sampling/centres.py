"""Weights of the classes that patches are centred on: the setting data.class_sampling."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from difflib import get_close_matches

from ganatomy.data.transforms.patches import Weights
from ganatomy.errors import UserError
from ganatomy.text.values import quoted


def check_class_sampling(given: Mapping[str, float] | None, patched: bool, foreground: float) -> None:
    """Refuse weights of classes that are no numbers, or that no patch would be chosen by.

    Args:
        given: weight by name of a class; None: all alike.
        patched: training cuts patches.
        foreground: fraction of the patches that are centred on a class.

    Raises:
        UserError: they are refused.
    """
    if given is None:
        return
    for name, weight in given.items():
        number = isinstance(weight, int | float) and not isinstance(weight, bool)
        if not number or not 0 <= weight < math.inf:
            raise UserError(f"data.class_sampling: {name}: {quoted(weight)}; give a number of 0 or more")
    if not patched or not foreground:
        key = "data.foreground=0" if patched else "data.patch=null"
        raise UserError(
            f"data.class_sampling: chooses the centres of patches, and {key}; set that, or leave it"
        )


def weights_of_classes(
    given: Mapping[str, float] | None, label: Sequence[str], boxes: Sequence[str]
) -> tuple[Weights, Weights]:
    """Return the weights of the values of label maps, and those of the classes of boxes.

    Classes that are not named weigh 1.

    Args:
        given: weight by name of a class; None: all alike.
        label: names of the values of label maps, background first.
        boxes: names of the classes of boxes.

    Raises:
        UserError: a name is no class, or the background; or every class of label maps or boxes has weight 0.

    Example:
        >>> weights_of_classes({"lesion": 5}, ("background", "liver", "lesion"), ())
        ((0.0, 1.0, 5.0), ())
    """
    if given is None:
        return (), ()
    known = [*label[1:], *(name for name in boxes if name not in label)]
    for name in given:
        if name in label[:1]:
            raise UserError(
                f"data.class_sampling: {name} is no class to centre patches on; leave it out "
                "(data.foreground is the share of patches that are centred on a class)"
            )
        if name not in known:
            near = get_close_matches(str(name), known, 1)
            words = f"did you mean {near[0]!r}?" if near else f"choose of {', '.join(known) or '(none)'}"
            raise UserError(f"data.class_sampling: {name} is no class of these data; {words}")
    of_label = (0.0, *(float(given.get(name, 1)) for name in label[1:])) if label else ()
    of_boxes = tuple(float(given.get(name, 1)) for name in boxes)
    if any(weights and not any(weights) for weights in (of_label, of_boxes)):
        raise UserError("data.class_sampling: every class has weight 0; raise one, or set data.foreground=0")
    return of_label, of_boxes


def words(weights: Weights, names: Sequence[str]) -> str:
    """Return the weights of classes in one line, for the start of a run; empty if there are none."""
    shares = ", ".join(f"{name} {weight:g}" for name, weight in zip(names, weights, strict=True))
    return f"patch centres: classes weigh {shares} (data.class_sampling)" if weights else ""
