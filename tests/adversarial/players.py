"""Small float64 players, and the G-first step written out plainly: what the updates are held against.

D's last layer has no bias: a relative loss gives it a true gradient of zero, of which rounding makes noise.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import torch
from torch import Tensor, nn


def generator(channels: int = 6) -> nn.Module:
    return nn.Sequential(
        nn.Conv2d(1, channels, 3, padding=1), nn.SiLU(), nn.Conv2d(channels, 1, 3, padding=1), nn.Tanh()
    ).double()


def _trunk() -> list[nn.Module]:
    return [nn.Conv2d(2, 6, 4, 2, 1), nn.LeakyReLU(0.2), nn.Conv2d(6, 8, 4, 2, 1), nn.SiLU()]


class Patch(nn.Module):
    """[features..., logits], logits a 2x2 map."""

    def __init__(self) -> None:
        super().__init__()
        self.layers = nn.ModuleList([*_trunk(), nn.Conv2d(8, 1, 3, padding=1, bias=False)])

    def forward(self, x: Tensor) -> list[Tensor]:
        out = [x]
        for layer in self.layers:
            out.append(layer(out[-1]))
        return out[1:]


class MultiScale(nn.Module):
    """([logits per scale], [features per scale])."""

    def __init__(self) -> None:
        super().__init__()
        self.scales = nn.ModuleList([Patch(), Patch()])

    def forward(self, x: Tensor) -> tuple[list[Tensor], list[list[Tensor]]]:
        answers = [self.scales[0](x), self.scales[1](nn.functional.avg_pool2d(x, 2))]
        return [answer[-1] for answer in answers], [answer[:-1] for answer in answers]


def scalar() -> nn.Module:
    return nn.Sequential(*_trunk(), nn.Flatten(), nn.Linear(8 * 4, 1, bias=False)).double()


DISCRIMINATORS: dict[str, Callable[[], nn.Module]] = {
    "scalar": scalar,
    "patch": lambda: Patch().double(),
    "multi_scale": lambda: MultiScale().double(),
}


class Rules:
    """Image in, image out; D tells (image, target) from (image, output)."""

    def __init__(self, generator: nn.Module, task: float = 1.0) -> None:
        self.generator = generator
        self.task = task

    def generate(self, batch: dict[str, Tensor]) -> Tensor:
        return self.generator(batch["image"])

    def discriminator_inputs(self, batch: dict[str, Tensor], output: Tensor) -> tuple[Tensor, Tensor]:
        image = batch["image"]
        return torch.cat([image, batch["target"]], 1), torch.cat([image, output], 1)

    def task_losses(self, batch: dict[str, Tensor], output: Tensor) -> dict[str, Tensor]:
        return {"l2": self.task * (output - batch["target"]).square().mean()} if self.task else {}


def batch(size: int = 4, seed: int = 0) -> dict[str, Tensor]:
    chance = torch.Generator().manual_seed(seed)
    draw = lambda: torch.randn(size, 1, 8, 8, generator=chance, dtype=torch.float64)  # noqa: E731
    return {"image": draw(), "target": draw()}


def maps(output: Any) -> tuple[list[Tensor], list[list[Tensor]]]:
    """(logit maps, features) of these discriminators' three kinds of answer."""
    if isinstance(output, Tensor):
        return [output], [[]]
    if isinstance(output, list):
        return [output[-1]], [output[:-1]]
    return output


def _log_sigmoid(x: Tensor) -> Tensor:
    return torch.log(1 / (1 + torch.exp(-x)))


def _ra(a: Tensor, b: Tensor) -> Tensor:
    return -_log_sigmoid(a - b.mean()).mean() - torch.log(1 - torch.sigmoid(b - a.mean())).mean()


REFERENCE: dict[str, tuple[Callable[..., Tensor], Callable[..., Tensor]]] = {
    "non_saturating": (
        lambda r, f: -_log_sigmoid(r).mean() - torch.log(1 - torch.sigmoid(f)).mean(),
        lambda r, f: -_log_sigmoid(f).mean(),
    ),
    "minimax": (
        lambda r, f: -_log_sigmoid(r).mean() - torch.log(1 - torch.sigmoid(f)).mean(),
        lambda r, f: torch.log(1 - torch.sigmoid(f)).mean(),
    ),
    "least_squares": (
        lambda r, f: ((r - 1) ** 2).mean() / 2 + (f**2).mean() / 2,
        lambda r, f: ((f - 1) ** 2).mean() / 2,
    ),
    "hinge": (
        lambda r, f: (1 - r).clamp(min=0).mean() + (1 + f).clamp(min=0).mean(),
        lambda r, f: -f.mean(),
    ),
    "wasserstein": (lambda r, f: f.mean() - r.mean(), lambda r, f: -f.mean()),
    "relativistic_average": (_ra, lambda r, f: _ra(f, r)),
    "relativistic_paired": (
        lambda r, f: -_log_sigmoid(r - f).mean(),
        lambda r, f: -_log_sigmoid(f - r).mean(),
    ),
}


EVERY_LOSS = [*REFERENCE, "multiscale_l1"]


def _distance(real: Any, fake: Any) -> Tensor:
    """Compute SegAN's distance: the mean absolute difference, averaged over all layers and the logits."""
    layers = [[*(x for scale in features for x in scale), *logits] for logits, features in (real, fake)]
    return sum((a - b).abs().mean() for a, b in zip(*layers, strict=True)) / len(layers[0])


def _over(term: Callable[..., Tensor], r: Sequence[Tensor], f: Sequence[Tensor]) -> Tensor:
    terms = [term(a, b) for a, b in zip(r, f, strict=True)]
    return sum(terms) / len(terms)


def _input_gradient(discriminator: nn.Module, x: Tensor) -> Tensor:
    x = x.detach().clone().requires_grad_()
    logits, _ = maps(discriminator(x))
    score = sum(a.reshape(len(x), -1).mean(1) for a in logits) / len(logits)
    (gradient,) = torch.autograd.grad(score.sum(), x, create_graph=True)
    return gradient.reshape(len(x), -1)


def penalty(kind: str, discriminator: nn.Module, real: Tensor, fake: Tensor) -> Tensor | float:
    """Compute a reference penalty: "none", "r1" (γ = 2), "r1_r2" (γ = 2 and 3), "gp" (λ = 10)."""
    if kind == "none":
        return 0.0
    if kind == "gp":
        a = torch.rand(len(real), 1, 1, 1, dtype=real.dtype)
        norm = _input_gradient(discriminator, a * real + (1 - a) * fake).norm(dim=1)
        return 10.0 * ((norm - 1) ** 2).mean()
    total = (_input_gradient(discriminator, real) ** 2).sum(1).mean()
    if kind == "r1_r2":
        total = total + 1.5 * (_input_gradient(discriminator, fake) ** 2).sum(1).mean()
    return total


def g_first(
    rules: Rules,
    g: nn.Module,
    d: nn.Module,
    data: dict[str, Tensor],
    loss: str,
    kind: str = "none",
    weight: float = 1.0,
    matching: float = 0.0,
) -> None:
    """Fill `.grad` of both players: G's against this D, then D's on the same fakes, nothing shared."""
    g.zero_grad()
    output = rules.generate(data)
    real, fake = rules.discriminator_inputs(data, output)
    (r, real_features), (f, fake_features) = maps(d(real)), maps(d(fake))
    if loss == "multiscale_l1":
        adversarial = _distance(maps(d(real)), (f, fake_features))
    else:
        adversarial = _over(REFERENCE[loss][1], [a.detach() for a in r], f)
    total = weight * adversarial + sum(rules.task_losses(data, output).values())
    if matching:
        scales = [
            sum((a.detach() - b).abs().mean() for a, b in zip(*layers, strict=True))
            for layers in zip(real_features, fake_features, strict=True)
        ]
        total = total + matching * sum(scales) / len(scales)
    total.backward()
    d.zero_grad()
    real, fake = rules.discriminator_inputs(data, rules.generate(data).detach())
    outputs = maps(d(real)), maps(d(fake))
    adversarial_d = (
        -_distance(*outputs)
        if loss == "multiscale_l1"
        else _over(REFERENCE[loss][0], outputs[0][0], outputs[1][0])
    )
    (adversarial_d + penalty(kind, d, real, fake)).backward(inputs=list(d.parameters()))


def gradients(*players: nn.Module) -> list[Tensor]:
    return [p.grad.clone() for player in players for p in player.parameters() if p.grad is not None]


def furthest(a: Sequence[Tensor], b: Sequence[Tensor]) -> float:
    """Largest difference of a tensor pair, relative to the reference tensor's largest entry."""
    assert len(a) == len(b) > 0
    return max(
        float((x - y).detach().abs().max() / y.detach().abs().max()) for x, y in zip(a, b, strict=True)
    )
