"""The caches give back what was made, make a damaged entry anew, and stay within their room."""

from __future__ import annotations

import os
import socket
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

from ganatomy.data.cache import Cache, write
from ganatomy.data.io.cases import read
from ganatomy.data.records import Record


class Maker:
    """Counts what it makes."""

    def __init__(self) -> None:
        self.made: list[str] = []

    def __call__(self, record: Record) -> dict[str, np.ndarray]:
        self.made.append(record.case)
        rng = np.random.default_rng(int(record.case))
        return {
            "image": rng.standard_normal((1, 4, 5)).astype(np.float32),
            "label": rng.integers(0, 3, (1, 4, 5)).astype(np.uint8),
            "boxes": np.zeros((0, 4)),
            "class": np.array(3),
        }


def cache(make, tmp_path, kind="disk", key="a", **settings) -> Cache:
    return Cache(make, lambda record: f"{key} {record.case}", kind, tmp_path, **settings)


def assert_same(a, b):
    assert a.keys() == b.keys()
    for key in a:
        assert (
            np.array_equal(a[key], b[key]) and a[key].dtype == b[key].dtype and a[key].shape == b[key].shape
        )


ROOT = Path(__file__).resolve().parents[2]
RECORD = Record("1", "1")


@pytest.mark.parametrize(("kind", "times"), [("memory", 1), ("disk", 1), ("none", 2)])
def test_what_comes_back_is_what_was_made(tmp_path, kind, times):
    make = Maker()
    kept = cache(make, tmp_path, kind)
    first, second = kept.get(RECORD), kept.get(RECORD)
    assert_same(first, second)
    assert_same(first, Maker()(RECORD))
    assert len(make.made) == times


def test_disk_outlives_the_process_and_a_changed_key_does_not_hit(tmp_path):
    cache(Maker(), tmp_path).get(RECORD)
    again, changed = Maker(), Maker()
    cache(again, tmp_path).get(RECORD)
    cache(changed, tmp_path, key="b").get(RECORD)
    assert again.made == [] and changed.made == ["1"]


@pytest.mark.parametrize("damage", ["cut", "empty", "flip", "noise"])
def test_a_damaged_entry_is_made_anew(tmp_path, damage):
    cache(Maker(), tmp_path).get(RECORD)
    (path,) = tmp_path.rglob("*.safetensors")
    content = bytearray(path.read_bytes())
    content[-3] ^= 255
    path.write_bytes(
        {"cut": path.read_bytes()[:-7], "empty": b"", "flip": bytes(content), "noise": b"x" * 999}[damage]
    )
    make = Maker()
    assert_same(cache(make, tmp_path).get(RECORD), Maker()(RECORD))
    assert make.made == ["1"]
    assert_same(read(path), Maker()(RECORD))


def counted(kept: Cache, monkeypatch: pytest.MonkeyPatch) -> list[int]:
    """Count the arrays whose bytes are summed."""
    from ganatomy.data.io import cases

    sums: list[int] = []
    plain = cases.zlib.crc32
    monkeypatch.setattr(cases.zlib, "crc32", lambda *given: (sums.append(1), plain(*given))[1])
    return sums


def test_a_part_of_a_mapped_case_equals_that_of_the_whole(tmp_path):
    rng = np.random.default_rng(0)
    whole = {
        "image": rng.standard_normal((2, 9, 8, 7)).astype(np.float32),
        "target": rng.integers(-9, 9, (1, 9, 8, 7)).astype(np.int16),
        "label": rng.integers(0, 3, (1, 9, 8, 7)).astype(np.uint8),
        "affine": np.diag([1.0, 2, 3, 1]),
        "flag": np.array(True),
        "half": np.array([0.5, 1], np.float16),
        "boxes": np.zeros((0, 6), np.float32),
    }
    kept = cache(lambda _: whole, tmp_path)
    kept.get(RECORD)
    window = (slice(None), slice(2, 8), slice(0, 3), slice(4, 7))
    for _ in range(2):
        case = kept.view(RECORD)
        assert_same(case, whole)
        for key in ("image", "target", "label"):
            assert np.array_equal(case[key][window], whole[key][window])
            assert np.array_equal(kept.view(RECORD, 0)[key], whole[key][0])
    case["image"][:] = 7  # no change of a view reaches the file
    assert_same(kept.view(RECORD), whole)
    assert_same(read(next(tmp_path.rglob("*.safetensors"))), whole)


def test_small_arrays_stay_and_pictures_do_not(tmp_path):
    """What a patch asks for is read once, and nobody can change it for the next one."""
    kept = cache(Maker(), tmp_path)
    kept.get(RECORD)
    _, first, second = (kept.view(RECORD) for _ in range(3))  # the first one verifies the file
    for key in ("boxes", "class"):
        assert first[key] is second[key] and not first[key].flags.writeable
    for key in ("image", "label"):
        assert first[key] is not second[key] and first[key].flags.writeable
    kept.get(RECORD)["class"][...] = 5  # a copy
    assert kept.view(RECORD)["class"] == 3


def test_a_file_is_verified_once_and_again_when_another_takes_its_place(tmp_path, monkeypatch):
    make = Maker()
    kept = cache(make, tmp_path)
    kept.get(RECORD)
    sums = counted(kept, monkeypatch)
    for _ in range(3):
        kept.view(RECORD)
    assert len(sums) == 4  # the arrays of one case
    (path,) = tmp_path.rglob("*.safetensors")
    sound = path.read_bytes()
    path.with_suffix(".new").write_bytes(sound)
    path.with_suffix(".new").replace(path)
    kept.view(RECORD), kept.view(RECORD)
    assert len(sums) == 8 and make.made == ["1"]
    path.with_suffix(".new").write_bytes(sound[:-3] + bytes([sound[-3] ^ 255]) + sound[-2:])
    path.with_suffix(".new").replace(path)
    assert_same(kept.view(RECORD), Maker()(RECORD))
    assert make.made == ["1", "1"]
    assert_same(read(path), Maker()(RECORD))


@pytest.mark.parametrize(
    ("old", "new"),
    [
        (b'"shape":[1,4,5]', b'"shape":[1,4,9]'),
        (b'"F32"', b'"F99"'),
        (b'"crc32"', b'"crc33"'),
        (b'"data_offsets"', b'"data_offsetz"'),
    ],
    ids=["shape", "type", "checksum", "places"],
)
def test_a_damaged_header_is_damage(tmp_path, old, new):
    cache(Maker(), tmp_path).get(RECORD)
    (path,) = tmp_path.rglob("*.safetensors")
    content = path.read_bytes()
    assert old in content
    path.write_bytes(content.replace(old, new, 1))
    make = Maker()
    assert_same(cache(make, tmp_path).view(RECORD), Maker()(RECORD))
    assert make.made == ["1"]


def test_a_write_that_stops_half_way_leaves_nothing(tmp_path, monkeypatch):
    def stop(*_):
        raise KeyboardInterrupt

    monkeypatch.setattr("ganatomy.data.cache.os.replace", stop)
    with pytest.raises(KeyboardInterrupt):
        write(tmp_path / "case.safetensors", Maker()(RECORD))
    assert list(tmp_path.iterdir()) == []


def test_memory_stops_keeping_at_its_limit(tmp_path):
    make = Maker()
    one = sum(array.nbytes for array in make(RECORD).values())
    kept = cache(make, tmp_path, "memory", limit_gb=2.5 * one / 2**30)
    for _ in range(2):
        for case in "2345":
            kept.get(Record(case, case))
    assert kept.size == 2 * one
    assert make.made[1:] == ["2", "3", "4", "5", "4", "5"]


def test_slices_of_a_stack_are_read_alone(tmp_path):
    def make(_):
        return {"image": np.arange(60.0).reshape(5, 1, 3, 4), "affine": np.eye(4)}

    for kind in ("memory", "disk", "none"):
        kept = cache(make, tmp_path / kind, kind)
        for _ in range(2):  # made, then read whole and held against its checksum
            assert np.array_equal(kept.get(RECORD, 3)["image"], np.arange(36.0, 48).reshape(1, 3, 4))
        assert np.array_equal(kept.get(RECORD, 2)["image"], np.arange(24.0, 36).reshape(1, 3, 4))
        assert kept.get(RECORD, 2)["affine"].shape == (4, 4)


def test_disk_stays_within_its_room_and_gives_the_right_case_all_the_same(tmp_path):
    one = sum(array.nbytes for array in Maker()(RECORD).values())
    make = Maker()
    kept = cache(make, tmp_path, limit_gb=2.5 * one / 2**30)
    for case in "234523":
        assert_same(kept.get(Record(case, case)), Maker()(Record(case, case)))
    assert len(list(tmp_path.rglob("*.safetensors"))) == 2
    assert cache(make, tmp_path).size > 0


KILLED = """
import os, signal, sys
import numpy as np
from pathlib import Path
from ganatomy.data import cache

def die(*paths):
    os.kill(os.getpid(), signal.SIGKILL)

cache.os.replace = die
cache.write(Path(sys.argv[1]) / "cases" / "x.safetensors", {"image": np.zeros((1, 64, 64), np.float32)})
"""


def test_a_kill_in_mid_write_leaves_a_cache_that_works(tmp_path):
    done = subprocess.run(
        [sys.executable, "-c", KILLED, str(tmp_path)], env=os.environ | {"PYTHONPATH": str(ROOT)}, check=False
    )
    assert done.returncode == -9
    assert [path.suffix for path in (tmp_path / "cases").iterdir()] == [".tmp"]
    kept = cache(Maker(), tmp_path)
    assert_same(kept.get(RECORD), Maker()(RECORD))
    assert [path.suffix for path in (tmp_path / "cases").iterdir()] == [".safetensors"]


def test_what_another_process_is_writing_stays(tmp_path):
    (tmp_path / "cases").mkdir()
    theirs = tmp_path / "cases" / f"x.{socket.gethostname()}-{os.getppid()}.tmp"
    theirs.write_bytes(b"half")
    cache(Maker(), tmp_path).get(RECORD)
    assert theirs.exists()


MEASURED = """
import gc, itertools, sys
from ganatomy.data.datamodule import DataModule
from ganatomy.data.sources.folder import Folder

folder = sys.argv[1]

def resident():
    gc.collect()  # what is held, not what waits for the collector: that differs from run to run
    return int(open("/proc/self/statm").read().split()[1]) * 4096 / 2**20

def through(cache, files, n):
    data = DataModule(Folder(root=folder, image=files, spatial_dims=3), 2, cache=cache, cache_dir=folder)
    for batch in itertools.chain(itertools.islice(data.train_dataloader(), n), data.val_dataloader()):
        pass
    return data, resident()

through("disk", "0?.npy", 5)
for cache in ("disk", "none", "memory"):
    few, small = through(cache, "0?.npy", 5)
    many, large = through(cache, "??.npy", 40)
    print(large - small)
"""


@pytest.mark.slow
@pytest.mark.skipif(not Path("/proc/self/statm").exists(), reason="resident memory is read from /proc")
def test_ten_times_the_data_takes_no_more_memory(tmp_path):
    """10 and 100 volumes of a megabyte; MB of resident memory between. Memory grows: the test can fail."""
    for number in range(100):
        volume = np.random.default_rng(number).random((64, 64, 64)).astype(np.float32)
        np.save(tmp_path / f"{number:02d}.npy", volume)
    at_once = {"MALLOC_MMAP_THRESHOLD_": "131072", "MALLOC_TRIM_THRESHOLD_": "0"}  # what is freed, goes back
    environment = os.environ | at_once | {"PYTHONPATH": str(ROOT), "OMP_NUM_THREADS": "1"}
    command = [sys.executable, "-c", MEASURED, str(tmp_path)]
    done = subprocess.run(command, env=environment, capture_output=True, text=True, check=True)
    disk, none, memory = map(float, done.stdout.split())
    assert disk < 20 and none < 20 and 70 < memory < 140
