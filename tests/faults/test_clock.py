"""The time of day is set back and ahead while the server runs. What is promised:

- Nothing is lost, repeated or out of order; seq is the order, and an entry's time is only what the clock said.
- A step back of at most a minute is waited out: time stands still, so memberships that just began and tokens that were just revoked stay so.
  A larger one is followed. One log line tells of each step.
- Deadlines, leases and rate limits go by the time that passes: no session ends early or late, nobody goes offline, no limit is lifted.
- A token is judged by the clock as it is when it is shown.

The server alone sees another time, by libfaketime; nothing else on the machine does.
"""
import asyncio
import contextlib
import json
import time

import pytest

from contract import SHARED, ClientFrame, uuid7
from crowd import Crowd, account, members_of, rooms_of
from flaky_device import Device, Member
from server_clock import Clock
from test_redis_loss import FAST, ONLINE, Watcher, connected

ROOMS = 2
HOUR = 3600
ONCOLOGY_NURSE = 8
FLOOD = 20
UNAUTHENTICATED_CLOSE = 4401


@pytest.fixture
def clock(tmp_path):
    return Clock(tmp_path)


class Person(Device):
    """Stays connected and asks for one thing at a time."""

    early_commands = 0.0

    def __init__(self, house, person, seed, token=None, device="desk"):
        super().__init__(Member(person, device, "room-0", ()), house.client_port, token or house.tokens[person], seed)
        self.seed, self.refusal, self.closed_with, self.ended_at = seed, None, None, None

    def fault(self, text):
        if text.startswith("closed with"):
            self.closed_with, self.ended_at = int(text.split()[-1]), time.monotonic()
        elif not text.startswith("refused without an id"):
            super().fault(text)

    def _take_refused(self, command_id, code, field):
        if command_id in self.pending:
            del self.pending[command_id]
        self.refusal = (code, field)

    def command(self):
        frame = ClientFrame()
        frame.command.command_id, frame.command.patient_id = uuid7(self.rng.getrandbits), "room-0"
        return frame

    async def ask(self, frame):
        """Sends a command on a new connection; None when it was taken, else the refusal."""
        self.refusal = None
        self.pending[frame.command.command_id] = self._frame(frame)
        self._about[frame.command.command_id] = ("posted", 0)
        await self.reach(self.all_answered, 10, "an answer")
        return self.refusal

    async def say(self, text):
        frame = self.command()
        frame.command.post_message.stream, frame.command.post_message.content.text = SHARED, f"{frame.command.command_id} {text}"
        return await self.ask(frame)

    async def head(self):
        """The head of the shared stream as this person sees it, on a new connection; None without access."""
        self.logs.clear()
        await self.reach(self.caught_up, 10, "the head")
        return self.logs["room-0", SHARED].head if ("room-0", SHARED) in self.logs else None


def steps_logged(house):
    return [json.loads(line) for line in house.server.lines('"event":"clock_was_set"')]


def test_steps_back_and_ahead_under_load(houses, seed, clock):
    """Small and large, one after the other; the presence of somebody who stays is not touched by any of them."""
    rooms = rooms_of(ROOMS)
    house = houses(rooms, settings=FAST, environment=clock.environment)
    house.start()
    members = [one for one in members_of(ROOMS) if one.person != "social-0"]
    crowd = Crowd(house, members, seed, longest_life=0.5, pace=0.7)
    heard = []

    async def scenario():
        staff, steady = Watcher(house, "doctor-0", "watch", seed), Watcher(house, "social-0", "steady", seed)
        async with connected(staff, steady):
            await staff.sees("social-0", ONLINE, 10)
            staff._take_presence = lambda person, state: heard.append((person, state))
            # 24 h: the tokens are issued for so long, and from an hour ago on they would not be good yet.
            for number, offset in enumerate((-3, 0, 30, -20, 0, HOUR, HOUR - 30)):
                clock.set(offset)
                writer = Person(house, "nurse-0", seed, device=f"writer-{number}")
                assert await writer.say(f"at {offset}") is None
                results.append(writer)

    results = []
    try:
        asyncio.run(scenario())
        clock.set(0)
        crowd_results = crowd.settle()
    finally:
        crowd.end()
    assert not [one for one in heard if one[0] == "social-0"], heard
    house.check_running()
    totals = account(house, rooms, [*crowd_results, *(writer.result() | {"logs": {}} for writer in results)], seed)
    assert totals["committed"] > len(results)
    closes = sum((one["counts"][f"closed_{UNAUTHENTICATED_CLOSE}"] for one in crowd_results), 0)
    assert closes == 0
    steps = [round(one["by_ms"] / 1000) for one in steps_logged(house)]
    print(steps)
    assert 6 <= len(steps) <= 9, steps
    house.stop()
    house.check_store()


def test_a_membership_that_began_before_a_small_step_back_holds(houses, seed, clock):
    rooms = rooms_of(1) | {"room-guests": {"doctor-guests": "medical-oncologist", "guest": "oncology-nurse"}}
    house = houses(rooms, redis=False, environment=clock.environment)
    house.start()

    async def scenario():
        doctor, guest = Person(house, "doctor-0", seed), Person(house, "guest", seed)
        assert await guest.head() is None
        frame = doctor.command()
        one = frame.command.add_member
        one.expected_roster_version, one.person_id, one.role, one.reason = len(rooms["room-0"]) + 1, "guest", ONCOLOGY_NURSE, "covers"
        refused = await doctor.ask(frame)
        if refused:  # The version counts every member that was imported.
            one.expected_roster_version = len(rooms["room-0"])
            frame.command.command_id = uuid7(doctor.rng.getrandbits)
            refused = await doctor.ask(frame)
        assert refused is None, refused
        clock.set(-45)
        assert await guest.say("I am here") is None
        assert await guest.head() == await doctor.head()

    asyncio.run(scenario())
    assert len(steps_logged(house)) == 1 and steps_logged(house)[0]["stands_still"] is True
    house.stop()
    house.check_store()


@pytest.mark.parametrize("offset", [-45, HOUR])
def test_a_session_ends_when_the_time_of_its_token_has_passed(houses, seed, clock, offset):
    """Not earlier because the clock was set ahead, and not later because it was set back."""
    house = houses(rooms_of(1), redis=False, environment=clock.environment)
    house.start()
    issued = house.run("token", "--key", house.folder / "key.jwk", "--kid", "faults", "--issuer", "https://faults.invalid", "--audience", "careteam",
                       "--subject", "nurse-0", "--expires", 2)
    began = time.monotonic()
    short = Person(house, "nurse-0", seed, token=issued.stdout.strip())

    async def scenario():
        task = asyncio.create_task(short.live(None, 0, None))
        while not short.counts["welcomes"]:
            await asyncio.sleep(0.01)
        clock.set(offset)
        other = Person(house, "doctor-0", seed)  # So that the clock is looked at.
        assert await other.say("What time is it?") is None
        with contextlib.suppress(asyncio.TimeoutError):
            await asyncio.wait_for(task, 8)

    asyncio.run(scenario())
    assert short.closed_with == UNAUTHENTICATED_CLOSE, short.closed_with
    assert 0.9 < short.ended_at - began < 4, short.ended_at - began
    house.stop()


def test_limits_go_by_the_time_that_passes(houses, seed, clock):
    limits = {"limits.commands_per_minute": 60, "limits.commands_at_once": 5}
    house = houses(rooms_of(1), redis=False, settings=limits, environment=clock.environment)
    house.start()

    class Flooding(Person):
        taken = refused = 0

        def _take_committed(self, command_id, patient, stream, seq):
            if self.pending.pop(command_id, None) is not None:
                self.taken += 1

        def _take_refused(self, command_id, code, field):
            self.refused += self.pending.pop(command_id, None) is not None

        async def flood(self, count):
            self.taken = self.refused = 0
            for _ in range(count):
                frame = self.command()
                frame.command.post_message.stream, frame.command.post_message.content.text = SHARED, "flood"
                self.pending[frame.command.command_id] = self._frame(frame)
            await self.reach(self.all_answered, 10, "answers")
            return self.taken

    async def scenario():
        nurse = Flooding(house, "nurse-0", seed)
        began = time.monotonic()
        taken = await nurse.flood(FLOOD)
        assert 5 <= taken <= 7
        for offset in (HOUR, 0, HOUR):
            clock.set(offset)
            taken += await nurse.flood(FLOOD)
            assert taken <= 5 + (time.monotonic() - began) + 1, f"{taken} taken after a step to {offset}"
        assert not nurse.faults, nurse.faults

    asyncio.run(scenario())
    house.stop()
    house.check_store()
