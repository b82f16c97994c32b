"""VAE/GAN: the game, and reconstructions that are compared in features of the discriminator."""

from __future__ import annotations

from math import inf
from typing import Any

import torch
from torch import Tensor

from ganatomy.adversarial import read_output
from ganatomy.adversarial.distributed.random import normal
from ganatomy.data.records import Batch
from ganatomy.errors import UserError
from ganatomy.tasks.synthesis.methods.base import Method, Players


class VaeGanTraining(Method):
    """Play with images from noise, and rebuild real images from codes.

    Larsen et al., arXiv 1512.09300, eqs. 3, 7 and 8. With φ the last of D's features, N in number, and x' the
    reconstruction of x from a code z ~ q(z|x), G has beside the adversarial loss

        reconstruction (½ |φ(x) - φ(x')|² + kl KL(q(z|x) || N(0, 1))) / N.

    The code's distribution reaches the encoder alone, the adversary the decoder alone, as in the paper; its
    weight γ of the reconstruction in the decoder is here reconstruction / N. The discriminator's fakes are
    images from noise; the paper's are reconstructions too.

    Args:
        reconstruction: Weight of the reconstruction and of the divergence.
        kl: Weight of the divergence in it; 1 in the paper.

    Raises:
        UserError: A weight is negative or infinite.
    """

    generator_passes = 3, 1

    def __init__(self, reconstruction: float = 1.0, kl: float = 1.0) -> None:
        for name, weight in (("reconstruction", reconstruction), ("kl", kl)):
            if not 0 <= weight < inf:
                raise UserError(f"{name}: {weight}; give a weight of 0 or more")
        self.reconstruction, self.kl = reconstruction, kl

    def begin(self, players: Players) -> None:
        """Check that there are an encoder and a discriminator."""
        if not callable(getattr(players.generator, "encode", None)):
            name = type(players.generator).__name__
            raise UserError(f"model.generator: {name} does not encode images; take that of model=vaegan")
        super().begin(players)

    def generate(self, batch: Batch) -> dict[str, Tensor]:
        """Return `images` from noise and, where G learns, `rebuilt` ones with `mean` and `log_variance`."""
        output = {"images": super().generate(batch)}
        if torch.is_grad_enabled():
            mean, log_variance = self.players.generator.encode(self._real(batch))
            code = mean + (0.5 * log_variance).exp() * normal(mean, mean.shape[1:])
            output |= {"rebuilt": self.players.generator(code), "mean": mean, "log_variance": log_variance}
        return output

    def images(self, output: Any) -> Tensor:
        found: Tensor = output["images"]
        return found

    def task_losses(self, batch: Batch, output: Any) -> dict[str, Tensor]:
        with torch.no_grad():
            real = self._features(self._real(batch))
        difference = self._features(output["rebuilt"]).float() - real.float()
        mean, log_variance = output["mean"].float(), output["log_variance"].float()
        divergence = 0.5 * (mean.square() + log_variance.exp() - 1 - log_variance).sum(1)
        return {
            "reconstruction": self.reconstruction * 0.5 * difference.square().mean(),
            "kl": self.reconstruction * self.kl * divergence.mean() / real[0].numel(),
        }

    def _real(self, batch: Batch) -> Tensor:
        return self.players.normalisation.normalise(batch["image"])

    def _features(self, images: Tensor) -> Tensor:
        """Return the last features of the discriminator for images as both players see them."""
        assert self.players.discriminator is not None
        found = read_output(self.players.discriminator(images)).features[-1]
        if not found:
            raise UserError("model.discriminator: returns no features, which vaegan compares; choose another")
        return found[-1]
