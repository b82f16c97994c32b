"""History of fakes: D learns from earlier outputs of G as often as from the newest."""

from __future__ import annotations

import random
from typing import Any

import torch
from torch import Tensor, nn

from ganatomy.adversarial.discriminator import X
from ganatomy.adversarial.distributed.collectives import all_sum, processes
from ganatomy.adversarial.distributed.random import Rows, rows_of
from ganatomy.errors import UserError


class History(nn.Module):
    """The last fakes of one discriminator, of which it is shown some. Shrivastava et al., arXiv 1612.07828.

    As in Zhu et al., arXiv 1703.10593: until `size` fakes are held, each is kept and shown. From then on each
    is shown with probability 1/2; otherwise it takes the place of one that is held, which is shown.

    A row is the whole of D's input: the image with its condition, be they one tensor or several. It is kept
    as it was before D's augmentation. Every process holds the history of the global batch, so N processes
    see what one would. What is drawn depends on torch's seed, the step and the name alone. Buffers: one per
    argument of D, [size, ...] in float32 at least, and `count`.

    Args:
        size: Fakes to hold.
        name: Name of the discriminator.

    Raises:
        UserError: The size is below 1.

    Example:
        >>> history = History(size=4)
        >>> first = history(torch.zeros(4, 1, 8, 8), step=0)
        >>> shown = history(torch.ones(4, 1, 8, 8), step=1)
        >>> held = history.state_dict()["fake_0"]
        >>> float(shown.mean() + held.mean()), int(history.count)  # what is not shown is kept
        (1.0, 4)
    """

    count: Tensor

    def __init__(self, size: int, name: str = "") -> None:
        super().__init__()
        if size < 1:
            raise UserError(f"history: {size} fakes; give at least 1")
        self.size, self.name = size, name
        self.register_buffer("count", torch.zeros((), dtype=torch.long))
        self._held = 0  # `count` on the host
        self._step, self._chance = -1, random.Random()

    def forward(self, fake: X, step: int) -> X:
        """Return as many rows as `fake` has, detached, and remember it.

        Args:
            fake: D's input: [B, ...], or a tuple of such.
            step: Batches done so far.
        """
        inputs = (fake,) if isinstance(fake, Tensor) else fake
        self.prepare(fake)
        rows = rows_of(inputs[0])
        places, held = self._draw(rows.total, step)
        shown = []
        for number, x in enumerate(inputs):
            kept = self.get_buffer(f"fake_{number}")
            whole = _gathered(x.detach().to(kept), rows)
            shown.append(torch.stack([_row(kept, whole, place) for place in places[rows.start :][: len(x)]]))
            for slot, place in enumerate(held):
                if place != slot:
                    kept[slot] = whole[place - self.size]
        return shown[0] if isinstance(fake, Tensor) else tuple(shown)

    def prepare(self, fake: X) -> None:
        """Make room for fakes of this form unless there is room already.

        Args:
            fake: D's input, as `forward` takes it.
        """
        for number, x in enumerate((fake,) if isinstance(fake, Tensor) else fake):
            name = f"fake_{number}"
            if name not in self._buffers:
                dtype = torch.promote_types(x.dtype, torch.float32) if x.is_floating_point() else x.dtype
                self.register_buffer(name, x.new_zeros((self.size, *x.shape[1:]), dtype=dtype))

    def _draw(self, total: int, step: int) -> tuple[list[int], list[int]]:
        """Draw which row is shown for each new one, and what each slot then holds.

        Returns:
            Numbers below `size` are slots as they were, those above it rows of the new fakes.
        """
        if step != self._step:  # micro-batches of one step draw on
            self._step, self._chance = step, random.Random(f"{torch.initial_seed()}/{step}/{self.name}")
        places, held = [], list(range(self.size))
        for new in range(self.size, self.size + total):
            if self._held < self.size:
                held[self._held] = new
                self._held += 1
            elif self._chance.random() < 0.5:
                slot = int(self._chance.random() * self.size)
                places.append(held[slot])
                held[slot] = new
                continue
            places.append(new)
        self.count.fill_(self._held)
        return places, held

    def _load_from_state_dict(self, state_dict: dict[str, Any], prefix: str, *rest: Any) -> None:
        for key, value in state_dict.items():
            name = key.removeprefix(prefix)
            if key.startswith(f"{prefix}fake_") and name not in self._buffers:
                self.register_buffer(name, torch.zeros_like(value, device=self.count.device))
        super()._load_from_state_dict(state_dict, prefix, *rest)
        self._held = int(self.count)


def _row(kept: Tensor, new: Tensor, place: int) -> Tensor:
    return kept[place] if place < len(kept) else new[place - len(kept)]


def _gathered(x: Tensor, rows: Rows) -> Tensor:
    """Return [total, ...], the rows of all processes in the order of the global batch."""
    if processes() == 1:
        return x
    whole = x.new_zeros((rows.total, *x.shape[1:]))
    whole[rows.start : rows.start + rows.count] = x
    return all_sum(whole)
