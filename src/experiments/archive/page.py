"""README.md of an archive: what is in it, how to check it, and how to run it again."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from ganatomy.experiments.archive.data_sets import DataSet
from ganatomy.experiments.archive.subject import Decided
from ganatomy.experiments.store import KEPT

TEXT = """\
# {title}

{question}

The paper: {paper}

This is an archive of an experiment of GANatomy, a research object (RO-Crate 1.2). Claims were written down
before the runs; every verdict follows from the figures in here. {said}.

| file | what it is |
| --- | --- |
| `experiments/{name}/` | claims, arms; `results*/`: runs, scores of cases, table, figure, verdicts |
| `configurations/` | the configuration of each arm, of its first seed |
| `runs/` | scores, history and versions of single runs, if any; weights: {weights} |
| `environment.json`, `constraints.txt` | versions, commit, machine; versions of all packages, for pip |
| `ro-crate-metadata.json` | all of this for programs |
| `checksums.txt` | the SHA-256 of every file |

## Check it

In a checkout of GANatomy at commit {commit}, with its environment (`make setup`):

```sh
python -m src.experiment check {name}.zip    # or the folder that it is unpacked to
```

compares every hash and decides each claim anew. Exit code 0: all holds. 2: a file is not as it was packed.
3: the files are, but a verdict does not follow from them. Without GANatomy `sha256sum -c checksums.txt`
compares the hashes. They show damage, not forgery: compare the SHA-256 of the zip with the published one.

## Run it again

One run, compared with the kept one:

```sh
unzip {name}.zip -d {name}
python -m src.experiment {name} folder={name}/experiments paths.data=DIR {scale}verify=true {which}
```

With the processor, threads, torch and Python below a run gives the same bits; elsewhere the tolerances in
`experiment.yaml` are allowed. All runs, and the verdicts on them:

```sh
rm -r {name}/experiments/{name}/{results}
python -m src.experiment {name} folder={name}/experiments paths.data=DIR {scale}jobs=2
```
{predict}
## Made with

{made}

## Data

None are in here; `paths.data=DIR` is the folder that holds those of others.

{data}

## Licence

Of this archive: {licence}. GANatomy: Apache-2.0.
"""
PREDICT = """
The weights of an arm, applied to files like its training images:

```sh
python -m src.predict run={name}/{run} input=SCANS output=ANSWERS
```
"""


def page(
    scales: Sequence[Decided],
    data: Sequence[DataSet],
    weights: Mapping[str, str],
    code: Mapping[str, Any],
    licence: str | None,
) -> str:
    """Return the page.

    Args:
        scales: The experiment at each scale that has results.
        data: Data sets that it trains on.
        weights: Folder of the run with weights, by arm.
        code: Version and commit of the code.
        licence: Licence of the archive; None if none was stated.
    """
    first = scales[0].experiment
    arm, seed = scales[0].arms[0].key
    run = next(iter(weights.values()), "")
    return TEXT.format(
        title=first.spec.title,
        question=first.spec.question,
        paper=first.spec.paper,
        said="; ".join(each.said for each in scales).capitalize(),
        name=first.name,
        weights=f"one seed of {', '.join(weights)}" if weights else "none",
        commit=code.get("commit") or f"(release {code['version']})",
        scale="" if first.scale == "cpu" else f"scale={first.scale} ",
        which=f"arms=[{arm}] seeds=[{seed}]",
        results=first.results.name,
        predict=PREDICT.format(name=first.name, run=run) if run else "",
        made="\n".join(f"- {_made(each)}" for each in scales),
        data="\n".join(f"- {_data_set(each)}" for each in data),
        licence=licence or "not stated; ask its authors before you reuse it",
    )


def versions(each: Decided) -> dict[str, list[str]]:
    """Return with what the kept runs of a scale were made: each value once, in order."""
    keys = ("commit", "python", *KEPT, "device", "threads")
    return {key: sorted({result.line[key] for result in each.kept.values()}) for key in keys}


def _made(each: Decided) -> str:
    found = "; ".join(f"{key} {', '.join(values)}" for key, values in versions(each).items())
    return f"scale {each.experiment.scale}, {len(each.kept)} runs: {found}"


def _data_set(found: DataSet) -> str:
    parts = [f"`data={found.name}`: {found.about}".strip()]
    parts += [f"Get it: {found.address}."] if found.address else []
    parts += [f"Licence: {found.licence}."]
    parts += [f"Cite: {found.citation}"] if found.citation else []
    return " ".join(parts)
