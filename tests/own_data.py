"""Small data of every kind that docs/data.md and docs/five_minutes.md describe."""

from __future__ import annotations

import contextlib
import csv
import json
import shutil
from pathlib import Path

import nibabel
import numpy as np
import pydicom
from PIL import Image
from pydicom.uid import ExplicitVRLittleEndian, MRImageStorage, generate_uid

RNG = np.random.default_rng(0)


def write_all(folder: Path) -> None:
    """Write all of it below a folder; the same files each time."""
    RNG.bit_generator.state = np.random.default_rng(0).bit_generator.state
    with contextlib.chdir(folder):
        pictures()
        volumes()
        boxes()


def picture(path: Path, values: np.ndarray | None = None, shape: tuple[int, ...] = (40, 40)) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    values = RNG.integers(0, 256, shape) if values is None else values
    Image.fromarray(values.astype(np.uint8)).save(path)


def square(top: int, value: int = 255) -> np.ndarray:
    mask = np.zeros((40, 40))
    mask[top : top + 8, 10:20] = value
    return mask


def table(path: Path, rows: list[list[str]]) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    with path.open("w", newline="") as file:
        csv.writer(file).writerows(rows)


def volume(path: Path, values: np.ndarray) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    nibabel.save(nibabel.Nifti1Image(values.astype(np.int16), np.diag([2, 2, 3, 1.0])), path)


def pictures() -> None:
    names = {"train": range(1, 5), "val": range(5, 6), "test": range(6, 8)}
    for n in range(1, 8):
        picture(Path(f"retina/images/{n:02d}_eye.jpg"), shape=(40, 40, 3))
        picture(Path(f"retina/vessels/{n:02d}_eye_manual1.png"), square(n))
        picture(Path(f"organs/scans/{n}.png"))
        picture(Path(f"organs/maps/{n}.png"), np.maximum(square(n, 60), square(n + 16, 120)))
        picture(Path(f"cells/img{n}/image/img{n}.png"))
        for place in (2, 10, 25):
            picture(Path(f"cells/img{n}/masks/{place}.png"), square(place))
        picture(Path(f"cells/images/{n}.png"), square(n))
        picture(Path(f"cells/instances/{n}.png"), square(n, 1) + square(n + 10, 2))
        picture(Path(f"clinic/{n}.png"))
        picture(Path(f"scans/old/p{n}.png"))
        picture(Path(f"scans/new/q{n}.png"))
        picture(Path(f"boxes/images/{n}.png"))
        picture(Path(f"bottle/train/good/{n:03d}.png"))
        if n <= 2:  # each is searched for, which takes seconds
            picture(Path(f"bottle/test/good/{n:03d}.png"))
            picture(Path(f"bottle/test/crack/{n:03d}.png"))
            picture(Path(f"bottle/ground_truth/crack/{n:03d}_mask.png"), square(n))
    Path("retina/lists").mkdir()
    for split, numbers in names.items():  # the publisher's files ended otherwise
        Path(f"retina/lists/{split}.txt").write_text("".join(f"{n:02d}_eye.tif\n" for n in numbers))
    listed = [[f"{n:02d}_eye", split] for split, numbers in names.items() for n in numbers]
    table(Path("published.csv"), [["file", "split"], *listed])
    rows = [[f"{n}.png", ["healthy", "sick"][n % 2], f"p{n}"] for n in range(1, 8)]
    table(Path("clinic/index.csv"), [["path", "diagnosis", "patient"], *rows])
    coco = {
        "images": [{"id": n, "file_name": f"{n}.png", "width": 40, "height": 40} for n in range(1, 8)],
        "annotations": [
            {"id": n, "image_id": n, "category_id": 1, "bbox": [3, 4, 10, 12]} for n in range(1, 8)
        ],
        "categories": [{"id": 1, "name": "cell"}],
    }
    Path("boxes/annotations.json").write_text(json.dumps(coco))


def volumes() -> None:
    rows = []
    for n in range(1, 7):
        for name, top in (("t1", 500), ("t2", 7000)):
            volume(Path(f"mrct/P{n}/{name}.nii.gz"), RNG.integers(0, top, (16, 16, 16)))
        volume(Path(f"mrct/P{n}/ct.nii.gz"), RNG.integers(-1000, 900, (16, 16, 16)))
        for name, low, high in (("mr", 0, 900), ("ct", -1000, 900), ("mask", 1, 2)):
            volume(Path(f"Task1/1BA{n:03d}/{name}.nii.gz"), RNG.integers(low, high, (16, 16, 16)))
        rows.append([f"P{n}/t1.nii.gz;P{n}/t2.nii.gz", f"P{n}/ct.nii.gz", f"P{n}"])
        volume(Path(f"Dataset001_Mine/imagesTr/c{n}_0000.nii.gz"), RNG.integers(0, 99, (16, 16, 16)))
        volume(Path(f"Dataset001_Mine/labelsTr/c{n}.nii.gz"), RNG.integers(0, 2, (16, 16, 16)))
        dicom(Path(f"hospital/P{n}"), f"person{n}")
    table(Path("mrct/pairs.csv"), [["mr", "ct", "person"], *rows])
    about = {
        "channel_names": {"0": "T1"},
        "labels": {"background": 0, "lesion": 1},
        "numTraining": 6,
        "file_ending": ".nii.gz",
    }
    Path("Dataset001_Mine/dataset.json").write_text(json.dumps(about))
    shutil.copytree("Dataset001_Mine", "Task03_Liver")
    about["labels"] = {"background": 0, "liver": 1, "cancer": 2}
    Path("Task03_Liver/dataset.json").write_text(json.dumps(about))
    volume(Path("scan.nii.gz"), np.add.outer(square(4), [0]))


def boxes() -> None:
    """A table with a row for each box, YOLO's files, and nodules in mm."""
    rows = [["patientId", "x", "y", "width", "height", "Target", "patient"]]
    nodules = [["seriesuid", "coordX", "coordY", "coordZ", "diameter_mm"]]
    for n in range(1, 8):
        picture(Path(f"chest/images/s{n}.png"), square(n))
        rows += [[f"s{n}", "10", str(n), "10", "8", "1", f"p{n}"]] * (n < 7)
        picture(Path(f"yolo/images/train/{n}.png"), square(n))
        Path("yolo/labels/train").mkdir(parents=True, exist_ok=True)
        row = f"0 {15 / 40} {(n + 4) / 40} {10 / 40} {8 / 40}\n"
        Path(f"yolo/labels/train/{n}.txt").write_text(row if n < 7 else "")
        volume(Path(f"lungs/1.3.{n}.nii.gz"), RNG.integers(-1000, 900, (16, 16, 16)))
        nodules.append([f"1.3.{n}", "-12", str(-n - 6), "21", "6"])
    rows.append(["s7", "", "", "", "", "0", "p7"])
    table(Path("chest/boxes.csv"), rows)
    table(Path("lungs/annotations.csv"), nodules)
    Path("yolo/data.yaml").write_text("train: images/train\nnames: [nodule]\n")


def dicom(folder: Path, person: str) -> None:
    """Two series of eight slices."""
    for number, name in enumerate(("T1 se", "T2 tse"), 1):
        series = generate_uid()
        (folder / name).mkdir(parents=True)
        for z in range(8):
            data = pydicom.Dataset()
            data.file_meta = pydicom.dataset.FileMetaDataset()
            data.file_meta.TransferSyntaxUID = ExplicitVRLittleEndian
            data.SOPClassUID, data.SOPInstanceUID = MRImageStorage, generate_uid()
            data.PatientID, data.Modality, data.SeriesDescription = person, "MR", name
            data.StudyInstanceUID, data.SeriesInstanceUID, data.SeriesNumber = "1.2.3", series, number
            data.ImagePositionPatient, data.ImageOrientationPatient = [0, 0, z * 4], [1, 0, 0, 0, 1, 0]
            data.PixelSpacing, data.Rows, data.Columns, data.InstanceNumber = [1.5, 1.5], 16, 16, z + 1
            data.SamplesPerPixel, data.PhotometricInterpretation, data.PixelRepresentation = (
                1,
                "MONOCHROME2",
                0,
            )
            data.BitsAllocated, data.BitsStored, data.HighBit = 16, 12, 11
            data.PixelData = RNG.integers(0, 4096, (16, 16)).astype("<u2").tobytes()
            data.save_as(folder / name / f"IM{z}", enforce_file_format=True)
