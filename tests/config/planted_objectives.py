"""Losses, penalties, weights and augmentations of a lab of its own, good ones and broken ones."""

from __future__ import annotations

import torch
from torch import Tensor, nn

from ganatomy.adversarial import AdversarialLoss, Augment, DiscriminatorOutput, Penalty, Weight
from ganatomy.errors import UserError


class DualContrastive(AdversarialLoss):
    """Yu et al., arXiv 2103.09677."""

    needs_real = True
    zero_sum = True
    needs_whole_batch = True

    def discriminator(self, real: DiscriminatorOutput, fake: DiscriminatorOutput) -> Tensor:
        r, f = real.logits[0].flatten(), fake.logits[0].flatten()
        first = (torch.logsumexp(f, 0) - r).exp().log1p().mean()
        return first + (torch.logsumexp(-r, 0) + f).exp().log1p().mean()

    def generator(self, real: DiscriminatorOutput | None, fake: DiscriminatorOutput) -> Tensor:
        assert real is not None
        return -self.discriminator(real, fake)


class NotZeroSum(DualContrastive):
    def generator(self, real: DiscriminatorOutput | None, fake: DiscriminatorOutput) -> Tensor:
        return 2 * super().generator(real, fake)


class RealNotDeclared(DualContrastive):
    needs_real = False


class Vectors(DualContrastive):
    def discriminator(self, real: DiscriminatorOutput, fake: DiscriminatorOutput) -> Tensor:
        return fake.logits[0] - real.logits[0]


class CouplingNotDeclared(DualContrastive):
    needs_whole_batch = False


class BrokenLoss(DualContrastive):
    def generator(self, real: DiscriminatorOutput | None, fake: DiscriminatorOutput) -> Tensor:
        return fake.score().mean() / 0 if {}["scale"] else fake.score().mean()


class OfPatches(AdversarialLoss):
    """For a discriminator of patches alone."""

    def discriminator(self, real: DiscriminatorOutput, fake: DiscriminatorOutput) -> Tensor:
        return (fake.logits[0] - real.logits[0]).mean((1, 2, 3)).mean()

    def generator(self, real: DiscriminatorOutput | None, fake: DiscriminatorOutput) -> Tensor:
        return -fake.logits[0].mean((1, 2, 3)).mean()


class Empty(AdversarialLoss):
    pass


class LogitPull(Penalty):
    """weight · E D(real)²."""

    name = "logit_pull"

    def __init__(self, weight: float = 0.1, every: int = 1) -> None:
        super().__init__(every)
        self.weight = weight

    def forward(self, discriminator: nn.Module, real: object, fake: object, step: int) -> Tensor:
        return self.weight * real.output.score().square().mean()  # type: ignore[attr-defined]


class FakePull(LogitPull):
    """It depends on the fake, and does not say so."""

    name = "fake_pull"

    def forward(self, discriminator: nn.Module, real: object, fake: object, step: int) -> Tensor:
        return super().forward(discriminator, fake, real, step)


class FakePullDeclared(FakePull):
    changes_fake_gradient = True


class FakePullLater(FakePull):
    def forward(self, discriminator: nn.Module, real: object, fake: object, step: int) -> Tensor:
        return super().forward(discriminator, real, fake if step > 99 else real, step)


class SlopeOfReal(LogitPull):
    name = "slope"

    def forward(self, discriminator: nn.Module, real: object, fake: object, step: int) -> Tensor:
        return self.weight * real.input_gradient().square().mean()  # type: ignore[attr-defined]


class SlopeOfRealDeclared(SlopeOfReal):
    needs_real_gradient = True


class SlopeOfFake(SlopeOfReal):
    changes_fake_gradient = True

    def forward(self, discriminator: nn.Module, real: object, fake: object, step: int) -> Tensor:
        return super().forward(discriminator, fake, real, step)


class PerSample(LogitPull):
    def forward(self, discriminator: nn.Module, real: object, fake: object, step: int) -> Tensor:
        return real.output.score().square()  # type: ignore[attr-defined]


class NoSuper(LogitPull):
    def __init__(self) -> None:
        self.weight = 1.0


class NeedsADecoder(LogitPull):
    def forward(self, discriminator: nn.Module, real: object, fake: object, step: int) -> Tensor:
        return discriminator.decoder(real.inputs[0]).mean()  # type: ignore[attr-defined, operator]


class BrokenPenalty(LogitPull):
    def forward(self, discriminator: nn.Module, real: object, fake: object, step: int) -> Tensor:
        return torch.zeros(()) / {}["scale"]


class Blank(LogitPull):
    name = "logit pull"


class Dotted(LogitPull):
    name = "logit/pull.a"


class SecondR1(LogitPull):
    name = "r1"


class Unbuilt(LogitPull):
    def __init__(self, kind: str = "RuntimeError") -> None:
        raise {e.__name__: e for e in (RuntimeError, OSError, ZeroDivisionError, KeyError, IndexError)}[kind](
            "no table"
        )


class Nameless(Penalty):
    def forward(self, *shown: object) -> None:
        return None


class Idle(Penalty):
    name = "idle"


class Steps(Weight):
    """`value` from step `start` on, 0 before."""

    def __init__(self, value: float = 1.0, start: int = 2) -> None:
        self.value, self.start = value, start

    def __call__(self, step: int, task: object = (), adversarial: object = ()) -> float:
        return self.value if step >= self.start else 0.0


class NoWeight(Weight):
    def __call__(self, step: int, task: object = (), adversarial: object = ()) -> None:  # type: ignore[override]
        return None


class BrokenWeight(Weight):
    def __call__(self, step: int, task: object = (), adversarial: object = ()) -> float:
        return 1 / step


class Negative(Augment):
    """Every image negative."""

    def __init__(self, image_channels: int | None = None) -> None:
        super().__init__([], [], image_channels)

    def change(self, x: Tensor) -> Tensor:
        images = x[:, : self.image_channels]
        return torch.cat([-images, x[:, images.shape[1] :]], 1)


class OneTensor(Negative):
    def forward(self, inputs: object) -> Tensor:  # type: ignore[override]
        return inputs[0]  # type: ignore[index, no-any-return]


class Cropped(Negative):
    def change(self, x: Tensor) -> Tensor:
        return x[..., 1:]


class AugmentWithoutSuper(Negative):
    def __init__(self) -> None:
        self.strength = 1


class BrokenAugment(Negative):
    def change(self, x: Tensor) -> Tensor:
        return x * [1][3]


class Blur(nn.Module):
    """A loss of images: mean squared difference of their means."""

    def __init__(self, power: int = 2) -> None:
        super().__init__()
        self.power = power

    def forward(self, output: Tensor, target: Tensor) -> Tensor:
        return (output.mean() - target.mean()).abs() ** self.power


class Refusing(DualContrastive):
    """Their own classes may say what is wrong, too."""

    def discriminator(self, real: DiscriminatorOutput, fake: DiscriminatorOutput) -> Tensor:
        raise UserError("my.file: is empty; fill it")


class RefusingPenalty(LogitPull):
    def forward(self, *given: object) -> Tensor:
        raise UserError("my.file: is empty; fill it")


class RefusingWeight(Steps):
    def __call__(self, *given: object) -> float:
        raise UserError("my.file: is empty; fill it")


class RefusingAugment(Negative):
    def forward(self, *given: object) -> tuple[Tensor, ...]:
        raise UserError("my.file: is empty; fill it")
