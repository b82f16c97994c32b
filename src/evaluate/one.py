"""Evaluation of one run, beside its twin if one is named."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace
from pathlib import Path

from ganatomy.errors import UserError
from ganatomy.evaluate.cases import Chosen, names_of, other_cases, own_cases
from ganatomy.evaluate.classes import ByName, matched
from ganatomy.evaluate.data import EvaluatedData, known_subjects
from ganatomy.evaluate.evaluation import CASES, Evaluation
from ganatomy.evaluate.examples import drawn
from ganatomy.evaluate.intervals import difference, intervals, with_drawn
from ganatomy.evaluate.scored import OURS, Row, Scored, scored
from ganatomy.evaluate.settings import EvaluateConfig
from ganatomy.evaluate.table import of_source
from ganatomy.inference.ensembles.ensemble import ensemble
from ganatomy.inference.loaded import LoadedRun, load_run
from ganatomy.launch.progress import CountedProgress
from ganatomy.metrics.differences.behind import standing
from ganatomy.runs.console import print_status, seed_everything
from ganatomy.text import sizes

TWIN = "twin"


def evaluate(config: EvaluateConfig, words: Sequence[str]) -> Evaluation:
    """Score one run, or several as one, with the settings and the words of the command line."""
    members = [load_run(run, config.device) for run in config.runs]
    doubt = config.doubt and bool(members[0].task.soft_kind)
    loaded = ensemble(members) if doubt or len(members) > 1 else members[0]
    chosen = cases_of(loaded, config, words)
    data = data_of(loaded, chosen, config)
    found = counted(loaded, data, doubt)
    rows, metrics = dict(found.rows), dict(found.metrics)
    named = {"the run": members[0].path} if len(members) == 1 else {m.name: m.path for m in members}
    notes = [line for who, run in named.items() for line in known_subjects(run, data, who)]
    notes += [*chosen.notes, *loaded.task.closing_lines]
    png = drawn(loaded, data, rows.get(OURS, []), config.pictures) if config.pictures else None
    gaps = {}
    if config.twin is not None:
        twin, more = _twin(config, words, chosen)
        metrics |= {f"{TWIN}/{name}": value for name, value in of_source(twin.metrics, OURS).items()}
        rows |= {TWIN: twin.rows.get(OURS, [])}
        notes += more
        names = [name for name in of_source(metrics, OURS) if f"{TWIN}/{name}" in metrics]
        pairs = {name: difference(name, rows.get(OURS, []), rows[TWIN]) for name in names}
        gaps = {name: one for name, one in pairs.items() if one is not None}
    ends = {}
    for source, own in rows.items():
        scores = of_source(metrics, source)
        ends[source] = with_drawn(intervals(scores, own), found.drawn.get(source, {}), scores, own)
    if gaps:
        ends["this run - twin"] = gaps
    notes += lines_of(metrics, loaded, rows)
    return Evaluation(
        f"{' + '.join(member.name for member in members)} on {chosen.about}",
        facts_of(loaded, data),
        metrics,
        rows,
        ends,
        notes,
        found.missing,
        loaded.preprocessing.units,
        found.pictures | ({CASES: png} if png else {}),
        write_more=loaded.task.write_test_files,
    )


def lines_of(metrics: Mapping[str, float], loaded: LoadedRun, rows: Mapping[str, Sequence[Row]]) -> list[str]:
    """Return a line for each baseline or twin that the run, or its twin, is not ahead of.

    Args:
        metrics: Flat scores, with those of the twin.
        loaded: The run.
        rows: Rows of the cases by source.
    """
    found = standing(metrics, loaded.task.main_score, rows)
    return [one.words(loaded.preprocessing.units) for one in found]


def cases_of(loaded: LoadedRun, config: EvaluateConfig, words: Sequence[str]) -> Chosen:
    """Return the cases that the command names."""
    if config.data is not None:
        return other_cases(loaded, config.data, config.split, config.ignore_classes, words)
    if config.ignore_classes:
        raise UserError("ignore_classes: is for other data, data=...; the run knows the classes of its own")
    return own_cases(loaded, config.split)


def data_of(loaded: LoadedRun, chosen: Chosen, config: EvaluateConfig) -> EvaluatedData:
    """Return the cases on their way to the network."""
    given = {} if config.data is None else config.data.to_plain()
    seed_everything(loaded.cfg.seed, loaded.cfg.trainer.threads)
    print_status(f"{loaded.name}: reading and checking {sizes.counted(len(chosen.records), 'case')}")
    return EvaluatedData(loaded, chosen, Path(config.paths.cache), given.get("on_error", "stop"))


def counted(loaded: LoadedRun, data: EvaluatedData, doubt: bool = False) -> Scored:
    """Score a run with a progress bar; with `doubt`, its calibration too."""
    with CountedProgress(f"scoring {loaded.name}", len(data.records["test"])) as progress:
        return scored(loaded, data, progress.step, doubt)


def facts_of(loaded: LoadedRun, data: EvaluatedData) -> list[str]:
    """Return facts of an evaluation for its page."""
    from ganatomy.version import __version__

    subjects = len({record.subject for record in data.records["test"]})
    return [
        f"{sizes.counted(len(data.records['test']), 'case')} of {sizes.counted(subjects, 'subject')}",
        f"weights {loaded.weights_hash[:12]}",
        f"GANatomy {__version__}",
        f"scores of the {'written file' if loaded.task.scored == 'file' else 'network output'}",
    ]


def _twin(config: EvaluateConfig, words: Sequence[str], chosen: Chosen) -> tuple[Scored, list[str]]:
    """Score the twin on the same cases; return its scores and notes."""
    assert config.twin is not None
    twin = load_run(config.twin, config.device, key=TWIN)
    if config.data is not None:
        theirs = other_cases(twin, config.data, config.split, config.ignore_classes, words)
    else:
        theirs = replace(chosen, source=ByName(chosen.source, matched(chosen.source, names_of(twin), [])))
        theirs = replace(theirs, digests={})
    data = data_of(twin, theirs, config)
    return counted(twin, data), [f"twin: {line}" for line in known_subjects(twin.path, data)]
