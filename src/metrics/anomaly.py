"""Image scores and pixel maps of a split, gathered over batches and processes."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
import torch
from scipy.ndimage import label as components
from torch import Tensor
from torchmetrics import Metric

from src.metrics.ranking import LIMIT, aupro, auroc, auroc_interval, average_precision

WORD = 128
"""Bytes for the name of an image, and for its subject."""
IMAGE_SCORES = ("auroc", "auroc_low", "auroc_high", "ap")
PIXEL_SCORES = ("pixel_ap", "aupro")

Maps = Tensor | Sequence[Tensor] | Sequence[Sequence[Tensor]]


class AnomalyTable(Metric):
    """AUROC with its interval by subject, AP, and of maps pixel AP and AUPRO, each over the whole split.

    pixels: whether lesions are outlined, so that maps can be judged. An image that comes twice counts once:
    N processes give what one gives, in any order.
    """

    full_state_update = False
    words: list[Tensor] | Tensor
    rows: list[Tensor] | Tensor
    maps: list[Tensor] | Tensor
    shares: list[Tensor] | Tensor

    def __init__(self, pixels: bool) -> None:
        super().__init__()
        self.pixels = pixels
        # Flat and float32: a process without an image joins the gathering with an empty tensor of that kind.
        for name in ("words", "rows", "maps", "shares"):
            self.add_state(name, default=[], dist_reduce_fx="cat")

    def update(
        self,
        names: Sequence[str],
        subjects: Sequence[str],
        scores: Tensor,
        ill: Tensor,
        maps: Maps | None = None,
        masks: Maps | None = None,
    ) -> None:
        """Take in scores [n] and truths [n] of named images, and maps [n, *spatial] with lesion masks.

        A map and its mask may be lists of planes, whose lesions end with them. ValueError, naming the image,
        for a score or a map that holds NaN: no order would be right.
        """
        drawn = [_planes(each) for each in maps] if self.pixels and maps is not None else []
        for name, score, planes in zip(names, scores, drawn or [[]] * len(names), strict=True):
            if any(bool(values.isnan().any()) for values in (score, *planes)):
                raise ValueError(f"{name}: its score or map is not a number: the model has diverged")
        counted = [sum(plane.numel() for plane in planes) for planes in drawn] or [0] * len(names)
        sizes = torch.tensor(counted).to(scores)
        self._add("words", torch.stack([_letters(*pair) for pair in zip(names, subjects, strict=True)]))
        self._add("rows", torch.stack([scores, ill.to(scores), sizes], 1))
        if drawn:
            assert masks is not None
            for planes, mask in zip(drawn, masks, strict=True):
                for plane, lesions in zip(planes, _planes(mask), strict=True):
                    self._add("maps", plane)
                    self._add("shares", region_shares(lesions))

    def _add(self, state: str, values: Tensor) -> None:
        getattr(self, state).append(values.detach().float().flatten().to(self.device))

    def compute(self) -> dict[str, Tensor]:
        """Flat names to 0-dim tensors; NaN for what cannot be told."""
        words, rows, maps, shares = self._kept()
        scores, ill = rows[:, 0], rows[:, 1] > 0
        low, high = auroc_interval(scores, ill, [subject for _, subject in words])
        found = {"auroc": auroc(scores, ill), "auroc_low": low, "auroc_high": high}
        found["ap"] = average_precision(scores, ill)
        if self.pixels:
            found |= {"pixel_ap": average_precision(maps, shares > 0), "aupro": aupro(maps, shares)}
        return {name: torch.tensor(value, dtype=torch.float32) for name, value in found.items()}

    def chance(self) -> dict[str, float]:
        """What scores drawn by lot reach: ½, the share of the anomalous, and half of AUPRO's limit.

        Every process must call it.
        """
        with self.sync_context():
            _, rows, _, shares = self._kept()
        share = float((rows[:, 1] > 0).mean()) if len(rows) else float("nan")
        found = {"auroc": 0.5, "ap": share}
        if self.pixels:
            found |= {"pixel_ap": float((shares > 0).mean()) if len(shares) else float("nan")}
            found |= {"aupro": LIMIT / 2}
        return found

    def per_case(self) -> list[dict[str, str | float]]:
        """A row an image, sorted: `case`, `score`, `anomalous` (0 or 1). Every process must call it."""
        with self.sync_context():
            words, rows, _, _ = self._kept()
        return [
            {"case": name, "score": float(row[0]), "anomalous": int(row[1])}
            for (name, _), row in zip(words, rows, strict=True)
        ]

    def _kept(self) -> tuple[list[tuple[str, str]], np.ndarray, np.ndarray, np.ndarray]:
        """(name, subject), rows, map and shares of every image, sorted by name, each image once."""
        letters = _joined(self.words).reshape(-1, 2 * WORD).astype(np.uint8)
        rows = _joined(self.rows).reshape(-1, 3)
        maps, shares = _joined(self.maps), _joined(self.shares)
        words = [(_word(line[:WORD]), _word(line[WORD:])) for line in letters]
        first = {word: place for place, word in reversed(list(enumerate(words)))}
        order = [first[word] for word in sorted(first)]
        sizes = rows[:, 2].astype(np.int64)
        ends = np.cumsum(sizes)  # whole numbers: float32 cannot count beyond 2^24
        starts = ends - sizes
        pixels = [np.arange(starts[i], ends[i]) for i in order]
        chosen = np.concatenate(pixels) if pixels else np.zeros(0, int)
        return [words[i] for i in order], rows[order], maps[chosen], shares[chosen]


def region_shares(mask: Tensor) -> Tensor:
    """For each pixel of a lesion 1 over the size of its connected region (diagonals count), 0 elsewhere."""
    inside = mask.detach().cpu().numpy() > 0
    regions, count = components(inside, np.ones((3,) * inside.ndim))
    sizes = np.bincount(regions.ravel(), minlength=count + 1).astype(np.float64)
    shares = np.divide(1.0, sizes, out=np.zeros_like(sizes), where=sizes > 0)
    shares[0] = 0.0
    return torch.from_numpy(shares[regions]).float()


def _planes(values: Any) -> list[Tensor]:
    """A map, or a list of planes, as a list."""
    return [values] if isinstance(values, Tensor) else list(values)


def _letters(*words: str) -> Tensor:
    """Words as bytes, each filled up; a ValueError names one that is too long."""
    line = b""
    for word in words:
        if len(word.encode()) > WORD:
            raise ValueError(f"{word}: the name of a case or subject has more than {WORD} bytes")
        line += word.encode().ljust(WORD, b"\0")
    return torch.tensor(list(line), dtype=torch.float32)


def _word(letters: np.ndarray) -> str:
    return letters.tobytes().rstrip(b"\0").decode()


def _joined(state: list[Tensor] | Tensor) -> np.ndarray:
    tensors = [state] if isinstance(state, Tensor) else state
    values: np.ndarray = torch.cat(tensors).cpu().numpy() if tensors else np.zeros(0, np.float32)
    return values
