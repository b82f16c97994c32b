"""Base of metrics that keep numbers per case and gather them over batches and processes."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, TypeVar

import torch
from torch import Tensor
from torchmetrics import Metric

from ganatomy.errors import UserError

NAME_BYTES = 256
"""Bytes for the name of a case, or of its subject; `data.quality.leaks` refuses longer ones before a run."""

Key = TypeVar("Key", str, tuple[str, str])


class CaseMetric(Metric):
    """Metric that keeps numbers by the name of their case.

    A case that reaches two processes (samplers fill up the last round) counts once, the first one, and cases
    are sorted by name: N processes give the result of one, in any order.

    Every state is flat and float32, names too: a process without a single case joins the gathering with an
    empty tensor of one dimension.

    Args:
        *states: Names of the states besides `names`.
    """

    full_state_update = False
    names: Any

    def __init__(self, *states: str) -> None:
        super().__init__()
        for state in ("names", *states):
            self.add_state(state, default=[], dist_reduce_fx="cat")

    def keep(self, case: str, **values: Any) -> None:
        """Append one case.

        Args:
            case: Name of the case.
            **values: Numbers of any shape for each state: a tensor, an array or a list.

        Raises:
            ValueError: The name has more than `NAME_BYTES`.
        """
        for state, numbers in {"names": encode(case), **values}.items():
            flat = torch.as_tensor(numbers).detach().float().flatten()
            getattr(self, state).append(flat.to(self.device))

    def case_names(self) -> list[str]:
        """Return the name of each kept case, in order of arrival."""
        return self.words("names")

    def words(self, state: str) -> list[str]:
        """Return the words that `encode` turned into the numbers of a state."""
        letters = self.table(state, NAME_BYTES).to(torch.uint8).numpy()
        return [line.tobytes().rstrip(b"\0").decode() for line in letters]

    def table(self, state: str, width: int) -> Tensor:
        """Return a state as rows of one width, [cases, width], on the CPU."""
        return self.flat(state).reshape(-1, width)

    def ragged(self, state: str, sizes: Sequence[int]) -> list[Tensor]:
        """Return a state as one tensor [size] per case, on the CPU."""
        return list(torch.split(self.flat(state), list(sizes))) if sizes else []

    def flat(self, state: str) -> Tensor:
        """Return all numbers of a state, on the CPU."""
        found = getattr(self, state)
        tensors = [found] if isinstance(found, Tensor) else found
        return torch.cat(tensors).cpu() if tensors else torch.empty(0)

    def rows_by_case(self, width: int) -> dict[str, Tensor]:
        """Return the row [width] of each case in `rows`, float64, sorted by name."""
        rows = self.table("rows", width)
        return {case: rows[place].double() for case, place in first_places(self.case_names()).items()}


def first_places(keys: Sequence[Key]) -> dict[Key, int]:
    """Return the first place of each key, sorted by key."""
    places: dict[Key, int] = {}
    for place, key in enumerate(keys):
        places.setdefault(key, place)
    return {key: places[key] for key in sorted(places)}


def encode(word: str) -> Tensor:
    """Encode a name as float32 numbers [NAME_BYTES]: its bytes, then zeros; UserError for a longer name."""
    text = word.encode()
    if len(text) > NAME_BYTES:
        raise UserError(
            f"{word[:40]}...: the name of a case or subject has {len(text)} bytes: {NAME_BYTES} are allowed"
        )
    return torch.tensor(list(text.ljust(NAME_BYTES, b"\0")), dtype=torch.float32)
