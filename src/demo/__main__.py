"""`python -m src.demo run=DIR`: a finished run on a page of this machine."""

from __future__ import annotations

import sys
from typing import TYPE_CHECKING

from ganatomy.errors import UserError
from ganatomy.launch.command import command

if TYPE_CHECKING:
    from omegaconf import DictConfig


@command("demo")
def main(cfg: DictConfig) -> None:
    """Serve the page until Ctrl-C."""
    try:
        import python_multipart  # noqa: F401 - reads what is dropped

        from ganatomy.demo.server import serve
    except ImportError as error:
        raise UserError(f"demo: {error.name} is not installed; pip install 'ganatomy[demo]'") from error
    from ganatomy.config.resolve import to_plain
    from ganatomy.demo.settings import DemoConfig
    from ganatomy.inference.ensembles.ensemble import load_runs
    from ganatomy.runs import console

    config = DemoConfig.from_plain(to_plain(cfg))
    console.silence_libraries()
    loaded = load_runs(config.run, config.device, doubt=config.doubt)
    sys.exit(serve(loaded, config.port, config.largest))


if __name__ == "__main__":
    main()
