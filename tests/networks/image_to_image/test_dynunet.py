"""nnU-Net's network beside MONAI's of the same weights; kernels that follow from strides."""

from __future__ import annotations

import copy
import math
from typing import Any

import monai.networks.nets as nets
import pytest
import torch
from torch.nn import functional as F

from ganatomy.errors import UserError
from ganatomy.networks.image_to_image.dynunet import DynUNet, kernels


@pytest.mark.parametrize("residual", [False, True])
@pytest.mark.parametrize("dims", [2, 3])
def test_it_is_monais_with_heads_at_their_own_resolution(dims: int, residual: bool) -> None:
    torch.manual_seed(0)
    strides: list[Any] = [1, [1, 2, 2][:dims], 2, 2]
    ours = DynUNet(dims, 2, 3, strides, width=4, heads=2, residual=residual)
    steps = [[side] * dims if isinstance(side, int) else side for side in strides]
    theirs = nets.DynUNet(
        dims,
        2,
        3,
        kernels(steps),
        steps,
        steps[1:],
        filters=[4, 8, 16, 32],
        deep_supervision=True,
        deep_supr_num=2,
        res_block=residual,
    )
    theirs.load_state_dict(ours.state_dict(), strict=False)
    image = torch.randn(2, 2, *(8, 16, 16)[:dims])
    found, wanted = ours(image), theirs(image)
    assert torch.equal(found[0], wanted[:, 0])
    for place, head in enumerate(found[1:], 1):
        assert head.shape[2:] == tuple(
            side // math.prod(step[axis] for step in steps[: place + 1])
            for axis, side in enumerate(image.shape[2:])
        )
        torch.testing.assert_close(F.interpolate(head, image.shape[2:]), wanted[:, place])
    copy.deepcopy(ours)  # MONAI's cannot be copied after a pass
    assert torch.equal(ours.eval()(image), theirs.eval()(image))
    memory = [value.data_ptr() for value in ours.state_dict().values()]
    assert len(set(memory)) == len(memory)


def test_without_heads_it_answers_alike_in_training() -> None:
    network = DynUNet(2, 1, 2, (1, 2, 2), channels=[4, 6, 8], heads=0)
    assert network(torch.zeros(1, 1, 8, 8)).shape == (1, 2, 8, 8)
    assert not [name for name in network.state_dict() if "head" in name]
    assert len(DynUNet(2, 1, 2, (1, 2, 2, 2, 2), width=2)(torch.zeros(1, 1, 32, 32))) == 3


@pytest.mark.parametrize(
    ("strides", "wanted"),
    [
        ([(1, 1), (2, 2), (2, 2)], [(3, 3)] * 3),
        # nnU-Net's plans for spacings of 5 x 1 x 1 mm, and of 3 x 1 x 1 mm
        ([(1, 1, 1), (1, 2, 2), (1, 2, 2), (2, 2, 2)], [(1, 3, 3), (1, 3, 3), (3, 3, 3), (3, 3, 3)]),
        ([(1, 1, 1), (1, 2, 2), (2, 2, 2), (2, 2, 2)], [(1, 3, 3), (3, 3, 3), (3, 3, 3), (3, 3, 3)]),
        ([(1, 1, 1), (2, 2, 2), (1, 2, 2)], [(3, 3, 3)] * 3),  # few slices, of equal spacing
        ([(1, 1, 1), (1, 2, 2), (1, 2, 2)], [(3, 3, 3)] * 3),
    ],
)
def test_kernels_follow_from_strides(strides: Any, wanted: Any) -> None:
    assert [tuple(each) for each in kernels(strides)] == wanted


@pytest.mark.parametrize(
    ("given", "line"),
    [
        ({"strides": [1, 2]}, "strides: .*three levels or more, the first of stride 1"),
        ({"strides": [2, 2, 2]}, "the first of stride 1"),
        ({"strides": [1, [2, 2, 2], 2]}, "strides: .*one for each of 2 axes"),
        ({"strides": [1, 2, 0]}, "strides: 0; give a number >= 1"),
        ({"strides": [1, 2, 2], "kernel_size": [3, 3]}, "kernel_size: 2 for 3 levels"),
        ({"strides": [1, 2, 2], "channels": [4, 8]}, "channels: 2 for 3 levels"),
        ({"strides": [1, 2, 2], "heads": 2}, "heads: 2; 3 levels have from 0 to 1"),
        ({"width": 0}, r"channels\[0\].*must be 1 or more"),
    ],
)
def test_what_does_not_fit_is_told(given: dict[str, Any], line: str) -> None:
    with pytest.raises(UserError, match=line):
        DynUNet(2, 1, 2, **given)
