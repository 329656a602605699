"""Routine tasks are due in working time (G8), all others day and night; without a calendar all time is working time."""
import datetime
import json
import math
import subprocess
import time

import pytest
from careteam_client import Client
from server import Server, binary, room_resources, sanitized
from server_clock import Clock
from test_escalation import STAFF, ask, instant, order, tell

HOUR = 3600
CALENDAR = {"calendar.time_zone": "America/New_York", "calendar.hours": ["mon-fri 08:00-17:00"], "calendar.holidays": ["2027-11-25"]}
# Friday 12 March 2027, six in the evening in New York; on Sunday the clock goes forward there.
FRIDAY_EVENING = "2027-03-12T23:00:00Z"
# The Wednesday before Thanksgiving, four in the afternoon.
WEDNESDAY = "2027-11-24T21:00:00Z"


@pytest.fixture
def clock(tmp_path, monkeypatch):
    """For every process that is started from here: the tools that make tokens and import live in the same year as the server."""
    if sanitized():
        pytest.skip("the sanitizer's library must come first, and so must libfaketime")
    made = Clock(tmp_path)
    for name, value in made.environment.items():
        monkeypatch.setenv(name, value)
    return made


def ward(clock, now, **settings):
    clock.set(math.ceil(instant(now) - time.time()))
    server = Server(redis=False, settings=settings)
    server.import_resources(room_resources("pat", STAFF))
    return server


def utc(text):
    return datetime.datetime.fromtimestamp(instant(text), datetime.timezone.utc).strftime("%a %Y-%m-%d %H:%M")


async def connect(server, person):
    """With a token of this year: one that lasts longer may be another test's."""
    return await Client.connect(server, person, token=server.token(person, expires=599))


async def requested(client, wanted):
    seq = await ask(client, wanted)
    asked = (await client.has("pat", "clinical", seq))["taskRequested"]
    return seq, asked["acceptBy"], asked["order"]["due"]


async def test_what_is_routine_on_a_friday_evening_begins_on_monday(clock):
    with ward(clock, FRIDAY_EVENING, **CALENDAR) as server:
        server.start()
        rao, nina = await connect(server, "rao"), await connect(server, "nina")
        seq, accept_by, due = await requested(rao, order())
        # From Monday at eight one working day and three; summer time has come meanwhile.
        assert (utc(accept_by), utc(due)) == ("Tue 2027-03-16 12:00", "Thu 2027-03-18 12:00")
        assert (await tell(nina, "claimTask", seq)).ok
        claimed = (await nina.has("pat", "clinical", seq + 1))["taskClaimed"]
        assert utc(claimed["decideBy"]) == "Mon 2027-03-15 16:00"  # Four hours of work.
        _, accept_by, due = await requested(rao, order(priority="PRIORITY_URGENT"))
        now = instant(FRIDAY_EVENING)
        assert 0 <= instant(accept_by) - now - HOUR < 60 and 0 <= instant(due) - now - 8 * HOUR < 60
        for one in (rao, nina):
            await one.close()


async def test_a_holiday_does_not_count(clock):
    with ward(clock, WEDNESDAY, **CALENDAR) as server:
        server.start()
        rao = await connect(server, "rao")
        _, accept_by, due = await requested(rao, order())
        assert (utc(accept_by)[:14], utc(due)[:14]) == ("Fri 2027-11-26", "Tue 2027-11-30")
        assert 0 <= instant(accept_by) - instant("2027-11-26T21:00:00Z") < 60
        await rao.close()


async def test_without_a_calendar_all_time_is_working_time(clock):
    with ward(clock, FRIDAY_EVENING) as server:
        server.start()
        rao = await connect(server, "rao")
        _, accept_by, due = await requested(rao, order())
        now = instant(FRIDAY_EVENING)
        assert 0 <= instant(accept_by) - now - 24 * HOUR < 60 and 0 <= instant(due) - now - 72 * HOUR < 60
        await rao.close()


@pytest.mark.parametrize("setting,value,told", [
    ("calendar.hours", ["mon-fir 08:00-17:00"], 'calendar.hours: "mon-fir 08:00-17:00" names no days of the week'),
    ("calendar.hours", ["mon-fri 08:00-12:00", "fri 11:00-13:00"], 'calendar.hours: "fri 11:00-13:00" overlaps'),
    ("calendar.holidays", ["2027-02-29"], 'calendar.holidays: "2027-02-29" is no date'),
    ("calendar.time_zone", "Mars/Olympus", "calendar.time_zone is no time zone")])
def test_a_calendar_that_cannot_be_is_said_before_and_at_the_start(setting, value, told):
    with Server(redis=False, settings={**CALENDAR, setting: value}) as server:
        for words in (["config", "check"], ["serve"], ["import", "no-such-file.json"]):
            done = subprocess.run([binary(), *words, "--config", server.config], capture_output=True, text=True, timeout=20)
            assert done.returncode == 1 and told in done.stderr and not done.stdout, done


def test_holidays_alone_do_nothing_and_that_is_told():
    with Server(redis=False, settings={"calendar.holidays": ["2027-12-25"]}) as server:
        done = subprocess.run([binary(), "config", "check", "--config", server.config], capture_output=True, text=True, timeout=20)
        assert done.returncode == 0 and "calendar.holidays has no effect without calendar.hours" in done.stderr


def test_what_is_imported_is_due_in_working_time_too(clock):
    with ward(clock, FRIDAY_EVENING, **CALENDAR) as server:
        person = {"requester": ("Practitioner", "rao"), "owner": ("Practitioner", "nina"), "for": ("Patient", "pat")}
        task = {"resourceType": "Task", "id": "t", "status": "requested", "intent": "order", "code": {"text": "Call her back"}}
        task |= {field: {"type": kind, "identifier": {"system": "urn:careteam:person-id", "value": name}} for field, (kind, name) in person.items()}
        file = server.folder / "task.json"
        file.write_text(json.dumps(task))
        tool = {"capture_output": True, "text": True, "timeout": 20}
        done = subprocess.run([binary(), "import", "--config", server.config, file], **tool)
        assert done.returncode == 0 and not done.stderr, done
        told = subprocess.run([binary(), "export", "--config", server.config], **tool)
        tasks = [one["resource"] for one in json.loads(told.stdout)["entry"] if one["resource"]["resourceType"] == "Task"]
        assert [utc(one["restriction"]["period"]["end"]) for one in tasks] == ["Thu 2027-03-18 12:00"]
