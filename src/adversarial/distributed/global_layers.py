"""BatchNorm and dropout over the global batch of all processes."""

from __future__ import annotations

from typing import Any, cast

import torch
from torch import Tensor, nn
from torch.nn.modules.batchnorm import _BatchNorm
from torch.nn.modules.dropout import _DropoutNd

from ganatomy.adversarial.distributed.collectives import all_sum, processes
from ganatomy.adversarial.distributed.random import local_rows

SHARED = (nn.BatchNorm1d, nn.BatchNorm2d, nn.BatchNorm3d)
FEATURES = (nn.Dropout1d, nn.Dropout2d, nn.Dropout3d)


class GlobalBatchNorm(_BatchNorm):
    """Batch normalisation over the batches of all processes; torch's own in one process.

    Mean and variance are summed over processes in forward, and by the adjoints of these sums in backward, of
    any order: torch's SyncBatchNorm supports neither CPU nor second derivatives.
    """

    def _check_input_dim(self, input: Tensor) -> None:
        """Accept any input: the layer that this replaces has checked it."""

    def forward(self, input: Tensor) -> Tensor:
        batchwise = self.training or self.running_mean is None
        if not batchwise or processes() == 1:
            return super().forward(input)
        x = input.to(torch.promote_types(input.dtype, torch.float32))
        axes = [0, *range(2, x.dim())]
        shape = [1, -1, *[1] * (x.dim() - 2)]
        count = x.numel() // x.shape[1]
        sums = all_sum(torch.cat([x.sum(axes), x.new_full((1,), count)]))
        total = sums[-1].detach()
        mean = sums[:-1] / total
        centred = x - mean.reshape(shape)
        variance = all_sum(centred.square().sum(axes)) / total
        if self.training and self.track_running_stats:
            self._update_statistics(mean.detach(), variance.detach() * total / (total - 1))
        x = centred * (variance + self.eps).rsqrt().reshape(shape)
        if self.affine:
            x = x * self.weight.reshape(shape) + self.bias.reshape(shape)
        return x.to(input.dtype)

    @torch.no_grad()
    def _update_statistics(self, mean: Tensor, variance: Tensor) -> None:
        assert self.running_mean is not None and self.running_var is not None
        assert self.num_batches_tracked is not None
        self.num_batches_tracked.add_(1)
        step = self.momentum if self.momentum is not None else 1 / self.num_batches_tracked
        self.running_mean.lerp_(mean.to(self.running_mean), step)
        self.running_var.lerp_(variance.to(self.running_var), step)


class GlobalDropout(_DropoutNd):
    """Dropout whose mask is drawn for the global batch; on a CPU the mask of torch's own.

    Args:
        p: Probability of a zero.
        inplace: Kept for `repr`; the input is never changed.
        features: Drop whole channels.
    """

    def __init__(self, p: float, inplace: bool, features: bool) -> None:
        super().__init__(p, inplace)
        self.features = features

    def forward(self, input: Tensor) -> Tensor:
        if not self.training or self.p == 0:
            return input
        if self.p == 1:
            return input * 0
        shape = [input.shape[1], *[1] * (input.dim() - 2)] if self.features else input.shape[1:]
        return input * local_rows(self._mask, input, shape).to(input.dtype)

    def _mask(self, *shape: int, **options: Any) -> Tensor:
        return torch.empty(shape, **options).bernoulli_(1 - self.p).div_(1 - self.p)


def convert_global_layers(network: nn.Module) -> nn.Module:
    """Replace BatchNorm and dropout layers by the global ones; weights and their names stay.

    Example:
        >>> convert_global_layers(nn.Sequential(nn.Linear(2, 2), nn.Dropout(0.5)))
        Sequential(
          (0): Linear(in_features=2, out_features=2, bias=True)
          (1): GlobalDropout(p=0.5, inplace=False)
        )
    """
    for name, child in network.named_children():
        setattr(network, name, convert_global_layers(child))
    if type(network) in SHARED:
        return _norm(cast(_BatchNorm, network))
    if type(network) is nn.Dropout or type(network) in FEATURES:
        dropout = cast(_DropoutNd, network)
        converted = GlobalDropout(dropout.p, dropout.inplace, isinstance(dropout, FEATURES))
        return converted.train(dropout.training)
    return network


def _norm(layer: _BatchNorm) -> GlobalBatchNorm:
    converted = GlobalBatchNorm(
        layer.num_features, layer.eps, layer.momentum, layer.affine, layer.track_running_stats
    )
    converted.weight, converted.bias = layer.weight, layer.bias
    for name, buffer in layer.named_buffers(recurse=False):
        setattr(converted, name, buffer)
    return converted.train(layer.training)


def first_unsupported_layer(network: nn.Module) -> str:
    """Return the class of the first layer that works on the batch of its own process alone; "" for none."""
    for layer in network.modules():
        is_global = isinstance(layer, GlobalBatchNorm | GlobalDropout)
        if not is_global and (
            isinstance(layer, _BatchNorm | _DropoutNd) or getattr(layer, "couples_samples", False)
        ):
            return type(layer).__name__
    return ""


def couples(network: nn.Module) -> bool:
    """Return True if a layer of the network sums over the processes, in forward and in backward."""
    return any(isinstance(module, GlobalBatchNorm) for module in network.modules())
