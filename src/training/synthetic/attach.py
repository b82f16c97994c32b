"""Synthetic images join the training of a run: found, checked against its split, and read."""

from __future__ import annotations

import hashlib
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any

from ganatomy.data.cache import Cache
from ganatomy.data.quality.survey import survey
from ganatomy.data.sampling.synthetic import Synthetic
from ganatomy.data.sources.table import Table
from ganatomy.data.transforms.prepare import Prepared
from ganatomy.errors import UserError
from ganatomy.training.synthetic.leaks import check_masks, check_patients
from ganatomy.training.synthetic.origin import KEY, Origin, origin_of

if TYPE_CHECKING:
    from ganatomy.config.schema import Config
    from ganatomy.data.datamodule import DataModule
    from ganatomy.tasks.base import AdversarialTask

NEEDED = ("mask", "present", "target")
"""What real training cases may have and synthetic ones never do, and no task can leave out."""


@dataclass(frozen=True)
class Joined:
    """Synthetic images that a run trains on.

    Attributes:
        cfg: Its configuration, with the hash of the images.
        record: What environment.json keeps of them; {} without any.
        lines: What is said at the start.
    """

    cfg: Config
    record: dict[str, Any]
    lines: list[str]


def attach_synthetic(cfg: Config, task: AdversarialTask, data: DataModule) -> Joined:
    """Put the images that `synthetic` names in the place of a share of the training items.

    Args:
        cfg: Completed configuration of the run.
        task: Task that learns from them.
        data: Data of the run.

    Raises:
        UserError: They are no such images, do not suit these data, come from patients that do not train here,
            or are not those that the run began with.
    """
    if cfg.synthetic is None:
        return Joined(cfg, {}, [])
    if not task.synthetic:
        raise UserError(
            f"{KEY}: {type(task).__name__} does not train on synthetic images, as segmentation and anomaly "
            "detection do; set it to null"
        )
    if data.unpaired or data.labels.unlabelled_rows:
        raise UserError(
            f"{KEY}: goes with neither data.unpaired nor data.unlabelled_fraction; set it to null"
        )
    origin = origin_of(cfg.synthetic)
    columns = _columns(task, data)
    origin.check_prepared(data, cfg.data.to_plain(), next(iter(columns)))
    check_patients(origin, data, cfg.data.to_plain())
    mixed, content = _read(origin, data, columns, cfg.synthetic_share)
    if cfg.synthetic_hash not in (None, content):
        raise UserError(
            f"{KEY}: {origin.folder} holds other images than this run began with "
            f"(synthetic_hash={str(cfg.synthetic_hash)[:12]}..., found {content[:12]}...); put them back, or "
            "start a new run"
        )
    check_masks(mixed, origin, data)
    data.synthetic = mixed
    record = {"images": len(mixed.places), "share": cfg.synthetic_share, "sha256": content}
    line = (
        f"synthetic: {cfg.synthetic_share:.0%} of the training items are drawn from {len(mixed.places)} "
        f"synthetic images of {origin.typed} (weights {origin.weights[:12]})"
    )
    return Joined(cfg.with_values(synthetic_hash=content), {**origin.to_plain(), **record}, [line])


def _columns(task: AdversarialTask, data: DataModule) -> dict[str, Any]:
    """Return the settings of a table that read what the task learns from, by the column of that first."""
    if task.synthetic == "label":
        return {"label": "label", "classes": data.mask_classes, "label_values": list(data.label_values)}
    healthy: Any = getattr(task, "healthy", None)
    if healthy is None or healthy.kind is None or healthy.lesion is not None:
        raise UserError(
            f"{KEY}: is for data whose image classes alone say which images are healthy; set it to null"
        )
    name = data.image_classes[healthy.kind]
    return {"kind": "kind", "image_classes": data.image_classes, "keep": {"kind": [name]}}


def _read(origin: Origin, data: DataModule, columns: dict[str, Any], share: float) -> tuple[Synthetic, str]:
    """Read and check the images as training cases of these data; return them with the hash of their files."""
    try:
        source = Table(
            root=str(origin.folder),
            **columns,
            channels=data.channels,
            spatial_dims=data.source.spatial_dims,
            size=data.source.size,
        )
        records = [replace(record, split="train") for record in source.records()]
        prepared = Prepared(source, data.preparation, cut=data.one_size)
        cache = Cache(prepared.make, prepared.key, data.cache.kind, data.folder, data.cache.limit / 2**30)
        facts = survey(records, source, cache, prepared, data.folder)
        faults = [fault for record in records for fault in facts[record.case].faults if fault.grave]
    except UserError as error:
        raise UserError(f"{KEY}: {origin.folder}: {error}") from error
    if faults:
        count, first = len({fault.case for fault in faults}), faults[0].words.partition(";")[0]
        raise UserError(f"{KEY}: {count} of {len(records)} images cannot be used: {first}; draw them again")
    content = hashlib.sha256("\n".join(sorted(fact.content for fact in facts.values())).encode()).hexdigest()
    real = data.train_items()
    record, z = real.places[0]
    own, theirs = real.read(record, z), cache.view(records[0], None if z is None else 0)
    if without := next((key for key in NEEDED if key in own.keys() - theirs.keys()), ""):
        raise UserError(f"{KEY}: training images have a {without} here, and synthetic ones have none")
    places = [(one, k) for one in records for k in _slices(facts[one.case].shape, z is not None)]
    shapes = {facts[one.case].shape[1 if z is None else 2 :] for one in records} | {own["image"].shape[1:]}
    if not data.patches and len(shapes) > 1:
        found = " and ".join("x".join(map(str, shape)) for shape in sorted(shapes))
        raise UserError(
            f"{KEY}: {origin.folder}: images of {found}; make them with the data.size of this run"
        )
    return Synthetic(places, cache.view, share, tuple(sorted(own.keys() ^ theirs.keys()))), content


def _slices(shape: tuple[int, ...], sliced: bool) -> list[int | None]:
    return list(range(shape[0])) if sliced else [None]
