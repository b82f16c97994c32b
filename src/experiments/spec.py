"""experiments/<name>/experiment.yaml: its keys, read and checked."""

from __future__ import annotations

import re
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, Any

import yaml
from pydantic import Field, PositiveFloat

from ganatomy.config.compose import parsed
from ganatomy.config.mistakes.suggestions import nearest
from ganatomy.config.section import Section
from ganatomy.config.translate import announce
from ganatomy.config.versions import words_of_today
from ganatomy.errors import UserError
from ganatomy.experiments.claims.claims import Claim, parse

FILE = "experiment.yaml"
OURS = ("seed", "run_dir", "resume", "name", "paths.runs", "hydra.run.dir")
"""Keys of a run that the experiment sets."""
RUN = re.compile(r"\$\{run:(\w+)\}")
"""In an arm's words: the run directory of another arm, of the same seed."""
Name = Annotated[str, Field(pattern=r"^[a-z][a-z0-9_]*$")]
Seed = Annotated[int, Field(ge=0, lt=2**32)]
Words = Annotated[list[str], Field(default_factory=list)]
Pair = Annotated[list[str], Field(min_length=2, max_length=2)]


class Arm(Section):
    label: str
    words: Words


class Scale(Section):
    """Words of all arms at this scale, and further ones of some; note: what it would take to run it."""

    words: Words
    arms: dict[str, list[str]] = Field(default_factory=dict)
    note: str = ""


class ClaimSpec(Section):
    """A claim; `by`: least difference that matters; `within`: largest that does not."""

    claim: str
    by: Annotated[float, Field(ge=0)] = 0.0
    within: PositiveFloat | None = None


class Curve(Section):
    """Two scores against each other, a line through the arms in this order."""

    curve: Pair
    arms: list[str]


class Sheet(Section):
    """experiment.yaml.

    baselines: their labels by name. gaps: scores that are one of a run's scores less another. labels: of
    scores that have no name of their own. clocked: scores that a clock measures, never twice the same.
    tolerance: by how much a score may differ on another kind of machine.
    """

    title: str
    paper: str
    question: str
    base: list[str]
    scales: dict[Name, Scale]
    arms: Annotated[dict[Name, Arm], Field(min_length=1)]
    seeds: Annotated[list[Seed], Field(min_length=1)]
    scores: Annotated[list[str], Field(min_length=1)]
    claims: list[ClaimSpec]
    baselines: dict[str, str] = Field(default_factory=dict)
    gaps: dict[str, Pair] = Field(default_factory=dict)
    labels: dict[str, str] = Field(default_factory=dict)
    figure: Curve | None = None
    clocked: Words
    tolerance: dict[str, Annotated[float, Field(ge=0)]] = Field(default_factory=dict)


@dataclass(frozen=True)
class Experiment:
    """An experiment at one scale."""

    name: str
    folder: Path
    scale: str
    sheet: Sheet
    claims: tuple[Claim, ...]

    @property
    def results(self) -> Path:
        """The folder that the command writes."""
        return self.folder / ("results" if self.scale == "cpu" else f"results_{self.scale}")

    @property
    def scores(self) -> list[str]:
        """Every score that is kept of a run: those of the table, its baselines, the claims and the figure."""
        sides = [side.score for claim in self.claims for side in (claim.left, claim.right)]
        drawn = self.sheet.figure.curve if self.sheet.figure else []
        rivals = [beside(score, name) for name in self.sheet.baselines for score in self.sheet.scores]
        return list(dict.fromkeys([*self.sheet.scores, *sides, *drawn, *rivals]))


def beside(score: str, baseline: str) -> str:
    """Beside a run's `test/kid`: a baseline's `baseline/pca/kid`, or that of real images, `floor/kid`."""
    return f"{'floor' if baseline == 'floor' else f'baseline/{baseline}'}/{score.partition('/')[2]}"


def names(root: Path) -> list[str]:
    """The experiments that there are. UserError without their folder."""
    if not root.is_dir():
        raise UserError(f"folder: {root} is no folder; start from the project's own, or give folder=DIR")
    return sorted(path.parent.name for path in root.glob(f"*/{FILE}"))


def read(root: Path, name: str, scale: str = "cpu") -> Experiment:
    """The experiment of that name. UserError names the file, the key, and what is wrong with it."""
    known = names(root)
    if name not in known:
        raise UserError(f"{name}: no such experiment in {root}{nearest(name, known)}")
    path = root / name / FILE
    try:
        content: Any = yaml.safe_load(path.read_text(encoding="utf-8"))
        if not isinstance(content, dict):
            raise UserError("holds no keys")
        words = ("base", "arms", "scales")
        content |= {key: _of_today(content[key], path) for key in words if key in content}
        sheet = Sheet.from_plain(content)
        claims = tuple(_claim(number, said, sheet) for number, said in enumerate(sheet.claims))
        _check(sheet)
        if scale not in sheet.scales:
            raise UserError(f"scales: {scale} is none of them{nearest(scale, sheet.scales)}")
    except yaml.YAMLError as error:
        raise UserError(f"{path}: {' '.join(str(error).split())}") from error
    except UserError as error:
        raise UserError("\n".join(f"{path}: {line}" for line in str(error).splitlines())) from error
    return Experiment(name, path.parent, scale, sheet, claims)


def _of_today(node: Any, path: Path) -> Any:
    """Rename old keys and classes in every list of words, each with a line for the user."""
    if isinstance(node, dict):
        return {key: _of_today(value, path) for key, value in node.items()}
    if not isinstance(node, list) or not all(isinstance(word, str) for word in node):
        return node
    words, lines = words_of_today(node)
    announce(f"{line} (in {path})" for line in lines)
    return words


def _claim(number: int, said: ClaimSpec, sheet: Sheet) -> Claim:
    try:
        claim = parse(said.claim, said.within or said.by)
        if (claim.sign == "~") != (said.within is not None):
            raise UserError("`within` goes with ~, and `by` with < and >")
        for side in (claim.left, claim.right):
            if side.arm not in sheet.arms:
                raise UserError(f"no arm is called {side.arm}{nearest(side.arm, sheet.arms)}")
    except UserError as error:
        raise UserError(f"claims.{number}: {error}") from error
    return claim


def _check(sheet: Sheet) -> None:
    """What one key says of another."""
    if len(set(sheet.seeds)) < len(sheet.seeds):
        raise UserError("seeds: one stands there twice")
    for name in sheet.figure.arms if sheet.figure else []:
        if name not in sheet.arms:
            raise UserError(f"figure.arms: no arm is called {name}{nearest(name, sheet.arms)}")
    parts = [sheet.base, *(arm.words for arm in sheet.arms.values())]
    for key, scale in sheet.scales.items():
        parts += [scale.words, *scale.arms.values()]
        for name in scale.arms:
            if name not in sheet.arms:
                raise UserError(f"scales.{key}.arms: no arm is called {name}{nearest(name, sheet.arms)}")
    for words in parts:
        for override in parsed([RUN.sub("RUN", word) for word in words]):
            if override.key_or_group in OURS:
                raise UserError(f"{override.key_or_group}: is set by the experiment for each run")
