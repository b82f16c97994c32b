"""Does the loader keep up? Items a second by cache and processes, beside MONAI's, and the wait in a step."""

from __future__ import annotations

import argparse
import itertools
import logging
import os
import statistics
import subprocess
import sys
import tempfile
import time
import warnings
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import torch
from hydra import compose, initialize_config_dir
from monai.data.dataloader import DataLoader
from monai.data.dataset import CacheDataset
from monai.networks.nets.unet import UNet
from monai.transforms.utility.array import Lambda
from omegaconf import OmegaConf

ROOT = Path(__file__).resolve().parents[1]
sys.path.insert(0, str(ROOT))  # run as a script, from any folder

from benchmarks._results import table, write  # noqa: E402 - it needs the line above
from ganatomy.config.targets import build  # noqa: E402
from ganatomy.data.datamodule import DataModule  # noqa: E402
from ganatomy.data.sources.brain import Brain  # noqa: E402

CONF = ROOT / "conf"


def augment() -> list[Any]:
    """Return the default job's transforms."""
    with initialize_config_dir(str(CONF), version_base="1.3"):
        nodes = OmegaConf.to_container(compose("check").data.augment)
    return list(build(nodes, "data.augment"))


def ours(cache: str, workers: int, folder: str) -> Iterator[Any]:
    data = DataModule(Brain(), 16, cache=cache, workers=workers, cache_dir=folder, augment=augment())  # type: ignore[arg-type]
    return iter(data.train_dataloader())


def monais(workers: int) -> Iterator[Any]:
    """CacheDataset of the same prepared slices, random transforms on top, MONAI's loader."""
    data = DataModule(Brain(), 16)
    places = [{"record": record, "z": z} for record, z in data.train_items().places]

    def prepared(place: dict[str, Any]) -> dict[str, Any]:
        case = data.cache.get(place["record"], place["z"])
        return {"image": torch.from_numpy(case["image"]), "label": torch.from_numpy(case["label"])}

    items = CacheDataset(places, [Lambda(prepared), *augment()], progress=False)
    loader = DataLoader(
        items, batch_size=16, shuffle=True, num_workers=workers, persistent_workers=workers > 0
    )
    return itertools.chain.from_iterable(itertools.repeat(loader))


def rate(batches: Iterator[Any], count: int) -> float:
    """Items a second, after the first two batches."""
    list(itertools.islice(batches, 2))
    begun = time.perf_counter()
    seen = sum(len(batch["image"]) for batch in itertools.islice(batches, count))
    return seen / (time.perf_counter() - begun)


def waiting(workers: int, count: int, folder: str) -> tuple[float, float]:
    """(share of the time between batches spent waiting, ms a step) of the default generator, supervised."""
    data = DataModule(Brain(), 16, cache="disk", workers=workers, cache_dir=folder, augment=augment())
    loader = data.train_dataloader()
    net = UNet(2, 1, 4, [16, 32, 64, 128], [2, 2, 2], num_res_units=2, norm="INSTANCE")
    adam = torch.optim.Adam(net.parameters(), 2e-3, fused=True)
    for batch in itertools.islice(loader, count):
        adam.zero_grad()
        torch.nn.functional.cross_entropy(net(batch["image"]), batch["label"][:, 0]).backward()
        adam.step()
    return loader.wait_share, 1000 * loader.elapsed / (count - 1)


def started(job: str, whose: str, checkout: Path, folder: Path) -> subprocess.Popen[str]:
    """A process that measures one loader when asked to."""
    own = folder / f"{checkout.name}_{job}_{whose}"
    command = [sys.executable, str(ROOT / "benchmarks/_loader_jobs.py"), job, whose, str(own)]
    environment = {**os.environ, "OMP_NUM_THREADS": "1", "PYTHONPATH": str(checkout)}
    process = subprocess.Popen(
        command, env=environment, cwd=folder, text=True, stdin=subprocess.PIPE, stdout=subprocess.PIPE
    )
    assert process.stdout is not None
    if process.stdout.readline().strip() != "ready":
        raise SystemExit(f"{job}, {whose} of {checkout}: did not start")
    return process


def asked(process: subprocess.Popen[str], count: int) -> float:
    """ms of processor time an item, over `count` batches."""
    assert process.stdin is not None and process.stdout is not None
    process.stdin.write(f"{count}\n")
    process.stdin.flush()
    return float(process.stdout.readline())


def beside(
    job: str, others: dict[str, tuple[str, Path]], rounds: int, count: int, folder: Path
) -> list[list[object]]:
    """Rows (loader, ms an item, quartiles of its ratio to the first), measured in turns."""
    processes = {name: started(job, *other, folder) for name, other in others.items()}
    times: dict[str, list[float]] = {name: [] for name in processes}
    for _ in range(rounds):
        for name, process in processes.items():
            times[name].append(asked(process, count))
    for process in processes.values():
        process.communicate()
    first = next(iter(times.values()))
    rows: list[list[object]] = []
    for name, each in times.items():
        low, middle, high = statistics.quantiles(
            [time / one for time, one in zip(each, first, strict=True)], n=4
        )
        ratio = f"{middle:.2f} ({low:.2f} to {high:.2f})" if each is not first else "1"
        rows.append([job, name, f"{statistics.median(each):.2f}", ratio])
    return rows


def items_beside(old: Path | None, rounds: int, folder: Path) -> str:
    """The table of processor times: patches of volumes, and the default runs."""
    rows: list[list[object]] = []
    patches = {"cache=disk": ("disk", ROOT), "cache=memory": ("memory", ROOT)}
    if old:
        patches |= {"062eb33, cache=disk": ("disk", old), "062eb33, cache=memory": ("memory", old)}
    patches["MONAI PersistentDataset, indices kept"] = ("monai", ROOT)
    rows += beside("patches", patches, rounds, 4, folder)
    for job in ("segmentation", "enhancement", "detection", "anomaly", "synthesis"):
        loaders = {"cache=disk": ("disk", ROOT)} | ({"062eb33, cache=disk": ("disk", old)} if old else {})
        rows += beside(job, loaders, rounds, 20, folder)
    return table(["items of", "loader", "ms an item", "times the first (quartiles)"], rows)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--batches", type=int, default=60)
    parser.add_argument("--old", type=Path, help="a checkout of 062eb33, to compare with")
    parser.add_argument("--rounds", type=int, default=7, help="each loader once in turn, so often")
    parser.add_argument("--quick", action="store_true", help="two short rounds, not kept: does it run?")
    options = parser.parse_args()
    count, rounds = (6, 2) if options.quick else (options.batches, options.rounds)
    warnings.simplefilter("ignore")
    logging.disable(logging.WARNING)
    rows: list[list[object]] = []
    with tempfile.TemporaryDirectory() as folder:
        text = (
            "Processor time on one thread, in turns. Patches: 64x64x64 of 256x256x128 with a label map.\n\n"
        )
        text += items_beside(options.old and options.old.resolve(), rounds, Path(folder))
        for cache in ("memory", "disk", "none"):
            n = 2 if cache == "none" else count
            rates = [rate(ours(cache, workers, folder), n) for workers in (0, 2)]
            rows.append([f"ours, cache={cache}", *(f"{r:.0f}" for r in rates)])
        rates = [rate(monais(workers), count) for workers in (0, 2)]
        rows.append(["MONAI CacheDataset + DataLoader", *(f"{r:.0f}" for r in rates)])
        waits = [(workers, *waiting(workers, count, folder)) for workers in (0, 2)]
    text += "\n\nItems (slices of 96x96, the default job's augmentation) a second, in batches of 16.\n\n"
    text += table(["loader", "no further process", "two processes"], rows)
    text += "\n\nThe default generator's supervised step on the same two cores:\n\n"
    shown = [[workers, f"{100 * share:.1f} %", f"{step:.0f}"] for workers, share, step in waits]
    text += table(["processes", "share of a step spent waiting", "ms a step"], shown)
    write("The loader", text, ("torch", "monai"), keep=not options.quick)


if __name__ == "__main__":
    main()
