"""`python -m src.doctor`: versions, machine and speed for a bug report, without paths or names.

It takes no configuration and reports what fails instead of failing: it is for installations that do not work.
"""

from __future__ import annotations

import getpass
import os
import platform
import re
import socket
import statistics
import sys
import textwrap
import time
from collections.abc import Callable, Iterator
from importlib import import_module
from importlib.metadata import PackageNotFoundError
from pathlib import Path
from typing import TYPE_CHECKING, Any

from ganatomy.invocation import while_read
from ganatomy.machine import inventory
from ganatomy.text.folding import fitted
from ganatomy.text.sizes import bytes_text
from ganatomy.version import __version__

if TYPE_CHECKING:
    import torch

    from ganatomy.machine.inventory import Room

HELP = """Print what a bug report needs: versions, devices, the speed of a small step, free memory and disk.

Usage: {program}

No path, host or user is named. Exit code 1 if something is wrong with the installation, else 0.
"""
SETTINGS = re.compile(
    r"^(GANATOMY_|OMP_|MKL_|CUDA_|PYTORCH_|TORCH|NCCL_|WANDB_|LD_PRELOAD$|PYTHONPATH$|HYDRA_)"
)
"""Variables of the environment that change what a run does; they are named, and only numbers are shown."""
IMPORTS = ("torch", "pytorch_lightning", "monai", "hydra", "nibabel")
"""Modules whose import may fail although the package is there."""
SHARED, LEAST_SHARED = Path("/dev/shm"), 128e6
"""Where processes share tensors, and the bytes that it should have."""
STEPS, ROWS, SIDE = 5, 4, 64
"""Timed updates, and the images of each."""


@while_read()
@fitted()
def main() -> None:
    """Print the report; the exit code is 1 if the installation has a fault."""
    match sys.argv[1:]:
        case []:
            faults: list[str] = []
            for line in _lines(faults):
                sys.stdout.write(f"{line}\n")
                sys.stdout.flush()
            raise SystemExit(1 if faults else 0)
        case ["--help" | "-h"]:
            from ganatomy.invocation import typed

            sys.stdout.write(HELP.format(program=typed("doctor")))
        case [word, *_]:
            sys.stderr.write(f"error: doctor: {word}: takes no words\n")
            raise SystemExit(2)


def _lines(faults: list[str]) -> Iterator[str]:
    """Yield the lines of the report as they are found; faults of the installation go to `faults`."""
    notes: list[str] = []
    yield from _row("GANatomy", __version__)
    yield from _row("Python", f"{platform.python_version()} ({platform.python_implementation()})")
    yield from _row("system", platform.platform())
    yield from _packages(faults)
    faults += filter(None, map(_import_fault, IMPORTS))
    if not any(fault.startswith("torch:") for fault in faults):
        yield from _computing(faults)
    yield from _rooms(notes)
    names = sorted(name for name in os.environ if SETTINGS.match(name))
    shown = [f"{name}={os.environ[name]}" if os.environ[name].isdecimal() else name for name in names]
    yield from _row("variables", ", ".join(shown) or "none of those that change a run")
    for fault in faults:
        yield from _row("fault", fault)
    for note in notes:
        yield from _row("note", note)
    yield from _row("result", f"{len(faults)} fault{'s' * (len(faults) != 1)} in this installation")


def _row(label: str, text: str) -> list[str]:
    wrap = textwrap.TextWrapper(
        100, initial_indent=f"{label:<11}", subsequent_indent=" " * 11, break_long_words=False,
        break_on_hyphens=False,
    )  # fmt: skip
    return wrap.wrap(text)


def _packages(faults: list[str]) -> Iterator[str]:
    """Yield the versions of what the package asks for, and which extras are there."""
    try:
        from ganatomy.machine.packages import Installed

        installed = Installed.of("ganatomy")
    except PackageNotFoundError:
        yield from _row("packages", "GANatomy runs from its folder and is not installed: pip install .")
        return
    except ImportError as error:
        faults.append(anonymous(f"{error}; install GANatomy with what it needs: pip install ."))
        return
    faults += installed.faults
    yield from _row("packages", ", ".join(f"{name} {found}" for name, found in installed.versions.items()))
    lacks = {
        name: f" (without {', '.join(missing)})" for name, missing in installed.missing.items() if missing
    }
    yield from _row("extras", ", ".join(f"{name}{lacks.get(name, '')}" for name in installed.missing))


def _import_fault(module: str) -> str:
    try:
        import_module(module)
    except Exception as error:
        return f"{module}: cannot be imported ({anonymous(f'{type(error).__name__}: {error}')})"
    return ""


def _computing(faults: list[str]) -> Iterator[str]:
    """Yield threads and cards, and the time of an update on each kind of device."""
    import torch

    from ganatomy.machine.processor import bfloat16_unit
    from ganatomy.runs.environment import environment

    found = environment(seed=0)
    if code := found["git"]:
        yield from _row("code", f"commit {code['commit'][:12]}{', with changes' * code['dirty']}")
    usable, every = inventory.processors()
    unit = bfloat16_unit(torch.device("cpu")) or "slow"
    yield from _row("processor", f"{found['processor']}, {usable} of {every} may be used")
    computing = f"threads: {found['threads']}, bfloat16: {unit}, allocator: {found['allocator']}"
    yield from _row("computing", computing)
    for card, room in inventory.cards().items():
        yield from _row("card", f"{card}, {_free(room)}")
    built = f"CUDA {torch.version.cuda}" if torch.version.cuda else "the processor alone"
    yield from _row("torch", f"built for {built}; MPS: {_yes(torch.backends.mps.is_available())}")
    for device in inventory.devices():
        try:
            seconds = _update_seconds(device)
        except Exception as error:
            faults.append(f"a step on {device.type}: {anonymous(f'{type(error).__name__}: {error}')}")
            continue
        yield from _row("speed", f"{1000 * seconds:.1f} ms for an update of both players on {device.type}, "
                        f"{ROWS} images of {SIDE} x {SIDE}")  # fmt: skip


def _yes(there: bool) -> str:
    return "yes" if there else "no"


def _update_seconds(device: torch.device) -> float:
    """Return the median seconds of an update of a small U-Net and critic, after two that do not count."""
    import torch

    from ganatomy.adversarial import LOSSES, Game, plan
    from ganatomy.networks.discriminators.critic import Critic
    from ganatomy.networks.image_to_image.unet import UNet

    class Copying:
        def generate(self, batch: torch.Tensor) -> Any:
            return generator(batch)

        def discriminator_inputs(self, batch: torch.Tensor, output: Any) -> tuple[Any, Any]:
            return batch, output

        def task_losses(self, batch: torch.Tensor, output: Any) -> dict[str, torch.Tensor]:
            return {"l1": (output - batch).abs().mean()}

    with torch.random.fork_rng([device] if device.type == "cuda" else []):
        torch.manual_seed(0)
        batch = torch.rand(ROWS, 1, SIDE, SIDE, device=device)
        generator = UNet(2, 1, 1, (16, 32, 64)).to(device)
        discriminator = Critic(2, 1, (16, 32, 64), 64).to(device)
        game = Game(Copying(), generator, discriminator, LOSSES["hinge"]())
        names = ("generator", "discriminator")
        players = {player: torch.optim.Adam(game.parameters(player)) for player in names}

        def step(player: str) -> None:
            players[player].step()
            players[player].zero_grad()

        update = plan(game, batch=batch).update
        times: list[float] = []
        for number in range(2 + STEPS):
            begun = time.perf_counter()
            update(game, batch, number, step)
            float(next(generator.parameters()).detach().sum())  # waits for the device
            times.append(time.perf_counter() - begun)
    return statistics.median(times[2:])


def _rooms(notes: list[str]) -> Iterator[str]:
    """Yield free memory and disk; what may become too little goes to `notes`."""
    if room := inventory.memory():
        yield from _row("memory", _free(room))
    for what, folder in {"this folder": Path.cwd(), "temporary files": inventory.temporary()}.items():
        if folder is None:
            notes.append(f"{what}: no folder for them can be written; name one with TMPDIR=DIR")
        elif room := inventory.disk(folder):
            closed = "" if os.access(folder, os.W_OK) else ", cannot be written"
            yield from _row("disk", f"{what}: {_free(room)}{closed}")
            if room.free < 1e9:
                notes.append(f"{what}: less than 1 GB of disk is free; a run may need more")
    if SHARED.is_dir() and (room := inventory.disk(SHARED)):
        yield from _row("disk", f"shared memory: {_free(room)}")
        if room.total < LEAST_SHARED:
            notes.append("shared memory is small: several processes or loader workers may fail; "
                         "for a container: docker run --shm-size=1g")  # fmt: skip


def _free(room: Room) -> str:
    return f"{bytes_text(room.free)} free of {bytes_text(room.total)}"


def anonymous(text: str) -> str:
    """Return the beginning of a message, on one line, without paths and the names of host and user.

    Example:
        >>> anonymous("cannot open '/home/ann/lib/x.so': not found")
        "cannot open '...': not found"
    """
    text = re.sub(r"(?:[A-Za-z]:)?[\\/~][^\s'\":,;()]*", "...", " ".join(text.split()))
    for name in filter(None, (_known(socket.gethostname), _known(getpass.getuser))):
        text = re.sub(rf"\b{re.escape(name)}\b", "...", text)
    return text[:300]


def _known(ask: Callable[[], str]) -> str:
    try:
        return ask()
    except (OSError, KeyError, ImportError):
        return ""


if __name__ == "__main__":
    main()
