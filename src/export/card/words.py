"""Sentences of the model card that depend on the task alone."""

TASKS = {
    "segmentation": "segmentation, image in, label map out",
    "enhancement": "enhancement, image in, better image out",
    "detection": "detection, image in, boxes out",
    "anomaly": "anomaly detection, learned from healthy images",
    "synthesis": "synthesis, images from noise",
    "translation": "translation, image of one modality in, the same anatomy in another out",
}
"""Title of the card by task."""

RESEARCH = (
    "Out of scope: diagnosis, treatment, triage, or any other use on patients; this is no medical device."
)
INTENDED = {
    "": f"Research on images like those of the training data. {RESEARCH}",
    "segmentation": f"Research: label maps of images like those of the training data. {RESEARCH}",
    "enhancement": "Research: enhancing images like those of the training data. Details that the network "
    f"adds may not be in the patient. {RESEARCH}",
    "detection": f"Research: finding objects in images like those of the training data. {RESEARCH}",
    "anomaly": "Research: finding what differs from the healthy images of the training data. A low score "
    f"does not mean that an image is healthy. {RESEARCH}",
    "translation": "Research: images like those of the target modality, from images like those of the "
    "source. They are computed, not acquired: a lesion may be lost or invented, and a value may be wrong "
    f"where it looks right. {RESEARCH}",
    "synthesis": "Research: synthetic images for method development and teaching. They show nobody, and "
    f"they must be marked as synthetic wherever they go. {RESEARCH}",
}
"""What the model is for, by task."""

MEASURES = {
    "": "Scores of the test set; arrows point to the better direction.",
    "segmentation": "Overlap (Dice, IoU) and distances of surfaces, for each class, in the grid of the file.",
    "enhancement": "Similarity to the target (PSNR, SSIM, absolute error) and texture, in the file's units.",
    "detection": "Average precision and FROC, at the threshold that was chosen on validation images.",
    "anomaly": "AUROC and average precision of images, and of pixels where lesions are outlined.",
    "translation": "Similarity to the target inside the mask (MAE, PSNR, SSIM), in the target's units; "
    "distances of sets (SWD, KID); anatomy and lesions as a finished run finds them, where one was named.",
    "synthesis": "Distances between synthetic and real images as sets (SWD, KID), coverage and density.",
}
"""What the scores are, by task."""

NEVER_TESTED = (
    "other scanners, protocols, sites: the run knows of one data set and records none of them",
    "other groups of patients: age, sex and ethnicity are not recorded, so no score is split by them",
    "images with artefacts, implants or diseases that the test set does not hold",
    "other random seeds: the scores are of one training run",
    "use by people: no reader study, no clinical outcome",
)
"""What no run knows about its model."""

GENERAL_LIMITS = (
    "An image must be prepared as in training (orientation, spacing, size, intensity); the settings are "
    "above and in the exported file.",
    "Scores are of a held-out part of one data set; expect lower ones elsewhere; test on your own images.",
    "Intervals are over the subjects of the test set, and say nothing of other seeds or data sets.",
)
"""Limits of every model."""
