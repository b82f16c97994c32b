"""The two sides of the cases of a run: images, and targets that need not be theirs."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from functools import cached_property
from typing import Any

import numpy as np

from ganatomy.data.cache import Cache
from ganatomy.data.io.writers import in_common, original
from ganatomy.data.quality.survey import Facts
from ganatomy.data.records import Case, Record, Source, Split
from ganatomy.data.sides.one_side import of_side
from ganatomy.data.sides.sides import Sides, Unpaired, counted
from ganatomy.data.transforms.degrade import Degrade, Evaluated
from ganatomy.data.transforms.intensity import ends, one_each, shown
from ganatomy.data.transforms.prepare import Preparation
from ganatomy.errors import UserError

LOOKED_AT = 16
"""Cases of each side whose values and types are compared."""


class TwoSided:
    """Cases with images, cases with targets, and what is known of both.

    Attributes:
        sides: the rule that shares cases out.
        records: the cases with images that are used, by split.
        targets: the cases with targets that are used, by split; empty before `setup`.
        facts: what the survey found, by case.
        cache: the prepared cases.
        degrade: makes images from clean ones, which become the targets; None if images are used as they are.
        preparation: what is done to every case.
        source: the data set.
    """

    sides: Sides
    records: dict[Split, list[Record]]
    targets: dict[Split, list[Record]]
    facts: dict[str, Facts]
    cache: Cache
    degrade: Degrade | None
    preparation: Preparation
    source: Source

    def setup(self, stage: str | None = None) -> None:
        """Read the cases, once."""
        raise NotImplementedError

    @property
    def evaluated(self) -> Evaluated:
        """Return the reader of whole cases as validation and test serve them."""
        raise NotImplementedError

    @property
    def unpaired(self) -> Unpaired:
        """Return the setting `data.unpaired`; true in a condition if rows of training are no pairs."""
        return self.sides.unpaired

    def check_learner(self, unpaired: bool | None) -> None:
        """Raise UserError if a task learns from pairs and gets none, or the other way round.

        Args:
            unpaired: the task learns without pairs; None: it takes either.
        """
        if unpaired is False and self.unpaired:
            raise UserError(
                f"data.unpaired={str(self.unpaired).lower()}: this model learns from pairs, and no row would "
                "be one; set data.unpaired=false, or choose one that learns without (model=cyclegan, cut)"
            )
        if unpaired and not self.unpaired:
            raise UserError(
                "data.unpaired=false: this model learns without pairs, and would be shown each image with "
                "its own target; leave data.unpaired=true, or set disjoint"
            )

    def has_target(self, record: Record) -> bool:
        """Return True if a case has a target of its own."""
        fact = self.facts.get(record.case)
        return record.side == "target" or "target" in (fact.holds if fact else record.content)

    def has_pairs(self, split: Split) -> bool:
        """Return True if every image of a split has its own target."""
        self.setup()
        return self.degrade is not None or all(map(self.has_target, self.records[split]))

    def target_cases(self, split: Split) -> list[Record]:
        """Return the cases with a target; in training those whose targets are used."""
        self.setup()
        return self.targets.get(split) or [r for r in self.records[split] if self.has_target(r)]

    def alone(self, split: Split) -> list[Record]:
        """Return the cases that are used for their targets only."""
        images = {record.case for record in self.records[split]}
        return [record for record in self.targets.get(split, ()) if record.case not in images]

    def evaluated_target(self, record: Record) -> Case:
        """Return the target of a case as validation and test serve it, without its image.

        Args:
            record: a case with a target.

        Returns:
            `target` [K, *spatial], normalised, or [S, K, H, W] of a sliced volume; `target_offset` and
            `target_scale` (target * scale + offset is in the file's units); `mask` of a case that has one;
            `affine`, `spacing` and the grid of the file.
        """
        case = self.evaluated(record)
        shared = {f"target_{key}": case[key] for key in ("offset", "scale") if f"target_{key}" not in case}
        return of_side(case | shared, "target") | {key: case[key] for key in ("mask",) if key in case}

    @cached_property
    def target_units(self) -> dict[str, np.ndarray] | None:
        """Return the median `target_offset` and `target_scale` of training targets; None without any."""
        cases = [self.cache.get(record) for record in self.targets.get("train", ())]
        keys = ("target_offset", "target_scale")
        return {key: np.median([case[key] for case in cases], axis=0) for key in keys} if cases else None

    def target_form(self) -> Mapping[str, Any] | None:
        """Return `dtype`, `slope` and `inter` of the targets' files, for unpaired cases without one."""
        cases = self.targets.get("train", ()) if self.unpaired else ()
        if not cases:
            return None
        like = in_common([original(self.source, case, "target") for case in cases[:LOOKED_AT]])
        return {"dtype": str(like.dtype), "slope": like.slope, "inter": like.inter}

    @property
    def side_notes(self) -> list[str]:
        """Return notes about the units of targets, and about both sides, for the start of a run."""
        if not self.unpaired:
            setting = self.preparation.target_intensity
            if all(one in (None, "none") or ends(one) is not None for one in one_each(setting) or [setting]):
                return []
            known = (
                "the scores of paired cases take each truth's own scale, and `predict`, which has no truth,"
            )
            words = f"{known} that of the median training target; a window [LOW,HIGH] is the same in both"
            return [f"note: data.target_intensity={shown(setting)}: {words}"]
        doubt = self._units_doubt()
        return [*counted(self.records, self.targets), *([f"note: {doubt}"] if doubt else [])]

    def _units_doubt(self) -> str:
        """Return a doubt if the values of targets without an image are unlike those of the images."""
        alone = self.alone("train")[:LOOKED_AT]
        if self.preparation.target_intensity is not None or not any(r.side for r in alone):
            return ""
        targets = [self.evaluated_target(record) for record in alone]
        images = [self.cache.get(record) for record in self.records["train"][:LOOKED_AT]]
        spans = [
            [
                np.median([case[f"{prefix}offset"] + sign * 2 * case[f"{prefix}scale"] for case in side])
                for sign in (-1, 1)
            ]
            for prefix, side in (("", images), ("target_", targets))
        ]
        (low, high), (bottom, top) = spans
        if min(high, top) - max(low, bottom) >= 0.5 * (max(high, top) - min(low, bottom)):
            return ""
        return (
            f"the targets' values lie around {bottom:.4g} to {top:.4g}, the images' around {low:.4g} to "
            f"{high:.4g}: are the units different? data.target_intensity sets the target's own"
        )

    def check_shapes(self, images: Sequence[Record], targets: Sequence[Record]) -> None:
        """Raise UserError unless all pictures that make a batch have one shape."""
        found = [
            {self.facts[r.case].shape[-self.source.spatial_dims :] for r in side}
            for side in (images, targets)
        ]
        if len(found[0]) > 1:
            raise UserError("data.size: the images differ in shape; set data.size, or data.patch")
        if found[1] - found[0]:
            one, other = ("x".join(map(str, max(shapes))) for shapes in found)
            raise UserError(
                f"data.size: the images have {one} voxels and targets {other}, and a batch needs one shape; "
                "set data.size (with data.resize), or data.patch"
            )
