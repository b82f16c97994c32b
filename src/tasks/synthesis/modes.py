"""Mode coverage: how many of all known modes a generator makes, for images with one symbol per channel."""

from __future__ import annotations

import hashlib
import math
from collections.abc import Sequence

import torch
from torch import Tensor

from ganatomy.data.datamodule import DataModule
from ganatomy.data.records import Batch
from ganatomy.metrics.cases import CaseTable
from ganatomy.metrics.synthesis.planes import central_planes
from ganatomy.tasks.shared.cohort import sample_classified_images

REFERENCES = 1000
"""Training images with whose channels others are compared, at most."""


def symbol_count(data: DataModule) -> int:
    """Return how many symbols a channel may show if `class` encodes those of all channels, else 0."""
    return getattr(data.source, "symbols", 0)


class ModeEvaluator:
    """Classify the symbol in each channel of an image, and count the combinations: the modes.

    A symbol is classified by its nearest neighbour (squared error) among the channels of real training
    images. `modes` is the number of combinations made at least once; `kl` is the Kullback-Leibler divergence
    Σ p log(p K), in nats, between their frequencies p and the uniform distribution over all K (Metz et al.,
    arXiv 1611.02163). Both depend on the number of images, so as many real test images are scored too.
    """

    def __init__(self, data: DataModule, device: torch.device) -> None:
        images, modes = sample_classified_images(data, REFERENCES)
        images = central_planes(images)
        count, channels = symbol_count(data), images.shape[1]
        self.place_values = count ** torch.arange(channels - 1, -1, -1)
        self.references = images.flatten(0, 1).flatten(1).to(device)
        self.symbols = (modes[:, None] // self.place_values % count).flatten()
        self.count = count**channels
        self.tables = {name: CaseTable(["mode"]).to(device) for name in ("fake", "real")}

    def modes_of(self, images: Tensor) -> Tensor:
        """Return the mode of each image [n, C, H, W], [n]."""
        channels = images.to(self.references).flatten(0, 1).flatten(1)
        symbols = self.symbols[torch.cdist(channels, self.references).argmin(1).cpu()]
        modes: Tensor = symbols.reshape(len(images), -1) @ self.place_values
        return modes

    def update(self, row_names: Sequence[str], batch: Batch, fake: Tensor) -> None:
        """Add the images of a test batch.

        Args:
            row_names: Name of each row.
            batch: Real images.
            fake: As many synthetic images, [B, C, *spatial].
        """
        for table, images in zip(self.tables.values(), (fake, batch["image"]), strict=True):
            modes = self.modes_of(central_planes(images)).tolist()
            for name, mode in zip(row_names, modes, strict=True):
                table.update(hashlib.sha256(name.encode()).hexdigest(), {"mode": float(mode)})

    def scores(self) -> tuple[dict[str, float], dict[str, float]]:
        """Return the scores of the synthetic and of the real images, and start anew."""
        fake, real = (self._covered(table) for table in self.tables.values())
        for table in self.tables.values():
            table.reset()
        return fake, real

    def _covered(self, table: CaseTable) -> dict[str, float]:
        made = torch.tensor([int(row["mode"]) for row in table.per_case()])
        share = torch.bincount(made, minlength=self.count).double() / max(len(made), 1)
        share = share[share > 0]
        divergence = float((share * (share.log() + math.log(self.count))).sum())
        return {"modes": float(len(share)), "kl": divergence}
