"""ro-crate-metadata.json: what is in an archive, as RO-Crate 1.2 wants it (w3id.org/ro/crate/1.2).

Written by hand: it is one list of entries. The library rocrate dates it with the time of writing, copies
files through a folder, and brings five packages; tests read the result with it.
"""

from __future__ import annotations

import json
import re
from collections.abc import Mapping, Sequence
from pathlib import PurePosixPath
from typing import Any

from ganatomy.experiments.archive.container import digest, size
from ganatomy.experiments.archive.data_sets import DataSet
from ganatomy.experiments.archive.run_files import Content
from ganatomy.experiments.archive.subject import Decided
from ganatomy.experiments.results.wording import finding

METADATA = "ro-crate-metadata.json"
SPECIFICATION = "https://w3id.org/ro/crate/1.2"
CODE = "#ganatomy"
FORMATS = {
    ".yaml": "application/yaml",
    ".json": "application/json",
    ".csv": "text/csv",
    ".gz": "application/gzip",
    ".md": "text/markdown",
    ".png": "image/png",
    ".txt": "text/plain",
}
ABOUT = {
    "experiment.yaml": "Claims, arms, seeds and scores of the experiment",
    "configuration.yaml": "Values that the arms rely on beside their own words",
    "runs.csv": "A line per run: hashes of configuration and data, versions, device, scores",
    "cases.csv.gz": "Scores of single test cases; subjects are numbers",
    "table.md": "Scores of the arms, and claims with their verdicts",
    "figure.png": "Figure of the scores",
    "verdicts.json": "Verdict on each claim, with difference, interval and p",
    "looks.json": "After how many seeds the claims were looked at",
    "metrics.json": "Final scores of a run",
    "metrics.csv": "History of a run",
    "environment.json": "Versions, commit and machine",
    "config.yaml": "Complete configuration of a run whose weights are here",
    "generator.safetensors": "Weights that were tested",
    "task.safetensors": "What the answers depend on beside the weights",
    "preprocessing.json": "How files reach the network, and come back",
    "constraints.txt": "Versions of all packages",
    "README.md": "What this is, and how to check it and run it again",
}
OTHER = "Configuration of an arm"
ARXIV = re.compile(r"arXiv:? (\d{4}\.\d{4,5})")
SPDX = re.compile(r"[A-Za-z0-9.+-]+")
DOI = re.compile(r"doi:? ?(10\.\d{4,}/\S*\w)")

Entity = dict[str, Any]


def metadata(
    files: Mapping[str, Content],
    scales: Sequence[Decided],
    data: Sequence[DataSet],
    code: Mapping[str, Any],
    licence: str | None,
    day: str,
) -> bytes:
    """Return the content of ro-crate-metadata.json; its bytes depend on the arguments alone.

    Args:
        files: Content of every file that it describes.
        scales: The experiment at each scale that has results.
        data: Data sets that it trains on.
        code: Version and commit of the code.
        licence: Licence of the archive; None if none was stated.
        day: Day of publication, as 2026-11-30.
    """
    spec, licensed = scales[0].experiment.spec, _licence(licence)
    claims = [claim for each in scales for claim in _claims(each)]
    sets = [_data_set(each) for each in data]
    parts = [_file(name, files[name]) for name in sorted(files)]
    paper = _paper(spec.paper)
    root = {
        "@id": "./",
        "@type": "Dataset",
        "name": spec.title,
        "description": f"{spec.question} ({'; '.join(each.said for each in scales)})",
        "datePublished": day,
        "license": _refer(licensed),
        "hasPart": [_refer(part) for part in parts],
        "mentions": [_refer(paper), {"@id": "#training"}, *map(_refer, claims)],
    }
    about = {
        "@id": METADATA,
        "@type": "CreativeWork",
        "conformsTo": {"@id": SPECIFICATION},
        "about": {"@id": "./"},
    }
    terms = [_terms_of(each) for each in data]
    context = [licensed, paper, _code(code), _training(parts, sets), *sets, *terms, *claims]
    graph = [about, root, *parts, *context]
    content = {"@context": f"{SPECIFICATION}/context", "@graph": graph}
    return (json.dumps(content, indent=2, ensure_ascii=False) + "\n").encode()


def _refer(entity: Entity) -> Entity:
    return {"@id": entity["@id"]}


def _file(name: str, content: Content) -> Entity:
    path = PurePosixPath(name)
    return {
        "@id": name,
        "@type": "File",
        "name": name,
        "description": ABOUT.get(path.name, OTHER),
        "encodingFormat": FORMATS.get(path.suffix, "application/octet-stream"),
        "contentSize": str(size(content)),
        "sha256": digest(content),
    }


def _licence(licence: str | None) -> Entity:
    """Describe the archive's licence; one word is taken for a name of SPDX."""
    if licence is None:
        return _terms("#licence", "not stated", "Nothing was said of reuse: ask the authors of this archive")
    address = f"https://spdx.org/licenses/{licence}" if SPDX.fullmatch(licence) else "#licence"
    return _terms(address, licence, f"This archive may be used under {licence}")


def _terms(address: str, name: str, about: str) -> Entity:
    return {"@id": address, "@type": "CreativeWork", "name": name, "description": about}


def _paper(paper: str) -> Entity:
    """Describe the paper, by its address if it names arXiv or a DOI."""
    found = ARXIV.search(paper) or DOI.search(paper)
    places = {ARXIV: "https://arxiv.org/abs/", DOI: "https://doi.org/"}
    address = f"{places[found.re]}{found[1]}" if found else "#paper"
    return {"@id": address, "@type": "ScholarlyArticle", "name": paper}


def _code(code: Mapping[str, Any]) -> Entity:
    """Describe the code; no SoftwareApplication, which RO-Crate wants to have an address."""
    commit = f"+{code['commit']}" if code.get("commit") else ""
    return {
        "@id": CODE,
        "@type": "CreativeWork",
        "name": "GANatomy",
        "description": "Trains the arms of an experiment and decides its claims; Apache-2.0",
        "version": f"{code['version']}{commit}",
    }


def _training(parts: Sequence[Entity], sets: Sequence[Entity]) -> Entity:
    """Describe the training: what went in, by which software, and what came out."""
    made = ("runs.csv", "cases.csv.gz", ".safetensors")
    given = ("experiment.yaml", "configuration.yaml")
    return {
        "@id": "#training",
        "@type": "CreateAction",
        "name": "Training of every arm over its seeds",
        "instrument": {"@id": CODE},
        "object": [_refer(part) for part in parts if part["@id"].endswith(given)] + [_refer(s) for s in sets],
        "result": [_refer(part) for part in parts if part["@id"].endswith(made)],
    }


def _data_set(found: DataSet) -> Entity:
    """Describe a data set, none of which is here: so it is no part, but something that is mentioned."""
    entries = {"description": found.about, "url": found.address, "creditText": found.citation}
    return {
        "@id": f"#data-{found.name}",
        "@type": "CreativeWork",
        "name": f"data={found.name}",
        "license": _refer(_terms_of(found)),
        **{key: value for key, value in entries.items() if value},
    }


def _terms_of(found: DataSet) -> Entity:
    return _terms(f"#terms-{found.name}", found.licence, f"Terms of use of data={found.name}")


def _claims(each: Decided) -> list[Entity]:
    return [
        {
            "@id": f"#claim-{each.experiment.scale}-{number}",
            "@type": "Claim",
            "name": str(verdict.claim),
            "description": finding(each.experiment, verdict),
        }
        for number, verdict in enumerate(each.verdicts, 1)
    ]
