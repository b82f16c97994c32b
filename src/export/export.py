"""One run to one exported file, or folder, and its model card."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, Any

from ganatomy.errors import UserError
from ganatomy.export.settings import CARD, ExportConfig, check_target
from ganatomy.runs.directory import HEALTHY, Run

if TYPE_CHECKING:
    from ganatomy.export.graphs.graph import Graph
    from ganatomy.inference.loaded import LoadedRun

Progress = Callable[[str], None]
Files = dict[Path, bytes]
Facts = dict[str, Any]


def export(config: ExportConfig, progress: Progress) -> list[str]:
    """Export a run as configured, and return lines for the terminal.

    Args:
        config: Keys of the command.
        progress: Prints a line on progress.

    Raises:
        UserError: The run is not finished, its game failed and nobody forced it, a file is in the way, or
            the exported network does not agree with torch. Nothing is written then.
    """
    from ganatomy.export.card.card import model_card
    from ganatomy.export.facts import facts_of
    from ganatomy.export.writing import missing, write_files, write_folder
    from ganatomy.inference.loaded import load_run

    if config.run is None:
        raise UserError("run: name the directory of a finished run, run=runs/<task>/DIR")
    form, run = config.chosen, Path(config.run).expanduser()
    target = config.target(run)
    check_target(target, config.overwrite, run)
    loaded = load_run(config.run, device="cpu")
    status = Run(run).read("status.json") or {}
    _check_game(config, status)
    graph = _graph(loaded) if form in (*MAKERS, "bundle") else None
    facts = facts_of(loaded, graph, status, config.licence)
    weights = sum(weight.numel() for weight in loaded.task.generator.parameters())
    card = model_card(Run(run), loaded.cfg.to_plain(), facts, config.licence, weights).encode()
    if form == "bundle":
        from ganatomy.export.bundle.bundle import bundle_files

        assert graph is not None
        files, lines = bundle_files(loaded, graph, facts, card, config.input, progress)
        write_folder(target, files, config.overwrite)
        return [*lines, f"bundle: {target}"]
    cards = {target if form == "card" else target.parent / CARD: card}
    missing(cards, config.overwrite)
    files, lines = {}, []
    if graph is not None:
        files, lines = MAKERS[form](loaded, graph, facts, config, target, progress)
        lines += one_pass(loaded)
    elif form == "safetensors":
        from ganatomy.export.weights_file import weights_files

        files = weights_files(loaded, facts, target)
    files |= cards
    write_files(files, config.overwrite)
    return [*lines, *(f"{'card' if path.suffix == '.md' else 'file'}: {path}" for path in files)]


def one_pass(loaded: LoadedRun) -> list[str]:
    """Return lines if the run's answers are of mirrored or zoomed images too, which a graph does not make."""
    axes, lines = list(getattr(loaded.task, "mirror_axes", ())), []
    zooms = list(getattr(getattr(loaded.task, "decoder", None), "zooms", ()))
    if axes:
        who = "predict does" if zooms else "a bundle and predict do"
        lines.append(
            f"one pass: the run averages over mirror images (task.mirror_axes={axes}), as {who}; this graph "
            "does not"
        )
    if zooms:
        lines.append(
            f"one size: the run fuses boxes of zoomed images too (task.zooms={zooms}), as predict does; this "
            "graph does not"
        )
    return lines


def _check_game(config: ExportConfig, status: Facts) -> None:
    """Refuse a run whose game failed, unless it is forced."""
    game = status.get("game", HEALTHY)
    if game != HEALTHY and not config.force:
        raise UserError(
            f"run={config.run}: its game failed ({game}), so its answers are worth nothing; force=true "
            "exports it all the same, and its card says so"
        )


def _graph(loaded: LoadedRun) -> Graph:
    from ganatomy.export.graphs.graph import graph_of
    from ganatomy.export.graphs.sides import training_sides

    return graph_of(loaded.task, loaded.preprocessing.channels, training_sides(loaded))


def _onnx(
    loaded: LoadedRun, graph: Graph, facts: Facts, config: ExportConfig, target: Path, progress: Progress
) -> tuple[Files, list[str]]:
    from ganatomy.export.batches import batches_of
    from ganatomy.export.graphs.trial import sides_words, step_of
    from ganatomy.export.onnx_file import onnx_of, with_facts

    progress("export: trying which sides the network takes")
    step = step_of(graph)
    batches = batches_of(loaded, graph, step, config.input)
    progress("export: writing the ONNX graph and comparing it with torch")
    content, found, free = onnx_of(graph, step, batches, progress)
    sides = sides_words(graph, step if free else 0)
    more = {"sides": sides, "difference": found.difference, "compared": found.words()}
    return {target: with_facts(content, {**facts, **more})}, [found.words(), f"batch: any; {sides}"]


def _torchscript(
    loaded: LoadedRun, graph: Graph, facts: Facts, config: ExportConfig, target: Path, progress: Progress
) -> tuple[Files, list[str]]:
    from ganatomy.export.batches import batches_of
    from ganatomy.export.graphs.trial import sides_words, step_of
    from ganatomy.export.torchscript import torchscript_of

    progress("export: trying which sides the network takes")
    step = step_of(graph)
    batches = batches_of(loaded, graph, step, config.input)
    progress("export: tracing the network and comparing it with torch")
    sides = sides_words(graph, step)
    content, found = torchscript_of(graph, batches, {**facts, "sides": sides})
    return {target: content}, [found.words(), f"batch: any; {sides}"]


MAKERS: dict[str, Callable[..., tuple[Files, list[str]]]] = {"onnx": _onnx, "torchscript": _torchscript}
"""Formats of a graph: how the file is made."""
