"""The disk fails under load, is slow, or lets nobody write: nothing acknowledged is lost, nothing is there twice, one log line says what
happened, and the server goes on by itself when the disk does. Operations fail at chosen moments (tests/disk), so nothing needs root here.
"""
import asyncio
import os
import signal
import time

import pytest

from bad_disk import (DATABASE, DELAY, EIO, ENOSPC, EROFS, FAIL, FOR_EVER, LOSE_POWER, NAME, OPEN, READ, SHORTEN, SYNC, TRUNCATE, WAL, WRITE,
                      BadDisk)
from contract import SHARED
from crowd import Crowd, account, members_of, rooms_of
from flaky_device import Device, Member

ROOMS = 2
POWER_LOSSES = int(os.environ.get("CARETEAM_POWER_LOSSES", 6))
BACK_SECONDS = 10.0

FAULTS = {
    "writes_fail": dict(what=FAIL, operations=WRITE, error=EIO, times=40),
    "the_disk_is_full": dict(what=FAIL, operations=WRITE, error=ENOSPC, times=40),
    "writes_are_torn": dict(what=SHORTEN, operations=WRITE, error=EIO, times=1),
    "syncs_fail": dict(what=FAIL, operations=SYNC, error=EIO, times=12),
    "a_sync_fails": dict(what=FAIL, operations=SYNC, error=EIO, times=1),
    "the_wal_cannot_be_copied": dict(what=FAIL, operations=WRITE, files=DATABASE, error=EIO, times=5),
}


def device(house, seed, name, person="doctor-0", room="room-0"):
    return Device(Member(person, name, room, (SHARED,)), house.client_port, house.tokens[person], seed)


def post(one, seconds=BACK_SECONDS):
    """Posts a message and waits for its answer: it is sent again as long as it is refused for now."""
    command_id, frame = one._new_command()
    one.pending[command_id] = frame
    asyncio.run(one.reach(one.all_answered, seconds, "an answer to a message"))
    assert not one.faults and one.committed, (one.faults, one.counts)


def result_of(one):
    return one.result() | {"logs": {}}  # It did not stay to read what came later.


@pytest.mark.parametrize("fault", FAULTS)
def test_a_failing_disk_loses_nothing_and_passes(houses, tmp_path, rng, seed, fault):
    rooms = rooms_of(ROOMS)
    disk = BadDisk(tmp_path)
    house = houses(rooms, disk=disk)
    house.start()
    crowd = Crowd(house, members_of(ROOMS), seed, longest_life=1.0, pace=0.9)
    wanted = FAULTS[fault]
    try:
        for _ in range(3):
            disk.arm(at=rng.randrange(1, 30), **wanted)
            disk.wait_until_fired(min(wanted["times"], 5), 30)
        house.server.wait_for_count('"store_failed"', 1, 10)
        disk.disarm()
        after = device(house, seed, "after")
        post(after)
        results = crowd.settle()
    finally:
        crowd.end()
    house.check_running()
    totals = account(house, rooms, [*results, result_of(after)], seed)
    print(dict(totals))
    # Nobody is asked to come again because the WAL could not be copied: it keeps everything meanwhile.
    assert (totals["refused_14"] > 0) == (fault != "the_wal_cannot_be_copied")
    house.stop()
    house.check_store()


def test_a_disk_that_stays_broken_refuses_until_it_is_mended(houses, tmp_path, seed):
    rooms = rooms_of(ROOMS)
    disk = BadDisk(tmp_path)
    house = houses(rooms, disk=disk)
    house.start()
    before = device(house, seed, "before")
    post(before)
    disk.arm(FAIL, SYNC, times=FOR_EVER, error=EIO)
    refused = device(house, seed, "refused")
    command_id, frame = refused._new_command()
    refused.pending[command_id] = frame
    asyncio.run(refused.reach(lambda: refused.counts["refused_14"] >= 3, 10, "three refusals"))
    assert refused.pending and not refused.committed, "nothing may be acknowledged while nothing can be made durable"
    assert house.readiness()[0] == 200
    house.check_running()
    assert house.server.count("not known whether the store kept this") + house.server.count('"store_failed"') > 0
    # Its successor does not believe the page cache: it serves only when everything is on the disk that it found.
    house.kill9()
    house.launch()
    assert house.server.wait_for_end(10) == 1
    assert "cannot be opened: Input/output error" in house.server.last_lines()
    disk.disarm()
    house.start()
    asyncio.run(refused.reach(refused.all_answered, BACK_SECONDS, "an answer"))
    account(house, rooms, [result_of(before), result_of(refused)], seed)
    house.stop()
    house.check_store()


def test_a_slow_disk_is_waited_for(houses, tmp_path, seed):
    rooms = rooms_of(ROOMS)
    disk = BadDisk(tmp_path)
    house = houses(rooms, disk=disk)
    house.start()
    crowd = Crowd(house, members_of(ROOMS), seed, longest_life=1.0, pace=0.9)
    try:
        disk.arm(DELAY, SYNC | WRITE, at=20, times=60, delay_us=50_000)
        disk.wait_until_fired(60, 60)
        results = crowd.settle()
    finally:
        crowd.end()
    totals = account(house, rooms, results, seed)
    assert totals["refused_14"] == 0, "slow is not broken"
    house.stop()
    house.check_store()


def test_reads_that_fail_end_sessions_and_no_more(houses, tmp_path, rng, seed):
    rooms = rooms_of(ROOMS)
    disk = BadDisk(tmp_path)
    # Hardly any cache: reads reach the disk.
    house = houses(rooms, disk=disk, settings={"store.cache_bytes": 1 << 20})
    house.start()
    crowd = Crowd(house, members_of(ROOMS), seed, longest_life=0.5, pace=0.9)
    try:
        disk.arm(FAIL, READ, at=rng.randrange(1, 20), times=3, error=EIO)
        disk.wait_until_fired(1, 30)
        disk.disarm()
        results = crowd.settle()
    finally:
        crowd.end()
    house.check_running()
    account(house, rooms, results, seed)
    assert house.server.count('"record_quarantined"') == 0, "a disk that fails now and then has damaged nothing"
    house.stop()
    house.check_store()


def test_a_store_that_may_not_be_written_is_said_at_the_start(houses, tmp_path):
    disk = BadDisk(tmp_path)
    house = houses(rooms_of(1), disk=disk, redis=False)
    before = house.store.read_bytes()
    disk.arm(FAIL, OPEN, files=DATABASE, times=1, error=EROFS)
    house.launch()
    assert house.server.wait_for_end(10) == 1
    assert "cannot be written by this user" in house.server.last_lines()
    disk.disarm()
    assert house.store.read_bytes() == before
    house.start()
    house.stop()


def test_a_power_loss_at_any_operation_keeps_what_was_acknowledged(houses, tmp_path, rng, seed):
    rooms = rooms_of(ROOMS)
    disk = BadDisk(tmp_path, model=True)
    house = houses(rooms, disk=disk)
    house.start()
    crowd = Crowd(house, members_of(ROOMS), seed, longest_life=0.5, pace=0.9)
    try:
        for _ in range(POWER_LOSSES):
            disk.arm(LOSE_POWER, WRITE | SYNC | TRUNCATE | NAME, at=int(2 ** rng.uniform(0, 10)), after=rng.randrange(2), seed=rng.randrange(1000))
            assert house.server.wait_for_end(60) == -signal.SIGKILL
            disk.disarm()
            disk.become_what_power_loss_left()
            house.verify()
            started = time.monotonic()
            house.start()
            assert time.monotonic() - started < 2, "the server was back too late"
        results = crowd.settle()
    finally:
        crowd.end()
    totals = account(house, rooms, results, seed)
    print(f"{POWER_LOSSES} power losses; {dict(totals)}")
    house.stop()
    house.check_store()


def test_a_store_that_is_mended_while_it_is_served_needs_no_restart(houses, tmp_path, seed):
    """What an operator sees: one line when it starts to fail, refusals, and answers again."""
    rooms = rooms_of(1)
    disk = BadDisk(tmp_path)
    house = houses(rooms, disk=disk)
    house.start()
    one = device(house, seed, "one")
    post(one)
    disk.arm(FAIL, WRITE, files=WAL, times=FOR_EVER, error=ENOSPC)
    command_id, frame = one._new_command()
    one.pending[command_id] = frame
    asyncio.run(one.reach(lambda: one.counts["refused_14"] >= 1, 10, "a refusal"))
    assert house.server.count("database or disk is full") > 0
    disk.disarm()
    asyncio.run(one.reach(one.all_answered, BACK_SECONDS, "an answer"))
    account(house, rooms, [result_of(one)], seed)
    house.stop()
    house.check_store()
