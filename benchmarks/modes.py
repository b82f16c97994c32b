"""How many of 1000 modes a generator covers: losses times penalties on stacked digits, five seeds.

Three of scikit-learn's 8x8 digits, drawn at random, are the channels of an image: 1000 combinations. A digit
is told by its nearest neighbour among the real ones. Runs are kept in modes.csv and not repeated.
"""

from __future__ import annotations

import argparse
import csv
import statistics
import sys
import time
from collections.abc import Iterator, Sequence
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))  # run as a script, from any folder

import torch
from sklearn.datasets import load_digits
from torch import Tensor, nn

from benchmarks._results import table, write
from ganatomy.adversarial import LOSSES, PENALTIES, Game, plan

FILE = Path(__file__).with_name("modes.csv")
PLOT = Path(__file__).with_name("modes.png")
COLUMNS = ("loss", "penalties", "seed", "steps", "modes", "kl", "seconds")
GAME_LOSSES = (
    "non_saturating",
    "least_squares",
    "hinge",
    "wasserstein",
    "relativistic_average",
    "relativistic_paired",
)
GAME_PENALTIES: dict[str, dict[str, dict[str, float]]] = {
    "none": {},
    "R1": {"r1": {"gamma": 1.0}},
    "R1 + R2": {"r1": {"gamma": 1.0}, "r2": {"gamma": 1.0}},
    "GP": {"gradient_penalty": {"weight": 10.0}},
}
SEEDS, STEPS, BATCH, SAMPLES, NOISE = 5, 1000, 32, 10_000, 32
PACKAGES = ("torch", "scikit-learn")


class Generator(nn.Sequential):
    """Noise [B, 32] to images [B, 3, 8, 8] in [-1, 1]; 46 thousand parameters."""

    def __init__(self) -> None:
        super().__init__(
            nn.Linear(NOISE, 256),
            nn.Unflatten(1, (64, 2, 2)),
            nn.LeakyReLU(0.2),
            nn.Upsample(scale_factor=2),
            nn.Conv2d(64, 42, 3, padding=1),
            nn.LeakyReLU(0.2),
            nn.Upsample(scale_factor=2),
            nn.Conv2d(42, 34, 3, padding=1),
            nn.LeakyReLU(0.2),
            nn.Conv2d(34, 3, 3, padding=1),
            nn.Tanh(),
        )


class Discriminator(nn.Sequential):
    """Images to one logit; 64 thousand parameters, no normalisation."""

    def __init__(self) -> None:
        super().__init__(
            nn.Conv2d(3, 32, 3, padding=1),
            nn.LeakyReLU(0.2),
            nn.Conv2d(32, 64, 4, 2, 1),
            nn.LeakyReLU(0.2),
            nn.Conv2d(64, 28, 4, 2, 1),
            nn.LeakyReLU(0.2),
            nn.Flatten(),
            nn.Linear(112, 16),
            nn.LeakyReLU(0.2),
            nn.Linear(16, 1),
        )


class Digits:
    """The real images, and who is who."""

    def __init__(self) -> None:
        pictures, self.labels = (torch.from_numpy(x) for x in load_digits(return_X_y=True))
        self.pictures = (pictures / 8 - 1).float()

    def batch(self, size: int, chance: torch.Generator) -> Tensor:
        """[size, 3, 8, 8] of digits drawn independently."""
        chosen = torch.randint(len(self.pictures), (size, 3), generator=chance)
        return self.pictures[chosen].reshape(size, 3, 8, 8)

    def modes(self, images: Tensor) -> Tensor:
        """[1000]: how many of the images show each combination of digits."""
        digits = torch.cat([self._told(part) for part in images.flatten(2).split(1000)])
        return torch.bincount(digits @ torch.tensor([100, 10, 1]), minlength=1000)

    def _told(self, images: Tensor) -> Tensor:
        return self.labels[torch.cdist(images, self.pictures).argmin(2)]


class Rules:
    """Noise in, image out."""

    def __init__(self, generator: nn.Module) -> None:
        self.generator = generator

    def generate(self, batch: dict[str, Tensor]) -> Tensor:
        return self.generator(batch["noise"])  # type: ignore[no-any-return]

    def discriminator_inputs(self, batch: dict[str, Tensor], output: Tensor) -> tuple[Tensor, Tensor]:
        return batch["image"], output

    def task_losses(self, batch: dict[str, Tensor], output: Tensor) -> dict[str, Tensor]:
        return {}


def run(digits: Digits, loss: str, penalties: str, seed: int, steps: int) -> dict[str, object]:
    """Train one game, and count what its generator covers."""
    torch.manual_seed(seed)
    chance = torch.Generator().manual_seed(seed)
    g, d = Generator(), Discriminator()
    terms = [PENALTIES[name](**arguments) for name, arguments in GAME_PENALTIES[penalties].items()]
    game = Game(Rules(g), g, d, LOSSES[loss](), penalties=terms)
    update = plan(game, "shared").update
    optimisers = {
        player: torch.optim.Adam(net.parameters(), 1e-3, (0.0, 0.99), fused=True)
        for player, net in (("generator", g), ("discriminator", d))
    }

    def stepper(player: str) -> None:
        optimisers[player].step()
        optimisers[player].zero_grad()

    begun = time.process_time()
    for step in range(steps):
        batch = {"image": digits.batch(BATCH, chance), "noise": torch.randn(BATCH, NOISE, generator=chance)}
        update(game, batch, step, stepper)
    seconds = time.process_time() - begun
    with torch.no_grad():
        counts = digits.modes(g(torch.randn(SAMPLES, NOISE, generator=chance))).double()
    fractions = counts[counts > 0] / counts.sum()
    return {
        "loss": loss,
        "penalties": penalties,
        "seed": seed,
        "steps": steps,
        "modes": int((counts > 0).sum()),
        "kl": round(float((fractions * (fractions * 1000).log()).sum()), 3),
        "seconds": round(seconds, 1),
    }


def jobs(seeds: int) -> Iterator[tuple[str, str, int]]:
    """Seed by seed, so that an interrupted benchmark has every pair of its seeds."""
    for seed in range(seeds):
        for penalties in GAME_PENALTIES:
            for loss in GAME_LOSSES:
                yield loss, penalties, seed


def done(file: Path) -> list[dict[str, str]]:
    """Read the runs in the file, each once."""
    if not file.exists():
        return []
    with file.open(newline="") as lines:
        rows = list(csv.DictReader(lines))
    return list({(row["loss"], row["penalties"], row["seed"]): row for row in rows}.values())


def summary(rows: Sequence[dict[str, str]]) -> dict[tuple[str, str], list[int]]:
    """Modes of every seed, by loss and penalties."""
    found: dict[tuple[str, str], list[int]] = {}
    for row in rows:
        found.setdefault((row["loss"], row["penalties"]), []).append(int(row["modes"]))
    return found


def report(rows: Sequence[dict[str, str]], digits: Digits) -> str:
    """Mean ± standard deviation of the modes covered."""
    found = summary(rows)
    lines = [(loss, *(_cell(found.get((loss, p), [])) for p in GAME_PENALTIES)) for loss in GAME_LOSSES]
    real = digits.batch(SAMPLES, torch.Generator().manual_seed(0))
    seeds = len({row["seed"] for row in rows})
    text = (
        f"Modes of 1000 covered by {SAMPLES} samples after {rows[0]['steps']} steps of batch {BATCH}: mean ± "
        f"standard deviation over {seeds} seeds. G has 46 and D 64 thousand parameters; Adam 1e-3 (0, 0.99), "
        "R1 and R2 with γ = 1, GP with λ = 10, one D step for each of G, nothing tuned for any cell. As many "
        f"real images cover {int((digits.modes(real) > 0).sum())}. A dash: not run. "
        "Single runs: [modes.csv](modes.csv).\n\n"
        "![Modes covered](modes.png)"
    )
    return f"{text}\n\n{table(('loss', *GAME_PENALTIES), lines)}"


def _cell(modes: Sequence[int]) -> str:
    if len(modes) < 2:
        return "".join(map(str, modes)) or "-"
    return f"{statistics.mean(modes):.0f} ± {statistics.stdev(modes):.0f}"


def plot(rows: Sequence[dict[str, str]], file: Path) -> None:
    """Every run a dot, every pair's mean a bar."""
    import matplotlib

    matplotlib.use("Agg")
    from matplotlib import pyplot

    found = summary(rows)
    there = [name for name in GAME_PENALTIES if any(name == penalties for _, penalties in found)]
    named = [name for name in GAME_LOSSES if any(name == loss for loss, _ in found)]
    figure, axes = pyplot.subplots(figsize=(9, 3.6), layout="constrained")
    width = 0.8 / len(there)
    for i, penalties in enumerate(there):
        places = [x + (i - (len(there) - 1) / 2) * width for x in range(len(named))]
        runs = [found.get((loss, penalties), []) for loss in named]
        heights = [statistics.mean(modes) if modes else 0.0 for modes in runs]
        axes.bar(places, heights, 0.9 * width, label=penalties, color=f"C{i}", alpha=0.6)
        for place, modes in zip(places, runs, strict=True):
            axes.plot([place] * len(modes), modes, "o", color="black", markersize=2.5)
    axes.set_xticks(range(len(named)), [loss.replace("_", "\n") for loss in named])
    axes.set(ylabel="modes of 1000", ylim=(0, 1000))
    axes.legend(title="penalty", ncols=4, loc="upper center", bbox_to_anchor=(0.5, 1.25), frameon=False)
    figure.savefig(file, dpi=120)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--quick", action="store_true", help="one seed, 20 steps, nothing kept: does it run?")
    parser.add_argument(
        "--report", action="store_true", help="no further run: table and plot of those in modes.csv"
    )
    options = parser.parse_args()
    quick = options.quick
    torch.set_num_threads(1)
    digits = Digits()
    rows = [] if quick else done(FILE)
    have = {(row["loss"], row["penalties"], int(row["seed"])) for row in rows}
    for job in [] if options.report else jobs(1 if quick else SEEDS):
        if job in have:
            continue
        row = {name: str(value) for name, value in run(digits, *job, 20 if quick else STEPS).items()}
        rows.append(row)
        print(*row.values(), flush=True)
        if not quick:
            with FILE.open("a", newline="") as lines:
                writer = csv.DictWriter(lines, COLUMNS, lineterminator="\n")
                if lines.tell() == 0:
                    writer.writeheader()
                writer.writerow(row)
    if not quick:
        plot(rows, PLOT)
    write("Mode coverage", report(rows, digits), PACKAGES, keep=not quick)


if __name__ == "__main__":
    main()
