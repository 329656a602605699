"""Duties over real connections (B4 to B6, C6, 3.2): who holds one, what a handoff moves in one commit, and who may know of it."""
import asyncio
import datetime

import pytest
from careteam_client import ABORTED, ALREADY_EXISTS, FAILED_PRECONDITION, INVALID_ARGUMENT, NOT_FOUND, PERMISSION_DENIED, Client
from server import Server, room_resources
from worklist_client import Watched

DUTY = "duty/onc-rn"
STAFF = [("rao", "medical-oncologist"), ("nina", "oncology-nurse"), ("tom", "oncology-nurse"), ("grace", "oncology-nurse"),
         ("omar", "pharmacist")]
HOUR = 3600


def period(start, end):
    """In seconds from now."""
    now = datetime.datetime.now(datetime.timezone.utc)
    return {name: (now + datetime.timedelta(seconds=seconds)).isoformat().replace("+00:00", "Z")
            for name, seconds in (("start", start), ("end", end))}


def duty(**more):
    return {"name": "Oncology nurse", "timeZone": "America/Chicago", "roles": ["ROLE_ONCOLOGY_NURSE"], "leadPersonId": "grace",
            "members": [{"personId": person, "role": "ROLE_ONCOLOGY_NURSE"} for person in ("nina", "tom", "grace")], **more}


async def change(client, action, record=DUTY, **fields):
    """A command on a roster, with the roster's version as this client knows it."""
    versions = [int(next(iter(entry.values())).get("rosterVersion", 0)) for entry in facts(client, record, "duty")]
    return await client.command(record, {action: {"expectedRosterVersion": str(max(versions, default=0)), **fields}})


def facts(client, record, stream):
    """What the entries say: [{"dutyDefined": {...}}, ...]."""
    beside = {"patientId", "dutyId", "stream", "seq", "time", "author"}
    return [{name: value for name, value in entry.items() if name not in beside} for entry in client.entries(record, stream)]


def told(client, name, record=DUTY, stream="duty"):
    return [one[name] for one in facts(client, record, stream) if name in one]


def holder(client):
    changes = told(client, "dutyHolderChanged")
    return changes[-1].get("personId", "") if changes else ""


async def define(server):
    """Nina has the duty until in an hour, then Tom."""
    alex = await Client.connect(server, "alex")
    answer = await change(alex, "defineDuty", duty=duty())
    assert answer.ok, answer
    await alex.has(DUTY, "duty", 1)
    for name, person, start, end in (("day", "nina", -HOUR, HOUR), ("night", "tom", HOUR, 9 * HOUR)):
        answer = await change(alex, "scheduleShift", shiftId=name, personId=person, period=period(start, end))
        assert answer.ok, answer
        await alex.fence()
    return alex


@pytest.fixture
def clinic():
    with Server(redis=False, settings={"limits.wrong_patient_window_ms": 0}) as server:
        server.import_resources([*room_resources("pat", STAFF), *room_resources("mei", STAFF)])
        assert server.tool("enroll", "--config", server.config, "--person", "alex", "--name", "Alex Admin", "--kind", "staff",
                           "--administrator").returncode == 0
        yield server.start()


async def ask(client, patient, title, **more):
    answer = await client.command(patient, {"requestTask": {"stream": "STREAM_CLINICAL", "order": {
        "kind": "TASK_KIND_CARE", "title": title, "target": {"dutyId": "onc-rn"}, **more}}})
    assert answer.ok, answer
    return answer.seq


async def step(client, action, handoff, **more):
    return await client.command(DUTY, {action: {"handoff": {"seq": str(handoff)}, **more}})


async def good(client, action, handoff, **more):
    answer = await step(client, action, handoff, **more)
    assert answer.ok, (action, answer)


async def prepared(nina):
    """A handoff from Nina to Tom: hers to describe."""
    if handoffs := told(nina, "handoffPrepared", stream="clinical"):
        assert len(handoffs) == 1
        return next(int(one["seq"]) for one in nina.entries(DUTY, "clinical") if "handoffPrepared" in one)
    answer = await nina.command(DUTY, {"prepareHandoff": {}})
    assert answer.ok, answer
    return answer.seq


async def described(nina, handoff, patient, severity="STABLE"):
    await good(nina, "describePatient", handoff, patient={"patientId": patient, "severity": f"SEVERITY_{severity}",
                                                          "summary": f"What there is to know of {patient}",
                                                          "contingencies": ["if the fever rises, call the doctor on call"]})


async def handed_to_confirmation(nina, tom, first):
    """Up to HO6: everything but the confirmation."""
    handoff = await prepared(nina)
    await described(nina, handoff, "pat", "WATCHER")
    await described(nina, handoff, "mei")
    await good(nina, "offerHandoff", handoff)
    await good(tom, "openHandoff", handoff)
    await good(tom, "takeHandoff", handoff)
    top = {"patientId": "pat", "stream": "STREAM_CLINICAL", "seq": str(first)}
    await good(tom, "synthesizePatient", handoff, patientId="pat", synthesis="Her counts are low; call the lab at once.", topAction=top,
               topDeadline=due_of(tom, "pat", first))
    await good(tom, "synthesizePatient", handoff, patientId="mei")
    return handoff


def due_of(client, patient, seq):
    offered = told(client, "handoffOffered", stream="clinical")[-1]
    return next(one["deadline"] for one in offered["owed"] if one["entry"]["patientId"] == patient and int(one["entry"]["seq"]) == seq)


async def test_a_shift_is_handed_over_and_everything_with_it(clinic):
    alex = await define(clinic)
    rao, nina, tom = [await Client.connect(clinic, person) for person in ("rao", "nina", "tom")]
    assert holder(nina) == "nina" and told(nina, "dutyHolderChanged")[-1]["reason"] == "HOLDER_REASON_ROSTER"
    before = await Watched.open(nina)
    first = await ask(rao, "pat", "Call the lab", priority="PRIORITY_ASAP")
    taken = await ask(rao, "pat", "Ask about her sleep")
    third = await ask(rao, "mei", "Weigh her")
    for action in ("claimTask", "acceptTask"):
        assert (await nina.command("pat", {action: {"task": {"stream": "STREAM_CLINICAL", "seq": str(taken)}}})).ok
    owed = [("pat", first), ("pat", taken), ("mei", third)]
    await nina.until(lambda: sorted(before.keys) == sorted(owed))
    after = await Watched.open(tom)
    assert not after.keys
    breaches = {key: item.get("breach") for key, item in before.items.items()}

    handoff = await handed_to_confirmation(nina, tom, first)
    assert holder(nina) == "nina", "nobody stops being responsible before the confirmation"
    refused = await step(tom, "confirmHandoff", handoff)
    assert not refused.ok and refused.code == PERMISSION_DENIED
    await good(nina, "confirmHandoff", handoff)
    await tom.until(lambda: holder(tom) == "tom")
    await tom.until(lambda: sorted(after.keys) == sorted(owed))
    await nina.until(lambda: not before.keys)
    assert {key: item.get("breach") for key, item in after.items.items()} == breaches, "deadlines are nobody's to move"
    # The commands that need the duty's holder are his now.
    start = {"startTask": {"task": {"stream": "STREAM_CLINICAL", "seq": str(taken)}}}
    assert not (await nina.command("pat", start)).ok
    assert (await tom.command("pat", start)).ok
    completed = [one for one in tom.entries(DUTY, "clinical") if "handoffCompleted" in one][0]
    changed = [one for one in tom.entries(DUTY, "duty") if "dutyHolderChanged" in one][-1]
    assert completed["time"] == changed["time"] and changed["dutyHolderChanged"]["reason"] == "HOLDER_REASON_HANDOFF"
    await alex.close()
    clinic.kill9()
    assert clinic.verify().returncode == 0 and clinic.rebuild().returncode == 0


async def test_a_patient_who_is_declined_is_the_lead_s_until_the_holder_takes_them(clinic):
    await define(clinic)
    rao, nina, tom, grace = [await Client.connect(clinic, person) for person in ("rao", "nina", "tom", "grace")]
    first = await ask(rao, "pat", "Call the lab", priority="PRIORITY_ASAP")
    other = await ask(rao, "mei", "Weigh her")
    his, hers = await Watched.open(tom), await Watched.open(grace)
    handoff = await prepared(nina)
    await described(nina, handoff, "pat", "WATCHER")
    await described(nina, handoff, "mei")
    await good(nina, "offerHandoff", handoff)
    await good(tom, "openHandoff", handoff)
    await good(tom, "declineHandoffPatient", handoff, patientId="pat", reason="She is my sister")
    await good(tom, "takeHandoff", handoff)
    await good(tom, "synthesizePatient", handoff, patientId="mei")
    assert holder(nina) == "nina" and not his.keys and not hers.keys
    await good(nina, "confirmHandoff", handoff)
    await tom.until(lambda: his.keys == [("mei", other)])
    await grace.until(lambda: hers.keys == [("pat", first)])
    task = {"task": {"stream": "STREAM_CLINICAL", "seq": str(first)}}
    assert not (await tom.command("pat", {"claimTask": task})).ok, "one answers for it, and that is the lead"
    assert (await grace.command("pat", {"claimTask": task})).ok
    clinic.kill9()
    clinic.start()
    rao, tom, grace = [await Client.connect(clinic, person) for person in ("rao", "tom", "grace")]
    his, hers = await Watched.open(tom), await Watched.open(grace)
    assert his.keys == [("mei", other)] and hers.keys == [("pat", first)]
    taking = {"patientId": "pat", "synthesis": "The lab was called; the count is due.", "topDeadline": hers.items[("pat", first)]["breach"],
              "topAction": {"patientId": "pat", "stream": "STREAM_CLINICAL", "seq": str(first)}}
    assert (await tom.command(DUTY, {"takePatientBack": taking})).code == NOT_FOUND, "she was not offered"
    back = {"patientId": "pat", "severity": "SEVERITY_WATCHER", "summary": "Waits for her count",
            "contingencies": ["below 0.5: call the doctor"]}
    assert (await tom.command(DUTY, {"returnPatient": {"patient": back}})).code == PERMISSION_DENIED
    assert (await grace.command(DUTY, {"returnPatient": {"patient": back}})).ok
    assert hers.keys == [("pat", first)], "offered is not taken"
    assert (await tom.command(DUTY, {"takePatientBack": taking})).ok
    await tom.until(lambda: sorted(his.keys) == [("mei", other), ("pat", first)])
    await grace.until(lambda: not hers.keys)
    moved = clinic.tool("explain", "--config", clinic.config, "pat", f"clinical/{first}").stdout
    assert "a patient was declined when the duty onc-rn was handed over: grace answers for them" in moved, moved
    clinic.kill9()
    assert clinic.verify().returncode == 0 and clinic.rebuild().returncode == 0


async def test_killed_before_the_confirmation_nina_stays_accountable(clinic):
    await define(clinic)
    rao, nina, tom = [await Client.connect(clinic, person) for person in ("rao", "nina", "tom")]
    first = await ask(rao, "pat", "Call the lab", priority="PRIORITY_ASAP")
    await ask(rao, "mei", "Weigh her")
    handoff = await handed_to_confirmation(nina, tom, first)
    clinic.kill9()
    clinic.start()
    nina, tom = [await Client.connect(clinic, person) for person in ("nina", "tom")]
    assert holder(nina) == "nina"
    hers, his = await Watched.open(nina), await Watched.open(tom)
    assert len(hers.keys) == 2 and not his.keys
    await good(nina, "confirmHandoff", handoff)
    await tom.until(lambda: holder(tom) == "tom" and len(his.keys) == 2)
    clinic.kill9()
    clinic.start()
    tom = await Client.connect(clinic, "tom")
    his = await Watched.open(tom)
    assert holder(tom) == "tom" and len(his.keys) == 2


async def test_what_comes_in_meanwhile_must_be_seen_before_anybody_synthesises(clinic):
    await define(clinic)
    rao, nina, tom = [await Client.connect(clinic, person) for person in ("rao", "nina", "tom")]
    first = await ask(rao, "pat", "Call the lab", priority="PRIORITY_ASAP")
    await ask(rao, "mei", "Weigh her")
    handoff = await prepared(nina)
    refused = await step(nina, "offerHandoff", handoff)
    assert refused.code == FAILED_PRECONDITION, "of nobody is anything said yet"
    await described(nina, handoff, "pat", "UNSTABLE")
    await described(nina, handoff, "mei")
    await good(nina, "offerHandoff", handoff)
    await good(tom, "openHandoff", handoff)
    await good(tom, "takeHandoff", handoff)
    urgent = await ask(rao, "pat", "38.4 degrees: antibiotics within the hour", priority="PRIORITY_STAT")
    top = {"patientId": "pat", "stream": "STREAM_CLINICAL", "seq": str(first)}
    said = {"patientId": "pat", "synthesis": "Fever; antibiotics within the hour.", "topDeadline": due_of(tom, "pat", first)}
    refused = await step(tom, "synthesizePatient", handoff, topAction=top, **said)
    assert refused.code == FAILED_PRECONDITION, "stale (HO5)"
    await good(tom, "showHandoffDelta", handoff)
    delta = told(tom, "handoffDeltaShown", stream="clinical")[-1]
    assert [int(one["entry"]["seq"]) for one in delta["owed"]] == [urgent]
    await good(tom, "synthesizePatient", handoff, topAction=top, **said)
    assert told(tom, "patientSynthesized", stream="clinical")[-1].get("mismatch"), "that is not what is due first now"
    top["seq"] = str(urgent)
    await good(tom, "synthesizePatient", handoff, topAction=top, **{**said, "topDeadline": delta["owed"][0]["deadline"]})
    assert not told(tom, "patientSynthesized", stream="clinical")[-1].get("mismatch")
    await good(nina, "correctSynthesis", handoff, patientId="pat", correction="Antibiotics are running already.")
    refused = await step(nina, "confirmHandoff", handoff)
    assert refused.code == FAILED_PRECONDITION


async def test_a_duty_is_its_people_s_and_nobody_else_s(clinic):
    alex = await define(clinic)
    rao, nina, tom = [await Client.connect(clinic, person) for person in ("rao", "nina", "tom")]
    await ask(rao, "pat", "Call the lab")
    handoff = await prepared(nina)
    await described(nina, handoff, "pat", "WATCHER")
    assert (DUTY, "duty") in alex.streams() and (DUTY, "clinical") not in alex.streams()
    assert {(DUTY, "duty"), (DUTY, "clinical")} <= tom.streams()
    assert not [stream for stream in rao.streams() if stream[0] == DUTY]
    patient = await Client.connect(clinic, "pat")
    for stranger in (rao, patient):
        answers = []
        for record in (DUTY, "duty/no-such"):
            answers.append([await stranger.command(record, {"prepareHandoff": {}}), await stranger.fetch(record, "duty", 1, 1),
                            await stranger.fetch(record, "clinical", 1, 1)])
        for one, other in zip(*answers):
            assert one.code == NOT_FOUND and (one.code, one.field, one.message) == (other.code, other.field, other.message)
        await stranger.cursor(DUTY, "duty", received=1)
        await stranger.until(lambda: any(one.get("field") == "cursor.stream" for one in stranger.refused))
    assert (await alex.fetch(DUTY, "clinical", 1, 1)).code == NOT_FOUND
    # Names two records, or one of another kind.
    both = await nina.ask({"command": {"commandId": "0198c5a8-7e1c-7000-8000-000000000001", "patientId": "pat", "dutyId": "onc-rn",
                                       "prepareHandoff": {}}}, "0198c5a8-7e1c-7000-8000-000000000001")
    assert both.code == INVALID_ARGUMENT
    assert (await nina.command("pat", {"prepareHandoff": {}})).code == INVALID_ARGUMENT
    assert (await nina.command(DUTY, {"viewRoster": {}})).code == INVALID_ARGUMENT
    assert (await nina.command("duty/no such id", {"prepareHandoff": {}})).code == INVALID_ARGUMENT


async def test_who_joins_and_leaves_a_duty_hears_of_it_at_once(clinic):
    alex = await define(clinic)
    omar = await Client.connect(clinic, "omar")
    assert not [stream for stream in omar.streams() if stream[0] == DUTY]
    more = duty(roles=["ROLE_ONCOLOGY_NURSE", "ROLE_PHARMACIST"])
    more["members"].append({"personId": "omar", "role": "ROLE_PHARMACIST"})
    assert (await change(alex, "defineDuty", duty=more)).ok
    await omar.until(lambda: {(DUTY, "duty"), (DUTY, "clinical")} <= omar.streams())
    again = await Client.connect(clinic, "omar", device="device-2")
    assert (DUTY, "duty") in again.streams()
    await alex.fence()
    assert (await change(alex, "defineDuty", duty=duty())).ok
    await omar.until(lambda: not [stream for stream in omar.streams() if stream[0] == DUTY])
    late = await Client.connect(clinic, "omar", device="device-3")
    assert not [stream for stream in late.streams() if stream[0] == DUTY]


async def test_the_lead_takes_a_duty_and_everybody_sees_why(clinic):
    await define(clinic)
    rao, nina, tom, grace = [await Client.connect(clinic, person) for person in ("rao", "nina", "tom", "grace")]
    seq = await ask(rao, "pat", "Call the lab", priority="PRIORITY_ASAP")
    hers = await Watched.open(grace)
    assert not (await tom.command(DUTY, {"forceTakeDuty": {"reason": "I am here"}})).ok
    assert not (await grace.command(DUTY, {"forceTakeDuty": {"reason": "  "}})).ok
    assert (await grace.command(DUTY, {"forceTakeDuty": {"reason": "Nina was called away"}})).ok
    await nina.until(lambda: holder(nina) == "grace")
    assert told(nina, "dutyHolderChanged")[-1]["text"] == "Nina was called away"
    await grace.until(lambda: hers.keys == [("pat", seq)])


async def test_two_handoffs_of_one_duty_and_stale_versions_are_refused(clinic):
    alex = await define(clinic)
    rao, nina = [await Client.connect(clinic, person) for person in ("rao", "nina")]
    await ask(rao, "pat", "Call the lab")
    handoff = await prepared(nina)
    answers = await asyncio.gather(*(nina.command(DUTY, {"prepareHandoff": {"toPersonId": "tom"}}) for _ in range(5)))
    assert {one.code for one in answers} == {ALREADY_EXISTS}
    await described(nina, handoff, "pat")
    stale = await nina.command(DUTY, {"describePatient": {"handoff": {"seq": str(handoff), "expectedVersion": "1"}, "patient": {
        "patientId": "pat", "severity": "SEVERITY_STABLE", "summary": "Said twice", "contingencies": ["none"]}}})
    assert stale.code == ABORTED
    stale = await alex.command(DUTY, {"scheduleShift": {"expectedRosterVersion": "1", "shiftId": "late", "personId": "tom",
                                                        "period": period(20 * HOUR, 21 * HOUR)}})
    assert stale.code == ABORTED


async def test_a_bad_roster_is_refused_and_changes_nothing(clinic):
    alex = await define(clinic)
    nina = await Client.connect(clinic, "nina")
    before = len(nina.entries(DUTY, "duty"))

    async def refused(action, code, **fields):
        answer = await change(alex, action, **fields)
        assert not answer.ok and answer.code == code, (action, fields, answer)
        return answer

    await refused("scheduleShift", FAILED_PRECONDITION, shiftId="x", personId="tom", period=period(0, HOUR / 2))
    await refused("scheduleShift", INVALID_ARGUMENT, shiftId="x", personId="tom", period=period(20 * HOUR, 20 * HOUR))
    await refused("scheduleShift", INVALID_ARGUMENT, shiftId="x", personId="tom", period=period(20 * HOUR, 19 * HOUR))
    await refused("scheduleShift", NOT_FOUND, shiftId="x", personId="omar", period=period(20 * HOUR, 21 * HOUR))
    leave = await refused("enterLeave", FAILED_PRECONDITION, leaveId="leave", personId="tom", period=period(2 * HOUR, 5 * HOUR))
    assert leave.message.count(" UTC to ") == 1, "the list of what nobody would cover"
    await refused("removeRosterItem", NOT_FOUND, itemId="no-such", reason="a slip of the pen")
    await refused("defineDuty", INVALID_ARGUMENT, duty=duty(timeZone="Mars/Olympus"))
    await alex.fence()
    await nina.fence()
    assert len(nina.entries(DUTY, "duty")) == before


async def test_a_leave_with_cover_moves_the_duty_when_it_begins_and_back_when_it_ends(clinic):
    alex = await define(clinic)
    rao, nina, grace = [await Client.connect(clinic, person) for person in ("rao", "nina", "grace")]
    seq = await ask(rao, "pat", "Call the lab", priority="PRIORITY_ASAP")
    hers = await Watched.open(grace)
    away, within = period(2, HOUR / 2), period(10, 20)
    answer = await change(alex, "enterLeave", leaveId="away", personId="nina", period=away, covers=[{"personId": "grace", "period": away}])
    assert answer.ok, answer
    again = await change(alex, "enterLeave", leaveId="again", personId="nina", period=within,
                         covers=[{"personId": "grace", "period": within}])
    assert not again.ok, "leave over leave"
    await grace.until(lambda: holder(grace) == "grace")
    assert told(grace, "dutyHolderChanged")[-1]["reason"] == "HOLDER_REASON_LEAVE"
    await grace.until(lambda: hers.keys == [("pat", seq)])
    await alex.fence()
    assert (await change(nina, "endLeave", leaveId="away", reason="I am back")).ok
    await grace.until(lambda: holder(grace) == "nina" and not hers.keys)


async def test_what_nobody_holds_reaches_the_fallback(clinic):
    alex = await Client.connect(clinic, "alex")
    assert (await change(alex, "defineDuty", duty=duty())).ok
    rao, grace = [await Client.connect(clinic, person) for person in ("rao", "grace")]
    assert holder(grace) == "", "nobody is on the roster"
    hers = await Watched.open(grace)
    seq = await ask(rao, "pat", "Call the lab", priority="PRIORITY_ASAP")
    await grace.until(lambda: hers.keys == [("pat", seq)])
    await alex.fence()
    assert (await change(alex, "scheduleShift", shiftId="day", personId="nina", period=period(-HOUR, HOUR))).ok
    await grace.until(lambda: holder(grace) == "nina" and not hers.keys)
