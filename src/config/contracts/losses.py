"""Check what a loss of the user's own declares, by computing it on a few logits."""

from __future__ import annotations

import copy
from typing import Any

import torch
from torch import Tensor

from ganatomy.adversarial.discriminator import DiscriminatorOutput
from ganatomy.adversarial.distributed.collectives import without_collectives
from ganatomy.config.contracts.failures import reason_of
from ganatomy.errors import UserError


def check_loss(loss: Any, path: str) -> None:
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
    name, chance = type(loss).__name__, torch.Generator().manual_seed(0)
    real, fake = (torch.randn(4, 1, generator=chance, requires_grad=True) for _ in range(2))

    def losses_of(rows: slice) -> tuple[Tensor, Tensor]:
        on_real, on_fake = (DiscriminatorOutput([logits[rows]], [[]]) for logits in (real, fake))
        of_discriminator = loss.discriminator(on_real, on_fake)
        return of_discriminator, loss.generator(on_real if loss.needs_real else None, on_fake)

    try:
        with torch.random.fork_rng(devices=[]), without_collectives(), torch.enable_grad():
            loss = copy.deepcopy(loss)
            losses = losses_of(slice(0, 4))
            if any(value.dim() for value in losses):
                raise UserError(f"{path}: {name} must give one number a player, a tensor without dimensions")
            of_discriminator, of_generator = (
                torch.autograd.grad(value, fake, retain_graph=True)[0] for value in losses
            )
            again, *halves = (losses_of(slice(*rows)) for rows in ((0, 4), (0, 2), (2, 4)))
    except UserError as error:
        raise error if str(error).startswith(path) else UserError(f"{path}: {error}") from error
    except Exception as error:  # the user's own code, which may fail in any way
        hint = "" if loss.needs_real else "; if generator() needs the real logits, set needs_real = True"
        raise UserError(f"{path}: {name} fails on logits [4, 1] ({reason_of(error)}){hint}") from error
    if loss.zero_sum and not torch.allclose(of_discriminator, -of_generator, rtol=1e-4, atol=1e-6):
        raise UserError(
            f"{path}: {name} declares zero_sum = True, but the generator's gradient at the fake logits "
            "is not minus the discriminator's; set zero_sum = False"
        )
    whole, repeated, split = torch.stack(losses), torch.stack(again), torch.stack([*map(torch.stack, halves)])
    is_random = not torch.equal(whole, repeated)
    if not loss.needs_whole_batch and not is_random and not torch.allclose(whole, split.mean(0), 1e-4, 1e-6):
        raise UserError(
            f"{path}: {name} on a batch is not the mean of its values on two halves, so micro-batches would "
            "change it; set needs_whole_batch = True in the class, or take a mean over samples"
        )
