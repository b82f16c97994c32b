"""Draw all images of a request: check, open the folder, draw in one process or several, describe."""

from __future__ import annotations

import signal
import sys
from collections.abc import Mapping
from contextlib import closing
from pathlib import Path
from typing import Any, NoReturn

from ganatomy.data.io.synthetic import SyntheticFolder
from ganatomy.errors import UserError
from ganatomy.generate import output
from ganatomy.generate.maker import Maker
from ganatomy.generate.request import Request, request_of, synthesis_of
from ganatomy.generate.settings import GenerateConfig
from ganatomy.generate.sheet import write_pictures
from ganatomy.generate.workers import count_of, drawn
from ganatomy.inference.loaded import LoadedRun, load_run
from ganatomy.invocation import shown
from ganatomy.launch.progress import CountedProgress
from ganatomy.launch.signals import heard_by
from ganatomy.runs.console import print_status
from ganatomy.runs.keys import write_private


def generate(cfg: GenerateConfig) -> Path:
    """Draw the images that are not there yet and describe all of them; return their folder.

    Raises:
        UserError: The run, a key or a label map does not fit; nothing is written.
    """
    if cfg.run is None:
        raise UserError("run: is missing; name a finished run of task=synthesis: run=runs/synthesis/DIR")
    path = Path(cfg.output).expanduser()
    _keep_out(path, cfg.masks)
    loaded = load_run(cfg.run, cfg.device)
    request = request_of(cfg, loaded)
    values = request.facts.label_values if request.masks is not None else None
    folder = SyntheticFolder(path, request.form, values, request.count)
    plain = request.to_plain(request.drawer(synthesis_of(loaded)[0]))
    content = output.provenance_of(loaded, request, plain)
    with heard_by(_stop), output.opened(path, content, folder):
        _say(request, content, folder)
        _draw(cfg, loaded, request, folder)
        _describe(request, folder)
        output.write(path, {**content, "finished": True})
    sys.stdout.write(f"images: {shown(path.absolute())}\n")
    return path


def _stop(signum: int, frame: object) -> NoReturn:
    name = signal.Signals(signum).name
    sys.stderr.write(f"stopped by {name}; the same command again draws the rest\n")
    raise SystemExit(128 + signum)


def _keep_out(path: Path, masks: str | None) -> None:
    """Raise UserError for an output in the folder of label maps that was given."""
    given = Path(masks).expanduser() if masks else None
    if given is not None and given.is_dir() and path.resolve().is_relative_to(given.resolve()):
        raise UserError(
            f"output: {path} lies in masks={masks}, where images would become masks; choose another"
        )


def _say(request: Request, content: Mapping[str, Any], folder: SyntheticFolder) -> None:
    """Tell what the images are worth, and what is there already."""
    if content["game"] != "healthy":
        print_status(
            f"note: the game of this run failed ({content['game']}): its images may be worth nothing"
        )
    told = request.facts.memorisation or "-"
    print_status(f"copies: - (no training images here); the run's own test: {told}")
    there = request.count - len(folder.missing())
    if there:
        print_status(f"{there} of {request.count} images are there already")


def _draw(cfg: GenerateConfig, loaded: LoadedRun, request: Request, folder: SyntheticFolder) -> None:
    """Draw the missing images with a progress bar, by one process or several."""
    numbers = folder.missing()
    processes = count_of(cfg.processes, cfg.device, len(numbers))
    with CountedProgress("images", request.count, request.count - len(numbers)) as progress:
        if processes == 1:
            maker = Maker(loaded, request, folder)
            for number in numbers:
                maker.write(number)
                progress.step()
            return
        with closing(drawn(str(loaded.path), cfg.device, request, folder, numbers, processes)) as images:
            for _ in images:
                progress.step()


def _describe(request: Request, folder: SyntheticFolder) -> None:
    """Write index.csv and the pictures; for label maps also which image was drawn from which file."""
    names, kinds = request.facts.image_classes, request.kinds
    chosen = None if kinds is None else [names[kinds[n % len(kinds)]] for n in range(request.count)]
    steps = range(request.count)
    more = {} if request.way is None else {"share": [f"{n / (request.count - 1):.6g}" for n in steps]}
    folder.write_index(chosen, **more)
    write_pictures(request, folder)
    if request.masks is not None:
        private = folder.path.with_name(f"{folder.path.name}-keys.csv")
        rows = [
            {"image": folder.name(n), "mask": str(request.masks.path(n))} for n in range(1, request.count + 1)
        ]
        write_private(private, rows)
        print_status(f"keys: {private} (private: the mask of each image)")
