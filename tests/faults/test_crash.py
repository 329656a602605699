"""The server is killed at random moments under load: whatever it acknowledged is there, once, and it serves again at once.

The long run: CARETEAM_KILLS=200 python3 -m pytest tests/faults/test_crash.py
"""
import asyncio
import os
import time

from contract import SHARED
from crowd import Crowd, account, members_of, rooms_of
from flaky_device import Device, Member

ROOMS = 4
KILLS = int(os.environ.get("CARETEAM_KILLS", 5))
LONGEST_LIFE = 2.0       # Seconds from the first Welcome to the next kill.
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


def test_kill_nine_loses_and_repeats_nothing(houses, rng, seed):
    rooms = rooms_of(ROOMS)
    house = houses(rooms)
    crowd = Crowd(house, members_of(ROOMS), seed, longest_life=0.5, pace=0.9)
    slowest = 0.0
    try:
        first_welcome(house, house.launch(), seed, "first")
        for number in range(KILLS):
            time.sleep(rng.uniform(0, LONGEST_LIFE))  # Not waiting for anything: the moment is what is random.
            house.kill9()
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
