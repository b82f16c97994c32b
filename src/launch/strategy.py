"""Lightning's DDP without its wrapper, which knows one loss and one optimiser; the watchdog sees steps."""

from __future__ import annotations

from typing import Any

import torch.distributed as dist
from pytorch_lightning.strategies import DDPStrategy

from ganatomy.launch.watchdog import moved


class PlayersStrategy(DDPStrategy):
    """DDP that only broadcasts rank zero's weights; the game averages each player's gradients itself.

    DistributedDataParallel fails on parameters without a gradient, and a step of one player leaves those of
    the other without. It also forbids the second derivative of a penalty.
    """

    def training_step(self, *args: Any, **kwargs: Any) -> Any:
        assert self.lightning_module is not None
        moved("training", int(getattr(self.lightning_module, "batches_done", 0)))
        return super().training_step(*args, **kwargs)

    def validation_step(self, *args: Any, **kwargs: Any) -> Any:
        moved("validation")
        return super().validation_step(*args, **kwargs)

    def test_step(self, *args: Any, **kwargs: Any) -> Any:
        moved("the test")
        return super().test_step(*args, **kwargs)

    def configure_ddp(self) -> None:
        assert self.model is not None
        for tensor in [*self.model.parameters(), *self.model.buffers()]:
            dist.broadcast(tensor.data, 0)
