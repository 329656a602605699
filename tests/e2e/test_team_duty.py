"""A duty among the members of a team: whoever holds it reads and acts by it, from the commit that gives it to them until the one that
takes it; whoever handed it over reads on until the next handoff (section 4 "while on duty", B6, C10, T15)."""
import asyncio

import pytest
from careteam_client import INVALID_ARGUMENT, NOT_FOUND, PERMISSION_DENIED, Client
from server import Server, room_resources
from test_duties import DUTY, STAFF, ask, change, define, described, due_of, duty, good, holder
from worklist_client import Watched

RAO = [("rao", "medical-oncologist")]
STREAMS = {("pat", stream) for stream in ("shared", "clinical", "support")}


@pytest.fixture
def clinic():
    """Of pat's team are rao and the duty: nobody who may hold it is of their own."""
    with Server(redis=False, settings={"limits.wrong_patient_window_ms": 0}) as server:
        server.import_resources([*room_resources("pat", RAO), *room_resources("mei", STAFF)])
        assert server.tool("enroll", "--config", server.config, "--person", "alex", "--name", "Alex Admin", "--kind", "staff",
                           "--administrator").returncode == 0
        yield server.start()


async def admit(alex, role="ROLE_ONCOLOGY_NURSE", **more):
    version = (await alex.roster("pat"))["rosterVersion"]
    return await alex.command("pat", {"addMember": {"expectedRosterVersion": version, "dutyId": "onc-rn", "role": role, **more}})


def of_pat(client):
    return {stream for stream in client.streams() if stream[0] == "pat"}


async def hand_over(giving, taking, first):
    answer = await giving.command(DUTY, {"prepareHandoff": {"toPersonId": taking.person}})
    assert answer.ok, answer
    handoff = answer.seq
    await described(giving, handoff, "pat", "WATCHER")
    await good(giving, "offerHandoff", handoff)
    await good(taking, "openHandoff", handoff)
    await good(taking, "takeHandoff", handoff)
    await good(taking, "synthesizePatient", handoff, patientId="pat", synthesis="Low counts; call the lab.",
               topAction={"patientId": "pat", "stream": "STREAM_CLINICAL", "seq": str(first)}, topDeadline=due_of(taking, "pat", first))
    await good(giving, "confirmHandoff", handoff)
    await taking.until(lambda: holder(taking) == taking.person)


async def test_rights_go_with_the_duty(clinic):
    alex = await define(clinic)
    rao, nina, tom, pat = [await Client.connect(clinic, person) for person in ("rao", "nina", "tom", "pat")]
    assert (await rao.command("pat", {"postMessage": {"stream": "STREAM_CLINICAL", "content": {"text": "Said before anybody was there"}}})).ok
    assert not of_pat(nina) and not of_pat(tom)
    assert (await admit(alex)).ok
    await nina.until(lambda: STREAMS <= of_pat(nina))
    await nina.until(lambda: any("messagePosted" in one for one in nina.entries("pat", "clinical")))
    assert not of_pat(tom), "he is not on duty"
    first = await ask(rao, "pat", "Call the lab", priority="PRIORITY_ASAP")
    hers, his = await Watched.open(nina), await Watched.open(tom)
    assert hers.keys == [("pat", first)] and not his.keys

    await hand_over(nina, tom, first)
    await tom.until(lambda: STREAMS <= of_pat(tom) and his.keys == [("pat", first)])
    await nina.until(lambda: not hers.keys)
    await tom.until(lambda: any("messagePosted" in one for one in tom.entries("pat", "clinical")))
    # Whoever handed it over reads on, and does nothing.
    refused = await nina.command("pat", {"postMessage": {"stream": "STREAM_CLINICAL", "content": {"text": "One thing more"}}})
    assert refused.code == PERMISSION_DENIED
    claim = {"claimTask": {"task": {"stream": "STREAM_CLINICAL", "seq": str(first)}}}
    assert (await nina.command("pat", claim)).code == PERMISSION_DENIED
    told = await rao.command("pat", {"postMessage": {"stream": "STREAM_CLINICAL", "content": {"text": "The lab has called"}}})
    await nina.until(lambda: any(int(one["seq"]) == told.seq for one in nina.entries("pat", "clinical")))
    assert STREAMS <= of_pat(nina) and not nina.revoked
    again = await Client.connect(clinic, "nina")
    assert STREAMS <= of_pat(again) and not [one for key, one in again.access.items() if key[0] == "pat" and one.get("mayPost")]
    await again.close()

    # Until it is handed over again: then she reads nothing, and whoever had it after her reads on.
    grace = await Client.connect(clinic, "grace")
    await hand_over(tom, grace, first)
    await nina.until(lambda: not of_pat(nina))
    assert {(one["patientId"], one["stream"]) for one in nina.revoked} == {("pat", f"STREAM_{stream.upper()}") for _, stream in STREAMS}
    refused = await nina.command("pat", {"postMessage": {"stream": "STREAM_CLINICAL", "content": {"text": "One thing more"}}})
    assert refused.code == NOT_FOUND
    assert (await nina.fetch("pat", "clinical", 1, 10)).code == NOT_FOUND
    assert STREAMS <= of_pat(tom) and not his.keys
    said = await grace.command("pat", {"postMessage": {"stream": "STREAM_SHARED", "content": {"text": "I am here tonight"}}})
    assert said.ok
    await pat.until(lambda: any(int(one["seq"]) == said.seq for one in pat.entries("pat", "shared")))
    late = len(nina.transcript)
    said = await rao.command("pat", {"postMessage": {"stream": "STREAM_CLINICAL", "content": {"text": "Nothing of hers any more"}}})
    await tom.until(lambda: any(int(one["seq"]) == said.seq for one in tom.entries("pat", "clinical")))
    await nina.fence()
    assert not any(b"Nothing of hers" in frame if isinstance(frame, bytes) else "Nothing of hers" in frame for frame in nina.transcript[late:])

    # As it was after a kill, and for whoever connects anew.
    clinic.kill9()
    clinic.start()
    nina, tom, grace = [await Client.connect(clinic, person) for person in ("nina", "tom", "grace")]
    assert STREAMS <= of_pat(grace) and STREAMS <= of_pat(tom) and not of_pat(nina)
    # And it ends for good.
    alex = await Client.connect(clinic, "alex")
    end = {"expectedRosterVersion": (await alex.roster("pat"))["rosterVersion"], "dutyId": "onc-rn", "role": "ROLE_ONCOLOGY_NURSE",
           "reason": "is cared for elsewhere"}
    assert (await alex.command("pat", {"endMember": end})).ok
    for one in (tom, grace):
        await one.until(lambda one=one: not of_pat(one))
    clinic.kill9()
    assert clinic.verify().returncode == 0 and clinic.rebuild().returncode == 0


async def test_whoever_is_taken_the_duty_loses_what_it_read_at_once(clinic):
    alex = await define(clinic)
    assert (await admit(alex)).ok
    nina, grace = [await Client.connect(clinic, person) for person in ("nina", "grace")]
    assert STREAMS <= of_pat(nina)
    assert (await grace.command(DUTY, {"forceTakeDuty": {"reason": "Nina was called away"}})).ok
    await grace.until(lambda: STREAMS <= of_pat(grace))
    await nina.until(lambda: not of_pat(nina))
    # She holds it in another role from now on: that is not the one in which the team has it.
    other = duty(leadPersonId="nina", roles=["ROLE_ONCOLOGY_NURSE", "ROLE_NURSE_PRACTITIONER"])
    other["members"][2]["role"] = "ROLE_NURSE_PRACTITIONER"
    await alex.fence()
    answer = await change(alex, "defineDuty", duty=other)
    assert answer.ok, answer
    await grace.until(lambda: not of_pat(grace))


async def test_the_patient_reads_of_the_duty_and_not_who_holds_it(clinic):
    alex = await define(clinic)
    rao, pat = [await Client.connect(clinic, person) for person in ("rao", "pat")]
    assert (await admit(alex)).ok
    await pat.until(lambda: any(one.get("memberAdded", {}).get("dutyId") for one in pat.entries("pat", "shared")))
    rows = {name: next(one for one in (await client.roster("pat"))["members"] if one.get("dutyId")) for name, client in (("rao", rao), ("pat", pat))}
    assert rows["rao"]["personId"] == "nina" and rows["pat"].get("personId", "") == ""
    assert {one["name"] for one in rows.values()} == {"Oncology nurse"}
    assert "nina" not in str(pat.transcript)


async def test_bad_memberships_of_duties_are_refused(clinic):
    alex = await define(clinic)
    rao, pat = [await Client.connect(clinic, person) for person in ("rao", "pat")]
    assert (await admit(alex, role="ROLE_PHARMACIST")).code == INVALID_ARGUMENT
    assert (await admit(alex, personId="nina")).code == INVALID_ARGUMENT
    assert (await admit(alex, role="ROLE_ADMINISTRATOR")).code == INVALID_ARGUMENT
    assert (await admit(pat)).code == PERMISSION_DENIED
    answers = await asyncio.gather(*(admit(alex) for _ in range(3)))
    assert sorted(bool(one.ok) for one in answers) == [False, False, True], answers


async def test_a_duty_s_board_is_for_those_who_see_to_it(clinic):
    """What a duty owes, live, with who answers for it: for its people, of it what they may read."""
    alex = await define(clinic)
    assert (await admit(alex)).ok
    rao, nina, tom, grace = [await Client.connect(clinic, person) for person in ("rao", "nina", "tom", "grace")]
    mine = await ask(rao, "mei", "Weigh her")
    soon = await ask(rao, "mei", "Call her back", priority="PRIORITY_ASAP")
    board = await Watched.open(grace, "DUTY", dutyId="onc-rn")
    hers = await Watched.open(nina, "DUTY", dutyId="onc-rn")
    assert board.keys == hers.keys == [("mei", soon), ("mei", mine)], "by what is breached first"
    hidden = await ask(rao, "pat", "Call the lab", priority="PRIORITY_STAT")
    await nina.until(lambda: hers.keys == [("pat", hidden), ("mei", soon), ("mei", mine)])
    await grace.fence()
    assert board.keys == [("mei", soon), ("mei", mine)], "she is not on pat's team, and not on duty"
    assert {item["personId"] for item in board.items.values()} == {"nina"} and {item["standing"] for item in hers.items.values()} == {"STANDING_OF_DUTY"}
    for action in ("claimTask", "acceptTask", "startTask"):
        assert (await nina.command("mei", {action: {"task": {"stream": "STREAM_CLINICAL", "seq": str(soon)}}})).ok
    await grace.until(lambda: board.items[("mei", soon)]["taskStatus"] == "TASK_STATUS_IN_PROGRESS")
    assert (await grace.command(DUTY, {"forceTakeDuty": {"reason": "Nina was called away"}})).ok
    await grace.until(lambda: board.keys == [("pat", hidden), ("mei", soon), ("mei", mine)])
    await grace.until(lambda: {item["personId"] for item in board.items.values()} == {"grace"})
    await nina.until(lambda: hers.keys == [("mei", soon), ("mei", mine)])

    for stranger, which in ((rao, "onc-rn"), (rao, "no-such"), (tom, "no-such"), (rao, "no such id"), (rao, "")):
        request = f"strange-{which}"
        answer = await stranger.ask({"watchWorklist": {"requestId": request, "what": "WHAT_DUTY", "dutyId": which, "limit": 5}}, request)
        assert (answer.code, answer.field, answer.message) == (NOT_FOUND, "watchWorklist.dutyId", "no such duty")
    answer = await tom.ask({"watchWorklist": {"requestId": "two", "what": "WHAT_OWED", "dutyId": "onc-rn", "limit": 5}}, "two")
    assert answer.code == INVALID_ARGUMENT
    # Whoever is no more among the duty's people sees nothing of it any more.
    more = duty()
    more["members"].append({"personId": "omar", "role": "ROLE_PHARMACIST"})
    await alex.fence()
    assert (await change(alex, "defineDuty", duty=more)).ok
    omar = await Client.connect(clinic, "omar")
    his = await Watched.open(omar, "DUTY", dutyId="onc-rn")
    assert his.keys == [("mei", soon), ("mei", mine)]
    await alex.fence()
    assert (await change(alex, "defineDuty", duty=duty())).ok
    await omar.until(lambda: not his.keys)
