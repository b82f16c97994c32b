"""Check what a penalty of the user's own declares, by computing it for a tiny discriminator."""

from __future__ import annotations

import copy
from itertools import product
from typing import TYPE_CHECKING, Any

import torch
from torch import Tensor, nn

from ganatomy.adversarial.discriminator import DiscriminatorPass, read_output
from ganatomy.adversarial.distributed.collectives import without_collectives
from ganatomy.config.contracts.failures import MissingAttribute, depends_on_network, reason_of
from ganatomy.errors import UserError

if TYPE_CHECKING:
    from ganatomy.adversarial import Penalty


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
    if not any(depends_on_network(error) for error in failures):
        reason = reason_of(failures[0])
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


class _WatchedPass(DiscriminatorPass):
    """A pass that remembers that its input gradient was asked for."""

    was_asked = False

    def input_gradient(self) -> Tensor:
        self.was_asked = True
        return super().input_gradient()


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
            raise MissingAttribute(str(error)) from error

    def forward(self, x: Tensor, *conditions: Tensor) -> Tensor | list[Tensor]:
        features = []
        for layer in self.layers:
            x = nn.functional.silu(layer(x))
            features.append(x)
        return self.last(x) if self.plain else [*features, self.last(x)]
