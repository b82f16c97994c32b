"""Lightning's DDP without its wrapper, which knows one loss and one optimiser."""

from __future__ import annotations

import torch.distributed as dist
from pytorch_lightning.strategies import DDPStrategy


class PlayersStrategy(DDPStrategy):
    """DDP that only broadcasts rank zero's weights; the game averages each player's gradients itself.

    DistributedDataParallel fails on parameters without a gradient, and a step of one player leaves those of
    the other without. It also forbids the second derivative of a penalty.
    """

    def configure_ddp(self) -> None:
        assert self.model is not None
        for tensor in [*self.model.parameters(), *self.model.buffers()]:
            dist.broadcast(tensor.data, 0)
