"""The games of games.py: failed on purpose, and healthy.

`names` of a failed game holds the events that count as the right name for it. It was written down before the
game was first watched by the guard: a cause ("the rate throws weights about") or a symptom that is true and
whose advice leads to the fault.
"""

from __future__ import annotations

from dataclasses import dataclass, replace

RATE_G, RATE_D = "model.optimizer.generator.lr", "model.optimizer.discriminator.lr"
ALWAYS = (
    *("trainer.threads=1", "trainer.accelerator=cpu", "logger=csv"),
    *("callbacks.progress=none", "callbacks.report=false", "callbacks.samples=0"),
)
FAILED_STEPS = ("trainer.max_steps=150", "trainer.val_every=50")
HEALTHY_STEPS = ("trainer.max_steps=300", "trainer.val_every=100")

FOLDER = ("data=folder", "data.size=32", "data.root={data}")
SYNTHESIS = ("task=synthesis", *FOLDER, "data.intensity=[0,255]", "task.imagenet=false")
MASKS = ('data.label="masks/{{name}}"', "data.classes=[background,lesion]", "data.label_values=[0,255]")
SEGMENTATION = ("task=segmentation", *FOLDER, *MASKS, "data.splits=splits.csv")
ENHANCEMENT = ("task=enhancement", *FOLDER, 'data.target="targets/{{name}}"', "data.intensity=[0,255]")
ANOMALY = (
    "task=anomaly",
    *FOLDER,
    "data.image=*/*.png",
    'data.kind="{{parent}}"',
    "data.intensity=[0,255]",
)

BAD_OUTCOME = frozenset({"worse_than_baseline", "collapse", "falling", "constant_output"})
"""True of nearly every failed game, and no cause; accepted only where the outcome is what a user sees."""
THROWN = frozenset({"weights_thrown", "not_finite"})


@dataclass(frozen=True)
class FailedGame:
    """One way to fail.

    Attributes:
        name: Name of the run directory.
        what: What is wrong, for people.
        words: Words after `python -m src.train`; {data} is the folder of the data set.
        data: Data set of _game_data.py, or "" for one that needs no folder.
        names: Events that name it rightly.
        why: Why these.
        scaler: True: float16 on a CPU, through _cpu_scaler.py.
        held_out: True: not shown to anybody while the guard's thresholds were chosen.
    """

    name: str
    what: str
    words: tuple[str, ...]
    data: str
    names: frozenset[str]
    why: str
    scaler: bool = False
    held_out: bool = False

    @property
    def task(self) -> str:
        """Return the task named in the words."""
        return next(word.removeprefix("task=") for word in self.words if word.startswith("task="))


def _fast(
    name: str, what: str, words: str, names: frozenset[str] | set[str], why: str, data: str = "heads"
) -> FailedGame:
    return FailedGame(name, what, (*SYNTHESIS, *words.split(), *FAILED_STEPS), data, frozenset(names), why)


FAILED = (
    _fast(
        "rates_x100",
        "both learning rates x100",
        f"{RATE_G}=0.04 {RATE_D}=0.04",
        THROWN,
        "the rate throws weights about",
    ),
    _fast(
        "rates_x100000",
        "both learning rates x100 000",
        f"{RATE_G}=40 {RATE_D}=40",
        THROWN,
        "weights explode; NaN within steps",
    ),
    _fast("d_rate_0", "D at rate 0", f"{RATE_D}=0", {"discriminator_frozen"}, "D does not move"),
    _fast("g_rate_0", "G at rate 0", f"{RATE_G}=0", {"generator_frozen"}, "G does not move"),
    _fast(
        "strong_d",
        "D at 0.02, G at 1e-5",
        f"{RATE_G}=1e-5 {RATE_D}=0.02",
        {"discriminator_wins", "generator_frozen", *THROWN},
        "D always wins; G hardly moves; a rate of 0.02 throws D's weights about",
    ),
    _fast(
        "dcgan_g_0.02",
        "dcgan, G at 0.02",
        f"model=dcgan {RATE_G}=0.02",
        {"collapse", "discriminator_wins", *THROWN},
        "collapses in reliability.md, by a rate 100 times too high",
    ),
    _fast(
        "constant_images",
        "60 constant images",
        "",
        {"constant_images"},
        "there is nothing to learn",
        "constant",
    ),
    _fast(
        "three_images", "3 training images", "data.split=[3,1,1]", {"few_images"}, "too few images", "three"
    ),
    replace(
        _fast(
            "fp16_overflow",
            "float16, both rates x1000",
            f"trainer.precision=16-mixed {RATE_G}=0.4 {RATE_D}=0.4",
            THROWN,
            "weights too large for float16: every step overflows, the scale falls without end",
        ),
        scaler=True,
    ),
    FailedGame(
        "fp16_numbers",
        "float16 and 16-bit intensities as they are",
        (
            *SYNTHESIS[:-2],
            "data.intensity=none",
            "task.imagenet=false",
            "task.offset=0",
            "task.scale=0.001",
            "trainer.precision=16-mixed",
            *FAILED_STEPS,
        ),
        "raw_numbers",
        frozenset({"not_finite"}),
        "float16 ends at 65 504: every step overflows",
        scaler=True,
    ),
    FailedGame(
        "labels_shuffled",
        "label maps of other cases",
        (*SEGMENTATION, *FAILED_STEPS),
        "lesions_shuffled",
        BAD_OUTCOME,
        "the mask cannot be told from the image: only the outcome shows it",
    ),
    _fast(
        "ttur_swapped",
        "rates of G and D swapped (dcgan: G 0.01, D 1e-5)",
        f"model=dcgan {RATE_G}=0.01 {RATE_D}=1e-5",
        {"discriminator_loses", "discriminator_frozen", *THROWN},
        "D cannot follow; G's rate is far too high",
    ),
    FailedGame(
        "one_class",
        "masks of one class: every pixel a lesion",
        (*SEGMENTATION, *FAILED_STEPS),
        "lesions_everywhere",
        frozenset({"one_class"}),
        "there is nothing to tell apart",
    ),
    _fast(
        "ema_of_diverged",
        "the average of a G that diverged (r3gan, no normalisation, G x250)",
        f"model=r3gan {RATE_G}=0.05",
        THROWN | {"collapse"},
        "G's rate throws its weights about, whatever the average shows; it ends in one image",
    ),
    FailedGame(
        "mask_always_empty",
        "training masks are empty",
        (*SEGMENTATION, *FAILED_STEPS),
        "lesions_empty",
        frozenset({"constant_output", "one_class"}),
        "every mask is empty, as those of training",
    ),
    FailedGame(
        "anomaly_on_lesions",
        "anomaly detection trained on the ill, called healthy",
        (*ANOMALY, "model=autoencoder", "data.splits=splits.csv", *FAILED_STEPS),
        "ill_for_healthy",
        frozenset({"worse_than_baseline"}),
        "the truly healthy look odder than the ill: below chance",
    ),
    _fast(
        "rates_x30",
        "both learning rates x30",
        f"{RATE_G}=0.012 {RATE_D}=0.012",
        {*THROWN, "worse_than_baseline"},
        "the rate throws weights about, less than x100",
    ),
    _fast(
        "no_penalty",
        "Wasserstein loss without its penalty",
        f"model=dcgan model.discriminator.norm=false model.adversarial.loss=wasserstein "
        f"{RATE_D}=0.005 update.n_critic=5",
        {"discriminator_wins", "worse_than_baseline", "collapse", *THROWN},
        "D's logits have no bound",
    ),
    _fast(
        "weak_d",
        "D of 1 channel at 1e-6",
        f"model.discriminator.channels=1 model.discriminator.refine=0 {RATE_D}=1e-6",
        {"discriminator_loses", "discriminator_frozen"},
        "D cannot tell, and hardly moves",
    ),
    FailedGame(
        "targets_of_others",
        "enhancement towards the images of other cases",
        (*ENHANCEMENT, *FAILED_STEPS),
        "pairs_shuffled",
        BAD_OUTCOME,
        "the target cannot be told from the image: only the outcome shows it",
    ),
    FailedGame(
        "segmentation_x1000",
        "segmentation, both rates x1000",
        (*SEGMENTATION, f"{RATE_G}=2", f"{RATE_D}=0.2", *FAILED_STEPS),
        "lesions",
        THROWN,
        "the rate throws weights about",
    ),
)

TAKEN_BACK = (
    "rates_x100",
    "rates_x30",
    "strong_d",
    "weak_d",
    "d_rate_0",
    "no_penalty",
    "dcgan_g_0.02",
    "fp16_overflow",
)
"""Games that are played again with guard=rollback."""
