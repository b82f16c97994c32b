"""metadata.json and README of a bundle."""

from __future__ import annotations

from collections.abc import Mapping
from importlib.metadata import version
from typing import TYPE_CHECKING, Any

from ganatomy.tasks.segmentation.classes import Regions
from ganatomy.version import __version__

if TYPE_CHECKING:
    from ganatomy.export.graphs.graph import Graph
    from ganatomy.inference.loaded import LoadedRun

SCHEMA = (
    "https://github.com/Project-MONAI/MONAI-extra-test-data/releases/download/0.8.1/meta_schema_20240725.json"
)
"""MONAI's schema of metadata.json; only `monai.bundle verify_metadata` loads it."""
NEEDED = {"nibabel": "nibabel", "scipy": "scipy", "pillow": "pillow"}


def metadata_of(
    loaded: LoadedRun, graph: Graph, facts: Mapping[str, Any], step: int, channels: int
) -> dict[str, Any]:
    """Return the content of metadata.json.

    Args:
        loaded: The run.
        graph: The bundle's network.
        facts: Facts about the run.
        step: By what multiple the sides of images may differ from those of training.
        channels: Channels of the network's output.
    """
    kept = loaded.preprocessing
    labels = loaded.task.makes_label_maps
    labelling = getattr(loaded.task, "labelling", None)
    answered = list(labelling.groups if isinstance(labelling, Regions) else kept.label_classes)
    classes = {str(number): name for number, name in enumerate(answered)}
    return {
        "schema": SCHEMA,
        "version": "1.0.0",
        "changelog": {"1.0.0": f"exported by GANatomy {__version__}"},
        "monai_version": version("monai"),
        "pytorch_version": version("torch").partition("+")[0],
        "numpy_version": version("numpy"),
        "required_packages_version": {name: version(package) for name, package in NEEDED.items()},
        "optional_packages_version": {},
        "supported_apps": {},
        "name": f"GANatomy {facts['task']}",
        "task": f"{facts['task']} of medical images",
        "description": f"A generator of GANatomy for {facts['task']}; see docs/MODEL_CARD.md.",
        "authors": "not stated",
        "copyright": f"Licence of the weights: {facts['licence']}",
        "data_source": "see docs/MODEL_CARD.md",
        "data_type": "nibabel" if kept.units == "mm" else "png",
        "image_classes": f"{kept.channels} channels, prepared by scripts.transforms.Prepared",
        "label_classes": ", ".join(kept.label_classes) if labels else "none",
        "pred_classes": ", ".join(answered) if labels else next(iter(graph.outputs.values())),
        "eval_metrics": {},
        "intended_use": "Research only; this is no medical device.",
        "references": [],
        "ganatomy": {key: facts[key] for key in ("version", "task", "network", "weights_sha256", "game")},
        "network_data_format": {
            "inputs": {"image": _input(loaded, graph, step)},
            "outputs": {
                "pred": {
                    "type": "probabilities" if labels else "image",
                    "format": "segmentation" if labels else "image",
                    "num_channels": channels,
                    "spatial_shape": _shape(graph, step),
                    "dtype": "float32",
                    "value_range": [],
                    "is_patch_data": False,
                    "channel_def": classes if labels else {str(n): f"channel {n}" for n in range(channels)},
                }
            },
        },
    }


def _input(loaded: LoadedRun, graph: Graph, step: int) -> dict[str, Any]:
    """Return the description of the network's input; noise is told as an image without sides."""
    noise = not graph.channels
    channels = int(loaded.task.latent) if noise else graph.channels  # type: ignore[arg-type]
    return {
        "type": "feature" if noise else "image",
        "format": "noise" if noise else "magnitude",
        "modality": "none" if noise else "see docs/MODEL_CARD.md",
        "num_channels": channels,
        "spatial_shape": [] if noise else _shape(graph, step),
        "dtype": "float32",
        "value_range": [],
        "is_patch_data": False,
        "channel_def": {str(number): "noise" if noise else f"channel {number}" for number in range(channels)},
    }


def _shape(graph: Graph, step: int) -> list[int | str]:
    """Return the sides as MONAI writes them: numbers, `*` for any, `8*n` for multiples."""
    if step == 0:
        return list(graph.sides)
    if step == 1:
        return ["*"] * graph.dims
    return [f"{step}*n" if side % step == 0 else side for side in graph.sides]


README = """# {title}

A network of GANatomy {version} as a MONAI bundle. It needs MONAI {monai}, the packages in
`configs/metadata.json` and, for the command below, `pip install fire`; not GANatomy.

```
{run}
```

{what}

Every step is in `configs/inference.json`: loading by MONAI; preparation, inference and the way back by
`scripts/`, which holds copies of the code that trained the network. The network is TorchScript,
`models/model.ts`; {agreement}.

Read [MODEL_CARD.md](MODEL_CARD.md) before use: scores, limits, and what was never tested. Research only.

Licence of the weights: {licence}. Licence of the code in `scripts/`: Apache-2.0.
"""
APPLY = (
    "python -m monai.bundle run --config_file configs/inference.json --dataset_dir IMAGES --output_dir OUT",
    "IMAGES is a folder of NIfTI files, or of PNG or JPEG pictures. OUT gets a file for each, on the same "
    "grid{more}.",
)
DRAW = (
    "python -m monai.bundle run --config_file configs/inference.json --count 8 --seed 0 --output_dir OUT",
    "OUT gets synthetic images as NIfTI; image n of seed s is the only image of seed s + n. Mark them as "
    "synthetic.",
)


def readme(graph: Graph, facts: Mapping[str, Any], agreement: str) -> str:
    """Return docs/README.md.

    Args:
        graph: The bundle's network.
        facts: Facts about the run.
        agreement: How far its values are from torch's.
    """
    run, what = APPLY if graph.channels else DRAW
    answers = {"detection": ", with the boxes in JSON", "anomaly": ", and its score in JSON"}
    return README.format(
        title=f"GANatomy {facts['task']}",
        version=__version__,
        monai=version("monai"),
        run=run,
        what=what.format(more=answers.get(str(facts["task"]), "")),
        agreement=agreement,
        licence=facts["licence"],
    )
