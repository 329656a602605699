"""Connections that break at any byte: nothing is lost, nothing comes twice, whatever the number of breaks.

The long run: CARETEAM_DISCONNECTS=100000 python3 -m pytest tests/faults/test_reconnect.py
"""
import os
import time

from crowd import Crowd, account, members_of, rooms_of

ROOMS = 8
DISCONNECTS = int(os.environ.get("CARETEAM_DISCONNECTS", 3000))


def test_cut_connections_lose_and_repeat_nothing(houses, seed):
    rooms = rooms_of(ROOMS)
    house = houses(rooms)
    house.start()
    started = time.monotonic()
    results = Crowd(house, members_of(ROOMS), seed, cuts=DISCONNECTS).wait(60 + DISCONNECTS / 25)
    seconds = time.monotonic() - started
    totals = account(house, rooms, results, seed)
    print(f"{seconds:.1f} s; {dict(totals)}")
    cuts = sum(count for name, count in totals.items() if name.startswith("cut_"))
    assert cuts >= DISCONNECTS
    # The run is worth its name only if each kind of cut happened, and if work went on meanwhile.
    for where in ("upgrade", "hello", "command", "receive"):
        assert totals[f"cut_{where}"] > DISCONNECTS / 50, where
    assert totals["committed"] > DISCONNECTS / 10
    assert totals["repeated"] > 0
    house.stop()
    house.check_store()
