"""The server is killed at random moments under load, and at every point of the way that a command takes to the disk and its answer to the
client: whatever it acknowledged is there, once, and it serves again at once.

The long run: CARETEAM_KILLS=200 python3 -m pytest tests/faults/test_crash.py
"""
import asyncio
import os
import signal
import time

import pytest

from bad_disk import KILL, NAME, SEND, SYNC, TRUNCATE, WRITE, BadDisk
from contract import SHARED
from crowd import Crowd, account, members_of, rooms_of
from flaky_device import Device, Member

ROOMS = 4
KILLS = int(os.environ.get("CARETEAM_KILLS", 20))
LONGEST_LIFE = 1.5       # Seconds from the first Welcome to the next kill.
BACK_SECONDS = 2.0       # From the start of the process to the first Welcome, as promised.


async def _welcomed(house, seed, name):
    """Connects as soon as the port is open; the device, which has had its Welcome and holds everything."""
    device = Device(Member("doctor-0", name, "room-0", (SHARED,)), house.client_port, house.tokens["doctor-0"], seed)
    await device.reach(lambda: device._welcomed, 30, "Welcome")
    return device


def first_welcome(house, started, seed, name):
    """Seconds from the start of the process to the first Welcome."""
    device = asyncio.run(_welcomed(house, seed, name))
    assert device._welcomed and not device.faults, device.faults
    return time.monotonic() - started


def kill_somewhere(house, rng):
    """At a random moment, or at a random operation: before or after a write, a sync, a truncation, a send."""
    if rng.random() < 0.5:
        time.sleep(rng.uniform(0, LONGEST_LIFE))  # Not waiting for anything: the moment is what is random.
        house.kill9()
        return
    house.disk.arm(KILL, WRITE | SYNC | TRUNCATE | NAME | SEND, at=int(2 ** rng.uniform(0, 12)), after=rng.randrange(2))
    try:
        assert house.server.wait_for_end(30) == -signal.SIGKILL
    finally:
        house.disk.disarm()


def test_kill_nine_loses_and_repeats_nothing(houses, tmp_path, rng, seed):
    rooms = rooms_of(ROOMS)
    house = houses(rooms, disk=BadDisk(tmp_path))
    crowd = Crowd(house, members_of(ROOMS), seed, longest_life=0.5, pace=0.9)
    slowest = 0.0
    try:
        first_welcome(house, house.launch(), seed, "first")
        for number in range(KILLS):
            kill_somewhere(house, rng)
            house.verify()
            if rng.random() < 0.3:
                house.launch()  # And once more in the middle of its start.
                time.sleep(rng.uniform(0, 0.05))
                house.kill9()
            slowest = max(slowest, first_welcome(house, house.launch(), seed, f"after-{number}"))
            assert slowest <= BACK_SECONDS, f"the first Welcome came {slowest:.2f} s after the start"
        results = crowd.settle()
    finally:
        crowd.end()
    house.check_running()
    totals = account(house, rooms, results, seed)
    print(f"{KILLS} kills; slowest first Welcome {slowest:.2f} s; {dict(totals)}")
    assert totals["committed"] > 20 * KILLS
    house.stop()
    house.check_store()


POINTS = {"write": WRITE, "sync": SYNC, "send": SEND}


@pytest.mark.parametrize("after", [0, 1], ids=["before", "after"])
@pytest.mark.parametrize("operation", POINTS)
def test_kill_at_every_point_of_the_commit_path(houses, tmp_path, seed, operation, after):
    """One message after the other; the server dies at its first, second, third … such operation, until it survives a message."""
    rooms = rooms_of(1)
    house = houses(rooms, disk=BadDisk(tmp_path))
    author = Device(Member("doctor-0", "phone", "room-0", (SHARED,)), house.client_port, house.tokens["doctor-0"], seed)
    author.early_commands = 0

    async def post_and_die(at):
        """False: the server lived, and has answered."""
        command_id, frame = author._new_command()

        def armed_when_open():
            # The session is open and everything before is answered: the next thing is this message.
            if command_id not in author.pending and command_id not in author._places and author.caught_up():
                house.disk.arm(KILL, POINTS[operation], at=at, after=after)
                author.pending[command_id] = frame
                author._note_sent(command_id)
                author._socket.send(frame)
            if command_id in author._places:
                house.disk.disarm()  # What comes later (the end of this session is written down, too) is not this message's way.
                return True
            return house.server.exit_code() is not None

        await author.live(None, 0, armed_when_open)
        return house.server.exit_code() is not None or house.disk.get("fired") != 0

    points, slowest = 0, 0.0
    house.launch()
    asyncio.run(author.reach(author.caught_up, 30, "the first Welcome"))
    while asyncio.run(post_and_die(points + 1)):
        assert house.server.wait_for_end(10) == -signal.SIGKILL
        house.disk.disarm()
        points += 1
        assert points < 200
        slowest = max(slowest, first_welcome(house, house.launch(), seed, f"after-{points}"))
        # What was not answered is sent again, and what it is answered with is compared with the record below.
        asyncio.run(author.reach(author.all_answered, 10, "an answer to every command"))
    house.disk.disarm()
    assert points >= 1 and slowest <= BACK_SECONDS, (points, slowest)
    asyncio.run(author.reach(author.caught_up, 10, "everything"))
    totals = account(house, rooms, [author.result()], seed)
    print(f"{points} points {('before', 'after')[after]} a {operation}; slowest first Welcome {slowest:.2f} s; {dict(totals)}")
    house.stop()
    house.check_store()
