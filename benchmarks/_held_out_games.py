"""The held-out games of games.py: nobody who chose the guard's thresholds saw a run of them."""

from __future__ import annotations

from benchmarks._games import (
    ENHANCEMENT,
    FAILED_STEPS,
    RATE_D,
    RATE_G,
    SYNTHESIS,
    THROWN,
    FailedGame,
)
from benchmarks._healthy_games import BRAIN, CLASSES, NARROW, HealthyGame

HELD_OUT_FAILED = (
    FailedGame(
        "detection_g_rate_0",
        "detection, G at rate 0",
        ("task=detection", *BRAIN, "data.size=64", f"{RATE_G}=0", *FAILED_STEPS),
        "",
        frozenset({"generator_frozen"}),
        "G does not move",
    ),
    FailedGame(
        "enhancement_x250",
        "enhancement, rate of G x250",
        (*ENHANCEMENT, f"{RATE_G}=1.0", *FAILED_STEPS),
        "pairs",
        THROWN,
        "the rate throws weights about",
    ),
    FailedGame(
        "stylegan2_x100",
        "stylegan2, both rates x100",
        (
            *SYNTHESIS,
            "model=stylegan2",
            "model.generator.channels=16",
            "model.discriminator.channels=16",
            f"{RATE_G}=0.25",
            f"{RATE_D}=0.25",
            *FAILED_STEPS,
        ),
        "chests",
        THROWN,
        "the rate throws weights about",
    ),
    FailedGame(
        "hinge_strong_d",
        "dcgan, hinge, D at 0.01, G at 1e-6",
        (
            *SYNTHESIS,
            "model=dcgan",
            "model.adversarial.loss=hinge",
            f"{RATE_G}=1e-6",
            f"{RATE_D}=0.01",
            *FAILED_STEPS,
        ),
        "chests",
        frozenset({"discriminator_wins", "generator_frozen"}) | THROWN,
        "D always wins, G hardly moves",
    ),
    FailedGame(
        "ganomaly_g_rate_0",
        "ganomaly, G at rate 0",
        ("task=anomaly", *BRAIN, "model=ganomaly", f"{RATE_G}=0", *FAILED_STEPS),
        "",
        frozenset({"generator_frozen"}),
        "G does not move",
    ),
    FailedGame(
        "targets_black",
        "enhancement towards black images",
        (*ENHANCEMENT, *FAILED_STEPS),
        "pairs_black",
        frozenset({"constant_output", "constant_images", "one_class"}),
        "there is nothing to learn but black",
    ),
)
CHESTS = (SYNTHESIS, "chests")
CXR = ("data=nih_cxr", "data.size=32", "data.image=*/*1.png", "data.on_error=skip")
HELD_OUT_HEALTHY = (
    HealthyGame("fast", "chests", *CHESTS, seed=2),
    HealthyGame("dcgan", "chests", *CHESTS, seed=3),
    HealthyGame("r3gan", "chests", (*SYNTHESIS, *NARROW), "chests", seed=4),
    HealthyGame("stylegan2", "brain", ("task=synthesis", *BRAIN, *NARROW, "task.imagenet=false"), seed=5),
    HealthyGame("stylegan2_class", "mednist", (*CLASSES, *NARROW), "kinds", seed=6),
    HealthyGame(
        "adversarial_unet",
        "hippocampus",
        (
            "task=segmentation",
            "data=hippocampus",
            "data.size=[32,32,32]",
            "data.resize=crop",
            "model.generator.channels=[8,16,32]",
            "model.generator.strides=[2,2]",
            "model.discriminator.channels=16",
            "data.batch_size=2",
            "data.split=[24,6,6]",
        ),
        seed=1,
    ),
    HealthyGame(
        "pix2pix", "oct", ("task=enhancement", "data=oct", "degradation=none", "data.patch=32"), seed=2
    ),
    HealthyGame(
        "centernet_gan",
        "cbc",
        ("task=detection", "data=cbc", "data.size=[60,80]", "data.batch_size=4"),
        seed=3,
    ),
    HealthyGame("ganomaly", "nih", ("task=anomaly", *CXR), seed=4),
    HealthyGame("fanogan", "nih", ("task=anomaly", *CXR), seed=5),
    HealthyGame(
        "residual_unet", "brain with shot noise", ("task=enhancement", *BRAIN, "degradation=poisson"), seed=6
    ),
    HealthyGame("fast", "heads", (*SYNTHESIS,), "heads", seed=7),
)
