"""Calls about duties and what they owe: they go to whoever has a duty now (HO8), and one that reaches nobody ends at a human (3.2, B5)."""
import pytest
from careteam_client import Client
from gateways import Gateway
from server import Server, room_resources
from test_duties import DUTY, STAFF, ask, change, define, duty, holder, told
from test_notifier import FAILED, QUICK, SENT, WAITING, deliveries, enroll, until

CONTACTS = {"rao": "+15550100", "nina": "+15550101", "tom": "+15550102", "grace": "+15550103"}


@pytest.fixture
def gateway():
    with Gateway() as one:
        yield one


@pytest.fixture
def clinic(gateway):
    settings = QUICK | gateway.settings | {"limits.wrong_patient_window_ms": 0, "organization.safety_person": "rao"}
    with Server(redis=False, settings=settings) as server:
        server.import_resources(room_resources("pat", STAFF))
        enroll(server, "alex", "--administrator")
        for person, number in CONTACTS.items():
            enroll(server, person, "--contact", f"sms {number}")
        yield server.start()


def called(gateway):
    """Who was called, in order."""
    return [next(person for person, number in CONTACTS.items() if number == one.body["to"]) for one in list(gateway.calls)]


async def test_who_has_the_duty_now_is_called_at_once_and_who_had_it_no_more(gateway, clinic):
    await define(clinic)
    rao, grace = await Client.connect(clinic, "rao"), await Client.connect(clinic, "grace")
    seq = await ask(rao, "pat", "38.4 degrees: antibiotics within the hour", priority="PRIORITY_STAT")
    [first] = await until(lambda: [one for one in gateway.calls if one.body["priority"] == "stat"])
    assert first.body["to"] == CONTACTS["nina"]
    again = f"{first.effect}-2-0"
    await until(lambda: deliveries(clinic).get(again) == (WAITING, 0))
    assert (await grace.command(DUTY, {"forceTakeDuty": {"reason": "Nina was called away"}})).ok
    await grace.until(lambda: holder(grace) == "grace")
    calls = await until(lambda: [one for one in gateway.calls if one.effect == first.effect and one.id != first.id], seconds=5)
    assert calls[0].body["to"] == CONTACTS["grace"] and calls[0].id == f"{first.effect}-3-0"
    await until(lambda: deliveries(clinic)[calls[0].id] == (SENT, 1))
    assert deliveries(clinic)[again][0] == FAILED, "nothing is left that would call Nina"
    assert called(gateway).count("nina") == 1
    for action in ("claimTask", "acceptTask"):
        assert (await grace.command("pat", {action: {"task": {"stream": "STREAM_CLINICAL", "seq": str(seq)}}})).ok
    assert not [one for one, (state, _) in deliveries(clinic).items() if one.startswith(first.effect) and state == WAITING]


async def test_a_call_about_a_duty_that_reaches_nobody_goes_on_to_the_manager_and_the_safety_person(gateway, clinic):
    gateway.usual = (400, {})
    alex, grace = await Client.connect(clinic, "alex"), await Client.connect(clinic, "grace")
    # Nobody is on the roster: its lead has to find somebody.
    assert (await change(alex, "defineDuty", duty=duty(managerPersonId="nina"))).ok
    await grace.until(lambda: len(told(grace, "dutyCallUndelivered")) == 3)
    failed = told(grace, "dutyCallUndelivered")
    assert [(one["personId"], one.get("nextPersonId")) for one in failed] == [("grace", "nina"), ("nina", "rao"), ("rao", None)]
    assert {(one["call"], one["priority"]) for one in failed} == {("DUTY_CALL_FIND_COVER", "PRIORITY_ASAP")}
    assert called(gateway)[:3] == ["grace", "nina", "rao"]
    await until(lambda: clinic.metrics()["careteam_notifier_undelivered_total"] == 3)
    clinic.kill9()
    assert clinic.verify().returncode == 0 and clinic.rebuild().returncode == 0
