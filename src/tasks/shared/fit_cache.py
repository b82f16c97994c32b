"""Fitted baselines, kept beside the prepared cases for later runs on the same images."""

from __future__ import annotations

import hashlib
import json
import logging
import platform
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import Tensor

from ganatomy.data.datamodule import DataModule
from ganatomy.data.io.cases import read, write

log = logging.getLogger(__name__)
Arrays = dict[str, np.ndarray]
FITS = 1
"""Part of the names: increase it when a baseline is fitted differently."""
ROOM = 2**30
"""Bytes of all kept baselines; the oldest are deleted beyond it."""


def fitted_once(
    data: DataModule, images: Tensor, given: Mapping[str, Any], fit: Callable[[], Arrays]
) -> tuple[Arrays, bool]:
    """Fit baselines, or read them where a run fitted the same ones on the same images before.

    The name of a file is a hash of the images themselves, of the settings and of what rounding depends on
    (torch, device, threads): another image, pixel or setting is another file. Files are written whole and
    have a checksum; a damaged one is made again. Nothing is kept unless prepared cases are kept on disk too.

    Args:
        data: Data of the run, which say where its cache is.
        images: The images [n, C, *spatial] that the baselines are fitted on.
        given: All else that the fit depends on; plain values.
        fit: Returns the arrays of the fitted baselines.

    Returns:
        The arrays, and True if they were fitted before.
    """
    if data.cache.kind != "disk":
        return fit(), False
    path = data.folder / "baselines" / f"{_name(images, given)}.safetensors"
    try:
        return read(path), True
    except FileNotFoundError:
        pass
    except (OSError, ValueError) as damage:
        log.warning("cache: damaged baselines were fitted again (%s)", damage)
    found = fit()
    try:
        write(path, found)
        _trim(path)
    except OSError as error:  # disk full or not writable: the next run fits them again
        log.info("baselines are not remembered (%s)", error)
    return found, False


def _name(images: Tensor, given: Mapping[str, Any]) -> str:
    device = images.device.type
    name = torch.cuda.get_device_name(images.device) if device == "cuda" else platform.machine()
    place = [device, name, torch.__version__, torch.backends.cpu.get_cpu_capability()]
    rounding = [torch.get_num_threads(), torch.get_float32_matmul_precision()]
    rounding += [str(torch.get_autocast_dtype(device)) if torch.is_autocast_enabled(device) else ""]
    what = [FITS, dict(given), list(images.shape), str(images.dtype), *place, *rounding]
    found = hashlib.sha256(json.dumps(what, sort_keys=True).encode())
    found.update(images.detach().cpu().contiguous().reshape(-1).view(torch.uint8).numpy().data)
    return found.hexdigest()[:32]


def _trim(newest: Path) -> None:
    """Delete the oldest files beyond `ROOM`, never the newest; another process may do the same."""
    total = 0
    files = [path for path in newest.parent.glob("*.safetensors") if path != newest]
    for path in [newest, *sorted(files, key=_age)]:
        try:
            total += path.stat().st_size
            if total > ROOM and path != newest:
                path.unlink()
        except FileNotFoundError:
            continue


def _age(path: Path) -> float:
    """Return minus the time of the last change; 0, the oldest, for a file that is gone."""
    try:
        return -path.stat().st_mtime
    except FileNotFoundError:
        return 0.0
