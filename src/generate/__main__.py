"""`python -m src.generate run=DIR n=1000 output=DIR`: images from a finished synthesis run alone."""

from __future__ import annotations

from typing import TYPE_CHECKING

from ganatomy.launch.command import command

if TYPE_CHECKING:
    from omegaconf import DictConfig


@command("generate")
def main(cfg: DictConfig) -> None:
    """Draw the images that are asked for and are not there yet."""
    from ganatomy.config.resolve import to_plain
    from ganatomy.generate.command import generate
    from ganatomy.generate.settings import GenerateConfig
    from ganatomy.runs import console

    config = GenerateConfig.from_plain(to_plain(cfg))
    console.silence_libraries()
    generate(config)


if __name__ == "__main__":
    main()
