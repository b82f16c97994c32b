"""Try a weight or an augmentation of the user's own at the first step."""

from __future__ import annotations

import copy
from itertools import product
from typing import TYPE_CHECKING

import torch
from torch import Tensor

from ganatomy.adversarial.distributed.collectives import without_collectives
from ganatomy.config.contracts.failures import depends_on_network, reason_of
from ganatomy.errors import UserError

if TYPE_CHECKING:
    from ganatomy.adversarial import Augment, Weight


def check_weight(weight: Weight, path: str) -> None:
    """Refuse a weight that fails at the first step or gives no number; a copy of it is tried."""
    name = type(weight).__name__
    gradients = ([torch.ones(4, 1, 16, 16)],) * 2 if weight.from_gradients else ()
    try:
        with torch.random.fork_rng(devices=[]), without_collectives():
            value = copy.deepcopy(weight)(0, *gradients)
    except UserError as error:
        raise UserError(f"{path}: {error}") from error
    except Exception as error:  # the user's own code, which may fail in any way
        raise UserError(f"{path}: {name} fails at step 0 ({reason_of(error)})") from error
    if not isinstance(value, int | float | Tensor) or (isinstance(value, Tensor) and value.dim()):
        raise UserError(f"{path}: {name} gives a {type(value).__name__} at step 0; return one number")


def check_augment(augment: Augment, path: str) -> None:
    """Refuse an augmentation that fails on images and volumes, or does not keep their number and shapes.

    A copy of it is tried on one image and on an image with a condition, in 2-D and 3-D.
    """
    name, failures = type(augment).__name__, []
    if not hasattr(augment, "image_channels") or "_parameters" not in vars(augment):
        call = "super().__init__(policy, known, image_channels)"
        raise UserError(f"{path}: {name} has no `image_channels`; call {call} in its __init__")
    for dims, conditions in product((2, 3), (0, 1)):
        image = torch.randn(4, augment.image_channels or 1, *[16] * dims)
        inputs = (image, *[torch.randn(4, 1)] * conditions)
        try:
            with torch.random.fork_rng(devices=[]), without_collectives():
                changed = copy.deepcopy(augment)(inputs)
        except UserError as error:
            raise UserError(f"{path}: {error}") from error
        except Exception as error:  # the user's own code, which may fail in any way
            failures.append(error)
            continue
        if not isinstance(changed, tuple | list) or len(changed) != len(inputs):
            raise UserError(f"{path}: {name} must return a tuple, one tensor for each of the discriminator's")
        for before, after in zip(inputs, changed, strict=True):
            if not isinstance(after, Tensor) or after.shape != before.shape:
                got = list(after.shape) if isinstance(after, Tensor) else type(after).__name__
                raise UserError(f"{path}: {name} makes {got} of {list(before.shape)}; keep the shape")
        return
    if not any(depends_on_network(error) for error in failures):
        raise UserError(f"{path}: {name} fails on images [4, 1, 16, 16] ({reason_of(failures[0])})")
