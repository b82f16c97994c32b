"""Cases of rare classes drawn more often: closed forms, order, repetitions, and what is refused."""

from __future__ import annotations

import itertools
import math
from collections import Counter
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch

from ganatomy.data.datamodule import DataModule
from ganatomy.data.records import Case, Record
from ganatomy.data.sampler import AGAIN, EndlessSampler, order, weighted_order
from ganatomy.data.sampling.weights import classes_of_items, repeat_factors
from ganatomy.data.sources.brain import Brain
from ganatomy.data.sources.lesions import BrainLesions
from ganatomy.data.summary import content_hash
from ganatomy.errors import UserError

WEIGHTS = np.array([1, 1, 1, 5, 1, 1.5, 0, 2.0])


class Pictures:
    """Images whose label map holds chosen classes, one row of voxels each; class and boxes if asked for."""

    channels, spatial_dims, size = 1, 2, None
    classes: Sequence[str] = ("background", "liver", "lesion", "clip")
    box_classes: Sequence[str] = ()
    image_classes: Sequence[str] = ()

    def __init__(self, held: Sequence[Sequence[int]], boxes: bool = False, private: bool = False) -> None:
        self.held, self.private = held, private
        if boxes:
            self.classes, self.box_classes = (), ("big", "small")

    def records(self) -> list[Record]:
        extra = [*self.held, [1], [1]]  # one to validate, one to test
        splits = [*["train"] * len(self.held), "val", "test"]
        return [
            Record(f"case{n:02d}", f"patient{n:02d}", split, {"held": tuple(held)}, private=self.private)  # type: ignore[arg-type]
            for n, (held, split) in enumerate(zip(extra, splits, strict=True))
        ]

    def load(self, record: Record) -> Case:
        image = np.random.default_rng(int(record.case[4:])).normal(size=(1, 16, 16)).astype(np.float32)
        case: Case = {"image": image, "affine": np.eye(4), "spacing": np.ones(2)}
        held = record.content["held"]
        if self.box_classes:
            places = [[3.0 * n, 2, 3 * n + 2, 6] for n in range(len(held))]
            boxes = np.array(places, np.float32).reshape(-1, 4)
            return case | {"boxes": boxes, "classes": np.array(held, np.int64)}
        label = np.zeros((1, 16, 16), np.uint8)
        for number in held:
            label[0, 4 * number - 2, 3 : 3 + 2 * number] = number
        return case | {"label": label}

    def fingerprint(self, record: Record) -> str:
        return f"pictures {record.content} {record.case} {self.box_classes}"

    content = fingerprint


HELD = [[1]] * 17 + [[1, 2]] * 2 + [[2, 3]]


def module(held: Sequence[Sequence[int]] = HELD, **settings: Any) -> DataModule:
    source = Pictures(held, settings.pop("boxes", False), settings.pop("private", False))
    return DataModule(source, batch_size=settings.pop("batch_size", 4), **settings)


def test_each_item_is_drawn_in_proportion_to_its_weight():
    """In each epoch its expectation rounded down or up, over epochs the expectation itself; none is lost."""
    expected = WEIGHTS / WEIGHTS.sum() * len(WEIGHTS)
    counts = []
    for epoch in range(2000):
        items, repetition = weighted_order(WEIGHTS, 3, epoch)
        counts.append(np.bincount(items, minlength=len(WEIGHTS)))
        pairs = set(zip(items.tolist(), repetition.tolist(), strict=True))
        assert pairs == {(n, k) for n, count in enumerate(counts[-1]) for k in range(count)}
    table = np.array(counts)
    assert (table.sum(1) == len(WEIGHTS)).all()
    assert ((table == np.floor(expected)) | (table == np.ceil(expected))).all()
    spread = np.sqrt(expected % 1 * (1 - expected % 1) / len(table))
    assert (np.abs(table.mean(0) - expected) <= 4 * spread + 1e-12).all()


def test_the_order_is_a_function_of_seed_and_epoch_and_any_place_of_an_item_is_as_likely():
    first, again = weighted_order(WEIGHTS, 3, 7), weighted_order(WEIGHTS, 3, 7)
    assert all(np.array_equal(a, b) for a, b in zip(first, again, strict=True))
    assert not np.array_equal(first[0], weighted_order(WEIGHTS, 3, 8)[0])
    assert not np.array_equal(first[0], weighted_order(WEIGHTS, 4, 7)[0])
    places = np.concatenate([np.flatnonzero(weighted_order(WEIGHTS, 0, e)[0] == 3) for e in range(1500)])
    share = np.bincount(places, minlength=8) / len(places)
    assert np.abs(share - 1 / 8).max() < 4 * math.sqrt(1 / 8 / len(places))


def test_equal_weights_change_nothing():
    items, repetition = weighted_order(np.full(9, 2.5), 5, 4)
    assert np.array_equal(items, order(9, 5, 4)) and not repetition.any()


def test_processes_pieces_and_starts_give_one_sequence_of_batches():
    """Two processes, two micro-batches, and a resumed run: the rows of the uninterrupted one."""
    whole = list(itertools.islice(EndlessSampler(8, 6, 1, weights=WEIGHTS), 9))
    resumed = list(itertools.islice(EndlessSampler(8, 6, 1, start=4, weights=WEIGHTS), 5))
    assert resumed == whole[4:]
    shares = [
        itertools.islice(EndlessSampler(8, 6, 1, 0, rank, 2, pieces=1, weights=WEIGHTS), 9) for rank in (0, 1)
    ]
    assert [one + two for one, two in zip(*shares, strict=True)] == whole
    rows = [row for batch in whole for row in batch]
    assert len(set(rows)) == len(rows) and any(epoch >= AGAIN for epoch, _ in rows)


def test_repeat_factors_are_those_of_lvis():
    """max(1, sqrt(t / f)) of the rarest class, written out here from the paper."""
    held = [set(), {1}, {1, 2}, {1}, {1, 3}, {1}, {1, 2}, {1}, {1}, {1}]
    shares = {c: sum(c in each for each in held) / 10 for c in (1, 2, 3)}
    factor = {c: max(1.0, math.sqrt(0.5 / share)) for c, share in shares.items()}
    found, by_class = repeat_factors(held, 0.5)
    assert by_class == pytest.approx(factor) and factor[1] == 1 and factor[3] == pytest.approx(math.sqrt(5))
    assert found == pytest.approx([max((factor[c] for c in each), default=1.0) for each in held])


def drawn(data: DataModule, batches: int) -> Counter[str]:
    loader = iter(data.train_dataloader())
    return Counter(case for _ in range(batches) for case in next(loader)["case"])


def test_cases_with_rare_classes_come_more_often():
    """20 cases, lesion in 3, clip in 1: factors sqrt(10/3) and sqrt(10) of the formula, here by hand."""
    data = module(sampling="classes")
    factors = np.array([1.0] * 17 + [math.sqrt(0.5 / 0.15)] * 2 + [math.sqrt(0.5 / 0.05)])
    data.setup()
    assert data.item_weights() == pytest.approx(factors)
    count = drawn(data, 5 * 60)
    times = np.array([count[f"case{n:02d}"] for n in range(20)]) / 60
    assert np.abs(times - factors / factors.sum() * 20).max() < 0.25
    (line,) = [line for line in data.notes if line.startswith("sampling")]
    assert "clip (in 1 of 20) 2.66" in line and "lesion (in 3 of 20) 1.53" in line and "label" in line
    assert line.endswith("without a rare class 0.84")
    assert data.batches_per_epoch == 5


def test_null_is_the_order_of_before():
    """The rows of a module without the setting are those of `order`, and those of equal weights."""
    plain, even = module(), module([[1]] * 20, sampling="classes")
    rows = [next(iter(each.train_dataloader()))["case"] for each in (plain, even)]
    assert rows[0] == rows[1] == [f"case{n:02d}" for n in order(20, 0, 0)[:4]]
    assert plain.item_weights() is None and not plain.sampling_notes
    assert "no class of label is rare" in even.sampling_notes[0]


def test_slices_are_drawn_by_their_own_classes():
    """Against the label maps read one by one from the source."""
    source = Brain(6, 24, 10)
    data = DataModule(source, batch_size=4, sampling="classes:0.95")
    data.setup()
    held = [
        set(np.unique(source.load(record)["label"][0, :, :, z])) - {0}
        for record in data.records["train"]
        for z in range(10)
    ]
    shares = {c: np.mean([c in each for each in held]) for c in (1, 2, 3)}
    factors = [max([1.0, *(math.sqrt(0.95 / shares[c]) for c in each)]) for each in held]
    assert data.item_weights() == pytest.approx(factors) and len(set(np.round(factors, 6))) > 1


def test_the_background_of_a_slice_is_no_class():
    label = np.zeros((2, 1, 4, 4), np.int16)
    label[0, 0, 0], label[0, 0, 1], label[1] = 2, -1, 1  # -1: ignored
    record = Record("a", "a")
    assert classes_of_items([record], [2], lambda _: [9], lambda _: label) == [{2}, {1}]
    assert classes_of_items([record, record], [None, 3], lambda _: [9], None) == [{9}] * 4


def test_repetitions_of_an_image_differ_in_their_patch():
    data = module([[1]] * 3 + [[3]], batch_size=4, sampling="classes:1", patch=6, foreground=0.0)
    batch = next(iter(data.train_dataloader()))
    same = [row for row, case in enumerate(batch["case"]) if case == "case03"]
    assert len(same) == 2
    assert not torch.equal(batch["image"][same[0]], batch["image"][same[1]])


def test_detection_counts_boxes():
    held = [[0]] * 8 + [[0, 1], []]
    data = module(held, boxes=True, sampling="classes", learned="boxes")
    data.setup()
    factors = [1.0] * 8 + [math.sqrt(0.5 / 0.1), 1.0]
    assert data.item_weights() == pytest.approx(factors)
    assert "boxes" in data.sampling_notes[0] and "small (in 1 of 10)" in data.sampling_notes[0]


def test_the_role_of_the_task_decides_where_several_hold_classes():
    source = BrainLesions(6, 16, 8, lesions=1, radius=(8, 10))
    weights = {}
    for role in ("label", "class"):
        data = DataModule(source, batch_size=2, sampling="classes:1", learned=role)
        data.setup()
        weights[role] = np.unique(np.asarray(data.item_weights()).round(9))
    assert len(weights["label"]) == len(weights["class"]) == 2
    assert weights["label"][0] == 1 < weights["class"][0]  # healthy is a class of images, background is none


def test_a_table_of_weights(tmp_path):
    path = tmp_path / "weights.csv"
    rows = "\n".join(f"case{n:02d},{4 if n == 3 else 1}" for n in range(22))
    path.write_text(f"case,weight\n{rows}\n")
    data = module(sampling=str(path))
    count = drawn(data, 5 * 23)
    assert abs(count["case03"] - 80) < 9 and sum(count.values()) == 460
    assert "0.87 to 3.5 times" in data.sampling_notes[0]
    assert content_hash(module()) == content_hash(module(sampling="classes")) != content_hash(data)


def test_a_resumed_run_refuses_another_table(tmp_path):
    path = tmp_path / "weights.csv"
    text = "subject;weight\n" + "".join(f"patient{n:02d};1.5\n" for n in range(22))
    path.write_text(text)
    hashes = [content_hash(module(sampling=str(path)))]
    path.write_text(text.replace("patient04;1.5", "patient04;3"))
    hashes.append(content_hash(module(sampling=str(path))))
    assert hashes[0] != hashes[1] and content_hash(module()) not in hashes


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("case,weights\ncase00,1\n", "columns case .or subject. and weight"),
        ("case,weight\ncase99,1\n", "row 2: case99 is no case"),
        ("case,weight\ncase00,1\ncase00,2\n", "row 3: case00 has a weight already"),
        ("case,weight\ncase00,-1\n", "row 2: weight '-1'"),
        ("case,weight\ncase00,much\n", "row 2: weight 'much'"),
        ("case,weight\ncase00,inf\n", "row 2: weight 'inf'"),
        ("case,weight\ncase00,1\n", r"case01 has no weight .19 of 20"),
        ("case,weight\n" + "".join(f"case{n:02d},0\n" for n in range(20)), "all weights .* are 0"),
    ],
)
def test_tables_that_do_not_suit_are_refused(tmp_path, text, words):
    path = tmp_path / "weights.csv"
    path.write_text(text)
    with pytest.raises(UserError, match=f"data.sampling=.*{words}"):
        module(sampling=str(path)).train_dataloader()


def test_a_name_of_a_private_data_set_is_not_repeated(tmp_path):
    path = tmp_path / "weights.csv"
    path.write_text("case,weight\nMeier Anna,1\n")
    with pytest.raises(UserError, match="row 2: its name is no case") as found:
        module(sampling=str(path), private=True).train_dataloader()
    assert "Meier" not in str(found.value)


@pytest.mark.parametrize(
    ("settings", "words"),
    [
        ({"sampling": "class"}, "data.sampling=class: choose null, classes"),
        ({"sampling": "classes:0"}, "data.sampling=classes:0: choose"),
        ({"sampling": "classes:few"}, "data.sampling=classes:few: choose"),
        ({"sampling": "classes:1.5"}, "choose null, classes"),
        ({"sampling": "nowhere.csv"}, "data.sampling=nowhere.csv: cannot be read"),
        ({"sampling": "classes", "learned": "boxes"}, "have no boxes to sample by"),
        ({"class_sampling": {"lesion": 2}}, "data.class_sampling: .*data.patch=null"),
        ({"class_sampling": {"lesion": 2}, "patch": 8, "foreground": 0.0}, "data.foreground=0"),
        ({"class_sampling": {"lesoin": 2}, "patch": 8}, "lesoin is no class .* 'lesion'"),
        ({"class_sampling": {"background": 2}, "patch": 8}, "background is no class to centre patches on"),
        ({"class_sampling": {"lesion": -2}, "patch": 8}, "lesion: -2"),
        ({"class_sampling": {"lesion": True}, "patch": 8}, "lesion: true"),
        ({"class_sampling": dict.fromkeys(["liver", "lesion", "clip"], 0), "patch": 8}, "weight 0"),
    ],
)
def test_settings_that_mean_nothing_are_refused(settings, words):
    with pytest.raises(UserError, match=words):
        module(**settings).train_dataloader()


@pytest.mark.parametrize("given", [None, {"lesion": 6}, {"lesion": 6, "clip": 0}])
def test_patches_are_centred_on_classes_by_their_weights(given):
    """Of 3000 patches of 1 voxel: a class in proportion to its weight, whatever its number of voxels."""
    data = module([[1, 2, 3]] * 4, patch=1, foreground=1.0, class_sampling=given)
    data.setup()
    items = data.train_items()
    found = Counter(int(items[epoch, 0]["label"]) for epoch in range(3000))
    weights = {1: 1, 2: (given or {}).get("lesion", 1), 3: (given or {}).get("clip", 1)}
    for number, weight in weights.items():
        share = weight / sum(weights.values())
        assert abs(found[number] / 3000 - share) <= 4 * math.sqrt(share * (1 - share) / 3000)


def test_a_case_without_a_weighted_class_gets_patches_anywhere():
    data = module([[1]] * 4, patch=1, foreground=1.0, class_sampling={"liver": 0})
    data.setup()
    items = data.train_items()
    found = Counter(int(items[epoch, 0]["label"]) for epoch in range(400))
    assert found[0] > 380


def test_boxes_are_chosen_by_class():
    data = module([[0, 0, 0, 1]] * 4, boxes=True, patch=2, foreground=1.0, class_sampling={"small": 3})
    data.setup()
    items = data.train_items()
    found: Counter[int] = Counter()
    for epoch in range(1500):
        classes = items[epoch, 0]["classes"].tolist()
        found.update(classes[:1])
    assert abs(found[1] / sum(found.values()) - 0.75) < 4 * math.sqrt(0.75 * 0.25 / 1500)
    assert "patch centres: classes weigh big 1, small 3" in data.sampling_notes[0]


def test_check_says_what_is_drawn(tmp_path: Path, capsys: pytest.CaptureFixture[str]):
    from ganatomy.check import check

    check(module(sampling="classes", class_sampling={"lesion": 2}, patch=8), 0, 0, tmp_path / "check.html")
    said = capsys.readouterr().out
    assert "sampling: by the rarest class of each item's label (data.sampling=classes)" in said
    assert "patch centres: classes weigh liver 1, lesion 2, clip 1" in said
