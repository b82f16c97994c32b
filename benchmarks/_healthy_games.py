"""The healthy games of games.py: every task, every model of conf/model at its own rates."""

from __future__ import annotations

from dataclasses import dataclass

from benchmarks._games import (
    ANOMALY,
    ENHANCEMENT,
    FOLDER,
    HEALTHY_STEPS,
    RATE_D,
    RATE_G,
    SEGMENTATION,
    SYNTHESIS,
)

BRAIN = ("data.subjects=24", "data.slices=6", "data.size=32", "data.split=[16,4,4]")
VOLUMES = (
    "data.spatial_dims=3",
    "data.subjects=6",
    "data.size=32",
    "data.split=[4,1,1]",
    "data.batch_size=2",
)
CLASSES = (
    "task=synthesis",
    *FOLDER,
    "data.image=*/*.png",
    'data.kind="{{parent}}"',
    "data.intensity=[0,255]",
    "task.imagenet=false",
)
KINDER = (
    *(f"{RATE_G}=5e-4", f"{RATE_D}=1e-4", "model.adversarial.loss=wasserstein"),
    "model.adversarial.penalties=[{{name:gradient_penalty,weight:10.0}}]",
)
"""For the dense generator of model=article, which really collapses at its own loss and rates, and with
non_saturating and diffaugment: pairs of its images have an MS-SSIM of 0.97, of real ones 0.13."""
NARROW = ("model.generator.channels=16", "model.discriminator.channels=16")
UNET = (
    "model.generator.channels=[8,16,32]",
    "model.generator.strides=[2,2]",
    "model.discriminator.channels=16",
)


@dataclass(frozen=True)
class HealthyGame:
    """A run with nothing wrong.

    Attributes:
        model: File of conf/model.
        data: Data, for people.
        words: Words after `python -m src.train`; {data} is the folder of the data set.
        folder: Data set of _game_data.py, or "" for one that needs no folder.
        seed: Seed of the run.
        held_out: True: not shown to anybody while the guard's thresholds were chosen.
    """

    model: str
    data: str
    words: tuple[str, ...]
    folder: str = ""
    seed: int = 0
    held_out: bool = False

    @property
    def task(self) -> str:
        """Return the task named in the words."""
        return next(word.removeprefix("task=") for word in self.words if word.startswith("task="))

    @property
    def name(self) -> str:
        """Return the name of the run directory."""
        return f"{self.task}_{self.model}_{self.data.replace(' ', '_')}_{self.seed}"

    @property
    def all_words(self) -> tuple[str, ...]:
        """Return all words but those of every game."""
        return (*self.words, f"model={self.model}", f"seed={self.seed}", *HEALTHY_STEPS)


def _brain(task: str, *more: str) -> tuple[str, ...]:
    return (f"task={task}", *BRAIN, *more)


SHALLOW = ("model.generator.channels=[8,16]", "model.generator.steps=8")
SHALLOW_HEADS = ((*SYNTHESIS, *SHALLOW), "heads")
NARROW_HEADS = ((*SYNTHESIS, *NARROW), "heads")
HEADS, LESIONS, PAIRS = (SYNTHESIS, "heads"), (SEGMENTATION, "lesions"), (ENHANCEMENT, "pairs")
HEALTHY = (
    HealthyGame("fast", "heads", *HEADS),
    HealthyGame("fast", "brain", _brain("synthesis", "task.imagenet=false"), seed=1),
    HealthyGame("dcgan", "heads", *HEADS),
    HealthyGame("r3gan", "heads", *NARROW_HEADS, seed=1),
    HealthyGame("stylegan2", "heads", *NARROW_HEADS),
    HealthyGame("fastgan", "heads", *NARROW_HEADS),
    HealthyGame("article", "heads", (*SYNTHESIS, *KINDER), "heads"),
    HealthyGame("fast_class", "mednist", CLASSES, "kinds"),
    HealthyGame("r3gan_class", "mednist", (*CLASSES, *NARROW), "kinds"),
    HealthyGame("fastgan_class", "mednist", (*CLASSES, *NARROW), "kinds", seed=1),
    HealthyGame("stylegan2_class", "mednist", (*CLASSES, *NARROW), "kinds"),
    HealthyGame("spade", "brain", _brain("synthesis", "task.imagenet=false")),
    HealthyGame("vaegan", "heads", *NARROW_HEADS),
    HealthyGame("rectified_flow", "heads", *SHALLOW_HEADS),
    HealthyGame("rectified_flow_class", "mednist", (*CLASSES, *SHALLOW), "kinds"),
    HealthyGame("adversarial_unet", "brain", _brain("segmentation", *UNET)),
    HealthyGame("adversarial_unet", "busi", *LESIONS, seed=1),
    HealthyGame("pix2pix", "brain", _brain("segmentation"), seed=1),
    HealthyGame("segan", "brain", _brain("segmentation", "model.generator.channels=[8,16,32]")),
    HealthyGame(
        "semi",
        "brain",
        _brain(
            "segmentation",
            "model.generator.channels=[8,16,32]",
            "model.generator.strides=[2,2]",
            "data.label_fraction=0.5",
            "task.semi.start=150",
        ),
    ),
    HealthyGame("article", "brain", _brain("segmentation")),
    HealthyGame("adversarial_unet", "brain volumes", ("task=segmentation", *VOLUMES, *UNET)),
    HealthyGame("residual_unet", "heads with noise", *PAIRS),
    HealthyGame("residual_unet", "brain with noise", _brain("enhancement"), seed=1),
    HealthyGame("pix2pix", "heads with noise", *PAIRS),
    HealthyGame("dugan", "heads with noise", *PAIRS),
    HealthyGame("wgan_denoise", "heads with noise", *PAIRS, seed=1),
    HealthyGame(
        "srgan", "brain halved", _brain("enhancement", "degradation=downsample2", "model.generator.blocks=4")
    ),
    HealthyGame("article", "brain with noise", _brain("enhancement")),
    HealthyGame("centernet_gan", "brain lesions", _brain("detection", "data.size=64")),
    HealthyGame("article", "brain lesions", _brain("detection", "data.size=64"), seed=1),
    HealthyGame("fanogan", "brain", _brain("anomaly")),
    HealthyGame("ganomaly", "brain", _brain("anomaly")),
    HealthyGame("autoencoder", "brain", _brain("anomaly"), seed=1),
    HealthyGame("autoencoder", "brain slices", ANOMALY, "ill_brains"),
    HealthyGame("translation_unet", "contrasts", _brain("translation")),
    HealthyGame("translation_nnsyn", "contrasts", _brain("translation")),
    HealthyGame("translation_pix2pixhd", "contrasts", _brain("translation")),
    HealthyGame("translation_reggan", "contrasts", _brain("translation"), seed=1),
    HealthyGame("cyclegan", "contrasts", _brain("translation")),
    HealthyGame("cut", "contrasts", _brain("translation")),
    HealthyGame("fastcut", "contrasts", _brain("translation"), seed=1),
)
