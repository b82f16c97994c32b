"""Drawing and writing of single images, in any process."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

import numpy as np
import torch
from torch import Tensor

from ganatomy.data.io.synthetic import SyntheticFolder
from ganatomy.generate.request import Request, Way, synthesis_of
from ganatomy.inference.loaded import LoadedRun, load_run
from ganatomy.tasks.synthesis.figures import slerp
from ganatomy.tasks.synthesis.sampler import Noises, Sampler


class Maker:
    """Draw the images of a request and write them.

    Args:
        loaded: The finished run.
        request: What is to be drawn.
        folder: Where it is written.
    """

    def __init__(self, loaded: LoadedRun, request: Request, folder: SyntheticFolder) -> None:
        task, facts = synthesis_of(loaded)
        torch.use_deterministic_algorithms(loaded.cfg.trainer.deterministic)  # as in the run's own test
        draw = request.drawer(task)
        self.request, self.folder = request, folder
        self.sampler = Sampler(draw, facts, kinds=request.kinds, drawing=request.truncated(draw))
        if request.way is not None:
            self.sampler.noises = on_the_way(self.sampler.noise, request.way)

    def write(self, number: int) -> None:
        """Draw the image of this number and write its file, and that of its label map."""
        masks = self.request.masks
        if masks is None:
            self.folder.write(number, self.sampler.image(number), None, self.sampler.affine)
            return
        mask = masks.read(masks.path(number))
        planes = [np.ascontiguousarray(plane) for plane in mask.planes]
        image = mask.on_file([self.sampler.image(number, plane) for plane in planes])
        self.folder.write(number, image, mask.label, mask.affine)


def on_the_way(noise: Noises, way: Way) -> Noises:
    """Return the noise of each image of a way; at its ends that of the images there, to the last bit."""

    def of(number: int) -> Tensor:
        share = (number - 1) / (way.steps - 1)
        if share in (0, 1):
            return noise(way.end if share else way.start)
        return slerp(noise(way.start), noise(way.end), share)

    return of


def written(
    run: str, device: str, request: Request, folder: SyntheticFolder, numbers: Sequence[int]
) -> Iterator[int]:
    """Write images, and yield the number of each.

    Args:
        run: Directory of the finished run.
        device: Where to draw, see `load_run`.
        request: What is to be drawn.
        folder: Where it is written.
        numbers: Numbers of the images.
    """
    maker = Maker(load_run(run, device), request, folder)
    for number in numbers:
        maker.write(number)
        yield number
