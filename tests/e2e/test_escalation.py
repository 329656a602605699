"""Silence escalates (G5, T15 to T17): a deadline that passes leads to one entry, by the server itself, whoever is connected; what fell due
while no server ran is caught up in the order of the deadlines, from deadline to deadline; what was done in time does nothing.
"""
import asyncio
import datetime
import os
import sqlite3

import pytest
from careteam_client import Client
from server import Server, room_resources, sanitized

LIBRARY = "/usr/lib/x86_64-linux-gnu/faketime/libfaketimeMT.so.1"
STAFF = [("rao", "medical-oncologist"), ("nina", "oncology-nurse"), ("noah", "oncology-nurse")]
MINUTE, HOUR = 60, 3600


def order(title="Call her back", **more):
    return {"kind": "TASK_KIND_CARE", "title": title, "target": {"role": "ROLE_ONCOLOGY_NURSE"}, **more}


def in_seconds(seconds):
    return (datetime.datetime.now(datetime.timezone.utc) + datetime.timedelta(seconds=seconds)).isoformat().replace("+00:00", "Z")


def instant(text):
    return datetime.datetime.fromisoformat(text.replace("Z", "+00:00")).timestamp()


def escalations(client, seq):
    return [one for one in client.entries("pat", "clinical") if one.get("taskEscalated", {}).get("seq") == str(seq)]


async def ask(client, wanted):
    answer = await client.command("pat", {"requestTask": {"stream": "STREAM_CLINICAL", "order": wanted}})
    assert answer.ok, answer
    return answer.seq


async def tell(client, action, seq):
    return await client.command("pat", {action: {"task": {"stream": "STREAM_CLINICAL", "seq": str(seq)}}})


def timers_in(server):
    with sqlite3.connect(f"file:{server.store_path}?mode=ro", uri=True) as store:
        return store.execute("SELECT count(*) FROM timers").fetchone()[0]


class Clock:
    """The served process's time of day: the machine's and so many seconds."""

    def __init__(self, folder):
        self._file = folder / "offset"
        self.set(0)
        self.environment = {"LD_PRELOAD": LIBRARY, "FAKETIME_TIMESTAMP_FILE": str(self._file), "FAKETIME_NO_CACHE": "1",
                            "FAKETIME_DONT_FAKE_MONOTONIC": "1", "DONT_FAKE_MONOTONIC": "1"}

    def set(self, seconds):
        new = self._file.with_suffix(".new")
        new.write_text(f"{seconds:+d}\n")
        new.rename(self._file)


@pytest.fixture
def clock(tmp_path):
    if sanitized():
        pytest.skip("the sanitizer's library must come first, and so must libfaketime")
    assert os.path.exists(LIBRARY), "libfaketime is missing: deploy/install-packages"
    return Clock(tmp_path)


async def connect(server, person):
    """With a token that outlives a night."""
    return await Client.connect(server, person, token=server.token(person, expires=100 * HOUR))


def ward(**more):
    server = Server(redis=False, **more)
    server.import_resources(room_resources("pat", STAFF))
    return server


async def test_a_deadline_that_passes_is_seen_by_everybody_and_once(form):
    with ward() as server:
        server.start()
        rao, nina = await Client.connect(server, "rao", form), await Client.connect(server, "nina", form)
        late = await ask(rao, order(due=in_seconds(3)))
        done = await ask(rao, order("Write to her", due=in_seconds(3)))
        for action in ("claimTask", "acceptTask", "startTask", "completeTask"):
            assert (await tell(nina, action, done)).ok, action
        for action in ("claimTask", "acceptTask"):
            last = await tell(nina, action, late)
            assert last.ok, last
        told = await nina.has("pat", "clinical", last.seq + 1)
        assert told["taskEscalated"]["seq"] == str(late) and told["taskEscalated"]["level"] == 1
        assert told["taskEscalated"]["timer"] == "TASK_TIMER_DUE" and not told["author"].get("personId")
        due = instant(rao.entry("pat", "clinical", late)["taskRequested"]["order"]["due"])
        assert 0 <= instant(told["time"]) - due < 5  # Usually within 50 ms.
        for one in (rao, nina):
            await one.fence()
            assert len(escalations(one, late)) == 1 and not escalations(one, done)
            await one.close()
        server.kill9()
        assert server.verify().returncode == 0 and server.rebuild().returncode == 0


async def test_an_outage_of_a_night_is_caught_up_from_deadline_to_deadline(clock):
    with ward(environment=clock.environment) as server:
        server.start()
        rao = await connect(server, "rao")
        stat = await ask(rao, order("Fever", priority="PRIORITY_STAT"))
        asap = await ask(rao, order("Nausea", priority="PRIORITY_ASAP"))
        taken = await ask(rao, order("Weight", priority="PRIORITY_ASAP"))
        nina = await connect(server, "nina")
        for action in ("claimTask", "acceptTask", "startTask"):
            assert (await tell(nina, action, taken)).ok, action
        asked_at = {seq: instant(rao.entry("pat", "clinical", seq)["time"]) for seq in (stat, asap)}
        server.kill9()
        clock.set(8 * HOUR)
        server.start()
        rao = await connect(server, "rao")
        while not any(one["taskEscalated"].get("noResponse") for one in escalations(rao, asap)):
            await asyncio.sleep(0.02)  # The test has a deadline of its own.
            await rao.fence()
        for seq, minutes in ((stat, 5), (asap, 15)):
            steps = [one["taskEscalated"] for one in escalations(rao, seq) if one["taskEscalated"]["timer"] == "TASK_TIMER_ACCEPT"]
            assert [one["level"] for one in steps] == [1, 2, 2] and [bool(one.get("noResponse")) for one in steps] == [False, False, True]
            nexts = [round(instant(one["nextBy"]) - asked_at[seq]) for one in steps if "nextBy" in one]
            assert nexts == [2 * minutes * MINUTE, 3 * minutes * MINUTE], "from deadline to deadline, not from when it was noticed"
        order_of_first = [one["taskEscalated"]["seq"] for one in rao.entries("pat", "clinical") if "taskEscalated" in one]
        assert order_of_first.index(str(stat)) < order_of_first.index(str(asap)), "in the order of the deadlines"
        # The clock goes back: nothing fires a second time.
        before = len([one for one in rao.entries("pat", "clinical") if "taskEscalated" in one])
        clock.set(0)
        await ask(rao, order("Something else"))
        server.kill9()
        clock.set(8 * HOUR)
        server.start()
        rao = await connect(server, "rao")
        await rao.fence()
        assert len([one for one in rao.entries("pat", "clinical") if "taskEscalated" in one]) == before
        assert timers_in(server) > 0
        server.kill9()
        assert server.verify().returncode == 0 and server.rebuild().returncode == 0
