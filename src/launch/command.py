"""Shared start of every command: composition by Hydra, one line for a mistake, exit code 2.

What only an error needs is imported when there is one: a command starts sooner.
"""

from __future__ import annotations

import contextlib
import os
import re
import signal
import sys
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any

import hydra
from hydra.types import RunMode
from omegaconf import DictConfig

from ganatomy.config.locations import CONF
from ganatomy.config.mistakes.overrides import refuse_bases, replacing
from ganatomy.config.plans.reading import of_command
from ganatomy.config.resolvers import register_resolvers
from ganatomy.config.security.hydra_job import refuse_foreign, refuse_variables
from ganatomy.config.translate import readable
from ganatomy.errors import GAME_FAILED, UserError
from ganatomy.invocation import redacted, settle_prefixes, while_read
from ganatomy.machine import allocator, inventory
from ganatomy.runs.integrity.restore import restore_resumed
from ganatomy.runs.multirun import finish
from ganatomy.runs.process_place import is_rank_zero
from ganatomy.text.folding import fitted
from ganatomy.text.names import printable


def command(name: str) -> Callable[[Callable[[DictConfig], Any]], Callable[[], None]]:
    """Turn `main(cfg)` into a command that composes conf/<name>.yaml.

    Bad input ends it with one line on stderr and exit code 2; `debug=true` shows the traceback instead.
    """

    def decorate(main: Callable[[DictConfig], Any]) -> Callable[[], None]:
        def guarded(cfg: DictConfig) -> Any:
            try:
                _refuse_surroundings()
                return main(cfg)
            except Exception as error:
                from ganatomy.launch.reports import is_peer_failure, launched, report_error

                message = _message(error, name)
                if launched():
                    raise SystemExit(report_error(error, None if _debugging() else message)) from None
                if is_peer_failure(error) and not _debugging():
                    sys.stderr.write("error: another process of the run ended; see its output\n")
                    raise SystemExit(1) from None
                if message is None or _debugging():
                    raise
                sys.stderr.write(redacted(message) + "\n")
                raise (_Reported if _sweeping() else SystemExit)(getattr(error, "code", 2)) from None
            finally:
                _drop_empty()

        def composing(words: Sequence[str]) -> Mapping[str, Any]:
            from ganatomy.config.mistakes.keys import composed_plain

            return composed_plain(name, words, more=folders)

        folders: list[str] = []

        @while_read()
        def run() -> None:
            os.environ["HYDRA_FULL_ERROR"] = "1"  # Hydra re-raises, and the message is written here
            register_resolvers()
            with _one_line(name), fitted():
                folders[:] = _flags()
                if name == "train":
                    allocator.start_anew()
                _say_prefixes()  # by the process that stays
                if name == "train":
                    restore_resumed(sys.argv[1:])
                sys.argv[1:] = of_command(name, sys.argv[1:])
                sys.argv[1:] = readable(sys.argv[1:], name == "train", composing)
                sys.argv[1:] = replacing(sys.argv[1:], composing)
                refuse_foreign(name, sys.argv[1:], folders)
                failed = False
                try:
                    hydra.main(version_base="1.3", config_path=str(CONF), config_name=name)(guarded)()
                finally:
                    failed = finish()
                if failed:
                    raise SystemExit(GAME_FAILED)

        return run

    return decorate


def _refuse_surroundings() -> None:
    """Raise UserError for foreign bases and variables, and where no temporary file can be written.

    Libraries that are imported later need some.
    """
    refuse_bases()
    refuse_variables()
    if inventory.temporary() is None:
        raise UserError(
            "TMPDIR: temporary files can be written neither in /tmp nor in this folder; name a folder with "
            "TMPDIR=DIR (of a container: --tmpfs /tmp)"
        )


def _say_prefixes() -> None:
    """Fix what GANATOMY_TARGETS allows before any file is read; say it once a command, not once a process."""
    line = settle_prefixes()
    if line and is_rank_zero() and "GANATOMY_LAUNCH" not in os.environ:
        sys.stderr.write(f"{line}\n")


def _message(error: BaseException, name: str) -> str | None:
    """Return the line for an error that the user can mend; that of a process of the run as it came."""
    from ganatomy.config.mistakes.explain import explain
    from ganatomy.launch.launcher import ProcessFailed

    if isinstance(error, BrokenPipeError):
        return None  # see `while_read`
    message = error.text if isinstance(error, ProcessFailed) else explain(error, name)
    return None if message is None else printable(message)


def _flags() -> list[str]:
    """Answer --version and refuse unknown flags; return the override that stands for --config-dir."""
    from importlib.metadata import PackageNotFoundError, version

    from hydra._internal.utils import get_args_parser

    if "--version" in sys.argv[1:]:
        try:
            sys.stdout.write(f"GANatomy {version('ganatomy')}\n")
        except PackageNotFoundError:
            sys.stdout.write("GANatomy, not installed as a package\n")
        raise SystemExit(0)
    parser = get_args_parser()
    known = {flag for action in parser._actions for flag in action.option_strings}
    for word in sys.argv[1:]:
        flag = word.partition("=")[0]
        if re.match(r"--\w", word) and not any(option.startswith(flag) for option in known):
            key = flag.lstrip("-")
            raise UserError(f"{word}: no such flag; keys are set without dashes ({key}=...), see --help")
    folder = parser.parse_known_args(sys.argv[1:])[0].config_dir
    return [f'hydra.searchpath=["file://{Path(folder).absolute()}"]'] if folder else []


def _drop_empty() -> None:
    """Remove the output directory if it is empty: Hydra makes it before anything is checked."""
    from hydra.core.hydra_config import HydraConfig

    with contextlib.suppress(OSError):
        Path(HydraConfig.get().runtime.output_dir).rmdir()


def _sweeping() -> bool:
    """Return True in a job of a multirun, whose other jobs go on when it fails."""
    from hydra.core.hydra_config import HydraConfig

    return HydraConfig.get().mode == RunMode.MULTIRUN


def _debugging() -> bool:
    return any(word in ("debug=true", "debug=True") for word in sys.argv)


class _Reported(Exception):
    """Error whose line is on the screen already."""


class _one_line:
    """Context that turns an error the user can mend into one line and exit code 2."""

    def __init__(self, name: str) -> None:
        self.name = name

    def __enter__(self) -> None:
        return None

    def __exit__(self, kind: Any, error: BaseException | None, trace: Any) -> None:
        if error is None or _debugging():
            return
        if isinstance(error, KeyboardInterrupt):  # before anything that would have to be saved
            sys.stderr.write("stopped by SIGINT\n")
            raise SystemExit(128 + signal.SIGINT) from None
        if isinstance(error, _Reported):
            raise SystemExit(2) from None
        message = _message(error, self.name)
        if message is not None:
            sys.stderr.write(redacted(message) + "\n")
            raise SystemExit(2) from None
