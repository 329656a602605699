"""Whoever is to be called is called, wherever the server, or the process that makes its calls, dies on the way from the commit to the outcome,
and whatever Redis forgets meanwhile: nothing is lost, and what comes twice comes under the same key.
"""
import asyncio
import pathlib
import signal
import sqlite3
import sys
import time

import pytest

sys.path.append(str(pathlib.Path(__file__).parents[1] / "e2e"))

from bad_disk import KILL, SEND, SYNC, BadDisk  # noqa: E402
from careteam_client import Client  # noqa: E402
from gateways import Gateway  # noqa: E402
from server import Server, room_resources  # noqa: E402
from workers import Worker  # noqa: E402

STAFF = [("rao", "medical-oncologist"), ("nina", "oncology-nurse")]
MESSAGES = 3
SENT = 2
FAILED = 4
POINTS = [(SYNC, at) for at in range(1, 7)] + [(SEND, at) for at in range(1, 4)]


def ward(settings, disk):
    server = Server(environment=disk.environment, settings=settings | {
        "store.path": str(disk.folder / "store.db"), "notifier.attempt_timeout_ms": 400, "notifier.retry_after_ms": 50})
    server.import_resources(room_resources("pat", STAFF))
    done = server.tool("enroll", "--config", server.config, "--person", "nina", "--name", "Nina", "--kind", "staff", "--contact", "sms +15550101")
    assert done.returncode == 0, done.stderr
    return server


async def post_until_it_dies(server, arm):
    rao = await Client.connect(server, "rao")
    arm()
    answered = 0
    try:
        for number in range(MESSAGES):
            if (await rao.post("pat", "clinical", f"Message number {number}", priority="stat", mentions=["nina"], timeout=5)).ok:
                answered += 1
    except Exception:  # noqa: BLE001: however the connection ends, the server has died.
        pass
    return answered


def first_calls(server):
    """{id: state} of the first time of each call that was committed."""
    with sqlite3.connect(f"file:{server.store_path}?mode=ro", uri=True) as store:
        return dict(store.execute("SELECT id, state FROM deliveries WHERE id LIKE '%-1-0'"))


def end_of(server, disk):
    """It dies of the plan, or at the end of it."""
    deadline = time.monotonic() + 2
    while server.running() and time.monotonic() < deadline:
        time.sleep(0.02)  # Its outcome may be what it dies of.
    disk.disarm()
    if server.running():
        server.kill9()
    else:
        assert server.wait() == -signal.SIGKILL


@pytest.mark.parametrize("forgets", [False, True], ids=["redis", "flushed"])
@pytest.mark.parametrize("after", [0, 1], ids=["before", "after"])
@pytest.mark.parametrize("operation,at", POINTS, ids=lambda value: str(value))
def test_killed_anywhere_between_commit_claim_send_and_record(tmp_path, operation, at, after, forgets):
    disk = BadDisk(tmp_path)
    with Gateway() as gateway, ward(gateway.settings, disk) as server:
        server.start()
        answered = asyncio.run(post_until_it_dies(server, lambda: disk.arm(KILL, operation, at=at, after=after)))
        end_of(server, disk)
        if forgets:
            server.redis.cli("FLUSHALL")
        server.start()
        account_of_calls(server, gateway, answered)


@pytest.mark.parametrize("after", [0, 1], ids=["before", "after"])
@pytest.mark.parametrize("operation,at", POINTS, ids=lambda value: str(value))
def test_killed_anywhere_while_another_process_makes_the_calls(tmp_path, operation, at, after):
    disk, hall = BadDisk(tmp_path), tmp_path / "calls.sock"
    with Gateway() as gateway, ward({"notifier.worker_socket": str(hall)}, disk) as server, Worker(hall, gateway.settings) as worker:
        server.start()
        worker.logged("working")
        answered = asyncio.run(post_until_it_dies(server, lambda: disk.arm(KILL, operation, at=at, after=after)))
        end_of(server, disk)
        server.start()
        account_of_calls(server, gateway, answered)
        assert worker.running() and "worker_not_understood" not in server.log_text()


@pytest.mark.parametrize("after", [0, 1], ids=["before", "after"])
@pytest.mark.parametrize("at", range(1, MESSAGES + 1))
def test_whoever_makes_the_calls_is_killed_anywhere(tmp_path, at, after):
    """Before and after the bytes of each of its calls."""
    disk, hall = BadDisk(tmp_path), tmp_path / "calls.sock"
    with Gateway() as gateway, ward({"notifier.worker_socket": str(hall)}, disk) as server:
        server.environment = {}
        server.start()
        with Worker(hall, gateway.settings, environment=disk.environment) as worker:
            worker.logged("working")
            answered = asyncio.run(post_until_it_dies(server, lambda: disk.arm(KILL, SEND, at=at, after=after)))
            assert worker.wait() == -signal.SIGKILL and answered == MESSAGES
        with Worker(hall, gateway.settings):
            account_of_calls(server, gateway, answered)


def account_of_calls(server, gateway, answered):
    """Every call that was committed comes, and none comes more than twice or under another key."""
    wanted = first_calls(server)
    assert len(wanted) >= answered
    deadline = time.monotonic() + 10
    while any(state != SENT for state in first_calls(server).values()):
        assert time.monotonic() < deadline, first_calls(server)
        time.sleep(0.02)
    came = [call.id for call in gateway.calls if call.id.endswith("-1-0")]
    assert set(came) == set(wanted), "none is lost, and none comes that was not committed"
    print(f"{len(wanted)} calls, {len(came) - len(wanted)} came twice; killed after {answered} answers")
    assert all(came.count(one) <= 2 for one in wanted), came
    assert all(call.headers["idempotency-key"] == call.id and call.is_signed() for call in gateway.calls)
    assert server.stop()[0] == 0 and server.verify().returncode == 0 and server.rebuild().returncode == 0


async def reports(server):
    """How often the log says of each message that nina could not be called about it, and how many were asked to see to it."""
    rao = await Client.connect(server, "rao")
    entries = rao.entries("pat", "clinical")
    await rao.close()
    said = [one["callUndelivered"]["seq"] for one in entries if one.get("callUndelivered", {}).get("personId") == "nina"]
    asked = [one["taskRequested"]["origin"]["seq"] for one in entries if "taskRequested" in one and one["taskRequested"]["order"]["target"] == {"personId": "rao"}]
    return said, asked


@pytest.mark.parametrize("after", [0, 1], ids=["before", "after"])
@pytest.mark.parametrize("at", range(2, 8))
def test_killed_anywhere_on_the_way_to_a_human(tmp_path, at, after):
    disk = BadDisk(tmp_path)
    with Gateway() as gateway, ward(gateway.settings, disk) as server:
        gateway.usual = (410, {})
        server.start()
        asyncio.run(post_until_it_dies(server, lambda: disk.arm(KILL, SYNC, at=at, after=after)))
        end_of(server, disk)
        server.start()
        wanted = first_calls(server)
        deadline = time.monotonic() + 10
        while any(state != FAILED for state in first_calls(server).values()):
            assert time.monotonic() < deadline, first_calls(server)
            time.sleep(0.02)
        said, asked = asyncio.run(reports(server))
        assert len(said) == len(set(said)) == len(asked) == len(set(asked)) and len(said) >= 1, (said, asked, wanted)
        assert server.stop()[0] == 0 and server.verify().returncode == 0 and server.rebuild().returncode == 0
