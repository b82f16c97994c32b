"""What a loss, penalty, weight or augmentation of one's own must be, checked before it is used."""

from __future__ import annotations

from typing import Any

import torch

from ganatomy.errors import UserError

METHODS = {
    "AdversarialLoss": ("discriminator", "generator"),
    "Penalty": ("forward", "prepare", "after_step"),
    "Weight": ("__call__",),
    "Augment": ("change", "forward"),
}
"""Methods of each base class, of which a class must write one at least."""


def check_class(found: type, kind: type, path: str) -> None:
    """Refuse a class that is none of a kind, or that leaves out what the kind is about.

    Args:
        found: The class that the configuration names.
        kind: Base class that it must derive from.
        path: Key of its `_target_`.

    Raises:
        UserError: One line that says what the class lacks.
    """
    name = found.__name__
    if not issubclass(found, kind):
        base = f"{kind.__module__}.{kind.__name__}"
        raise UserError(f"{path}: {name} is no {kind.__name__}; derive it from {base}")
    methods = METHODS[kind.__name__]
    if all(getattr(found, method) is getattr(kind, method) for method in methods):
        raise UserError(f"{path}: {name} does nothing; write its {' or '.join(methods)}")
    if kind.__name__ == "Penalty" and not isinstance(getattr(found, "name", None), str):
        raise UserError(f'{path}: {name} has no name for the log; give the class one, name = "..."')


def check_loss(loss: Any, path: str) -> None:
    """Hold a loss to what it declares: `relative` and `mirrored` decide which update is exact for it.

    Args:
        loss: An `AdversarialLoss`. One that is `from_features` is believed.
        path: Key of the loss.

    Raises:
        UserError: It fails on logits [4, 1], gives no single number, or is not `mirrored` as declared.
    """
    from ganatomy.adversarial import DiscriminatorOutput
    from ganatomy.adversarial.distributed.collectives import without_collectives

    if loss.from_features:
        return
    name, chance = type(loss).__name__, torch.Generator().manual_seed(0)
    real, fake = (torch.randn(4, 1, generator=chance, requires_grad=True) for _ in range(2))
    seen = DiscriminatorOutput([real], [[]]), DiscriminatorOutput([fake], [[]])
    try:
        with without_collectives(), torch.enable_grad():
            answers = loss.discriminator(*seen), loss.generator(seen[0] if loss.relative else None, seen[1])
            if any(answer.dim() for answer in answers):
                raise UserError(f"{path}: {name} must give one number a player, a tensor without dimensions")
            ours, theirs = (torch.autograd.grad(answer, fake)[0] for answer in answers)
    except (AttributeError, TypeError, AssertionError, NotImplementedError, RuntimeError) as error:
        hint = "" if loss.relative else "; if generator() needs the real logits, set relative = True"
        reason = " ".join(f"{type(error).__name__}: {error}".split())
        raise UserError(f"{path}: {name} fails on logits [4, 1] ({reason}){hint}") from error
    if loss.mirrored and not torch.allclose(ours, -theirs, rtol=1e-4, atol=1e-6):
        raise UserError(
            f"{path}: {name} declares mirrored = True, but the generator's gradient at the fake logits "
            "is not minus the discriminator's; set mirrored = False"
        )
