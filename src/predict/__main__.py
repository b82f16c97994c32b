"""`python -m src.predict run=DIR input=PATH output=DIR`: apply a finished run to new files."""

from __future__ import annotations

import sys
from typing import TYPE_CHECKING

from ganatomy.launch.command import command

if TYPE_CHECKING:
    from omegaconf import DictConfig


@command("predict")
def main(cfg: DictConfig) -> None:
    """Predict the cases of the input; exit code 2 if some could not be read."""
    from ganatomy.config.resolve import to_plain
    from ganatomy.predict.command import predict
    from ganatomy.predict.settings import PredictConfig
    from ganatomy.runs import console

    config = PredictConfig.from_plain(to_plain(cfg))
    console.silence_libraries()
    sys.exit(2 if predict(config) else 0)


if __name__ == "__main__":
    main()
