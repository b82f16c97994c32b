"""`python -m src.export run=DIR`: a finished run as files for other programs."""

from __future__ import annotations

from typing import TYPE_CHECKING

from ganatomy.launch.command import command

if TYPE_CHECKING:
    from omegaconf import DictConfig


@command("export")
def main(cfg: DictConfig) -> None:
    """Export one run; nothing is kept that does not give what torch gives."""
    from ganatomy.config.resolve import to_plain
    from ganatomy.export.export import export
    from ganatomy.export.settings import ExportConfig
    from ganatomy.runs import console
    from ganatomy.runs.terminal import Terminal

    config = ExportConfig.from_plain(to_plain(cfg))
    console.silence_libraries()
    terminal = Terminal()
    for line in export(config, console.print_status):
        terminal.print(line, soft_wrap=True, highlight=False)


if __name__ == "__main__":
    main()
