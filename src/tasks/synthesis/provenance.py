"""Provenance of synthetic images: that they are synthetic, and what they were made from."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from ganatomy.data.io.synthetic import NOTE, Form
from ganatomy.tasks.synthesis.facts import ImageFacts

PRIVATE = ("paths", "run_dir", "resume", "debug")
"""Keys of the configuration that describe the machine, not the images."""


def provenance(
    facts: ImageFacts,
    form: Form,
    images: int,
    seed: int,
    weights_hash: str,
    scores: Mapping[str, float | None],
    configuration: Mapping[str, Any],
    environment: Mapping[str, Any],
) -> dict[str, Any]:
    """Return the content of provenance.json.

    Args:
        facts: Facts about the training images.
        form: Format of the images.
        images: Number of images.
        seed: Seed of their noise.
        weights_hash: SHA-256 of generator.safetensors, hex.
        scores: Scores of the run; those of the test are kept.
        configuration: Configuration of the run, plain.
        environment: Content of the run's environment.json.
    """
    public = {key: value for key, value in configuration.items() if key not in PRIVATE}
    own = {key: v for key, v in public["data"].items() if key not in ("root", "cache_dir")}
    return {
        "synthetic": True,
        "what": NOTE,
        "images": images,
        "format": form.format,
        "type": str(form.dtype),
        "units": {"of": "the data", "value": "number * slope + inter"}
        | {"slope": form.slope, "inter": form.inter},
        "generator": {"file": "generator.safetensors", "sha256": weights_hash, "steps": facts.steps},
        "seed": seed,
        "noise": "of image n: default_rng([seed, *b'synthetic n']).standard_normal(latent, float32)",
        "data": {"sha256": facts.data_hash, "images": facts.training_images},
        "copies": facts.copies,
        "scores": {name: value for name, value in scores.items() if name.startswith("test/")},
        "versions": environment.get("versions"),
        "git": environment.get("git"),
        "configuration": public | {"data": own},
    }
