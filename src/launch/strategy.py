"""Lightning's DDP without its wrapper, which knows one loss and one optimiser."""

from __future__ import annotations

import torch.distributed as dist
from pytorch_lightning.strategies import DDPStrategy


class PlayersStrategy(DDPStrategy):
    """Every process begins with the first one's weights; the game averages each player's gradients itself.

    DistributedDataParallel would look for parameters without a gradient, of which each player's step has the
    other's, and would not let a penalty be derived twice.
    """

    def configure_ddp(self) -> None:
        assert self.model is not None
        for tensor in [*self.model.parameters(), *self.model.buffers()]:
            dist.broadcast(tensor.data, 0)
