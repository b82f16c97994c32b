"""All files of a MONAI bundle."""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

from ganatomy.export.batches import batches_of
from ganatomy.export.bundle.copies import scripts_with
from ganatomy.export.bundle.inference import inference_of
from ganatomy.export.bundle.metadata import metadata_of, readme
from ganatomy.export.bundle.network import joined
from ganatomy.export.graphs.trial import sides_words, step_of
from ganatomy.export.torchscript import torchscript_of
from ganatomy.runs.directory import without_nan

if TYPE_CHECKING:
    from ganatomy.export.graphs.graph import Graph
    from ganatomy.inference.loaded import LoadedRun

LICENCE = """Weights (models/model.ts): {licence}
Code (scripts/): copies out of GANatomy, Apache-2.0, https://www.apache.org/licenses/LICENSE-2.0
"""


def bundle_files(
    loaded: LoadedRun,
    graph: Graph,
    facts: Mapping[str, Any],
    card: bytes,
    given: str | None,
    progress: Callable[[str], None],
) -> tuple[dict[Path, bytes], list[str]]:
    """Return the files of a bundle by their paths in it, and lines for the terminal.

    Args:
        loaded: The run.
        graph: Its network.
        facts: Facts about it.
        card: Its model card.
        given: Files on which the network is compared with torch; None for made-up inputs.
        progress: Prints a line on progress.

    Raises:
        UserError: A bundle cannot hold what this run needs, or does not agree with torch.
    """
    config, scripts = inference_of(loaded)
    single = joined(graph)
    progress("export: trying which sides the network takes")
    step = step_of(single)
    batches = batches_of(loaded, single, step, given)
    progress("export: tracing the network and comparing it with torch")
    content, found = torchscript_of(single, batches, facts)
    channels = int(single(*batches[0])[0].shape[1])
    files = {
        "configs/metadata.json": _json(metadata_of(loaded, single, facts, step, channels)),
        "configs/inference.json": _json(config),
        "models/model.ts": content,
        "docs/README.md": readme(single, facts, found.words()).encode(),
        "docs/MODEL_CARD.md": card,
        "docs/preprocessing.json": _json(facts["preprocessing"]),
        "LICENSE": LICENCE.format(licence=facts["licence"]).encode(),
        **{f"scripts/{name}": text for name, text in scripts_with(*scripts).items()},
    }
    return {Path(name): text for name, text in files.items()}, [found.words(), sides_words(single, step)]


def _json(content: Any) -> bytes:
    return (json.dumps(without_nan(content), indent=2, allow_nan=False) + "\n").encode()
