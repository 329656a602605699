"""A disk that fills up while people write: what cannot be stored is refused, what was acknowledged stays, and work goes on when there is space again.

Needs the right to mount a file system (root).
"""
import asyncio
import errno
import os
import subprocess

import pytest

from contract import SHARED
from crowd import Crowd, account, members_of, rooms_of
from flaky_device import Device, Member

ROOMS = 2
DISK = "24m"
REFUSALS = 20         # Appends that fail before there is space again.
BACK_SECONDS = 10.0   # Until a message is taken again.


@pytest.fixture
def small_disk(tmp_path):
    folder = tmp_path / "disk"
    folder.mkdir()
    subprocess.run(["mount", "-t", "tmpfs", "-o", f"size={DISK},mode=700", "careteam-faults", folder], check=True)
    yield folder
    subprocess.run(["umount", "--lazy", folder], check=True)


def fill(file):
    """Takes all the space that is left."""
    with open(file, "wb", buffering=0) as ballast:
        for size in (1 << 20, 4096):
            while True:
                try:
                    if ballast.write(bytes(size)) != size:
                        break
                except OSError as full:
                    assert full.errno == errno.ENOSPC
                    break
    assert os.statvfs(file).f_bavail == 0


def wait_for_lines(process, text, count, seconds):
    with process._news:
        assert process._news.wait_for(lambda: sum(text in line for line in process._lines) >= count, seconds), process._lines[-20:]


def post_once(house, seed, name):
    """A new device posts a message and waits for its answer: it is sent again as long as it is refused for now."""
    writer = Device(Member("doctor-0", name, "room-0", (SHARED,)), house.client_port, house.tokens["doctor-0"], seed)
    command_id, frame = writer._new_command()
    writer.pending[command_id] = frame
    asyncio.run(writer.reach(writer.all_answered, BACK_SECONDS, "an answer to a message"))
    assert not writer.faults and writer.committed, (writer.faults, writer.counts)
    return writer.result() | {"logs": {}}  # It did not stay to read what came later.


def test_a_full_disk_loses_nothing_and_passes(houses, small_disk, seed):
    rooms = rooms_of(ROOMS)
    house = houses(rooms, store_folder=small_disk)
    house.start()
    crowd = Crowd(house, members_of(ROOMS), seed, longest_life=1.0, pace=0.9)
    try:
        posted = [post_once(house, seed, f"before-{number}") for number in range(30)]
        fill(small_disk / "ballast")
        wait_for_lines(house.server, '"append_failed"', REFUSALS, 30)
        house.check_running()
        (small_disk / "ballast").unlink()
        posted.append(post_once(house, seed, "after"))
        results = crowd.settle()
    finally:
        crowd.end()
    totals = account(house, rooms, [*results, *posted], seed)
    print(dict(totals))
    assert totals["refused_14"] > 0
    house.stop()
    house.check_store()
