"""What is said of things that are wrong."""

from __future__ import annotations

import time

from ganatomy.data.problems import told_once
from ganatomy.data.records import Fault


def test_a_line_a_kind_of_fault_says_how_many_more_there_are():
    faults = [Fault("a", "empty", f"images/{name}.png: has no pixel") for name in ("1", "2", "2", "3")]
    other = Fault("b", "constant", "images/4.png: all pixels are 7")
    first = "images/1.png: has no pixel ... and 2 more (see `ganatomy check`)"
    assert told_once([*faults, other]) == [first, "images/4.png: all pixels are 7"]
    assert told_once(faults, "page.html")[0].endswith("... and 2 more (see page.html)")


def test_ten_times_as_many_faults_do_not_take_a_hundred_times_as_long():
    taken = []
    for count in (3000, 30_000):
        faults = [Fault(str(n), "empty", f"images/{n:05d}.png: has no pixel") for n in range(count)]
        begun = time.process_time()
        told_once(faults)
        taken.append(time.process_time() - begun)
    assert taken[1] < 30 * taken[0]
