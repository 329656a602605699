"""AT-8: the pharmacist's leave. He names who covers, the rest falls to the fallback, and nothing is anybody's or nobody's for a moment."""
import json

import pytest
from careteam_client import FAILED_PRECONDITION, NOT_FOUND, PERMISSION_DENIED, Client
from server import Server, room_resources, sanitized
from server_clock import Clock
from test_duties import change, period, told
from worklist_client import Watched, moment

DUTY = "duty/onc-pharm"
MINUTE, HOUR = 60, 3600
PHARMACY = [("omar", "pharmacist"), ("yuki", "pharmacist")]
TEAM = [("rao", "medical-oncologist"), ("grace", "oncology-nurse")]
LEAVE, COVERED, BACK = 80 * HOUR, 129 * HOUR, 143 * HOUR  # Friday 17:00, Sunday 18:00 and Monday 08:00, as seconds from now.


@pytest.fixture
def clock(tmp_path):
    if sanitized():
        pytest.skip("the sanitizer's library must come first, and so must libfaketime")
    return Clock(tmp_path)


@pytest.fixture
def clinic(clock):
    """Omar and Yuki are on nobody's team but by the duty: their own patients are not among those of the story."""
    server = Server(redis=False, environment=clock.environment, settings={"limits.wrong_patient_window_ms": 0})
    with server:
        server.import_resources([*room_resources("pat", TEAM), *room_resources("mei", TEAM), *room_resources("elsewhere", PHARMACY)])
        assert server.tool("enroll", "--config", server.config, "--person", "alex", "--name", "Alex Admin", "--kind", "staff",
                           "--administrator").returncode == 0
        yield server.start()


async def connect(server, person):
    """With a token that outlives the leave."""
    return await Client.connect(server, person, token=server.token(person, expires=200 * HOUR))


async def define(alex):
    duty = {"name": "Oncology pharmacist", "timeZone": "America/Chicago", "roles": ["ROLE_PHARMACIST"], "leadPersonId": "grace",
            "members": [{"personId": person, "role": "ROLE_PHARMACIST"} for person, _ in PHARMACY]
            + [{"personId": "grace", "role": "ROLE_ONCOLOGY_NURSE"}]}
    answer = await change(alex, "defineDuty", DUTY, duty=duty)
    assert answer.ok, answer
    await alex.has(DUTY, "duty", 1)
    answer = await change(alex, "scheduleShift", DUTY, shiftId="always", personId="omar", period=period(-HOUR, 200 * HOUR))
    assert answer.ok, answer
    for patient in ("pat", "mei"):
        version = (await alex.roster(patient))["rosterVersion"]
        answer = await alex.command(patient, {"addMember": {"expectedRosterVersion": version, "dutyId": "onc-pharm", "role": "ROLE_PHARMACIST"}})
        assert answer.ok, answer


async def ask(client, patient, title, priority="PRIORITY_ROUTINE", **more):
    answer = await client.command(patient, {"requestTask": {"stream": "STREAM_CLINICAL", "order": {
        "kind": "TASK_KIND_CARE", "title": title, "priority": priority, "target": {"dutyId": "onc-pharm"}, **more}}})
    assert answer.ok, answer
    return patient, answer.seq


async def enter_leave(client, covers, **more):
    return await change(client, "enterLeave", DUTY, leaveId="weekend", personId="omar", period=period(LEAVE, BACK), covers=covers, **more)


def holder(client):
    return told(client, "dutyHolderChanged", DUTY)[-1].get("personId", "")


def reads(client):
    return {record for record, _ in client.streams()} & {"pat", "mei"}


async def gap_is_near(clock, lead, hours):
    clock.set(COVERED - hours[-1] * HOUR + 1)
    await lead.until(lambda: [one["hoursLeft"] for one in told(lead, "coverageGapNear", DUTY)] == hours, timeout=10)
    assert {one["personId"] for one in told(lead, "coverageGapNear", DUTY)} == {"grace"}


def answered_for(watched):
    return {key for key, item in watched.items.items() if item["standing"] == "STANDING_ANSWERS"}


async def each_has_one(lists, owed, person):
    """This person answers for all of these, and nobody else for any; whatever else is owed has one, too."""
    await lists[person].client.until(lambda: set(owed) <= answered_for(lists[person]), timeout=10)
    for one in lists.values():
        await one.client.fence()
    theirs = [key for one in lists.values() for key in answered_for(one)]
    assert len(theirs) == len(set(theirs)), theirs


async def test_a_pharmacist_goes_on_leave(clinic, clock):
    people = {person: await connect(clinic, person) for person in ("alex", "rao", "omar", "yuki", "grace", "pat")}
    alex, rao, omar, yuki, grace, pat = people.values()
    await define(alex)
    await omar.until(lambda: reads(omar) == {"pat", "mei"} and holder(omar) == "omar")
    assert not reads(yuki)

    # 1. Without cover he is refused, and told what nobody would do; a nurse is no cover for a pharmacist.
    refused = await enter_leave(omar, [])
    assert refused.code == FAILED_PRECONDITION and refused.message.count(" UTC to ") == 1, refused
    cover = {"personId": "yuki", "period": period(LEAVE, COVERED)}
    refused = await enter_leave(omar, [cover])
    assert refused.code == FAILED_PRECONDITION and refused.message.count(" UTC to ") == 1, refused
    refused = await enter_leave(omar, [cover, {"personId": "grace", "period": period(COVERED, BACK)}])
    assert not refused.ok, "she cannot verify drugs"
    refused = await enter_leave(omar, [cover], acceptGaps=True, reason="Grace finds somebody")
    assert refused.code == PERMISSION_DENIED
    await alex.fence()
    accepted = await enter_leave(alex, [cover], acceptGaps=True, reason="Grace finds somebody")
    assert accepted.ok, accepted

    # The gap is told to the lead when it is 72 hours away.
    assert not told(grace, "coverageGapNear", DUTY)
    await gap_is_near(clock, grace, [72])

    # 2. Friday 17:00: four tasks, one of them with a deadline at 17:40, answer to Yuki at one index.
    clock.set(LEAVE - 5 * MINUTE)
    lists = {person: await Watched.open(people[person]) for person in ("rao", "omar", "yuki", "grace")}
    owed = [await ask(rao, "pat", "Review the interaction"), await ask(rao, "mei", "Verify the dose"),
            await ask(rao, "mei", "Answer her question"), await ask(rao, "pat", "Call the pharmacy", "PRIORITY_URGENT")]
    for action in ("claimTask", "acceptTask", "startTask"):
        done = await omar.command("mei", {action: {"task": {"stream": "STREAM_CLINICAL", "seq": str(owed[1][1])}}})
        assert done.ok, done
    await each_has_one(lists, owed, "omar")
    breaches = {key: item.get("breach") for key, item in lists["omar"].items.items()}
    clock.set(LEAVE + 1)
    await yuki.until(lambda: holder(yuki) == "yuki", timeout=10)
    await yuki.until(lambda: reads(yuki) == {"pat", "mei"})
    await each_has_one(lists, owed, "yuki")
    assert {key: item.get("breach") for key, item in lists["yuki"].items.items()} == breaches, "whoever has it, it is due when it was"
    assert moment(breaches[owed[3]]) > 0
    assert (await omar.command("mei", {"completeTask": {"task": {"stream": "STREAM_CLINICAL", "seq": str(owed[1][1])}}})).code == PERMISSION_DENIED
    assert reads(omar) == {"pat", "mei"}, "he reads on, and does nothing, until he is back (B6)"

    # Saturday: Omar by his name. The sender is told; what cannot wait is routed.
    clock.set(LEAVE + 16 * HOUR)
    omar = await connect(clinic, "omar")
    assert reads(omar) == {"pat", "mei"}
    assert (await omar.command("pat", {"postMessage": {"stream": "STREAM_CLINICAL", "content": {"text": "From the beach"}}})).code == PERMISSION_DENIED
    by_name = {"stream": "STREAM_CLINICAL", "content": {"text": "Is the dose right"}, "mentions": [{"personId": "omar"}]}
    refused = await rao.command("pat", {"postMessage": by_name})
    assert refused.code == FAILED_PRECONDITION and "yuki covers: address the duty onc-pharm" in refused.message, refused
    said = await rao.command("pat", {"postMessage": {**by_name, "priority": "PRIORITY_STAT"}})
    assert said.ok, said
    await yuki.until(lambda: any(int(one["seq"]) == said.seq for one in yuki.entries("pat", "clinical")))
    mention = next(one["messagePosted"]["mentions"][0] for one in yuki.entries("pat", "clinical") if int(one["seq"]) == said.seq)
    assert mention["personId"] == ["yuki"] and mention["insteadOfPersonId"] == "omar"
    assert (await yuki.command("pat", {"acknowledgeMessage": {"stream": "STREAM_CLINICAL", "seq": str(said.seq)}})).ok

    # The gap again, when it is 24 and 2 hours away.
    await gap_is_near(clock, grace, [72, 24])
    await gap_is_near(clock, grace, [72, 24, 2])

    # Sunday 18:00: Yuki's access ends, and what she had open is Grace's, who has to find somebody.
    clock.set(COVERED + 1)
    await grace.until(lambda: holder(grace) == "", timeout=10)
    assert told(grace, "dutyHolderChanged", DUTY)[-1]["reason"] == "HOLDER_REASON_COVER_ENDED"
    await yuki.until(lambda: not reads(yuki))
    await each_has_one(lists, owed, "grace")
    assert (await yuki.fetch("pat", "clinical", 1, 1)).code == NOT_FOUND

    # Monday 08:00: he is back, takes it explicitly, and reads what happened.
    clock.set(BACK - MINUTE)
    omar = await connect(clinic, "omar")
    lists["omar"] = await Watched.open(omar)
    answer = await change(omar, "endLeave", DUTY, leaveId="weekend", reason="Two reviews are left, the dose is verified.")
    assert answer.ok, answer
    await omar.until(lambda: holder(omar) == "omar" and reads(omar) == {"pat", "mei"}, timeout=10)
    await each_has_one(lists, owed, "omar")

    # Who had it when, from the log alone; nothing of it reached the patient.
    clinic.kill9()
    assert clinic.verify().returncode == 0 and clinic.rebuild().returncode == 0
    done = clinic.tool("explain", "--config", clinic.config, "--json", "mei", f"clinical/{owed[1][1]}")
    assert done.returncode == 0, done.stderr
    steps = [json.loads(line)["accountable"] for line in done.stdout.splitlines()]
    assert [one for at, one in enumerate(steps) if at == 0 or steps[at - 1] != one] == ["omar", "yuki", "grace", "omar"], steps
    transcript = str(pat.transcript)
    for hidden in ("Review the interaction", "Is the dose right", "yuki", "omar", "weekend"):
        assert hidden not in transcript
