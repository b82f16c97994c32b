"""VolumeScores: means with NaN left out, one row a case, the same over processes and orders."""

from __future__ import annotations

from pathlib import Path

import pytest
import torch
import torch.multiprocessing
from torch import Tensor

from ganatomy.metrics.case_metric import NAME_BYTES
from ganatomy.metrics.segmentation import WHOLE, VolumeScores

CLASSES = ("background", "gm", "wm")


def maps(case: int) -> tuple[Tensor, Tensor]:
    rng = torch.Generator().manual_seed(case)
    truth = torch.randint(0, 3, (5, 6, 4), generator=rng)
    flip = torch.rand(truth.shape, generator=rng) < 0.2
    return torch.where(flip, (truth + 1) % 3, truth), truth


def scored(cases: list[int]) -> VolumeScores:
    scores = VolumeScores(CLASSES)
    for case in cases:
        scores.update(f"subject-{case}", *maps(case), (1, 1, 2))
    return scores


def strip(length: int, *places: int) -> Tensor:
    line = torch.zeros(length, 1, dtype=torch.long)
    line[list(places)] = 1
    return line


def test_means_of_planted_volumes() -> None:
    """Dice 1 and 2/3 average to 5/6; the volume without the class is left out, and counted as absent."""
    scores = VolumeScores(("background", "lesion"))
    scores.update("a", strip(9, 4), strip(9, 4), (1, 1))
    scores.update("b", strip(9, 4, 5), strip(9, 4), (3, 1))
    scores.update("c", strip(9), strip(9), (1, 1))
    result = scores.compute()
    assert result["dice"] == result["dice/lesion"] == pytest.approx(5 / 6)
    assert result["iou/lesion"] == pytest.approx(0.75)
    # b: distances 0 and 3 mm one way, 0 the other; the 95th percentile of (0, 3) is 2.85.
    assert result["hd95/lesion"] == pytest.approx(2.85 / 2)
    assert result["asd/lesion"] == pytest.approx(0.5)
    assert (result["volumes"], result["absent/lesion"]) == (3, 1)
    rows = scores.per_case()
    assert [row["case"] for row in rows] == ["a", "b", "c"]
    assert rows[1]["dice/lesion"] == pytest.approx(2 / 3)
    assert rows[2]["dice"] != rows[2]["dice"]


def test_a_class_found_where_another_is_weighs_as_much_as_a_miss() -> None:
    scores = VolumeScores(CLASSES)
    scores.update("one class", strip(9, 4) * 2, strip(9, 4), (2, 1))
    result = scores.compute()
    for name in ("gm", "wm"):
        assert (result[f"dice/{name}"], result[f"hd95/{name}"], result[f"absent/{name}"]) == (0, 16, 0)
    assert "false_positive_rate" not in result and set(scores.per_case()[0]).isdisjoint(WHOLE)


def test_volumes_without_a_lesion_count_as_false_positives_alone() -> None:
    scores = VolumeScores(("background", "lesion"))
    for number, place in enumerate([(), (2,), (), (), (3, 4)]):
        scores.update(f"healthy-{number}", strip(9, *place), strip(9), (2, 1), 0.1 * number)
    scores.update("missed", strip(9), strip(9, 4), (2, 1), 0.4)
    scores.update("drawn", strip(9, 4), strip(9, 4), (2, 1), 0.9)
    result = scores.compute()
    assert result["false_positive_rate"] == pytest.approx(2 / 5)
    assert (result["true_positive_rate"], result["empty"]) == (0.5, 5)
    assert (result["dice"], result["hd95"], result["absent/lesion"], result["volumes"]) == (0.5, 8, 5, 7)
    row = scores.per_case()[2]
    assert row["case"] == "healthy-1" and row["dice/lesion"] != row["dice/lesion"]
    assert [row[name] for name in WHOLE] == pytest.approx([1, 1, 0.1])


def test_the_gate_keeps_its_share_of_the_dice() -> None:
    """Ten lesions found with peaks .1 to 1: the ninth best is at .2. One missed, one false alarm: no say."""
    scores = VolumeScores(("background", "lesion"))
    assert scores.gate(0.9) == 0
    scores.update("healthy", strip(9, 4), strip(9), (1, 1), 0.05)
    scores.update("missed", strip(9), strip(9, 4), (1, 1), 0.03)
    assert scores.gate(0.9) == 0
    for tenth in range(1, 11):
        scores.update(f"lesion-{tenth}", strip(9, 4), strip(9, 4), (1, 1), tenth / 10)
    assert [round(scores.gate(keep), 6) for keep in (1.0, 0.95, 0.9, 0.85, 0.5, 0.1)] == [
        0.1, 0.1, 0.2, 0.2, 0.6, 1.0,
    ]  # fmt: skip


def test_a_badly_drawn_lesion_weighs_less_at_the_gate() -> None:
    """Dice 1 at peaks .9 and .8, 2/3 at .4 and 0 (beside the lesion) at .2: 8/3 in all."""
    scores = VolumeScores(("background", "lesion"))
    for peak, found in ((0.9, strip(9, 4)), (0.8, strip(9, 4)), (0.4, strip(9, 4, 5)), (0.2, strip(9, 0))):
        scores.update(f"lesion-{peak}", found, strip(9, 4), (1, 1), peak)
    assert [round(scores.gate(keep), 6) for keep in (1.0, 0.76, 0.74, 0.38, 0.37)] == [
        0.4,
        0.4,
        0.8,
        0.8,
        0.9,
    ]


def test_the_background_counts_only_when_asked() -> None:
    with_background = VolumeScores(CLASSES, include_background=True)
    with_background.update("a", *maps(1), (1, 1, 2))
    result, plain = with_background.compute(), scored([1]).compute()
    assert "dice/background" in result and "dice/background" not in plain
    assert result["dice/gm"] == plain["dice/gm"]


def test_the_order_of_the_volumes_changes_no_bit() -> None:
    assert scored(list(range(7))).compute() == scored([3, 1, 6, 0, 5, 2, 4]).compute()


def test_a_repeated_volume_counts_once_and_a_borrowed_name_is_refused() -> None:
    assert scored([1, 2, 1]).compute() == scored([1, 2]).compute()
    scores = scored([1])
    with pytest.raises(ValueError, match="subject-1: two volumes of this name"):
        scores.update("subject-1", *maps(2), (1, 1, 2))
    scores.reset()
    scores.update("subject-1", *maps(2), (1, 1, 2))


def test_a_volume_of_two_processes_that_differs_in_a_voxel_counts_as_the_first_has_it() -> None:
    """As gathered: the states of one process after those of the other."""
    gathered, other = scored([1, 2]), VolumeScores(CLASSES)
    prediction, truth = maps(1)
    prediction[0, 0, 0] = (prediction[0, 0, 0] + 1) % 3
    other.update("subject-1", prediction, truth, (1, 1, 2))
    assert other.compute()["dice"] != scored([1]).compute()["dice"]
    gathered.names += other.names
    gathered.rows += other.rows
    assert gathered.compute() == scored([1, 2]).compute() and gathered.per_case() == scored([1, 2]).per_case()


def test_errors_name_the_case() -> None:
    with pytest.raises(ValueError, match=r"left-7: .*differ in shape"):
        VolumeScores(CLASSES).update("left-7", torch.zeros(3, 3).long(), torch.zeros(3, 4).long(), (1, 1))
    with pytest.raises(ValueError, match=f"{NAME_BYTES} are allowed"):
        VolumeScores(CLASSES).update("x" * (NAME_BYTES + 1), *maps(1), (1, 1, 2))


def test_nothing_scored_is_no_number_and_reset_forgets() -> None:
    scores = scored([1])
    scores.reset()
    with pytest.warns(UserWarning, match="before the ``update``"):
        assert scores.compute()["dice"].isnan()
    assert scores.per_case() == []


def process(rank: int, address: str, folder: str) -> None:
    torch.set_num_threads(1)  # a forked child has no thread pool
    torch.distributed.init_process_group("gloo", init_method=address, rank=rank, world_size=3)
    scores = scored([[2, 0], [1, 2, 3], []][rank])
    rows = scores.per_case()
    torch.save({"result": scores.compute(), "rows": rows}, Path(folder) / f"{rank}.pt")
    torch.distributed.destroy_process_group()


def test_three_processes_equal_one(tmp_path: Path) -> None:
    """One of them without a volume, one volume on two of them."""
    address = f"file://{tmp_path}/rendezvous"
    torch.multiprocessing.start_processes(process, (address, str(tmp_path)), nprocs=3, start_method="fork")
    alone = scored([0, 1, 2, 3])
    for rank in range(3):
        found = torch.load(tmp_path / f"{rank}.pt", weights_only=True)
        assert found == {"result": alone.compute(), "rows": alone.per_case()}
