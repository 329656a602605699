"""Calls climb to the next channel for as long as no device has received what they are about (G3), go on where one has, louder with age
(G4, G9); and what is routine rings once a day, as one call of a person. Times are those of the server's clock, as its calls are signed.
"""
import asyncio
import datetime
import math
import sqlite3
import time

import pytest
from careteam_client import Client
from gateways import Gateway
from server import sanitized
from server_clock import Clock
from test_notifier import HOUR, WAITING, acknowledge, assert_content_free, deliveries, post, until, wait, ward

NINA = ["push token-1", "sms +15550101", "phone +15550102"]


@pytest.fixture
def gateway():
    with Gateway() as one:
        yield one


class Watch:
    """Moves the server's clock to just before something is due, and lets it come by itself."""

    def __init__(self, clock):
        self._clock = clock
        self._started = time.monotonic()

    def go_to(self, seconds):
        """The server's time since the start is that, or up to a second less."""
        self._clock.set(math.floor(seconds - (time.monotonic() - self._started)))


@pytest.fixture
def watch(tmp_path):
    if sanitized():
        pytest.skip("the sanitizer's library must come first, and so must libfaketime")
    one = Watch(Clock(tmp_path))
    one.environment = one._clock.environment
    return one


def signed_at(call):
    return int(call.headers["careteam-timestamp"])


async def connect(server, person, **more):
    return await Client.connect(server, person, token=server.token(person, expires=100 * HOUR), **more)


async def received(sender, device, seq):
    """The device says that it holds the entry, and its sender hears that it is on disk."""
    assert await device.has("pat", "clinical", seq)
    await device.cursor("pat", "clinical", received=seq)
    await sender.until(lambda: any((one["personId"], one["stream"]) == ("nina", "STREAM_CLINICAL") and int(one["received"]) >= seq
                                   for one in sender.receipts))


def to_nina(gateway, priority):
    return [one for one in list(gateway.calls) if one.body["priority"] == priority and one.body["to"] in {point.split(" ")[1] for point in NINA}]


async def come(server, gateway, watch, priority, plan):
    """Each call of the plan [(seconds after the first, channel)] comes at its second and not before."""
    for seconds, channel in plan:
        count = len(to_nina(gateway, priority))
        if count:
            first = to_nina(gateway, priority)[0]
            # What follows the last call is on disk.
            await until(lambda: any(one.startswith(first.effect) and row == (WAITING, 0) for one, row in deliveries(server).items()))
            watch.go_to(seconds - 1)
        calls = await until(lambda: found if len(found := to_nina(gateway, priority)) > count else None)
        assert len(calls) == count + 1 and calls[-1].body["channel"] == channel, [(one.id, one.body) for one in calls]
        late = signed_at(calls[-1]) - signed_at(calls[0]) - seconds
        assert 0 <= late <= 1, (seconds, late)


STAT, ASAP, URGENT = "stat", "asap", "urgent"
NEVER = {
    STAT: [(0, "push"), (60, "sms"), (120, "phone"), (180, "phone")],
    ASAP: [(0, "push"), (120, "push"), (180, "sms"), (300, "sms"), (360, "phone"), (480, "phone")]}


@pytest.mark.parametrize("priority", [STAT, ASAP])
async def test_calls_climb_while_no_device_has_received_it(gateway, watch, priority):
    with ward(gateway.settings, contacts={"nina": NINA}, redis=False, environment=watch.environment) as server:
        server.start()
        rao = await connect(server, "rao")
        nina = await connect(server, "nina")  # Connected, and it says nothing.
        seq = await post(rao, priority=priority)
        await come(server, gateway, watch, priority, NEVER[priority])
        await acknowledge(nina, seq)
        calls = to_nina(gateway, priority)
        assert len({one.id for one in calls}) == len(calls) and {one.effect for one in calls} == {calls[0].effect}
        assert all(one.headers["idempotency-key"] == one.id and one.is_signed() for one in calls)
        assert_content_free(gateway.received)
        await rao.close()
        await nina.close()
        assert server.stop()[0] == 0 and server.verify().returncode == 0 and server.rebuild().returncode == 0


async def test_calls_stay_where_they_reached_a_device_and_get_louder_more_slowly(gateway, watch):
    with ward(gateway.settings, contacts={"nina": NINA}, redis=False, environment=watch.environment) as server:
        server.start()
        rao, phone = await connect(server, "rao"), await connect(server, "nina", device="phone")
        seq = await post(rao, priority=ASAP)
        await come(server, gateway, watch, ASAP, [(0, "push"), (120, "push")])
        # Her second device comes to it between the repeat and the climb, which is not made.
        tablet = await connect(server, "nina", device="tablet")
        await received(rao, tablet, seq)
        await come(server, gateway, watch, ASAP, [(240, "push"), (360, "push"), (480, "sms"), (600, "sms")])
        await acknowledge(phone, seq)
        watch.go_to(2 * HOUR)
        later = await post(rao, priority=STAT)
        await until(lambda: to_nina(gateway, STAT))
        assert len(to_nina(gateway, ASAP)) == 6, "quiet on any device"
        assert len({one.id for one in gateway.calls}) == len(gateway.calls)
        # What a device received before is no receipt of what comes later.
        await until(lambda: any(row == (WAITING, 0) for row in deliveries(server).values()))
        watch.go_to(2 * HOUR + 61)
        calls = await until(lambda: found if len(found := to_nina(gateway, STAT)) > 1 else None)
        assert calls[1].body["channel"] == "sms"
        await acknowledge(tablet, later)
        assert_content_free(gateway.received)
        for one in (rao, phone, tablet):
            await one.close()


async def test_a_restart_goes_on_with_what_was_received(gateway, watch):
    with ward(gateway.settings, contacts={"nina": NINA}, redis=False, environment=watch.environment) as server:
        server.start()
        rao, nina = await connect(server, "rao"), await connect(server, "nina")
        seq = await post(rao, priority=STAT)
        await come(server, gateway, watch, STAT, [(0, "push")])
        await received(rao, nina, seq)
        await until(lambda: any(row == (WAITING, 0) for row in deliveries(server).values()))
        server.kill9()
        server.start()
        await come(server, gateway, watch, STAT, [(60, "push"), (120, "push"), (180, "sms")])
        assert len({one.id for one in gateway.calls}) == len(gateway.calls)


# ---- the daily digest

def in_an_hour():
    """(its time of the day, UTC, its second since 1970): the start of a minute in about an hour."""
    moment = datetime.datetime.fromtimestamp(time.time() + HOUR, datetime.timezone.utc).replace(second=0, microsecond=0)
    return f"{moment:%H:%M}", int(moment.timestamp())


async def ask_routine(client, person="nina"):
    order = {"kind": "TASK_KIND_CARE", "title": "Call her back", "target": {"personId": person}}
    answer = await client.command("pat", {"requestTask": {"stream": "STREAM_CLINICAL", "order": order}})
    assert answer.ok, answer
    return answer.seq


async def take(client, seq):
    for action in ("claimTask", "acceptTask"):
        assert (await client.command("pat", {action: {"task": {"stream": "STREAM_CLINICAL", "seq": str(seq)}}})).ok


def waiting(server, count):
    """So many rows wait for the digest, and nothing was tried since their last one."""
    return len([row for row in deliveries(server).values() if row == (WAITING, 0)]) == count


def wait_for_tomorrow(server, at):
    """How many rows."""
    with sqlite3.connect(f"file:{server.store_path}?mode=ro", uri=True) as store:
        return store.execute("SELECT count(*) FROM deliveries WHERE state = 1 AND next >= ?", ((at + 24 * HOUR) * 1_000_000,)).fetchone()[0]


async def test_what_is_routine_rings_once_a_day_as_one_call_of_a_person(gateway, watch):
    of_day, at = in_an_hour()
    contacts = {"nina": ["push token-1"], "noah": ["sms +15550103"]}
    with ward(gateway.settings | {"notifier.digest": of_day}, contacts=contacts, environment=watch.environment) as server:
        server.start()
        rao, nina, noah = [await connect(server, person) for person in ("rao", "nina", "noah")]
        tasks = [await ask_routine(rao) for _ in range(5)]
        done = await ask_routine(rao, "noah")
        await wait(gateway, 6)
        await until(lambda: waiting(server, 6))
        # Whoever has nothing open gets none.
        await take(noah, done)
        await take(nina, tasks[0])
        watch.go_to(at - 1 - time.time())
        [digest] = (await wait(gateway, 7))[6:]
        assert signed_at(digest) == at and digest.body["to"] == "token-1" and digest.body["priority"] == "routine"
        assert digest.effect not in {one.effect for one in gateway.calls[:6]}
        await until(lambda: wait_for_tomorrow(server, at) == 4)
        # The next day the rest of it, under another key.
        for seq in tasks[1:4]:
            await take(nina, seq)
        assert wait_for_tomorrow(server, at) == 1
        watch.go_to(at + 24 * HOUR - 1 - time.time())
        routine = lambda: [one for one in list(gateway.calls)[6:] if one.body["to"] == "token-1" and signed_at(one) >= at]  # noqa: E731
        calls = await until(lambda: found if len(found := routine()) > 1 else None)
        assert signed_at(calls[-1]) == at + 24 * HOUR and calls[-1].id != digest.id
        assert len({one.id for one in gateway.calls}) == len(gateway.calls)
        assert_content_free(gateway.received)
        for one in (rao, nina, noah):
            await one.close()
        assert server.stop()[0] == 0 and server.verify().returncode == 0 and server.rebuild().returncode == 0


async def test_a_digest_that_a_crash_interrupts_comes_again_under_its_key(gateway, watch):
    of_day, at = in_an_hour()
    with ward(gateway.settings | {"notifier.digest": of_day}, contacts={"nina": ["push token-1"]}, environment=watch.environment) as server:
        server.start()
        rao = await connect(server, "rao")
        for _ in range(3):
            await ask_routine(rao)
        await wait(gateway, 3)
        await until(lambda: waiting(server, 3))
        gateway.answer("silence")
        watch.go_to(at - 1 - time.time())
        digest = (await wait(gateway, 4))[3]
        server.kill9()
        server.start()
        again = (await wait(gateway, 5))[4]
        assert again.id == digest.id == again.headers["idempotency-key"]
        await until(lambda: wait_for_tomorrow(server, at) == 3)
        assert len(gateway.calls) == 5, "one call, not one for each"
        assert server.stop()[0] == 0 and server.verify().returncode == 0


async def test_a_digest_over_no_channel_ends_in_the_worklist(gateway, watch):
    of_day, at = in_an_hour()
    with ward(gateway.settings | {"notifier.digest": of_day}, contacts={"nina": NINA[:2]}, environment=watch.environment) as server:
        server.start()
        rao = await connect(server, "rao")
        await ask_routine(rao)
        await ask_routine(rao)
        await wait(gateway, 2)
        await until(lambda: waiting(server, 2))
        gateway.usual = (400, {})
        watch.go_to(at - 1 - time.time())
        calls = (await wait(gateway, 4))[2:]
        assert [one.body["channel"] for one in calls] == ["push", "sms"] and calls[0].effect == calls[1].effect
        await until(lambda: wait_for_tomorrow(server, at) == 2)
        await rao.fence()
        assert len(gateway.calls) == 4 and not any("callUndelivered" in one for one in rao.entries("pat", "clinical"))
        await rao.close()
