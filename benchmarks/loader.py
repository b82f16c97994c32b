"""Does the loader keep up? Items a second by cache and processes, beside MONAI's, and the wait in a step."""

from __future__ import annotations

import argparse
import itertools
import logging
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

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))  # run as a script, from any folder

from benchmarks._results import table, write
from ganatomy.config.targets import build
from ganatomy.data.datamodule import DataModule
from ganatomy.data.sources.brain import Brain

CONF = Path(__file__).resolve().parents[1] / "conf"


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


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--batches", type=int, default=60)
    count = parser.parse_args().batches
    warnings.simplefilter("ignore")
    logging.disable(logging.WARNING)
    rows: list[list[object]] = []
    with tempfile.TemporaryDirectory() as folder:
        for cache in ("memory", "disk", "none"):
            n = 2 if cache == "none" else count
            rates = [rate(ours(cache, workers, folder), n) for workers in (0, 2)]
            rows.append([f"ours, cache={cache}", *(f"{r:.0f}" for r in rates)])
        rates = [rate(monais(workers), count) for workers in (0, 2)]
        rows.append(["MONAI CacheDataset + DataLoader", *(f"{r:.0f}" for r in rates)])
        waits = [(workers, *waiting(workers, count, folder)) for workers in (0, 2)]
    text = "Items (slices of 96x96, the default job's augmentation) a second, in batches of 16.\n\n"
    text += table(["loader", "no further process", "two processes"], rows)
    text += "\n\nThe default generator's supervised step on the same two cores:\n\n"
    shown = [[workers, f"{100 * share:.1f} %", f"{step:.0f}"] for workers, share, step in waits]
    text += table(["processes", "share of a step spent waiting", "ms a step"], shown)
    write("The loader", text, ("torch", "monai"))


if __name__ == "__main__":
    main()
