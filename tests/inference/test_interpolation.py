"""Between a twin and its GAN: the mixture of weights, and which twin belongs to which GAN."""

from __future__ import annotations

import json
import shutil
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
import safetensors.torch
import torch
import yaml
from PIL import Image

from ganatomy.errors import UserError
from ganatomy.inference.interpolation import interpolate, interpolated, twin_of
from ganatomy.inference.loaded import load_run
from ganatomy.predict.command import predict
from tests.conftest import TINY, composed
from tests.finished import blobs
from tests.predict.test_predict import contents, settings

WORDS = [
    "task=enhancement",
    *(word for word in TINY if not word.startswith("model.")),
    "model.generator.channels=[4,8]",
    "model.discriminator.channels=[4,8]",
    "trainer.max_steps=4",
]


def made(folder: Path, *words: str) -> Path:
    from ganatomy.config.resolve import validate
    from ganatomy.train import train

    train(validate(composed(*WORDS, *words, tiny=False)), folder)
    return folder


@pytest.fixture(scope="module")
def twin(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return made(tmp_path_factory.mktemp("dial") / "twin", "model.discriminator=null")


@pytest.fixture(scope="module")
def gan(twin: Path) -> Path:
    return made(twin.with_name("gan"), f"init={twin}")


def weights(run: Path) -> dict[str, torch.Tensor]:
    return dict(safetensors.torch.load_file(run / "generator.safetensors"))


def edited(run: Path, to: Path, edit: Callable[[dict[str, object]], None]) -> Path:
    """A copy of a run whose environment.json was changed."""
    shutil.copytree(run, to)
    (to / "checksums.txt").unlink()
    record = json.loads((to / "environment.json").read_text())
    edit(record)
    (to / "environment.json").write_text(json.dumps(record))
    return to


def test_the_mixture_is_linear_and_exact_at_its_ends(twin: Path, gan: Path) -> None:
    """Against numpy in float64; the batch norm's counter is the GAN's."""
    a, b = ({**weights(run), "count": torch.tensor(n)} for run, n in ((twin, 3), (gan, 7)))
    assert any(not torch.equal(a[name], b[name]) for name in a)
    for alpha, end in ((0.0, a), (1.0, b)):
        mixed = interpolate(a, b, alpha)
        assert all(torch.equal(mixed[name], end[name]) for name in mixed if name != "count")
    for alpha in (0.2, 0.5, 0.9):
        mixed = interpolate(a, b, alpha)
        assert int(mixed.pop("count")) == 7
        for name, value in mixed.items():
            expected = (1 - alpha) * a[name].double().numpy() + alpha * b[name].double().numpy()
            np.testing.assert_allclose(value.numpy(), expected, atol=1e-6)


@pytest.mark.parametrize("alpha", [-0.1, 1.01, float("nan")])
def test_alpha_is_between_0_and_1(alpha: float) -> None:
    with pytest.raises(UserError, match="give a number from 0"):
        interpolate({}, {}, alpha)


def test_two_networks_are_not_mixed() -> None:
    one = {"a": torch.zeros(2), "b": torch.zeros(3)}
    for other in ({"a": torch.zeros(2)}, {**one, "b": torch.zeros(4)}, {**one, "c": torch.zeros(1)}):
        with pytest.raises(UserError, match="is another network"):
            interpolate(one, other, 0.5)


@pytest.mark.parametrize("alpha", [0.0, 0.3, 1.0])
def test_a_loaded_gan_is_set_between(twin: Path, gan: Path, alpha: float) -> None:
    loaded = interpolated(load_run(gan, "cpu"), alpha)
    expected = interpolate(weights(twin), weights(gan), alpha)
    hashes = {end: load_run(run, "cpu").weights_hash for end, run in ((0.0, twin), (1.0, gan))}
    assert all((loaded.weights_hash == known) == (alpha == end) for end, known in hashes.items())
    for network in (loaded.task.generator, loaded.task.evaluator):
        assert all(torch.equal(network.state_dict()[name], value) for name, value in expected.items())


def test_the_twin_is_found_where_it_was_and_where_it_is_named(twin: Path, gan: Path, tmp_path: Path) -> None:
    assert twin_of(gan) == twin
    assert twin_of(gan, shutil.copytree(twin, tmp_path / "moved")) == tmp_path / "moved"
    of_file = made(tmp_path / "file", f"init={twin}/generator.safetensors")
    assert twin_of(of_file) == twin


def test_any_other_pair_is_refused_in_one_line(twin: Path, gan: Path, tmp_path: Path) -> None:
    gone = edited(gan, tmp_path / "gone", lambda record: record["init"].update(source="nowhere"))  # type: ignore[attr-defined]
    part = edited(gan, tmp_path / "part", lambda record: record["init"]["generator"].update(loaded=3))  # type: ignore[index]
    random = edited(gan, tmp_path / "random", lambda record: record.pop("init"))
    playing = Path(shutil.copytree(twin, tmp_path / "playing"))
    config = yaml.safe_load((twin / "config.yaml").read_text())
    config["model"]["discriminator"] = yaml.safe_load((gan / "config.yaml").read_text())["model"][
        "discriminator"
    ]
    (playing / "config.yaml").write_text(yaml.safe_dump(config))
    cases = [
        ((random, None), "was not started from a twin"),
        ((random, twin), "was not started from a twin"),
        ((part, None), "took only a part of its twin's weights"),
        ((twin, None), "without a discriminator"),
        ((gone, None), "twin=nowhere: has no generator.safetensors"),
        ((gan, tmp_path), "has no generator.safetensors; give the run"),
        ((gan, gan), "is not the run that .* was started from"),
        ((gan, playing), "is no twin: it has a discriminator"),
    ]
    for (run, named), line in cases:
        with pytest.raises(UserError, match=line) as caught:
            twin_of(run, named)
        assert "\n" not in str(caught.value)


def test_predict_writes_the_mixture(twin: Path, gan: Path, tmp_path: Path) -> None:
    """At its ends the files of the twin and of the GAN, byte for byte; between them another one."""
    (tmp_path / "in").mkdir()
    Image.fromarray((blobs(0, 32, 32) * 255).astype(np.uint8)).save(tmp_path / "in/p.png")
    made: dict[str, bytes] = {}
    runs = {"twin": (twin, None), "gan": (gan, None), "0": (gan, 0.0), "0.5": (gan, 0.5), "1": (gan, 1)}
    for name, (run, alpha) in runs.items():
        assert predict(settings(run, tmp_path / "in", tmp_path / name, alpha=alpha, familiarity=False)) == 0
        (made[name],) = contents(tmp_path / name).values()
    assert made["0"] == made["twin"] and made["1"] == made["gan"] != made["twin"]
    assert made["0.5"] not in (made["twin"], made["gan"])
    for more, line in (({"twin": str(twin)}, "twin: is mixed in by alpha"), ({"alpha": 2.0}, "alpha")):
        with pytest.raises(UserError, match=line):
            predict(settings(gan, tmp_path / "in", tmp_path / "none", **more))
    both = settings(gan, tmp_path / "in", tmp_path / "none").with_values(run=[str(gan), str(twin)], alpha=0.5)
    with pytest.raises(UserError, match="alpha: several runs have no twin in common"):
        predict(both)
    assert not (tmp_path / "none").exists()
