"""Check what a loss of the user's own declares, by computing it on a few logits."""

from __future__ import annotations

import copy
from typing import TYPE_CHECKING

import torch
from torch import Tensor

from ganatomy.adversarial.discriminator import DiscriminatorOutput
from ganatomy.adversarial.distributed.collectives import without_collectives
from ganatomy.config.contracts.failures import reason_of
from ganatomy.errors import UserError

if TYPE_CHECKING:
    from ganatomy.adversarial import AdversarialLoss

SHAPES = ((4, 1), (4, 1, 2, 2), (4, 1, 2, 2, 2))
"""Logits of one number a sample, of patches and of blocks; a loss may be written for one of them alone."""


def check_loss(loss: AdversarialLoss, path: str) -> None:
    """Check what a loss declares: `needs_real` and `zero_sum` decide which update is exact for it.

    Args:
        loss: An `AdversarialLoss`. One that is `from_features` is not checked.
        path: Key of the loss.

    Raises:
        UserError: It fails on logits [4, 1], gives no single number, is not `zero_sum` as declared, or
            couples samples without `needs_whole_batch`.
    """
    if loss.from_features:
        return
    name, failures = type(loss).__name__, []
    for shape in SHAPES:
        try:
            losses, gradients, again, halves = _try_loss(loss, shape, path)
            break
        except UserError as error:
            raise error if str(error).startswith(path) else UserError(f"{path}: {error}") from error
        except Exception as error:  # the user's own code, which may fail in any way
            failures.append(error)
    else:
        hint = "" if loss.needs_real else "; if generator() needs the real logits, set needs_real = True"
        reason = reason_of(failures[0])
        raise UserError(f"{path}: {name} fails on logits [4, 1] ({reason}){hint}") from failures[0]
    of_discriminator, of_generator = gradients
    if loss.zero_sum and not torch.allclose(of_discriminator, -of_generator, rtol=1e-4, atol=1e-6):
        raise UserError(
            f"{path}: {name} declares zero_sum = True, but the generator's gradient at the fake logits "
            "is not minus the discriminator's; set zero_sum = False"
        )
    is_random = not torch.equal(losses, again)
    if not loss.needs_whole_batch and not is_random and not torch.allclose(losses, halves, 1e-4, 1e-6):
        raise UserError(
            f"{path}: {name} on a batch is not the mean of its values on two halves, so micro-batches would "
            "change it; set needs_whole_batch = True in the class, or take a mean over samples"
        )


def _try_loss(
    loss: AdversarialLoss, shape: tuple[int, ...], path: str
) -> tuple[Tensor, list[Tensor], Tensor, Tensor]:
    """Compute both players' losses on logits of this shape.

    Returns:
        The two losses, their gradients at the fake logits, the losses once more, and the mean of those on
        the two halves of the batch.
    """
    chance = torch.Generator().manual_seed(0)
    real, fake = (torch.randn(shape, generator=chance, requires_grad=True) for _ in range(2))
    loss = copy.deepcopy(loss)

    def losses_of(rows: slice) -> list[Tensor]:
        on_real, on_fake = (DiscriminatorOutput([logits[rows]], [[]]) for logits in (real, fake))
        return [
            loss.discriminator(on_real, on_fake),
            loss.generator(on_real if loss.needs_real else None, on_fake),
        ]

    with torch.random.fork_rng(devices=[]), without_collectives(), torch.enable_grad():
        losses = losses_of(slice(0, 4))
        if any(value.dim() for value in losses):
            raise UserError(
                f"{path}: {type(loss).__name__} must return one scalar per player, "
                "a tensor without dimensions"
            )
        gradients = [torch.autograd.grad(value, fake, retain_graph=True)[0] for value in losses]
        again, first, second = (
            torch.stack(losses_of(slice(*rows))).detach() for rows in ((0, 4), (0, 2), (2, 4))
        )
    return torch.stack(losses).detach(), gradients, again, (first + second) / 2
