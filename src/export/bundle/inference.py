"""inference.json of a bundle: what MONAI reads to build and run it."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

from ganatomy.errors import UserError
from ganatomy.tasks.anomaly import AnomalyTask
from ganatomy.tasks.detection import DetectionTask
from ganatomy.tasks.segmentation.classes import Regions
from ganatomy.tasks.segmentation.gate import SUSPICIOUS
from ganatomy.tasks.segmentation.postprocessing.postprocessed import PostprocessedTask
from ganatomy.tasks.synthesis import SynthesisTask

if TYPE_CHECKING:
    from ganatomy.inference.loaded import LoadedRun

Plain = dict[str, Any]
TRANSFORMS, ANSWERS = "scripts.transforms", "scripts.answers"
SETTINGS = ("intensity", "orientation", "spacing", "size", "resize")


def inference_of(loaded: LoadedRun) -> tuple[Plain, tuple[str, ...]]:
    """Return the content of inference.json and the scripts that it names.

    Raises:
        UserError: A bundle cannot hold what this run needs.
    """
    common: Plain = {
        "imports": ["$import os", "$import torch"],
        "bundle_root": ".",
        "output_dir": "$os.path.join(@bundle_root, 'predictions')",
        "device": "$torch.device('cuda' if torch.cuda.is_available() else 'cpu')",
        "network_def": "$torch.jit.load(os.path.join(@bundle_root, 'models/model.ts'), map_location='cpu')",
    }
    if isinstance(loaded.task, SynthesisTask):
        return {**common, **_drawing(loaded), "run": ["$@application.run()"]}, ("apply",)
    inferer = "maps" if isinstance(loaded.task, DetectionTask) else "inferer"
    scripts = ("apply", "transforms", inferer, "answers")
    return {**common, **_application(loaded), "run": ["$@application.run()"]}, scripts


def _drawing(loaded: LoadedRun) -> Plain:
    task: Any = loaded.task
    if task.condition.masks:
        raise UserError(
            "format=bundle: this generator draws from label maps, for which a bundle has no input; use "
            "format=onnx or torchscript"
        )
    kept = loaded.preprocessing.synthesis or {}
    units = {key: _number(kept[key]) for key in ("offset", "scale") if _number(kept.get(key)) is not None}
    kind = {"kind": "@kind"} if task.condition.classes else {}
    return {
        "count": 8,
        "seed": 0,
        **({"kind": 0} if kind else {}),
        "application": {
            "_target_": "scripts.apply.Drawing",
            "network": "@network_def",
            "latent": task.latent,
            "count": "@count",
            "seed": "@seed",
            "output_dir": "@output_dir",
            "device": "@device",
            **kind,
            **units,
            **({"affine": kept["affine"]} if kept.get("affine") else {}),
        },
    }


def _number(value: Any) -> float | None:
    """Return a single number, or None for anything else."""
    found = np.atleast_1d(np.asarray(value, np.float64)) if value is not None else np.zeros(0)
    return float(found[0]) if found.size == 1 else None


def _application(loaded: LoadedRun) -> Plain:
    task, kept = loaded.task, loaded.preprocessing
    plain = kept.to_plain()
    load: Plain = {"_target_": "LoadImaged", "keys": "image"}
    first: Plain = {"_target_": "EnsureChannelFirstd", "keys": "image"}
    region = {"mask": kept.mask} if task.answers_in_mask and kept.mask is not None else {}
    prepared: Plain = {
        "_target_": f"{TRANSFORMS}.Prepared",
        "spatial_dims": kept.spatial_dims,
        "whole": not kept.one_size,
        "settings": {key: plain[key] for key in SETTINGS} | region,
    }
    if task.written_like == "instances":
        raise UserError(
            "format=bundle: instance maps have no place in a bundle; use format=onnx or torchscript"
        )
    return {
        "dataset_dir": "$os.path.join(@bundle_root, 'images')",
        "preprocessing": {"_target_": "Compose", "transforms": [load, first, prepared]},
        "inferer": _inferer(loaded),
        "postprocessing": {"_target_": "Compose", "transforms": _answer(loaded)},
        "application": {
            "_target_": "scripts.apply.Application",
            "folder": "@dataset_dir",
            "network": "@network_def",
            "preprocessing": "@preprocessing",
            "inferer": "@inferer",
            "postprocessing": "@postprocessing",
            "device": "@device",
        },
    }


def _inferer(loaded: LoadedRun) -> Plain:
    """Return windows and mirror images of the run's evaluation.

    Raises:
        UserError: Boxes of mirror images, or of zoomed ones, are fused, not their maps.
    """
    task, kept = loaded.task, loaded.preprocessing
    window, mirrors = getattr(task, "window", None), list(getattr(task, "mirror_axes", ()))
    window = window if isinstance(window, int | None) else list(window)
    if isinstance(task, DetectionTask):
        if task.decoder.zooms or (mirrors and task.decoder.fusion == "wbf"):
            what = "task.zooms" if task.decoder.zooms else "task.fusion=wbf of mirror images"
            raise UserError(f"format=bundle: {what} has no place in a bundle; use format=onnx or torchscript")
        return {
            "_target_": "scripts.maps.BoxMaps",
            "classes": len(task.box_classes),
            "stride": task.stride,
            "window": window,
            "mirror_axes": mirrors,
        }
    inferer = {
        "_target_": "scripts.inferer.AsTrained",
        "window": window,
        "mirror_axes": mirrors,
        "probabilities": task.makes_label_maps,
        "factor": getattr(task, "factor", None),
        "sides": list(kept.shape) if hasattr(task, "window") and kept.shape else None,
    }
    return inferer if _order(task) is None else {**inferer, "sigmoid": True}


def _order(task: object) -> list[list[int]] | None:
    """Return how regions that overlap are written, see `Labels`; None for classes."""
    labelling = getattr(task, "labelling", None)
    return [list(pair) for pair in labelling.order] if isinstance(labelling, Regions) else None


def _answer(loaded: LoadedRun) -> list[Plain]:
    """Return the transforms from the network's output to files."""
    task, kept = loaded.task, loaded.preprocessing
    if isinstance(task, DetectionTask):
        return [
            {
                "_target_": f"{ANSWERS}.Boxes",
                "output_dir": "@output_dir",
                "classes": list(task.box_classes),
                "stride": task.stride,
                "threshold": task.threshold,
                "max_detections": task.decoder.max_detections,
                "nms_iou": task.decoder.nms_iou,
                "vote": task.decoder.vote,
                "refinement": task.strength,
            }
        ]
    if isinstance(task, AnomalyTask):
        scores = {"_target_": f"{ANSWERS}.Scores", "output_dir": "@output_dir"}
        return [
            scores,
            {"_target_": f"{ANSWERS}.Images", "channel": kept.channels},
            *_files("map", "float32"),
        ]
    if task.makes_label_maps:
        gate = getattr(task, "gate", None)
        more: Plain = {}
        if gate is not None:
            more = {"threshold": float(task.threshold), "suspicious": SUSPICIOUS}  # type: ignore[arg-type]
        more |= {} if (order := _order(task)) is None else {"order": order}
        if isinstance(task, PostprocessedTask) and task.own_steps:
            more |= {"steps": {str(number): dict(vars(steps)) for number, steps in task.own_steps.items()}}
        values = list(kept.label_values or range(max(len(kept.label_classes), 2)))
        types = (np.min_scalar_type(min(values)), np.min_scalar_type(max(values)))
        labels = {"_target_": f"{ANSWERS}.Labels", **more}
        return [labels, *_files("label", str(np.result_type(*types)), values=values)]
    target = kept.target or kept.target_file
    own = {} if target is None else {"target": dict(target)}
    return [{"_target_": f"{ANSWERS}.Images"}, *_files("image", "float32", **own)]


def _files(kind: str, dtype: str, **more: Any) -> list[Plain]:
    pictures = more["target"]["dtype"] if "target" in more else None if kind == "image" else dtype
    return [
        {"_target_": f"{TRANSFORMS}.OnFile", "kind": kind, **more},
        {
            "_target_": f"{TRANSFORMS}.Saved",
            "output_dir": "@output_dir",
            "dtype": dtype,
            "pictures": pictures,
        },
    ]
