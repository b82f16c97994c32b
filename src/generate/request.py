"""A request for images: the settings of the command, checked against the run."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from ganatomy.config.mistakes.suggestions import nearest
from ganatomy.data.io.synthetic import Form
from ganatomy.errors import UserError
from ganatomy.generate.masks import GivenMasks
from ganatomy.generate.settings import GenerateConfig
from ganatomy.inference.loaded import LoadedRun
from ganatomy.invocation import typed
from ganatomy.tasks.synthesis.conditioning import Condition
from ganatomy.tasks.synthesis.drawer import Drawer
from ganatomy.tasks.synthesis.facts import ImageFacts
from ganatomy.tasks.synthesis.task import SynthesisTask
from ganatomy.tasks.synthesis.truncation import Truncated
from ganatomy.text.names import printable

DEFAULT = 100
"""Images that are drawn if nothing says how many."""


@dataclass(frozen=True)
class Way:
    """Images between two numbered ones, in even steps on the arc between their noises.

    Attributes:
        start: Number of the first image.
        end: Number of the last one.
        steps: Number of images, both ends included.
    """

    start: int
    end: int
    steps: int


@dataclass(frozen=True)
class Request:
    """What is to be drawn; small enough to be sent to other processes.

    Attributes:
        count: Number of images.
        seed: Seed of their noise.
        kinds: Numbers of the classes that take turns; None without class conditioning.
        psi: Truncation; None for none.
        way: The way between two images; None for numbered images.
        masks: Label maps that are drawn from; None without them.
        form: Format of the files.
        facts: Facts about the training images.
    """

    count: int
    seed: int
    kinds: tuple[int, ...] | None
    psi: float | None
    way: Way | None
    masks: GivenMasks | None
    form: Form
    facts: ImageFacts

    def drawer(self, task: SynthesisTask) -> Drawer:
        """Return the generator with the noise of this request."""
        return task.drawer._replace(seed=self.seed)

    def truncated(self, draw: Drawer) -> Truncated | None:
        """Return the generator with truncated noise; None without truncation."""
        return None if self.psi is None else Truncated(draw, self.psi, self.facts.shape)

    def to_plain(self, draw: Drawer) -> dict[str, Any]:
        """Return everything that decides the content of image n, for the provenance."""
        truncated = self.truncated(draw)
        names = self.facts.image_classes
        return {
            "seed": self.seed,
            "classes": None if self.kinds is None else [names[kind] for kind in self.kinds],
            "masks": None if self.masks is None else self.masks.to_plain(),
            "truncation": None if truncated is None else {"psi": self.psi, "kind": truncated.words},
            "way": None
            if self.way is None
            else {"from": self.way.start, "to": self.way.end, "steps": self.way.steps},
            "format": self.form.format,
            "device": draw.device.type,
        }


def synthesis_of(loaded: LoadedRun) -> tuple[SynthesisTask, ImageFacts]:
    """Return the task of a run and its facts about the training images.

    Raises:
        UserError: The run draws no images from noise, or keeps no such facts.
    """
    task, path = loaded.task, loaded.path
    if not isinstance(task, SynthesisTask):
        kind = type(task).__name__.removesuffix("Task").lower()
        raise UserError(
            f"run={path}: is a run of task={kind}, which draws no images from noise; apply it to files: "
            f"{typed('predict')} run={path} input=PATH output=DIR"
        )
    kept = loaded.preprocessing.synthesis
    try:
        return task, ImageFacts.from_plain(kept or {})
    except (KeyError, TypeError, ValueError) as error:
        what = f"lacks a part of its section synthesis ({error})" if kept else "has no section synthesis"
        raise UserError(
            f"run={path}: its preprocessing.json {what}; resume={path} tests the run again and writes it"
        ) from error


def request_of(cfg: GenerateConfig, loaded: LoadedRun) -> Request:
    """Check the settings against the run.

    Raises:
        UserError: A setting does not fit the run, another setting or the masks.
    """
    task, facts = synthesis_of(loaded)
    condition = task.condition
    kinds = _kinds(cfg, facts, condition)
    masks = _masks(cfg, loaded, facts, condition)
    way = _way(cfg, kinds, masks)
    wanted = cfg.format
    if wanted is None and masks is not None and masks.geometric:
        wanted = "nifti"
    form = facts.form(wanted or loaded.cfg.save_format, "format")
    if masks is not None and masks.volumes and form.format in ("png8", "png16"):
        raise UserError(f"format: {form.format} cannot hold volumes; choose nifti or npz")
    if way is not None:
        kinds = kinds and (kinds[(way.start - 1) % len(kinds)],)
        masks = masks and masks.only(way.start)
    found = Request(
        count=way.steps if way else cfg.n or (len(masks.paths) if masks else DEFAULT),
        seed=loaded.cfg.seed if cfg.seed is None else cfg.seed,
        kinds=kinds,
        psi=None if cfg.truncation in (None, 1) else cfg.truncation,
        way=way,
        masks=masks,
        form=form,
        facts=facts,
    )
    found.truncated(found.drawer(task))
    return found


def _kinds(cfg: GenerateConfig, facts: ImageFacts, condition: Condition) -> tuple[int, ...] | None:
    """Return the numbers of the classes asked for, all by default; None without class conditioning."""
    if cfg.kind is not None and cfg.classes is not None:
        raise UserError("class: give either class= or classes=, not both")
    key = "classes" if cfg.classes is not None else "class"
    asked: Sequence[Any] | None = [cfg.kind] if cfg.kind is not None else cfg.classes
    if not condition.classes:
        if asked is not None:
            raise UserError(f"{key}: this run knows no classes of images; leave {key}= out")
        return None
    names = facts.image_classes
    if asked is None:
        return tuple(range(len(names)))
    if not asked:
        raise UserError(f"{key}: is empty; name at least one of {', '.join(names)}")
    return tuple(_number(str(name), names, key) for name in asked)


def _number(name: str, names: tuple[str, ...], key: str) -> int:
    if name not in names:
        raise UserError(f"{key}={printable(name)}: the run has no such class{nearest(name, names)}")
    return names.index(name)


def _masks(
    cfg: GenerateConfig, loaded: LoadedRun, facts: ImageFacts, condition: Condition
) -> GivenMasks | None:
    """Return the label maps that were given, each one checked."""
    if not condition.masks:
        if cfg.masks is not None:
            raise UserError("masks: this run does not draw from label maps; leave masks= out")
        return None
    if cfg.masks is None:
        names = ", ".join(facts.mask_classes)
        raise UserError(
            f"masks: this run draws from label maps ({names}) and keeps none of its training data; give "
            "some: masks=PATH"
        )
    return GivenMasks.found(cfg.masks, loaded.preprocessing, facts)


def _way(cfg: GenerateConfig, kinds: tuple[int, ...] | None, masks: GivenMasks | None) -> Way | None:
    """Return the way between two images that was asked for; its ends must have the same conditioning."""
    if cfg.start is None and cfg.end is None:
        return None
    if cfg.start is None or cfg.end is None:
        raise UserError(f"{'to' if cfg.start else 'from'}: is missing; a way has two ends: from=3 to=7")
    if cfg.n is not None:
        raise UserError("n: a way has steps= images; leave n= out")
    if cfg.start == cfg.end:
        raise UserError(f"to={cfg.end}: is where the way begins; name another image")
    for key, count in (("class", len(kinds or ())), ("masks", len(masks.paths) if masks else 0)):
        if count > 1 and (cfg.start - cfg.end) % count:
            what = "class" if key == "class" else "label map"
            raise UserError(
                f"to={cfg.end}: has another {what} than image {cfg.start}, and a way keeps one; give one "
                f"with {key}=, or choose numbers that differ by {count}"
            )
    return Way(cfg.start, cfg.end, cfg.steps)
