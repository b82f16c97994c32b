"""Adaptive discriminator augmentation (ADA). Karras et al., arXiv 2006.06676."""

from __future__ import annotations

import math
from collections.abc import Sequence

import torch
from torch import Tensor
from torch.nn.functional import affine_grid, grid_sample, normalize

from ganatomy.adversarial.augment.diffaugment import Augment, deviation, hole
from ganatomy.adversarial.augment.low_pass import doubled, halved, reflected
from ganatomy.adversarial.distributed.collectives import all_sum
from ganatomy.adversarial.distributed.random import normal, uniform
from ganatomy.adversarial.gradient_cut import full_precision
from ganatomy.errors import UserError


class Ada(Augment):
    """Apply each change of the policy to a sample with probability p, which follows D's confidence on reals.

    Every `interval` batches p += sign(E[sign D(real)] - target) · images since / `images`, within [0, 1].
    With a relativistic loss, whose logits are meaningful only in pairs, D(real) - D(fake) replaces D(real).

    The paper's geometry is flip, rotate90, translation, scale, rotations, stretch and fraction, `filtered`.
    `rotation` is one turn with probability p; `rotations` are two, around `stretch`, one of which happens
    with probability p. Tones are of the sample, as images have no fixed grey: contrast is about its mean,
    brightness in its deviations.

    Args:
        policy: Names of the changes.
        image_channels: Number of leading channels that are intensities, None for all.
        target: E[sign D(real)] to hold.
        interval: Batches from one change of p to the next.
        images: Images that take p from 0 to 1 (500,000 in the paper, whose runs see 25 million).
        start: The first p.
        filtered: Turns, scales and shifts interpolate between twice as many voxels (`low_pass`).

    Raises:
        UserError: A value is out of its range.
    """

    places = ("flip", "rotate90", "translation", "scale", "rotation")
    between = ("rotations", "stretch", "fraction")
    known = (*places, "brightness", "contrast", "noise", "cutout", *between)
    p: Tensor
    signs: Tensor
    _new: Tensor

    def __init__(
        self,
        policy: Sequence[str] = known[:7],
        image_channels: int | None = None,
        target: float = 0.6,
        interval: int = 4,
        images: int = 20_000,
        start: float = 0.0,
        filtered: bool = False,
    ) -> None:
        super().__init__(policy, self.known, image_channels)
        if interval < 1 or images < 1:
            raise UserError("augment: interval and images must be at least 1")
        if not 0 <= start <= 1:
            raise UserError(f"augment.start: {start} is outside [0, 1]")
        self.target, self.interval, self.images, self.filtered = target, interval, images, filtered
        self.register_buffer("p", torch.tensor(float(start)))
        self.register_buffer("signs", torch.zeros(()))
        self.register_buffer("seen", torch.zeros(()))
        self.register_buffer("_new", torch.zeros(2), persistent=False)  # on D's device from the start

    @property
    def counted(self) -> Tensor:
        """Return the number of reals since p last changed; the buffer's name is a key of checkpoints."""
        return self.get_buffer("seen")

    @torch.no_grad()
    def observe(self, scores: Tensor) -> None:
        """Count the signs of D's scores [B] on this process's real images."""
        signs = scores.sign().sum().to(self.p)
        self._new = self._new.to(self.p) + torch.stack([signs, torch.full_like(signs, len(scores))])

    @torch.no_grad()
    def adapt(self, step: int) -> Tensor:
        """Change p at the end of every `interval`-th batch (step: batches done before it), and return it.

        The counts between batches are of all processes, so a checkpoint serves any number of them.
        """
        signs, count = all_sum(self._new.to(self.p))
        counted = self.counted
        self.signs += signs
        counted += count
        self._new = torch.zeros_like(self._new)
        if step % self.interval == self.interval - 1:
            self.p += (self.signs / counted - self.target).sign() * counted / self.images
            self.p.clamp_(0, 1)
            self.signs.zero_()
            counted.zero_()
        return self.p.clone()

    def change(self, x: Tensor) -> Tensor:
        with full_precision():
            x = x.to(torch.promote_types(x.dtype, torch.float32))
            if set(self.policy) & {*self.places, *self.between}:
                x = self._transformed(x)
            if set(self.policy) & {"brightness", "contrast"}:
                factor = self._with_probability("contrast", x, torch.exp2(0.5 * normal(x)), 1.0)
                x = self.recolour(x, factor, self._with_probability("brightness", x, 0.4 * normal(x), 0.0))
            if "noise" in self.policy:
                x = self._noisy(x)
            if "cutout" in self.policy:
                cut = self._with_probability("cutout", x, torch.ones_like(uniform(x)), 0.0) > 0
                x = torch.where(cut.reshape(-1, *[1] * (x.dim() - 1)) & hole(x, 0.5), 0.0, x)
        return x

    def _with_probability(self, name: str, x: Tensor, value: Tensor, neutral: float) -> Tensor:
        """Return [B]: `value` with probability p, else `neutral`; all `neutral` if `name` is not used."""
        if name not in self.policy:
            return torch.full_like(value, neutral)
        return torch.where(uniform(x) < self.p, value, neutral)

    def _transformed(self, x: Tensor) -> Tensor:
        """Apply the geometric changes.

        Flips, quarter turns and shifts by whole voxels only move numbers; other turns and scales interpolate.
        """
        count, dims = len(x), x.dim() - 2
        mirror = torch.eye(dims, device=x.device, dtype=x.dtype).repeat(count, 1, 1)
        mirror[:, 0, 0] = self._with_probability("flip", x, 1 - 2 * (uniform(x) < 0.5).to(x), 1.0)
        quarter = self._with_probability("rotate90", x, (uniform(x) * 4).floor(), 0.0)
        on_grid = mirror @ _rotation(quarter * (math.pi / 2), dims, _axis(x, fixed=True)).round()
        angle = self._with_probability("rotation", x, (2 * uniform(x) - 1) * math.pi, 0.0)
        between = _rotation(angle, dims, _axis(x, fixed=False))
        between = (
            between / self._with_probability("scale", x, torch.exp2(0.2 * normal(x)), 1.0)[:, None, None]
        )
        shift = (0.25 * uniform(x, (dims,)) - 0.125).mul(_sides(x)).round()
        moving = self._with_probability("translation", x, torch.ones_like(uniform(x)), 0.0)
        moved = _moved(x, on_grid, shift * moving[:, None])
        return _resampled(moved, *self._and_stretched(x, between), self.filtered)

    def _and_stretched(self, x: Tensor, linear: Tensor) -> tuple[Tensor, Tensor]:
        """Return the map with the turns and stretches of the policy after it, and shifts [B, d] in voxels.

        Nothing is drawn for names that are not in the policy.
        """
        dims, shift = x.dim() - 2, torch.zeros_like(linear[:, 0])
        if "rotations" in self.policy:
            linear = linear @ self._turn(x)
        if "stretch" in self.policy:
            factor = self._with_probability("stretch", x, torch.exp2(0.2 * normal(x)), 1.0)[:, None]
            inverse = torch.cat([1 / factor, factor.pow(1 / (dims - 1)).expand(-1, dims - 1)], 1)
            linear = linear * inverse[:, None]
        if "rotations" in self.policy:
            linear = linear @ self._turn(x)
        if "fraction" in self.policy:
            far = 0.125 * normal(x, (dims,)) * _sides(x)
            shift = far * self._with_probability("fraction", x, torch.ones_like(uniform(x)), 0.0)[:, None]
        return linear, shift

    def _turn(self, x: Tensor) -> Tensor:
        """Return [B, d, d]: a rotation with probability 1 - √(1 - p), so that one of two happens with p."""
        angle = (2 * uniform(x) - 1) * math.pi
        angle = torch.where(uniform(x) < 1 - (1 - self.p).sqrt(), angle, 0.0)
        return _rotation(angle, x.dim() - 2, _axis(x, fixed=False))

    def _noisy(self, x: Tensor) -> Tensor:
        images = x[:, : self.image_channels]
        amount = self._with_probability("noise", x, 0.2 * normal(x).abs(), 0.0) * deviation(images)
        images = images + amount.reshape(-1, *[1] * (x.dim() - 1)) * normal(x, images.shape[1:])
        return torch.cat([images, x[:, images.shape[1] :]], 1)


def _sides(x: Tensor) -> Tensor:
    """Return [d]: the image's sides, x first."""
    return torch.stack([x.new_full((), side) for side in x.shape[:1:-1]])


def _axis(x: Tensor, fixed: bool) -> Tensor:
    """Return [B, 3]: unit axes of rotation, z or uniform on the sphere."""
    if fixed or x.dim() == 4:
        return torch.eye(3, device=x.device, dtype=x.dtype)[2].expand(len(x), 3)
    return normalize(normal(x, (3,)), dim=1)


def _rotation(angle: Tensor, dims: int, axis: Tensor) -> Tensor:
    """Return [B, d, d]: rotations by `angle` about `axis` (Rodrigues' formula)."""
    unit = torch.eye(3, device=axis.device, dtype=axis.dtype)
    cross = torch.linalg.cross(unit.expand(len(axis), 3, 3), axis[:, None], dim=2)
    sine, versine = angle.sin()[:, None, None], (1 - angle.cos())[:, None, None]
    full: Tensor = unit + sine * cross + versine * (cross @ cross)
    return full[:, :dims, :dims]


def _moved(x: Tensor, linear: Tensor, shift: Tensor) -> Tensor:
    """Read x at whole voxels, mirrored beyond the border.

    With one even and one odd axis the centre of a turn is off by half a voxel.

    Args:
        x: [B, C, *spatial].
        linear: [B, d, d], a signed permutation of axes (x, y, ...) about the middle.
        shift: [B, d], voxels.
    """
    sides = [int(side) for side in x.shape[:1:-1]]
    axes = [torch.arange(side, device=x.device, dtype=x.dtype) - (side - 1) / 2 for side in sides]
    # The last axis of the tensor is x, and the fastest.
    voxels = torch.stack(torch.meshgrid(*axes[::-1], indexing="ij")[::-1], -1).flatten(0, -2)
    coordinates = voxels @ linear.transpose(1, 2) + shift[:, None]
    index = torch.zeros_like(coordinates[..., 0], dtype=torch.long)
    for axis, side in reversed(list(enumerate(sides))):
        index = index * side + reflected((coordinates[..., axis] + (side - 1) / 2).round().long(), side)
    flat = x.flatten(2)
    return flat.gather(2, index[:, None].expand_as(flat)).reshape(x.shape)


def _resampled(x: Tensor, linear: Tensor, shift: Tensor, filtered: bool) -> Tensor:
    """Interpolate x linearly at `linear` (place + shift) about the middle, mirrored beyond the border.

    Samples whose map is the identity stay exactly as they are.

    Args:
        x: [B, C, *spatial].
        linear: [B, d, d], axes (x, y, ...).
        shift: [B, d], voxels.
        filtered: Interpolate between twice as many voxels.
    """
    sides = _sides(x)
    unchanged = (linear == torch.eye(len(sides), device=x.device, dtype=x.dtype)).flatten(1).all(1)
    unchanged = unchanged & (shift == 0).all(1)
    moved = linear @ shift[:, :, None] * 2 / sides[:, None]
    affine = torch.cat([linear * sides / sides[:, None], moved], 2)
    fine = doubled(x) if filtered else x
    grid = affine_grid(affine, list(fine.shape), align_corners=False)
    interpolated = grid_sample(fine, grid, "bilinear", "reflection", align_corners=False)
    interpolated = halved(interpolated) if filtered else interpolated
    return torch.where(unchanged.reshape(-1, *[1] * (x.dim() - 1)), x, interpolated)
