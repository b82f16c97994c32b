"""Pictures of the best, the median and the worst cases."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np

from ganatomy.evaluate.data import EvaluatedData
from ganatomy.inference.applied import to_device
from ganatomy.inference.loaded import LoadedRun
from ganatomy.metrics.registry import describe
from ganatomy.pictures import panel, png

Row = dict[str, Any]


def ranked(rows: Sequence[Row], monitor: str) -> tuple[list[Row], str]:
    """Return the cases from best to worst, and what they are ranked by in words; empty if by nothing.

    By the monitored score, or another one of the rows; with boxes by the fraction of objects and findings
    that match, in anomaly detection the anomalous images by their score.

    Args:
        rows: A row for each case.
        monitor: Name of the score that is preferred.
    """
    if not rows:
        return [], ""
    if "objects" in rows[0]:
        return _sorted(
            rows, {id(row): _matched(row) for row in rows}
        ), "share of objects and findings that match"
    if "anomalous" in rows[0]:
        ill = [row for row in rows if row["anomalous"]]  # no picture is drawn of healthy images
        return _sorted(ill, {id(row): row["score"] for row in ill}), "anomaly score of anomalous images"
    names = [monitor, *(name for name in rows[0] if describe(name).sign)]
    name = next((one for one in names if one in rows[0] and describe(one).sign), "")
    if not name:
        return [], ""
    return _sorted(rows, {id(row): describe(name).sign * row[name] for row in rows}), describe(name).title


def _matched(row: Row) -> float:
    return float((row["found"] + 1e-9) / (row["objects"] + row["false_positives"] + 1e-9))


def _sorted(rows: Sequence[Row], values: dict[int, float]) -> list[Row]:
    known = [row for row in rows if np.isfinite(values[id(row)])]
    return sorted(known, key=lambda row: -values[id(row)])


def drawn(loaded: LoadedRun, data: EvaluatedData, rows: Sequence[Row], count: int) -> bytes | None:
    """Return a PNG of the best, middle and worst cases, `count` in all, or of the first without a ranking.

    No name of a case is in it.

    Args:
        loaded: The run.
        data: The cases.
        rows: A row for each case.
        count: Number of cases; 0 draws nothing.
    """
    records = {record.case: record for record in data.records["test"]}
    order, by = ranked(rows, loaded.task.monitor.split("/")[-1])
    places = _spread(len(order), count)
    if order:
        cases = [(order[n]["case"], _caption(order[n], n, len(order), by)) for n in places]
    else:
        cases = [(case, "") for case in list(records)[:count]]
    tiles: dict[str, list[np.ndarray]] = {}
    captions = []
    for case, caption in cases:
        record = records.get(case) or records.get(case.rpartition(" ")[0])
        if record is None:
            continue
        batch = to_device(data.batch(record, data.evaluated(record)), loaded.device)
        if "slice" in batch and record.case != case:
            batch = _only(batch, int(case.rpartition(" ")[2]))
        with loaded.precision():
            columns = loaded.task.sample_panels(batch, loaded.task.predict(batch))
        if columns and (not tiles or tiles.keys() <= columns.keys()):
            captions.append(caption)
            for name in tiles or columns:
                tiles.setdefault(name, []).append(columns[name][:1])
    if not tiles:
        return None
    joined = {name: np.concatenate(_alike(parts)) for name, parts in tiles.items()}
    title = f"best to worst, by {by}" if by else "cases"
    return png(panel(joined, title=title, legends=loaded.task.legends, rows=captions if by else ()))


def _spread(total: int, count: int) -> list[int]:
    """Return the places of the best, the middle and the worst, and more between them."""
    return (
        np.unique(np.linspace(0, total - 1, min(total, count)).round().astype(int)).tolist() if total else []
    )


def _caption(row: Row, place: int, total: int, by: str) -> str:
    word = "best" if place == 0 else "worst" if place == total - 1 else f"{place + 1} of {total}"
    value = next((v for k, v in row.items() if describe(k).title == by and isinstance(v, float)), None)
    return word if value is None else f"{word}: {value:.3g}"


def _only(batch: dict[str, Any], number: int) -> dict[str, Any]:
    """Return the one row of a batch of slices whose number this is."""
    rows = [place for place, z in enumerate(batch["slice"].tolist()) if int(z) == number] or [0]
    return {key: value[rows[0] : rows[0] + 1] for key, value in batch.items()}


def _alike(tiles: Sequence[np.ndarray]) -> list[np.ndarray]:
    """Return tiles [1, H, W, 3] as the largest of them, with a dark frame around smaller ones."""
    height, width = (max(tile.shape[axis] for tile in tiles) for axis in (1, 2))
    return [
        np.pad(tile, ((0, 0), (0, height - tile.shape[1]), (0, width - tile.shape[2]), (0, 0)))
        for tile in tiles
    ]
