"""Keys of experiments/<name>/experiment.yaml, read and checked."""

from __future__ import annotations

import re
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Annotated, Any

from pydantic import Field, PositiveFloat

from ganatomy.config.compose import parsed
from ganatomy.config.mistakes.suggestions import nearest
from ganatomy.config.section import Section
from ganatomy.config.security.elsewhere import check_words, checked
from ganatomy.config.translate import announce, words_of_today
from ganatomy.errors import UserError
from ganatomy.experiments.claims.claims import Claim, parse
from ganatomy.experiments.looks import Looks

FILE = "experiment.yaml"
OURS = ("seed", "run_dir", "resume", "name", "paths.runs", "hydra.run.dir")
"""Keys of a run that the experiment sets."""
RUN = re.compile(r"\$\{run:(\w+)\}")
"""In an arm's words: run directory of another arm with the same seed."""
Name = Annotated[str, Field(pattern=r"^[a-z][a-z0-9_]*$")]
Seed = Annotated[int, Field(ge=0, lt=2**32)]
Words = Annotated[list[str], Field(default_factory=list)]
Pair = Annotated[list[str], Field(min_length=2, max_length=2)]


class Arm(Section):
    """An arm: its label, and what it changes."""

    label: str
    words: Words


class Scale(Section):
    """Words of all arms at this scale, and further words of some; `note` says what it takes to run it."""

    words: Words
    arms: dict[str, list[str]] = Field(default_factory=dict)
    note: str = ""


class ClaimSpec(Section):
    """A claim; `by` is the least difference that matters, `within` the largest that does not."""

    claim: str
    by: Annotated[float, Field(ge=0)] = 0.0
    within: PositiveFloat | None = None


class Curve(Section):
    """Two scores against each other, a line through the arms in this order."""

    curve: Pair
    arms: list[str]


class Spec(Section):
    """Content of experiment.yaml.

    Attributes:
        title: One line.
        paper: Paper whose claims are tested.
        question: Question of the experiment.
        base: Words of every arm.
        scales: How large the runs are, by name.
        arms: What is compared, by name.
        seeds: Seeds of each arm.
        scores: Scores of the table.
        claims: Claims to test.
        baselines: Labels by name.
        gaps: Scores that are the difference of two others.
        labels: Labels of scores that the registry does not know.
        figure: Two scores to plot against each other; None for a panel each.
        clocked: Scores measured by a clock, which differ from run to run.
        tolerance: Allowed difference of a score on another kind of machine.
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
    """An experiment at one scale; `looks` are those of `until=decided`, None without."""

    name: str
    folder: Path
    scale: str
    spec: Spec
    claims: tuple[Claim, ...]
    looks: Looks | None = None

    @property
    def seeds(self) -> list[int]:
        """Seeds as stated; with looks those after them too, as far as looks may go."""
        stated = self.spec.seeds
        more = self.looks.max_seeds - len(stated) if self.looks else 0
        return [*stated, *(max(stated) + 1 + number for number in range(more))]

    @property
    def results(self) -> Path:
        """Folder that the command writes."""
        return self.folder / ("results" if self.scale == "cpu" else f"results_{self.scale}")

    @property
    def scores(self) -> list[str]:
        """Scores that are kept of a run: of the table, its baselines, the claims and the figure."""
        sides = [side.score for claim in self.claims for side in (claim.left, claim.right)]
        drawn = self.spec.figure.curve if self.spec.figure else []
        baselines = [
            baseline_score(score, name) for name in self.spec.baselines for score in self.spec.scores
        ]
        return list(dict.fromkeys([*self.spec.scores, *sides, *drawn, *baselines]))


def baseline_score(score: str, baseline: str) -> str:
    """Return the name of a baseline's score: `baseline/pca/kid` for `test/kid`, or `floor/kid`."""
    return f"{'floor' if baseline == 'floor' else f'baseline/{baseline}'}/{score.partition('/')[2]}"


def names(root: Path) -> list[str]:
    """Return the names of all experiments; UserError without their folder."""
    if not root.is_dir():
        raise UserError(f"folder: no folder {root} here; run this in a checkout, or give folder=DIR")
    return sorted(path.parent.name for path in root.glob(f"*/{FILE}"))


def read(root: Path, name: str, scale: str = "cpu") -> Experiment:
    """Read an experiment.

    Args:
        root: Folder of all experiments.
        name: Name of the experiment.
        scale: One of its scales.

    Returns:
        The experiment at that scale.

    Raises:
        UserError: Names the file, the key, and what is wrong with it.
    """
    known = names(root)
    if name not in known:
        raise UserError(f"{name}: no such experiment in {root}{nearest(name, known)}")
    path = root / name / FILE
    try:
        content: Any = checked(path).content
        if not isinstance(content, dict):
            raise UserError("holds no keys")
        words = ("base", "arms", "scales")
        content |= {key: _of_today(content[key], path) for key in words if key in content}
        spec = Spec.from_plain(content)
        claims = tuple(_claim(number, node, spec) for number, node in enumerate(spec.claims))
        _check(spec)
        if scale not in spec.scales:
            raise UserError(f"scale={scale}: no such scale{nearest(scale, spec.scales)}")
    except UserError as error:
        raise UserError("\n".join(f"{path}: {line}" for line in str(error).splitlines())) from error
    found = Experiment(name, path.parent, scale, spec, claims)
    return replace(found, looks=Looks.read(found.results))


def _of_today(node: Any, path: Path) -> Any:
    """Rename old keys and classes in every list of words, each with a line for the user."""
    if isinstance(node, dict):
        return {key: _of_today(value, path) for key, value in node.items()}
    if not isinstance(node, list) or not all(isinstance(word, str) for word in node):
        return node
    words, lines = words_of_today(node)
    announce(f"{line} (in {path})" for line in lines)
    return words


def _claim(number: int, node: ClaimSpec, spec: Spec) -> Claim:
    try:
        claim = parse(node.claim, node.within or node.by)
        if (claim.sign == "~") != (node.within is not None):
            raise UserError("`within` goes with ~, and `by` with < and >")
        for side in (claim.left, claim.right):
            if side.arm not in spec.arms:
                raise UserError(f"no arm is called {side.arm}{nearest(side.arm, spec.arms)}")
    except UserError as error:
        raise UserError(f"claims.{number}: {error}") from error
    return claim


def _check(spec: Spec) -> None:
    """Check keys against each other."""
    if twice := [seed for seed in spec.seeds if spec.seeds.count(seed) > 1]:
        raise UserError(f"seeds: {twice[0]} is listed twice; list it once")
    for name in spec.figure.arms if spec.figure else []:
        if name not in spec.arms:
            raise UserError(f"figure.arms: no arm is called {name}{nearest(name, spec.arms)}")
    parts = [spec.base, *(arm.words for arm in spec.arms.values())]
    for key, scale in spec.scales.items():
        parts += [scale.words, *scale.arms.values()]
        for name in scale.arms:
            if name not in spec.arms:
                raise UserError(f"scales.{key}.arms: no arm is called {name}{nearest(name, spec.arms)}")
    for words in parts:
        check_words(RUN.sub("RUN", word) for word in words)
        for override in parsed([RUN.sub("RUN", word) for word in words]):
            if override.key_or_group in OURS:
                raise UserError(f"{override.key_or_group}: is set by the experiment for each run")
