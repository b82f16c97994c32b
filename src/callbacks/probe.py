"""A look at both players that leaves no trace: their answers to a few images, and how far they moved."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from ganatomy.adversarial import DiscriminatorOutput, read_output
from ganatomy.adversarial.discriminator import X
from ganatomy.adversarial.distributed.collectives import all_sum, processes
from ganatomy.adversarial.updates.network_traits import restored_afterwards
from ganatomy.callbacks.pairing import reduced
from ganatomy.data.datamodule import DataModule
from ganatomy.data.pipeline import collate
from ganatomy.data.records import Batch
from ganatomy.tasks.base import AdversarialTask

ROWS = {2: 16, 3: 8}
"""Images of the probe, at most, by spatial axes."""
TENSORS, NUMBERS = 8, 256
"""Weights that stand for a player: so many of its parameters, evenly over its depth, and numbers of each."""


Shown = tuple[Sequence[Sequence[Tensor]], Sequence[Tensor], float]
"""Real and fake inputs of an adversary, their scores [n], and what `Answers.guess` says."""


@dataclass(frozen=True)
class Answers:
    """Answers of the players, see `ganatomy.guard.record.Look`."""

    diversity: float = math.nan
    guess: float = math.nan
    separation: float = math.nan


def probe_batch(data: DataModule, device: torch.device) -> Batch:
    """Return a few labelled training items, evenly spread; the same in every process."""
    items = data.train_items()
    count = min(ROWS[data.spatial_dims], items.labelled_items)
    places = [number * items.labelled_items // count for number in range(count)]
    batch = collate([items[0, place] for place in places])
    return {name: v.to(device) if isinstance(v, Tensor) else v for name, v in batch.items()}


def probe(task: AdversarialTask, batch: Batch, rows: int) -> Answers:
    """Show D what G makes of a batch; modes, buffers and random numbers stay as they are.

    Args:
        task: The players.
        batch: Some training items.
        rows: Images that they see at once: those of a step, so that a look needs no more memory than that.
    """
    game = task.game
    if game.discriminator is None:
        return Answers()
    networks: list[nn.Module] = [task.generator, game.generator, game.discriminator]
    with restored_afterwards(networks), torch.no_grad():
        for network in networks:
            network.eval()
        torch.manual_seed(task.recipe.seed)
        count = max(map(len, batch.values()))
        parts = [_shown(task, _rows(batch, first, first + rows)) for first in range(0, count, rows)]
        found = []
        for own in zip(*parts, strict=True):  # the parts of one adversary
            real, fake = (_joined([part[0][side] for part in own]) for side in (0, 1))
            scores = _joined([part[1] for part in own])
            found.append((diversity(real, fake), own[0][2], float(separated(*scores))))
    values = all_sum(torch.tensor(found, dtype=torch.float64, device=task.device)) / processes()
    return Answers(float(values[:, 0].amin()), float(values[:, 1].sum()), float(values[:, 2].mean()))


def _shown(task: AdversarialTask, batch: Batch) -> list[Shown]:
    """Return D's inputs and answers for some images, one entry for each adversary."""
    found: list[Shown] = []
    game = task.game
    for adversary, real, fake in game.discriminator_inputs(batch, game.rules.generate(batch)):
        inputs = _arguments(real), _arguments(fake)
        outputs = [read_output(adversary.network(*x)) for x in inputs]
        found.append((inputs, [output.score().float() for output in outputs], _guess(task, *outputs)))
    return found


def _joined(parts: Sequence[Sequence[Tensor]]) -> list[Tensor]:
    return [torch.cat(list(each)) for each in zip(*parts, strict=True)]


def _rows(batch: Batch, first: int, last: int) -> Batch:
    return {name: values[first:last] for name, values in batch.items()}


def _arguments(x: X) -> Sequence[Tensor]:
    return (x,) if isinstance(x, Tensor) else x


def _guess(task: AdversarialTask, real: DiscriminatorOutput, fake: DiscriminatorOutput) -> float:
    """Return the loss of a discriminator that gives every image the logit 0."""
    loss = task.game.loss
    if loss is None or loss.from_features:
        return math.nan
    blind = [
        DiscriminatorOutput([torch.zeros_like(logits) for logits in output.logits], output.features)
        for output in (real, fake)
    ]
    return float(loss.discriminator(*blind)) or math.nan


def separated(real: Tensor, fake: Tensor) -> Tensor:
    """Return the probability that a real image scores higher than a fake one; ties count half.

    Both are scores [n] and [m].
    """
    pairs = real[:, None] - fake[None]
    return ((pairs > 0).float() + 0.5 * (pairs == 0).float()).mean()


def diversity(real: Sequence[Tensor], fake: Sequence[Tensor]) -> float:
    """Return the variance over images of the fake inputs of D over that of the real ones; NaN if that is 0.

    Channels that are the same in both are a condition and do not count. Images are averaged to 16 pixels a
    side, so that noise does not count as variety.
    """
    of_real, of_fake = 0.0, 0.0
    for r, f in zip(real, fake, strict=True):
        if r.dim() < 3 or not r.is_floating_point() or r.shape != f.shape or len(r) < 2:
            continue
        own = (r != f).transpose(0, 1).flatten(1).any(1)
        if bool(own.any()):
            of_real += float(reduced(r[:, own]).var(0).sum())
            of_fake += float(reduced(f[:, own]).var(0).sum())
    return of_fake / of_real if of_real > 0 else math.nan


def some_weights(parameters: Sequence[nn.Parameter]) -> Tensor:
    """Return a few numbers of a few parameters, evenly spread, as a copy on their device.

    One row a parameter, filled up with zeros [at most 8, 256].
    """
    weights = [p for p in parameters if p.dim() > 1] or list(parameters)
    chosen = weights[:: max(1, -(-len(weights) // TENSORS))]
    parts = [p.detach().reshape(-1) for p in chosen]
    some = [part[:: max(1, -(-len(part) // NUMBERS))].float() for part in parts]
    return torch.stack([F.pad(numbers, (0, NUMBERS - len(numbers))) for numbers in some])


def change(before: Tensor, after: Tensor) -> Tensor:
    """Return |after - before| / |before|, 0-dim."""
    drift: Tensor = (after - before).norm() / before.norm().clamp_min(1e-12)
    return drift


def greatest_change(before: Tensor, after: Tensor) -> Tensor:
    """Return the greatest |after - before| / |before| of a row, 0-dim; rows that began at 0 do not count."""
    norms = before.norm(dim=1)
    share = (after - before).norm(dim=1) / norms.clamp_min(1e-12)
    return torch.where(norms > 0, share, 0).amax()
