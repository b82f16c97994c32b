"""From rows of a batch to whole cases, without copies of what may fill the memory."""

from __future__ import annotations

import numpy as np
import pytest
import torch

from ganatomy.tasks.shared import volumes
from ganatomy.tasks.shared.volumes import largest, likeliest, small, stack_slices


@pytest.mark.parametrize("count", [1, 5, 64, 200])
def test_the_largest_of_parts_are_those_of_topk(monkeypatch, count):
    monkeypatch.setattr(volumes, "PART", 64)
    values = torch.from_numpy(np.random.default_rng(0).standard_normal((3, 200)).astype(np.float32))
    values[:, ::7] = values[:, :1]  # ties
    assert torch.equal(largest(values, count), values.topk(count).values)
    assert torch.equal(largest(values, count).mean(1), values.topk(count).values.mean(1))


@pytest.mark.parametrize(("most", "dtype"), [(1, torch.uint8), (255, torch.uint8), (256, torch.int64)])
def test_class_numbers_take_eight_bits_where_these_hold_them(most, dtype):
    label = torch.tensor([0, most])
    assert small(label).dtype == dtype and small(label).tolist() == [0, most]
    assert small(label[:0]).numel() == 0


def test_a_case_that_is_one_row_is_no_copy():
    values = torch.arange(24.0).reshape(2, 1, 3, 2, 2)
    found = stack_slices({"case": ["a", "b"]}, values, [1])
    assert found.tolist() == values[1].tolist() and found.data_ptr() == values[1].data_ptr()


def test_slices_are_stacked_in_their_order():
    values = torch.arange(12.0).reshape(3, 1, 2, 2)
    batch = {"case": ["a", "a", "b"], "slice": torch.tensor([1, 0, 0])}
    assert stack_slices(batch, values, [0, 1]).tolist() == torch.stack([values[1], values[0]], -1).tolist()


@pytest.mark.parametrize(("classes", "kind"), [(2, torch.uint8), (5, torch.uint8), (300, torch.int64)])
def test_the_likeliest_class_is_that_of_argmax(classes: int, kind: torch.dtype) -> None:
    """With ties, which the first class wins, and in either layout of memory."""
    values = torch.randint(0, 4, (2, classes, 9, 7), generator=torch.Generator().manual_seed(0)).float()
    for each in (values, values.contiguous(memory_format=torch.channels_last)):
        found = likeliest(each)
        assert found.dtype == kind and torch.equal(found.long(), each.argmax(1, keepdim=True))
