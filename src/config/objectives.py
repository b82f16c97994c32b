"""Losses, penalties, weights and augmentations of the game: by name, or one's own by `_target_`."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any

from ganatomy.config.contracts.classes import check_class
from ganatomy.config.contracts.failures import reason_of
from ganatomy.config.contracts.losses import check_loss
from ganatomy.config.contracts.penalties import check_penalty
from ganatomy.config.contracts.weights_and_augments import check_augment, check_weight
from ganatomy.config.mistakes.suggestions import nearest
from ganatomy.config.targets import build, check_arguments, resolve
from ganatomy.errors import UserError
from ganatomy.text.values import quoted

PATH = "model.adversarial"


def check_choice(node: Any, names: Mapping[str, type], path: str, kind: type | None = None) -> None:
    """Check a choice and its arguments before anything is built.

    Args:
        node: A name, `{name: ..., further arguments}` or, where `kind` is given, `{_target_: ..., ...}`.
        names: The choices by name.
        path: Key of the choice in the configuration.
        kind: Base class of the choices that may be classes of one's own.

    Raises:
        UserError: No such choice, a class that is none of that kind, or arguments that it does not take.
    """
    if kind is not None and _is_own(node):
        found = resolve(node, path)
        check_class(found, kind, f"{path}._target_")
        return check_arguments(found, node, path)
    name = node.get("name") if isinstance(node, dict) else node
    if name is None:
        raise UserError(f"{path}.name: is missing{nearest('', names)}")
    if name not in names:
        raise UserError(f"{path}: no such choice {quoted(name)}{nearest(str(name), names)}")
    if isinstance(node, dict):
        check_arguments(names[name], {k: v for k, v in node.items() if k != "name"}, path)


def check_objectives(adversarial: Mapping[str, Any]) -> None:
    """Check every choice of the section `model.adversarial`."""
    from ganatomy import adversarial as game

    check_choice(adversarial["loss"], game.LOSSES, f"{PATH}.loss", game.AdversarialLoss)
    for index, penalty in enumerate(adversarial["penalties"]):
        check_choice(penalty, game.PENALTIES, f"{PATH}.penalties[{index}]", game.Penalty)
    _check_names(adversarial["penalties"], game.PENALTIES)
    if isinstance(adversarial["weight"], dict):
        check_choice(adversarial["weight"], game.WEIGHTS, f"{PATH}.weight", game.Weight)
    if adversarial["augment"] is not None:
        check_choice(adversarial["augment"], game.AUGMENTS, f"{PATH}.augment", game.Augment)


def _check_names(penalties: Sequence[Any], names: Mapping[str, type]) -> None:
    """Refuse a penalty of the user's own whose name in the log is another's."""
    classes = [class_of(node, names, f"{PATH}.penalties[{i}]") for i, node in enumerate(penalties)]
    logged = [getattr(found, "name", None) for found in classes]
    for index, (node, name) in enumerate(zip(penalties, logged, strict=True)):
        if _is_own(node) and (logged.count(name) > 1 or name in ("adversarial", "total")):
            raise UserError(
                f"{PATH}.penalties[{index}]: the log holds another {name!r} already; "
                f"give {node['_target_'].rpartition('.')[2]} a name of its own"
            )


def class_of(node: Any, names: Mapping[str, type], path: str) -> type | None:
    """Return the class of a choice; None for an unknown name.

    Args:
        node: A name, or a section with `name` or `_target_`.
        names: Choices by name.
        path: Key of the choice in the configuration.
    """
    if _is_own(node):
        return resolve(node, path)
    return names.get(str(node.get("name", "") if isinstance(node, dict) else node))


def build_objectives(adversarial: Mapping[str, Any]) -> dict[str, Any]:
    """Build the arguments of the `Game` from the section `model.adversarial`."""
    from ganatomy import adversarial as game

    weight, augment = adversarial["weight"], adversarial["augment"]
    weight = weight if isinstance(weight, dict) else {"name": "fixed", "value": weight}
    return {
        "loss": _built(adversarial["loss"], game.LOSSES, f"{PATH}.loss", check_loss),
        "weight": _built(weight, game.WEIGHTS, f"{PATH}.weight", check_weight),
        "feature_matching": adversarial["feature_matching"],
        "penalties": [
            _built(
                node,
                game.PENALTIES,
                f"{PATH}.penalties[{index}]",
                check_penalty,
            )
            for index, node in enumerate(adversarial["penalties"])
        ],
        "augment": _built(augment, game.AUGMENTS, f"{PATH}.augment", check_augment) if augment else None,
        "history": adversarial.get("history", 0),
    }


def _is_own(node: Any) -> bool:
    """Return True for a section that names a class of the user's own."""
    return isinstance(node, dict) and "_target_" in node


def _built(
    node: Any, names: Mapping[str, Callable[..., Any]], path: str, check: Callable[[Any, str], None]
) -> Any:
    """Build the object of `hinge`, `{name: r1, gamma: 1}` or `{_target_: mylab.losses.Mine}`.

    Args:
        node: The choice.
        names: Choices by name.
        path: Key of the choice in the configuration.
        check: Tries a class of the user's own.

    Raises:
        UserError: It cannot be built, or the check refuses it.
    """
    if _is_own(node):
        try:
            made = build(node, path)
        except (RuntimeError, OSError, ArithmeticError) as error:
            raise UserError(f"{path}: {node['_target_']} cannot be built ({reason_of(error)})") from error
        check(made, path)
        return made
    arguments = dict(node) if isinstance(node, dict) else {"name": node}
    try:
        return names[arguments.pop("name")](**arguments)
    except UserError as error:  # it names its key from the section on
        raise UserError(f"{PATH}.{error}") from error
