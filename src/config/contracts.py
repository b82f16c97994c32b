"""Checks of a loss, penalty, weight or augmentation of one's own before it is used."""

from __future__ import annotations

import copy
import re
from itertools import product
from typing import TYPE_CHECKING, Any

import torch
from torch import Tensor, nn

from ganatomy.adversarial.discriminator import DiscriminatorOutput, DiscriminatorPass, read_output
from ganatomy.adversarial.distributed.collectives import without_collectives
from ganatomy.errors import UserError

if TYPE_CHECKING:
    from ganatomy.adversarial import Augment, Penalty, Weight

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
        raise UserError(f"{path}: {name} is no {kind.__name__}; derive it from {base}")
    methods = METHODS[kind.__name__]
    if all(getattr(found, method) is getattr(kind, method) for method in methods):
        raise UserError(f"{path}: {name} does nothing; write its {' or '.join(methods)}")
    if kind.__name__ == "Penalty" and not isinstance(getattr(found, "name", None), str):
        raise UserError(f'{path}: {name} has no name for the log; give the class one, name = "..."')
    if kind.__name__ == "Penalty" and not re.fullmatch(r"[A-Za-z][\w-]*", found.name):  # type: ignore[attr-defined]
        raise UserError(
            f"{path}: {name} has name = {found.name!r}; use letters, digits and underscores, letter first"  # type: ignore[attr-defined]
        )


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
        raise UserError(f"{path}: {name} fails on logits [4, 1] ({_reason(error)}){hint}") from error
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


def check_penalty(penalty: Penalty, path: str) -> None:
    """Check what a penalty declares, by computing it for a tiny discriminator: the planner relies on it.

    A penalty that needs something that only the user's own discriminator has is not checked further.

    Args:
        penalty: It stays as it is; a copy is tried.
        path: Key of the penalty.

    Raises:
        UserError: It fails, gives no single number, or uses a gradient or the fake without declaring it.
    """
    name, failures = type(penalty).__name__, []
    if not hasattr(penalty, "every") or "_parameters" not in vars(penalty):
        raise UserError(f"{path}: {name} has no `every`; call super().__init__(every) in its __init__")
    for dims, conditions, plain in product((2, 3), (0, 1), (False, True)):
        try:
            with torch.random.fork_rng(devices=[]), without_collectives(), torch.enable_grad():
                return _try_penalty(penalty, _TinyDiscriminator(dims, plain), conditions, path)
        except UserError as error:
            raise error if str(error).startswith(path) else UserError(f"{path}: {error}") from error
        except Exception as error:  # the user's own code, which may fail in any way
            failures.append(error)
    if not any(_depends_on_network(error) for error in failures):
        reason = _reason(failures[0])
        raise UserError(f"{path}: {name} fails for a small discriminator ({reason})") from failures[0]


def _try_penalty(penalty: Penalty, network: _TinyDiscriminator, conditions: int, path: str) -> None:
    """Compute a penalty at its first step and at a late one, for passes with the gradients it declares."""
    penalty, passes = copy.deepcopy(penalty), []
    for leaf in (penalty.needs_real_gradient, True):
        image = torch.randn(4, 1, *[16] * network.dims, requires_grad=leaf)
        inputs = (image, *[torch.randn(4, 1)] * conditions)
        passes.append(_WatchedPass(inputs, read_output(network(*inputs))))
    for step in (0, 10**6):
        _check_penalty_at(penalty, network, passes, step, path)


def _check_penalty_at(
    penalty: Penalty, network: _TinyDiscriminator, passes: list[_WatchedPass], step: int, path: str
) -> None:
    """Compute a penalty at a step; one that fails at a late step only is not refused for it."""
    name, (real, fake), value = type(penalty).__name__, passes, None
    try:
        value = penalty(network, real, fake, step)
    except Exception as error:  # the user's own code, which may fail in any way
        if "does not require grad" in str(error) and not penalty.needs_real_gradient:
            real.was_asked = True
        undeclared = real.was_asked and not penalty.needs_real_gradient
        if step == 0 and not undeclared:
            raise
    for each, side in ((real, "real"), (fake, "fake")):
        if each.was_asked and not getattr(penalty, f"needs_{side}_gradient"):
            raise UserError(
                f"{path}: {name} uses the gradient at the {side} input; "
                f"set needs_{side}_gradient = True in the class"
            )
    if value is None:
        return
    if not isinstance(value, Tensor) or value.dim():
        raise UserError(f"{path}: {name} must give one number, a tensor without dimensions, or None")
    if penalty.changes_fake_gradient or not value.requires_grad:
        return
    if torch.autograd.grad(value, fake.inputs[0], retain_graph=True, allow_unused=True)[0] is not None:
        raise UserError(
            f"{path}: {name} depends on the fake, so the generator could learn from it; "
            "set changes_fake_gradient = True in the class, or detach the fake"
        )


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
        raise UserError(f"{path}: {name} fails at step 0 ({_reason(error)})") from error
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
    if not any(_depends_on_network(error) for error in failures):
        raise UserError(f"{path}: {name} fails on images [4, 1, 16, 16] ({_reason(failures[0])})")


class _WatchedPass(DiscriminatorPass):
    """A pass that remembers that its input gradient was asked for."""

    was_asked = False

    def input_gradient(self) -> Tensor:
        self.was_asked = True
        return super().input_gradient()


class _ForeignAttribute(AttributeError):
    """An attribute that the tiny discriminator lacks; the user's own may have it."""


class _TinyDiscriminator(nn.Module):
    """Convolutional, with several layers of features; with `plain` it returns the logits alone."""

    def __init__(self, dims: int, plain: bool) -> None:
        super().__init__()
        self.dims, self.plain = dims, plain
        convolution = nn.Conv2d if dims == 2 else nn.Conv3d
        self.layers = nn.ModuleList(convolution(1 if i == 0 else 2, 2, 3, padding=1) for i in range(4))
        self.last = convolution(2, 1, 1)

    def __getattr__(self, name: str) -> Any:
        try:
            return super().__getattr__(name)
        except AttributeError as error:
            raise _ForeignAttribute(str(error)) from error

    def forward(self, x: Tensor, *conditions: Tensor) -> Tensor | list[Tensor]:
        features = []
        for layer in self.layers:
            x = nn.functional.silu(layer(x))
            features.append(x)
        return self.last(x) if self.plain else [*features, self.last(x)]


def _depends_on_network(error: Exception) -> bool:
    """Return True if an error may be due to the tiny discriminator, such as one about shapes."""
    about_shapes = re.search(r"shape|size|channels|dimension", str(error))
    return isinstance(error, _ForeignAttribute) or (isinstance(error, RuntimeError) and bool(about_shapes))


def _reason(error: Exception) -> str:
    return " ".join(f"{type(error).__name__}: {error}".split())
