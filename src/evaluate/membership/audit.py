"""The audit: which cases are attacked, and what is added to an evaluation."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Any, NamedTuple

from ganatomy.data.splits.split import spread
from ganatomy.errors import UserError
from ganatomy.evaluate.cases import Chosen, contents_of, own_cases
from ganatomy.evaluate.data import EvaluatedData
from ganatomy.evaluate.evaluation import MEMBERSHIP, Evaluation
from ganatomy.evaluate.intervals import Interval
from ganatomy.evaluate.membership.attacks import attacked, restore_discriminator
from ganatomy.evaluate.membership.told import ATTACKS, LOGIT, Images, Told
from ganatomy.evaluate.settings import EvaluateConfig
from ganatomy.inference.loaded import LoadedRun, load_run
from ganatomy.pictures.figures import histograms
from ganatomy.runs.console import print_status, seed_everything
from ganatomy.runs.directory import failed_game
from ganatomy.runs.integrity.checked import read_file
from ganatomy.tasks.synthesis.task import SynthesisTask

MOST = 1000
"""Cases of either kind that are audited, at most."""
HEADS = ["told by", "AUROC", "95 % interval", "told at 1 % FP", "chance"]


class Audit(NamedTuple):
    """Result of all attacks.

    Attributes:
        images: What was audited.
        results: Result of each attack.
        notes: Lines for the user.
    """

    images: Images
    results: dict[str, Told]
    notes: list[str]

    def add_to(self, found: Evaluation) -> None:
        """Add table, scores, intervals, lines and picture to an evaluation."""
        count, patients = len(self.images.member), sum(self.images.patients)
        rows = []
        for name, one in self.results.items():
            found.metrics |= {f"membership/{name}/{key}": value for key, value in one._asdict().items()}
            ends = Interval(one.auroc, one.low, one.high, count, patients, "bootstrap")
            found.intervals[f"membership/{name}"] = {"auroc": ends}
            found.notes.append(one.line(name, self.images.patients))
            shown = f"{one.low:.3f} to {one.high:.3f}"
            rows.append([ATTACKS[name], f"{one.auroc:.3f}", shown, f"{one.beyond:.0%}", f"{one.chance:.0%}"])
        ours, others = self.images.patients
        title = f"Membership: {ours} patients of the training against {others} others"
        found.parts[title] = HEADS, rows
        found.notes += self.notes
        member = self.images.member
        groups = {
            ATTACKS[name]: {"trained on": values[member], "others": values[~member]}
            for name, values in self.images.scores.items()
        }
        found.pictures[MEMBERSHIP] = histograms(groups)


def audit(config: EvaluateConfig) -> Audit:
    """Attack a finished synthesis run with its own cases.

    Raises:
        UserError: It is no single synthesis run on its own data, or the cases are not there any more.
    """
    if len(config.runs) > 1 or config.data is not None:
        raise UserError("membership: is asked of one run and its own data; leave data= and other runs out")
    loaded = load_run(config.runs[0], config.device)
    if not isinstance(loaded.task, SynthesisTask):
        raise UserError(f"membership: run={loaded.path} draws no images from noise; leave membership= out")
    chosen, members = cases_of(loaded)
    seed_everything(loaded.cfg.seed, loaded.cfg.trainer.threads)
    print_status(f"{loaded.name}: reading {len(chosen.records)} cases for the audit of membership")
    data = EvaluatedData(loaded, chosen, Path(config.paths.cache))
    why = restore_discriminator(loaded)
    images = attacked(loaded, data, members, int(config.membership or 0), with_logits=not why)
    results = {name: Told.of(scores, images) for name, scores in images.scores.items()}
    notes = [f"membership: no {ATTACKS[LOGIT]}: {why}"] if why else []
    if game := failed_game(loaded.path):
        notes.append(f"membership: the game of this run failed ({game}); poor images give nobody away")
    return Audit(images, results, notes)


def cases_of(loaded: LoadedRun) -> tuple[Chosen, set[str]]:
    """Return the cases to audit, evenly spread over those of the run, and which of them it was trained on.

    Cases of validation and test are those that it was not trained on; validation only chose its weights.
    """
    contents, everything = contents_of(loaded.path), own_cases(loaded, "all")
    about: dict[str, Any] = read_file(loaded.path, "data.json") or {}
    unused = set(about.get("without_labels", ()))  # left out of training by data.label_fraction
    known = [record for record in everything.records if record.subject not in unused]
    members = [record for record in known if record.case in contents["train"]]
    others = [record for record in known if record.case not in contents["train"]]
    chosen, rest = (
        spread([record.case for record in kind], min(MOST, len(kind))) for kind in (members, others)
    )
    records = [record for record in [*members, *others] if record.case in chosen | rest]
    return replace(everything, records=records), chosen
