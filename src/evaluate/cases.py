"""Which cases are scored: those of the run's own split, or of another data set."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any, Literal

from ganatomy.config.resolve import check_data, data_keys
from ganatomy.config.schema import DataConfig
from ganatomy.config.targets import build, parameters_of, resolve
from ganatomy.data.known import set_instances
from ganatomy.data.records import SPLITS, Record, Source
from ganatomy.data.sides.sides import set_sides
from ganatomy.data.splits.held import Pseudonymous
from ganatomy.data.splits.split import Splitting
from ganatomy.errors import UserError
from ganatomy.evaluate.classes import ByName, matched, matched_regions
from ganatomy.inference.loaded import LoadedRun
from ganatomy.runs.integrity.checked import read_file
from ganatomy.tasks.segmentation.classes import Regions
from ganatomy.text.values import as_typed

Part = Literal["train", "val", "test", "all"]
KEPT = ("size", "resize", "spacing", "orientation", "intensity", "target_intensity", "missing")
"""Keys of `data` that decide how an image reaches the network: always those of the run."""
TRAINING = ("patch", "foreground", "drop", "augment", "label_fraction", "unlabelled_fraction")
"""Keys of `data` that decide how images are trained on."""
SHAPED = ("channels", "target_channels", "spatial_dims")
"""Keys of `data` that must be those of the run."""
SPLITTING = ("split", "split_seed", "folds", "fold", "split_file")


@dataclass(frozen=True)
class Chosen:
    """Cases to be scored.

    Attributes:
        source: Where they come from, with the class numbers of the run.
        records: The cases.
        part: Split that was asked for.
        digests: Digest of every case as the run saw it, by name; empty for another data set.
        notes: Lines for the user.
        about: The data set in a few words.
    """

    source: Source
    records: Sequence[Record]
    part: Part
    digests: Mapping[str, str] = field(default_factory=dict)
    notes: Sequence[str] = ()
    about: str = ""


def own_cases(loaded: LoadedRun, part: Part | None) -> Chosen:
    """Return the cases of a split of the run's own data, as its data.json lists them.

    Args:
        loaded: The run.
        part: Split; None for the test split.

    Raises:
        UserError: Cases of it are not there any more.
    """
    part = part or "test"
    contents = contents_of(loaded.path)
    wanted = [case for split in (SPLITS if part == "all" else (part,)) for case in contents.get(split, {})]
    try:
        source = opened(loaded.cfg.data, loaded)
        records = {record.case: record for record in source.records()}
    except UserError as error:
        raise UserError(
            f"run={loaded.path}: its own data cannot be read ({error}); put them back, or name a data "
            "set with data=..."
        ) from error
    if why := source.unknown(wanted) if isinstance(source, Pseudonymous) else "":
        raise UserError(f"run={loaded.path}: data.secret: {why}")
    if lost := [case for case in wanted if case not in records]:
        raise UserError(
            f"run={loaded.path}: {len(lost)} of the {len(wanted)} cases of its split {part} are not in its "
            "data any more; put them back, or name a data set with data=..."
        )
    digests = {case: known for cases in contents.values() for case, known in cases.items()}
    chosen = [replace(records[case], split="test") for case in wanted if digests[case]]
    return Chosen(source, chosen, part, digests, about=f"its own data, split {part}")


def contents_of(run: Path) -> Mapping[str, Mapping[str, str]]:
    """Return the cases of each split of a run with their digests; UserError if the run did not keep them."""
    about: dict[str, Any] = read_file(run, "data.json") or {}
    if not isinstance(about.get("contents"), dict):
        raise UserError(f"run={run}: has no data.json that lists its cases; name a finished run")
    contents: dict[str, dict[str, str]] = about["contents"]
    return contents


def other_cases(
    loaded: LoadedRun, section: DataConfig, part: Part | None, ignored: Sequence[str], words: Sequence[str]
) -> Chosen:
    """Return the cases of another data set, prepared as the run's.

    Args:
        loaded: The run.
        section: Section `data` of the command.
        part: Split that these data have, or get by data.split; None for all cases.
        ignored: Classes of the data that do not count.
        words: Words of the command line.

    Raises:
        UserError: A key contradicts the run, the classes do not fit, or there is no such case.
    """
    _refuse_kept(loaded, section, words)
    kept = loaded.preprocessing
    plain = section.to_plain()
    takes = parameters_of(resolve(data_keys(section)[0], "data"))
    shaped = {"channels": kept.channels, "target_channels": kept.target_channels, "size": kept.size}
    shaped |= {"missing": kept.missing}
    given = {**plain, **{key: _plain(v) for key, v in shaped.items() if key in takes}}
    if "spatial_dims" in takes:
        given["spatial_dims"] = kept.spatial_dims
    section = DataConfig.from_plain(given)
    check_data(section)
    source, common = opened(section, loaded), data_keys(section)[1]
    for key, needed in (("channels", kept.channels), ("spatial_dims", kept.spatial_dims)):
        if (found := getattr(source, key)) != needed:
            raise UserError(f"data.{key}: these data have {found}, and the run takes {needed}")
    records = source.records()
    kind = getattr(getattr(loaded.task, "healthy", None), "kind", None)
    regions = common.get("regions") or getattr(source, "regions", None)
    labelling = getattr(loaded.task, "labelling", None)
    if regions and isinstance(labelling, Regions) and not ignored:
        found = matched_regions(source, regions, labelling)
    else:
        found = matched(source, names_of(loaded), ignored, open_end=kind is not None)
    if kind is not None and kept.image_classes[kind] not in source.image_classes:
        raise UserError(
            f"data.image_classes: the run's healthy class is {kept.image_classes[kind]}, and these data have "
            "none of that name; rename theirs"
        )
    named = ByName(source, found)
    kept_cases = {record.case for record in named.records()}
    part = part or "all"
    if part != "all":
        settings = {key: common[key] for key in SPLITTING if key in common}
        records = _splitting(settings)(records)
        records = [record for record in records if record.split == part]
    chosen = [replace(record, split="test") for record in records if record.case in kept_cases]
    if not chosen:
        raise UserError(f"split={part}: these data have no such case; give split=all, or data.split_file")
    kind, root = plain["_target_"].rsplit(".", 1)[-1], str(plain.get("root") or "")
    about = f"{Path(root).name or kind}, {'all cases' if part == 'all' else f'split {part}'}"
    return Chosen(named, chosen, part, notes=found.notes, about=about)


def names_of(loaded: LoadedRun) -> dict[str, tuple[str, ...]]:
    """Return the class names of a run by kind, of the kinds that its scores depend on."""
    task, kept = loaded.task, loaded.preprocessing
    own = {"label": kept.label_classes, "boxes": kept.box_classes, "class": kept.image_classes}
    kinds = {task.learned} if task.learned else set()
    healthy = getattr(task, "healthy", None)
    if healthy is not None:
        kinds |= {"label"} if healthy.lesion is not None else set()
        kinds |= {"class"} if healthy.kind is not None else set()
    if getattr(getattr(task, "condition", None), "masks", 0):
        kinds.add("label")
    return {kind: own[kind] for kind in ("label", "boxes", "class") if kind in kinds}


def opened(section: DataConfig, loaded: LoadedRun) -> Source:
    """Return the source of a section `data`, with instance maps if the run has found some."""
    source = set_instances(build(data_keys(section)[0], "data"), loaded.task.written_like == "instances")
    set_sides(source, section.unpaired)
    return source


def _splitting(settings: Mapping[str, Any]) -> Splitting:
    return Splitting(
        tuple(settings.get("split", (4, 1, 1))),
        settings.get("split_seed", 0),
        settings.get("folds"),
        settings.get("fold"),
        settings.get("split_file"),
    )


def _plain(value: Any) -> Any:
    return list(value) if isinstance(value, tuple) else value


def _refuse_kept(loaded: LoadedRun, section: DataConfig, words: Sequence[str]) -> None:
    """Refuse keys that were typed and contradict the run, or mean nothing here."""
    typed = [word.lstrip("+").partition("=")[0].removeprefix("data.") for word in words if "data." in word]
    plain, run = section.to_plain(), loaded.cfg.data.to_plain()
    for key in typed:
        if key in run and plain.get(key) == run[key]:
            continue  # the words of the training
        value = as_typed(plain.get(key))
        if key in KEPT or key in TRAINING:
            why = "images are prepared as in the run's training" if key in KEPT else "nothing is trained here"
            raise UserError(f"data.{key}: {why}; leave it out")
        if key == "mask" and plain.get(key) in (None, "auto") and plain.get(key) != loaded.preprocessing.mask:
            raise UserError(f"data.mask={value}: the run has another region; name files, or leave it out")
        own = getattr(loaded.preprocessing, key, None) if key in SHAPED else None
        if key in SHAPED and plain.get(key) != own and not (key == "target_channels" and own is None):
            raise UserError(
                f"data.{key}={as_typed(plain.get(key))}: the run has {as_typed(own)}; leave it out"
            )
