"""Checks of a loss, penalty, weight or augmentation of one's own before it is used."""

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
"""Methods of each base class; a derived class must override at least one."""


def check_class(found: type, kind: type, path: str) -> None:
    """Refuse a class that does not derive from a base class, or that overrides nothing of it.

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
        raise UserError(f"{path}: {name} is not a subclass of {kind.__name__}; derive it from {base}")
    methods = METHODS[kind.__name__]
    if all(getattr(found, method) is getattr(kind, method) for method in methods):
        raise UserError(f"{path}: {name} does nothing; write its {' or '.join(methods)}")
    if kind.__name__ == "Penalty" and not isinstance(getattr(found, "name", None), str):
        raise UserError(f'{path}: {name} has no name for the log; give the class one, name = "..."')


def check_loss(loss: Any, path: str) -> None:
    """Check what a loss declares: `needs_real` and `zero_sum` decide which update is exact for it.

    Args:
        loss: An `AdversarialLoss`. One that is `from_features` is not checked.
        path: Key of the loss.

    Raises:
        UserError: It fails on logits [4, 1], gives no single number, or is not `zero_sum` as declared.
    """
    from ganatomy.adversarial import DiscriminatorOutput
    from ganatomy.adversarial.distributed.collectives import without_collectives

    if loss.from_features:
        return
    name, chance = type(loss).__name__, torch.Generator().manual_seed(0)
    real, fake = (torch.randn(4, 1, generator=chance, requires_grad=True) for _ in range(2))
    on_real, on_fake = DiscriminatorOutput([real], [[]]), DiscriminatorOutput([fake], [[]])
    try:
        with without_collectives(), torch.enable_grad():
            losses = (
                loss.discriminator(on_real, on_fake),
                loss.generator(on_real if loss.needs_real else None, on_fake),
            )
            if any(value.dim() for value in losses):
                raise UserError(
                    f"{path}: {name} must return one scalar per player, a tensor without dimensions"
                )
            of_discriminator, of_generator = (torch.autograd.grad(value, fake)[0] for value in losses)
    except (AttributeError, TypeError, AssertionError, NotImplementedError, RuntimeError) as error:
        hint = "" if loss.needs_real else "; if generator() needs the real logits, set needs_real = True"
        reason = " ".join(f"{type(error).__name__}: {error}".split())
        raise UserError(f"{path}: {name} fails on logits [4, 1] ({reason}){hint}") from error
    if loss.zero_sum and not torch.allclose(of_discriminator, -of_generator, rtol=1e-4, atol=1e-6):
        raise UserError(
            f"{path}: {name} declares zero_sum = True, but the generator's gradient at the fake logits "
            "is not minus the discriminator's; set zero_sum = False"
        )
