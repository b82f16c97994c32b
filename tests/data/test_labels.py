"""Labels of a share of the subjects: who keeps them, and what a batch holds of the others."""

from __future__ import annotations

from collections import Counter
from itertools import chain, islice

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from ganatomy.data.datamodule import DataModule
from ganatomy.data.labels import Labels
from ganatomy.data.records import Record
from ganatomy.data.sampler import EndlessSampler, PairedSampler
from ganatomy.data.sources.brain import Brain
from ganatomy.data.summary import summary
from ganatomy.data.transforms.patches import Patches
from ganatomy.errors import UserError


def cohort(n: int, strata: int, each: int = 2) -> list[Record]:
    people = [(f"s{s:03d}", f"k{s % strata}") for s in range(n)]
    return [Record(f"{s}-{k}", s, "train", stratum=stratum) for s, stratum in people for k in range(each)]


def module(**settings) -> DataModule:
    source = Brain(subjects=8, size=24, slices=3, spatial_dims=2)
    return DataModule(source, **{"batch_size": 4, "seed": 5, "split": (6, 1, 1)} | settings)


def batches(data: DataModule, n: int) -> list[dict]:
    return list(islice(data.train_dataloader(), n))


@given(n=st.integers(1, 80), strata=st.integers(1, 4), fraction=st.floats(0.01, 1.0), seed=st.integers(0, 99))
@settings(max_examples=80, deadline=None)
def test_a_share_of_the_subjects_strata_alike_and_at_least_one(n, strata, fraction, seed):
    records = cohort(n, strata)
    labels = Labels(fraction, 0.0, 4, seed)
    labels.deal(records)
    assert len(labels.kept) == max(1, round(fraction * n))
    used, others = labels.used(records), labels.others(records)
    assert sorted(r.case for r in [*used, *others]) == [r.case for r in records]
    assert {r.subject for r in used}.isdisjoint(r.subject for r in others)
    sizes, kept = Counter(s % strata for s in range(n)), Counter(int(s[1:]) % strata for s in labels.kept)
    assert all(abs(kept[stratum] - len(labels.kept) * size / n) <= 1 for stratum, size in sizes.items())
    again = Labels(fraction, 0.0, 4, seed)
    again.deal(records[::-1])
    assert again.kept == labels.kept


def test_another_seed_keeps_other_subjects():
    kept = []
    for seed in range(5):
        labels = Labels(0.1, 0.0, 4, seed)
        labels.deal(cohort(60, 2))
        kept.append(frozenset(labels.kept))
    assert len(set(kept)) == 5


def test_without_asking_for_the_others_they_are_left_out():
    data = module(label_fraction=0.34)
    data.setup()
    assert len(data.records["train"]) == 6 and len(data.labels.kept) == 2
    seen = {subject for batch in batches(data, 10) for subject in batch["subject"]}
    assert seen == data.labels.kept and data.batches_per_epoch == 2
    assert all("labelled" not in batch for batch in batches(data, 2))
    told = summary(data)
    assert told["labelled"] == 2 and told["cases"]["train"] == 6
    assert set(told["without_labels"]) == {r.subject for r in data.records["train"]} - data.labels.kept


def test_a_batch_has_a_fixed_share_of_either_kind():
    data = module(label_fraction=0.34, unlabelled_fraction=0.25)
    data.setup()
    found: dict[bool, set[str]] = {True: set(), False: set()}
    for batch in batches(data, 30):
        assert batch["labelled"] == [True, True, True, False]
        assert batch["label"][:3].flatten(1).any(1).all() and not batch["label"][3].any()
        assert batch["label"].dtype == torch.int64 and batch["image"].flatten(1).std(1).min() > 0
        for subject, labelled in zip(batch["subject"], batch["labelled"], strict=True):
            found[labelled].add(subject)
    assert found[True] == data.labels.kept
    assert found[False] == {r.subject for r in data.records["train"]} - data.labels.kept
    assert data.batches_per_epoch == 2  # six labelled slices, three a batch


def test_every_seed_and_epoch_visits_all_of_either_kind_and_a_restart_goes_on():
    straight = batches(module(label_fraction=0.34, unlabelled_fraction=0.5), 9)
    data = module(label_fraction=0.34, unlabelled_fraction=0.5)
    data.start_at(4)
    for one, other in zip(batches(data, 5), straight[4:], strict=True):
        assert all(torch.equal(one[key], other[key]) for key in ("image", "label", "slice"))
        assert one["case"] == other["case"]
    places = [(c, int(z)) for b in straight[:3] for c, z in zip(b["case"][:2], b["slice"][:2], strict=True)]
    assert len(set(places)) == 6  # an epoch of the labelled


@given(first=st.integers(1, 9), second=st.integers(1, 9), world=st.integers(1, 3), start=st.integers(0, 9))
@settings(max_examples=40, deadline=None)
def test_processes_together_read_the_global_batch(first, second, world, start):
    def stream(rank: int, of: int) -> list:
        parts = [EndlessSampler(n, 2 * world, 3, start, rank, of) for n in (first, second)]
        return list(islice(PairedSampler(*parts), 4))

    together = [list(chain(*parts)) for parts in zip(*(stream(r, world) for r in range(world)), strict=True)]
    assert [sorted(batch) for batch in together] == [sorted(batch) for batch in stream(0, 1)]
    for batch in together:
        assert sum(index < first for _, index in batch) == 2 * world


def test_a_patch_of_an_unlabelled_image_is_not_centred_on_what_nobody_marked(monkeypatch):
    given = []
    cut = Patches.__call__
    monkeypatch.setattr(Patches, "__call__", lambda self, case, *a: given.append(case) or cut(self, case, *a))
    data = module(label_fraction=0.34, unlabelled_fraction=0.5, patch=12, foreground=1.0)
    (batch,) = batches(data, 1)
    assert [bool(case["label"].any()) for case in given] == batch["labelled"]
    assert [len(case["seeds"]) > 0 for case in given] == batch["labelled"]
    assert all(case["seeds"].ndim == 2 for case in given)


@pytest.mark.parametrize(
    "wrong, message",
    [
        ({"label_fraction": 0.0}, "data.label_fraction=0.0: give a share above 0"),
        ({"label_fraction": 1.5}, "data.label_fraction=1.5: give a share above 0, at most 1"),
        (
            {"unlabelled_fraction": 0.5},
            "every training image has its label; keep those of some",
        ),
        (
            {"unlabelled_fraction": 0.05, "label_fraction": 0.5},
            "data.unlabelled_fraction=0.05: makes 0 of the 4 images",
        ),
        (
            {"unlabelled_fraction": 1.0, "label_fraction": 0.5},
            "data.unlabelled_fraction=1.0: makes 4 of the 4 images",
        ),
    ],
)
def test_refused_in_one_line(wrong, message):
    with pytest.raises(UserError) as refusal:
        module(**wrong).train_items()
    assert message in str(refusal.value) and "\n" not in str(refusal.value)
