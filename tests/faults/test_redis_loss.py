"""Redis carries presence and nothing else: whatever happens to it, no message is lost or repeated, and staff is told that presence is unknown."""
import asyncio
import contextlib
import json
import signal
import time

import pytest

import flaky_device
from contract import SHARED, PresenceState
from crowd import Crowd, account, members_of, rooms_of
from flaky_device import Device, Member

ROOMS = 2
KNOWN_AGAIN_SECONDS = 30.0  # As promised.
UNKNOWN_SECONDS = 30.0
ANSWER_SECONDS = 10.0
POSTS = 10  # Beside what the crowd does.
STEADY = "social-0"  # Not in the crowd: is there all the time.
VISITOR = "visitor-0"  # Neither: comes and goes when a test says so.
# One heartbeat of the others is waited for after Redis was wiped: short, so that the tests are.
FAST = {"redis.presence_lease_ms": 4000, "redis.presence_refresh_ms": 1000}
REFUSED = "Redis refused the user or the password"
LONGEST_LOG = 3  # Lines about one misfortune: what happened, and why it lasts; it may be found out in two ways.
UNKNOWN, OFFLINE, ONLINE = PresenceState.STATE_UNKNOWN, PresenceState.STATE_OFFLINE, PresenceState.STATE_ONLINE


class Watcher(Device):
    """Stays connected and hears about presence. Commands that it is given are sent with the next connection."""

    def __init__(self, house, person, device, seed, **member):
        super().__init__(Member(person, device, "room-0", (SHARED,), **member), house.client_port, house.tokens[person], seed)
        self._heard = asyncio.Event()

    def _take_presence(self, person, state):
        super()._take_presence(person, state)
        self._heard.set()

    async def stay(self):
        while True:
            await self.live(None, 0, None)

    async def sees(self, person, state, seconds):
        """Waits until it has last heard this state; the seconds that it took."""
        started = time.monotonic()
        while self.presence.get(person) != state:
            self._heard.clear()
            left = started + seconds - time.monotonic()
            try:
                await asyncio.wait_for(self._heard.wait(), left)
            except asyncio.TimeoutError:
                raise AssertionError(f"{person} is {self.presence.get(person)} and not {state} after {seconds} s") from None
        return time.monotonic() - started


@contextlib.asynccontextmanager
async def connected(*devices):
    tasks = [asyncio.create_task(one.stay()) for one in devices]
    try:
        yield
    finally:
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)


async def post(house, seed, name):
    """A message is taken in time, whatever Redis does. The device's result."""
    device = Watcher(house, "doctor-0", name, seed)
    command_id, frame = device._new_command()
    device.pending[command_id] = frame
    await device.reach(device.all_answered, ANSWER_SECONDS, "an answer to a message")
    assert device.committed and not device.faults, device.faults
    return device.result() | {"logs": {}}  # It did not stay to read what came later.


class Trial:
    """A crowd, a member of staff and a patient who stay, and somebody steady to be seen."""

    def __init__(self, houses, seed, **house):
        self.seed, self.rooms = seed, rooms_of(ROOMS)
        self.rooms["room-0"][VISITOR] = "social-worker"
        self.house = houses(self.rooms, **{"settings": FAST} | house)
        self.house.start()
        members = [one for one in members_of(ROOMS) if one.person != STEADY]
        self.crowd = Crowd(self.house, members, seed, longest_life=0.5, pace=0.5)

    def run(self, scenario, leaving=False, said=(), misfortunes=1):
        """Runs `scenario(self)`, lets the crowd come to rest, and makes the account. `leaving`: wait, too, until somebody is seen to leave.
        `said`: what the log tells about Redis, in this order, and nothing else but that the connection is there."""
        try:
            posted = asyncio.run(self._run(scenario, leaving))
            results = self.crowd.settle()
        finally:
            self.crowd.end()
        self.house.check_running()
        self.check_log(said, misfortunes)
        totals = account(self.house, self.rooms, [*results, *posted], self.seed)
        print(dict(totals))
        assert totals["committed"] > POSTS * 2
        self.house.stop()
        self.house.check_store()

    async def _run(self, scenario, leaving):
        self.staff = Watcher(self.house, "doctor-0", "watch", self.seed)
        self.steady = Watcher(self.house, STEADY, "steady", self.seed)
        self.patient = Watcher(self.house, "room-0", "watch", self.seed, is_patient=True)
        self.posted = []
        async with connected(self.staff, self.patient):
            async with connected(self.steady):
                await scenario(self)
            if leaving:
                took = await self.staff.sees(STEADY, OFFLINE, KNOWN_AGAIN_SECONDS)
                print(f"seen to have left after {took:.1f} s")
        for one in (self.staff, self.steady, self.patient):
            assert not one.faults, one.faults
        assert not self.patient.presence
        return self.posted

    def check_log(self, said, misfortunes):
        lines = [json.loads(line)["text"] for line in self.house.server.lines('"event":"redis"')]
        print("\n".join(lines))
        troubles = [line for line in lines if line != "connected to Redis"]
        assert len(troubles) <= LONGEST_LOG * misfortunes and len(lines) <= 2 * LONGEST_LOG * misfortunes, lines
        for text in said:
            assert any(text in line for line in troubles), f"the log does not say {text!r}: {lines}"
        assert said or not troubles, lines

    async def lost(self, name):
        """Presence is unknown for staff; messages go on."""
        took = await self.staff.sees(STEADY, UNKNOWN, UNKNOWN_SECONDS)
        print(f"{name}: unknown after {took:.1f} s")
        status, text = self.house.readiness()
        assert status == 200 and "redis unreachable: presence is unknown" in text, (status, text)
        for number in range(POSTS):
            self.posted.append(await post(self.house, self.seed, f"without-{name}-{number}"))
        newcomer = Watcher(self.house, "nurse-0", f"newcomer-{name}", self.seed)
        async with connected(newcomer):
            await newcomer.sees(STEADY, UNKNOWN, ANSWER_SECONDS)

    async def told(self, text):
        """Waits until the log says so of Redis: that presence is unknown may have another cause before."""
        deadline = time.monotonic() + KNOWN_AGAIN_SECONDS
        while not any(text in line for line in self.house.server.lines('"event":"redis"')):
            assert time.monotonic() < deadline, f"the log does not say {text!r} after {KNOWN_AGAIN_SECONDS} s"
            await asyncio.sleep(0.05)

    async def known_again(self, name):
        took = await self.staff.sees(STEADY, ONLINE, KNOWN_AGAIN_SECONDS)
        print(f"{name}: known again after {took:.1f} s")
        status, text = self.house.readiness()
        assert status == 200 and "redis ok" in text, (status, text)
        for number in range(POSTS):
            self.posted.append(await post(self.house, self.seed, f"with-{name}-{number}"))


@pytest.fixture(autouse=True)
def long_connections(monkeypatch):
    """Whoever stays is not to come back by chance in the middle of what is looked at."""
    monkeypatch.setattr(flaky_device, "CALM_LIFE_SECONDS", 300.0)


def test_redis_is_killed(houses, seed):
    """With the settings that are shipped: what is promised for them."""
    async def scenario(trial):
        await trial.known_again("start")
        trial.house.kill_redis()
        await trial.lost("kill")
        trial.house.start_redis()
        await trial.known_again("kill")

    Trial(houses, seed, settings={}).run(scenario, said=["lost the connection to Redis: the connection to Redis ended"])


def test_redis_is_frozen_and_thawed(houses, seed):
    async def scenario(trial):
        await trial.known_again("start")
        trial.house.redis.send(signal.SIGSTOP)
        await trial.lost("stop")
        trial.house.redis.send(signal.SIGCONT)
        await trial.known_again("stop")

    Trial(houses, seed).run(scenario, said=["lost the connection to Redis: Redis did not answer in time"])


def test_redis_is_emptied(houses, seed):
    async def scenario(trial):
        await trial.known_again("start")
        trial.house.flush_redis()
        trial.posted.append(await post(trial.house, trial.seed, "emptied"))
        newcomer = Watcher(trial.house, "nurse-0", "newcomer", trial.seed)
        async with connected(newcomer):
            print(f"a newcomer sees who is there after {await newcomer.sees(STEADY, ONLINE, KNOWN_AGAIN_SECONDS):.1f} s")
        await trial.known_again("flush")

    # What is remembered from before would show nobody leaving.
    Trial(houses, seed).run(scenario, leaving=True, said=["presence was wiped in Redis; announcing anew"])


def test_redis_is_absent_at_the_start(houses, seed):
    async def scenario(trial):
        await trial.lost("absent")
        trial.house.start_redis()
        await trial.known_again("absent")

    Trial(houses, seed, redis=False).run(scenario, said=["cannot connect to Redis: Connection refused"])


def test_redis_wants_another_password_at_the_start(houses, seed):
    """And gets ours: by its ACL, without a restart of anything."""
    async def scenario(trial):
        trial.house.start_redis(password="another-password")
        await trial.lost("password")
        await trial.told(REFUSED)
        assert trial.house.ask_redis("ACL", "SETUSER", "careteam", f">{trial.house.password}", password="another-password") == "+OK"
        await trial.known_again("password")

    Trial(houses, seed, redis=False).run(scenario, said=[f"cannot connect to Redis: {REFUSED}"])


def test_redis_wants_another_password(houses, seed):
    async def scenario(trial):
        await trial.known_again("start")
        trial.house.kill_redis()
        trial.house.start_redis(password="another-password")
        await trial.lost("password")
        await trial.told(REFUSED)
        trial.house.kill_redis()
        trial.house.start_redis()
        await trial.known_again("password")

    Trial(houses, seed).run(scenario, said=["lost the connection", REFUSED], misfortunes=2)


def test_redis_takes_the_user_its_rights(houses, seed):
    async def scenario(trial):
        await trial.known_again("start")
        assert trial.house.ask_redis("ACL", "SETUSER", "careteam", "-set") == "+OK"
        await trial.lost("rights")
        assert trial.house.ask_redis("ACL", "SETUSER", "careteam", "+@all") == "+OK"
        await trial.known_again("rights")

    Trial(houses, seed).run(scenario, said=["presence lost Redis: the Redis user may not do that"])


def test_redis_comes_back_with_an_old_snapshot(houses, seed):
    """Somebody who was there when the snapshot was taken, and is not any more, is not there."""
    async def scenario(trial):
        await trial.known_again("start")
        visitor = Watcher(trial.house, VISITOR, "visiting", trial.seed)
        async with connected(visitor):
            await trial.staff.sees(VISITOR, ONLINE, KNOWN_AGAIN_SECONDS)
            assert trial.house.ask_redis("SAVE") == "+OK"
        await trial.staff.sees(VISITOR, OFFLINE, KNOWN_AGAIN_SECONDS)
        trial.house.kill_redis()
        await trial.lost("snapshot")
        trial.house.start_redis()
        await trial.known_again("snapshot")
        await trial.staff.sees(VISITOR, OFFLINE, KNOWN_AGAIN_SECONDS)
        newcomer = Watcher(trial.house, "nurse-0", "newcomer", trial.seed)
        async with connected(newcomer):
            await newcomer.sees(VISITOR, OFFLINE, KNOWN_AGAIN_SECONDS)

    Trial(houses, seed).run(scenario, leaving=True, said=["lost the connection to Redis"])


def test_redis_fails_over(houses, seed):
    """The instance at the address becomes a replica that takes no writes, as a failover leaves it; then a new one stands at the address."""
    async def scenario(trial):
        await trial.known_again("start")
        assert trial.house.ask_redis("REPLICAOF", "127.0.0.1", "1") == "+OK"
        await trial.lost("read-only")
        trial.house.kill_redis()
        trial.house.start_redis()
        await trial.known_again("new-instance")

    Trial(houses, seed).run(scenario, leaving=True, said=["presence lost Redis: Redis cannot serve now"], misfortunes=2)


def test_redis_fails_over_and_back(houses, seed):
    """The same, and the replica is promoted again: no connection ends, so the server finds out by asking."""
    async def scenario(trial):
        await trial.known_again("start")
        assert trial.house.ask_redis("REPLICAOF", "127.0.0.1", "1") == "+OK"
        await trial.lost("read-only")
        assert trial.house.ask_redis("REPLICAOF", "NO", "ONE") == "+OK"
        await trial.known_again("promoted")

    Trial(houses, seed).run(scenario, said=["presence lost Redis: Redis cannot serve now"])
