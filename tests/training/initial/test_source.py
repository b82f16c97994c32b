"""Where weights come from: runs, checkpoints, files; and one line for what cannot be used."""

from __future__ import annotations

import errno
import hashlib
import pickle
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import safetensors.torch
import torch

from ganatomy.errors import UserError
from ganatomy.tasks.recipe import PLAYERS
from ganatomy.training.initial.source import Source, open_source
from tests.conftest import ROOT

Begun = Callable[..., Any]


def copied(source: Path, to: Path) -> Path:
    return Path(shutil.copytree(source, to))


def below(path: Path, prefix: str) -> dict[str, torch.Tensor]:
    state = torch.load(path, weights_only=True)["state_dict"]
    return {n.removeprefix(prefix): v for n, v in state.items() if n.startswith(prefix)}


def same(a: dict[str, torch.Tensor], b: dict[str, torch.Tensor]) -> bool:
    return a.keys() == b.keys() and all(torch.equal(a[name], b[name]) for name in a)


def of_both(path: Path) -> Source:
    return open_source(str(path), PLAYERS)


def test_a_finished_run_gives_the_tested_generator_and_its_discriminator(source: Path) -> None:
    found = of_both(source)
    content = (source / "generator.safetensors").read_bytes()
    assert found.digest == hashlib.sha256(content).hexdigest() and found.file == "generator.safetensors"
    assert same(found.states["generator"], safetensors.torch.load(content))
    assert found.discriminator_file == "checkpoints/best.ckpt"
    assert same(found.states["discriminator"], below(source / found.discriminator_file, "discriminator."))
    assert not same(found.states["discriminator"], below(source / "checkpoints/last.ckpt", "discriminator."))


def test_the_checkpoint_that_was_tested_is_known_by_its_generator(source: Path, tmp_path: Path) -> None:
    """Tested was the last one: best.ckpt is sound, and of another step."""
    run = copied(source, tmp_path / "run")
    (run / "checksums.txt").unlink()
    tested = below(run / "checkpoints/last.ckpt", "average.module.")
    safetensors.torch.save_file(tested, run / "generator.safetensors")
    found = of_both(run)
    assert found.discriminator_file == "checkpoints/last.ckpt"
    assert same(found.states["discriminator"], below(run / found.discriminator_file, "discriminator."))


def test_without_its_checkpoint_the_discriminator_is_new(source: Path, tmp_path: Path, begun: Begun) -> None:
    run = copied(source, tmp_path / "run")
    shutil.rmtree(run / "checkpoints")
    _, beginning = begun(f"init={run}")
    assert beginning.lines[-1].startswith("init: discriminator new; ")
    with pytest.raises(UserError, match="holds no discriminator"):
        begun(f"init={run}", "init_players=discriminator")


def test_a_run_that_has_not_finished_gives_its_checkpoint(source: Path, tmp_path: Path) -> None:
    run = copied(source, tmp_path / "run")
    (run / "generator.safetensors").unlink()
    (run / "checksums.txt").unlink()
    found = of_both(run)
    assert found.file == "checkpoints/best.ckpt"
    assert same(found.states["generator"], below(run / found.file, "average.module."))
    last = of_both(run / "checkpoints" / "last.ckpt")
    assert same(last.states["generator"], below(run / "checkpoints/last.ckpt", "average.module."))
    assert last.file == "last.ckpt" and last.model["generator"]["in_channels"] == 1


def test_a_file_of_both_players_is_told_by_its_prefixes(source: Path, tmp_path: Path) -> None:
    states = of_both(source).states
    path = tmp_path / "both.safetensors"
    flat = {f"{player}.{name}": v.clone() for player in states for name, v in states[player].items()}
    safetensors.torch.save_file(flat, path)
    found = of_both(path)
    assert all(same(found.states[player], states[player]) for player in PLAYERS)
    path = tmp_path / "one.safetensors"
    safetensors.torch.save_file({n: v.clone() for n, v in states["discriminator"].items()}, path)
    only = open_source(str(path), ["discriminator"])
    assert same(only.states["discriminator"], states["discriminator"])


class Planted:
    """What an unpickled file could do."""

    def __reduce__(self) -> Any:
        return (Path.touch, (Path("opened"),))


def refusals(tmp_path: Path, source: Path) -> dict[str, tuple[Path, str]]:
    """Sources that cannot be used, and what their line says."""
    empty, text = tmp_path / "empty", tmp_path / "text.safetensors"
    empty.mkdir()
    text.write_text("no weights")
    none = tmp_path / "none.safetensors"
    safetensors.torch.save_file({}, none)
    pickled = tmp_path / "weights.pth"
    pickled.write_bytes(pickle.dumps(Planted()))
    named = tmp_path / "weights.ckpt"
    torch.save({"state_dict": Planted()}, named)
    damaged = copied(source, tmp_path / "damaged")
    content = bytearray((damaged / "generator.safetensors").read_bytes())
    content[-5] ^= 1
    (damaged / "generator.safetensors").write_bytes(content)
    bare = copied(source, tmp_path / "bare")
    for name in ("generator.safetensors", "checksums.txt"):
        (bare / name).unlink()
    shutil.rmtree(bare / "checkpoints")
    return {
        "absent": (source.with_name("rum"), "there is no such run or file; did you mean 'run'"),
        "empty": (empty, "is no run directory"),
        "text": (text, "is damaged, or no safetensors file"),
        "none": (none, "holds no weights"),
        "pickled": (pickled, "files that may hold code are not loaded"),
        "checkpoint": (named, "could run code, and is not loaded"),
        "damaged": (damaged, "is damaged (not what the run wrote); resume="),
        "bare": (bare, "holds neither generator.safetensors nor a checkpoint"),
    }


def test_what_cannot_be_used_is_one_line(
    tmp_path: Path, source: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    for name, (path, why) in refusals(tmp_path, source).items():
        with pytest.raises(UserError) as caught:
            of_both(path)
        line = str(caught.value)
        assert line.startswith("init: ") and why in line and "\n" not in line, (name, line)
    assert not Path("opened").exists()


def test_a_disk_that_fails_is_one_line(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = tmp_path / "weights.safetensors"
    path.touch()

    def failing(self: Path) -> bytes:
        raise OSError(errno.EIO, "Input/output error")

    monkeypatch.setattr(Path, "read_bytes", failing)
    with pytest.raises(
        UserError, match=r"^init: .*weights\.safetensors: cannot be read \(Input/output error\)$"
    ):
        of_both(path)


def test_no_class_of_a_foreign_run_is_looked_up(source: Path, tmp_path: Path) -> None:
    """Its config.yaml names a module that does not exist, and one that would be refused."""
    run = copied(source, tmp_path / "run")
    config = (run / "config.yaml").read_text()
    config = config.replace("monai.networks.nets.UNet", "no.such.Net").replace(
        "monai.networks.nets.PatchDiscriminator", "os.system"
    )
    (run / "config.yaml").write_text(config)
    assert of_both(run).model["discriminator"]["_target_"] == "os.system"


def test_a_run_of_the_first_version_gives_its_weights(source: Path, tmp_path: Path) -> None:
    """It had no checksums, no copies, no preprocessing.json, and checkpoints without an end of their own."""
    run = copied(source, tmp_path / "run")
    (run / "checksums.txt").unlink()
    shutil.rmtree(run / "copies")
    shutil.copyfile(ROOT / "tests/old_runs/062eb33/config.yaml", run / "config.yaml")
    for path in [run / "preprocessing.json", *(run / "checkpoints").iterdir()]:
        if path.suffix == ".ckpt":
            torch.save(torch.load(path, weights_only=True), path)
        else:
            path.unlink(missing_ok=True)
    found, before = of_both(run), of_both(source)
    assert found.discriminator_file == "checkpoints/best.ckpt"
    assert all(same(found.states[player], before.states[player]) for player in PLAYERS)


def test_weights_that_are_not_finite_are_refused(source: Path, tmp_path: Path, begun: Begun) -> None:
    state = of_both(source).states["generator"]
    name = next(name for name, value in state.items() if value.dim() > 1)
    path = tmp_path / "bad.safetensors"
    safetensors.torch.save_file({**state, name: torch.full_like(state[name], torch.nan)}, path)
    with pytest.raises(UserError, match=f"generator.{name} is not finite"):
        begun(f"init={path}")
