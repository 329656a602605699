"""Protocols (C8): tasks by cycle day. The server asks for each by itself when its time has come, once, also after an outage of days; they move
when the cycle moves, and are cancelled when the regimen stops."""
import datetime
import json
import zoneinfo

import pytest
from careteam_client import ABORTED, INVALID_ARGUMENT, NOT_FOUND, PERMISSION_DENIED, Client
from server import Server, room_resources, sanitized
from server_clock import Clock

ZONE = zoneinfo.ZoneInfo("Europe/Berlin")
STAFF = [("rao", "medical-oncologist"), ("nina", "oncology-nurse"), ("noah", "oncology-nurse")]
DAY = 86400


@pytest.fixture
def clock(tmp_path):
    if sanitized():
        pytest.skip("the sanitizer's library must come first, and so must libfaketime")
    return Clock(tmp_path)


def instant(text):
    return datetime.datetime.fromisoformat(text.replace("Z", "+00:00"))


def item(name, days, target, **more):
    return {"itemId": name, "order": {"kind": "TASK_KIND_CARE", "title": name, "target": target}, "days": days, "at": 480, "leadDays": 1, **more}


def starting(day1, *items):
    return {"startProtocol": {"stream": "STREAM_CLINICAL", "plan": {
        "protocolId": "capecitabine", "name": "Capecitabine", "timeZone": "Europe/Berlin", "day1": day1.isoformat(), "cycleDays": 7, "cycles": 2,
        "items": list(items)}}}


def protocol(version=0):
    return {"stream": "STREAM_CLINICAL", "protocolId": "capecitabine", "expectedVersion": str(version)}


def moving(cycle, day1, version=0):
    return {"moveCycle": {"protocol": protocol(version), "cycle": cycle, "day1": day1.isoformat(), "reason": "Low counts"}}


def stopping(version=0):
    return {"stopProtocol": {"protocol": protocol(version), "reason": "Progression"}}


def made(client):
    """The tasks that the protocol asked for: "cbc 1/1", the entry, in the order of the log."""
    tasks = [one for one in client.entries("pat", "clinical") if "protocol" in one.get("taskRequested", {})]
    days = [one["taskRequested"]["protocol"]["day"] for one in tasks]
    return [(f"{day['itemId']} {day['cycle']}/{day['day']}", one) for day, one in zip(days, tasks)]


def names(client):
    return [name for name, _ in made(client)]


def facts(client, kind):
    return [one[kind] for one in client.entries("pat", "clinical") if kind in one]


async def test_tasks_come_on_their_days_move_with_their_cycle_and_end_with_the_regimen(clock):
    with Server(redis=False, environment=clock.environment) as server:
        server.import_resources(room_resources("pat", STAFF))
        first = datetime.datetime.now(ZONE).date() + datetime.timedelta(days=3)

        def day(number):
            return first + datetime.timedelta(days=number)

        def at(number, hour):
            return datetime.datetime.combine(day(number), datetime.time(hour), ZONE)

        async def wake(number, hour, *people):
            """The server was down until then."""
            server.kill9()
            clock.set(int((at(number, hour) - datetime.datetime.now(datetime.timezone.utc)).total_seconds()))
            server.start()
            return [await Client.connect(server, person, token=server.token(person, expires=60 * DAY)) for person in people]

        server.start()
        rao = await Client.connect(server, "rao", token=server.token("rao", expires=60 * DAY))
        started = await rao.command("pat", starting(first, item("cbc", [1, 3], {"role": "ROLE_ONCOLOGY_NURSE"}), item("refill", [-2], {"personId": "nina"})))
        assert started.ok, started
        await rao.fence()
        assert made(rao) == [], "nothing is asked for before its time"

        (rao,) = await wake(-1, 9, "rao")
        await rao.until(lambda: names(rao) == ["cbc 1/1"])
        cbc = made(rao)[0][1]
        assert not cbc["author"].get("personId") and cbc["taskRequested"]["requesterPersonId"] == "rao"
        assert instant(cbc["taskRequested"]["order"]["due"]) == at(0, 8)
        assert sorted(cbc["taskRequested"]["candidatePersonId"]) == ["nina", "noah"] and "acceptBy" in cbc["taskRequested"]
        explained = server.tool("explain", "--config", server.config, "--json", "pat", f"clinical/{cbc['seq']}")
        words = json.loads(explained.stdout.splitlines()[0])["what"]
        assert "made by the protocol capecitabine: its cbc for day 1 of cycle 1, scheduled for 20" in words, words

        # Down over several due days: all of them, in their order.
        rao, nina = await wake(6, 12, "rao", "nina")
        caught_up = ["cbc 1/1", "cbc 1/3", "refill 1/-2", "cbc 2/1"]
        await rao.until(lambda: names(rao) == caught_up)
        assert [instant(one["taskRequested"]["protocol"]["scheduled"]) for _, one in made(rao)] == [at(0, 8), at(2, 8), at(5, 8), at(7, 8)]
        assert all(instant(one["taskRequested"]["order"]["due"]) > instant(one["time"]) for _, one in made(rao)), "none is late when it is made"
        refill, next_cbc = (int(one["seq"]) for _, one in made(rao)[2:])
        for action in ("claimTask", "acceptTask", "startTask"):
            done = await nina.command("pat", {action: {"task": {"stream": "STREAM_CLINICAL", "seq": str(refill)}}})
            assert done.ok, done

        stale = await nina.command("pat", moving(2, day(10), 7))
        assert stale.code == ABORTED and stale.field == "moveCycle.protocol.expectedVersion"
        moved = await nina.command("pat", moving(2, day(10), 1))
        assert moved.ok, moved
        await rao.until(lambda: facts(rao, "taskRescheduled"))
        told, = facts(rao, "taskRescheduled")
        assert int(told["seq"]) == next_cbc and instant(told["wasDue"]) == at(7, 8) and instant(told["due"]) == at(10, 8)
        rao, nina = await wake(11, 12, "rao", "nina")
        await rao.until(lambda: names(rao) == [*caught_up, "cbc 2/3"])

        stopped = await rao.command("pat", stopping(2))
        assert stopped.ok, stopped
        await nina.until(lambda: len(facts(nina, "taskCancelled")) == 5)
        cancelled = {int(one["seq"]): one for one in facts(nina, "taskCancelled")}
        assert set(cancelled) == {int(one["seq"]) for _, one in made(nina)} and all(one["reason"] == "Progression" for one in cancelled.values())
        assert [seq for seq, one in cancelled.items() if "acknowledgeBy" in one] == [refill], "whoever is doing it says that they stopped"
        acknowledged = await nina.command("pat", {"acknowledgeCancel": {"task": {"stream": "STREAM_CLINICAL", "seq": str(refill)}}})
        assert acknowledged.ok, acknowledged
        (rao,) = await wake(30, 12, "rao")
        await rao.fence()
        assert len(made(rao)) == 5, "nothing is asked for any more"
        server.kill9()
        assert server.verify().returncode == 0 and server.rebuild().returncode == 0


async def test_what_is_no_protocol_or_not_ones_to_change_is_refused(form):
    with Server(redis=False) as server:
        server.import_resources(room_resources("pat", STAFF))
        server.start()
        first = datetime.datetime.now(ZONE).date()
        cbc = item("cbc", [2], {"role": "ROLE_ONCOLOGY_NURSE"})
        rao, pat = await Client.connect(server, "rao", form), await Client.connect(server, "pat", form)
        for wrong, field in (({"day1": "2027-02-30"}, "day1"), ({"timeZone": "Mars/Base"}, "timeZone"), ({"cycleDays": 366}, "cycleDays"),
                             ({"items": [cbc, cbc]}, "items[0].itemId"), ({"items": [{**cbc, "days": [8]}]}, "items[0].days")):
            command = starting(first, cbc)
            command["startProtocol"]["plan"] |= wrong
            answer = await rao.command("pat", command)
            assert answer.code == INVALID_ARGUMENT and answer.field == f"startProtocol.plan.{field}", answer
        assert (await rao.command("pat", starting(first, cbc))).ok
        for command in (starting(first, cbc), moving(1, first), stopping()):
            hidden = await pat.command("pat", command)
            assert hidden.code == NOT_FOUND and hidden.field.endswith("stream"), hidden
        fired = await rao.command("pat", {"fireProtocolTimer": {"protocol": protocol(1)}})
        assert fired.code == PERMISSION_DENIED and fired.field == "action"
        await rao.close()
        await pat.close()
