"""What a patient's device receives does not depend on what is hidden from it: not in a byte, not in a size, not in a refusal."""
import asyncio
import base64
import json
import re

import pytest
from careteam_client import NOT_FOUND, Client, json_format, wire_pb2
from server import Server, practitioner_resource, room_resources

HIDDEN = 10_000
STAFF = {"nina": "oncology-nurse", "rao": "medical-oncologist", "sam": "social-worker", "omar": "pharmacist"}
FIXED_TIME = "2020-01-01T00:00:00.123456Z"
TIME = re.compile(r"^\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d(\.\d+)?Z$")
RANDOM = {"sessionId": "0" * 36, "epoch": "0" * 32, "headChain": base64.b64encode(bytes(32)).decode(), "confirmToken": "0" * 32}


def normal(value, names):
    """The same with times, random ids and chains replaced by fixed ones of the same length; command ids by their number."""
    if isinstance(value, dict):
        return {key: RANDOM.get(key) or normal(one, names) for key, one in value.items()}
    if isinstance(value, list):
        return [normal(one, names) for one in value]
    if isinstance(value, str) and TIME.match(value):
        return FIXED_TIME
    if isinstance(value, str) and re.fullmatch(r"[0-9a-f]{8}-[0-9a-f]{4}-7[0-9a-f-]{21}", value):
        return names.setdefault(value, f"command-{len(names):028}")
    return value


def normal_transcript(client, names):
    """Every message as bytes again, after normalising: for `proto` in the wire form."""
    result = []
    for message in client.transcript:
        if client.form == "json":
            result.append(json.dumps(normal(json.loads(message), names), ensure_ascii=False, separators=(",", ":")).encode())
        else:
            frame = json_format.MessageToDict(wire_pb2.ServerFrame.FromString(message))
            result.append(json_format.ParseDict(normal(frame, names), wire_pb2.ServerFrame()).SerializeToString(deterministic=True))
    return result


async def hide(staff, count):
    """Staff write what the patient may not see, some of it loud: stat messages, acknowledgements."""
    async def write(client, stream, numbers):
        waiting = []
        for number in numbers:
            frame, command_id = client.command_frame(
                "pat", {"postMessage": {"stream": stream, "content": {"text": f"hidden from the patient, number {number}"}}})
            waiting.append(client.expect(command_id))
            await client.send_payload(client.encode(frame))
            if len(waiting) >= 100:
                assert (await client.answer(waiting.pop(0))).ok
        for one in waiting:
            assert (await client.answer(one)).ok

    half = count // 2
    await asyncio.gather(write(staff["nina"], "STREAM_CLINICAL", range(half)), write(staff["sam"], "STREAM_SUPPORT", range(half, count)))
    if count:
        posted = await staff["nina"].post("pat", "clinical", "a hidden stat message", priority="stat", mentions=["rao"])
        assert (await staff["rao"].acknowledge("pat", "clinical", posted.seq)).ok
        await staff["rao"].has("pat", "clinical", posted.seq)
        await staff["rao"].cursor("pat", "clinical", read=posted.seq, displayed=posted.seq)
        await staff["rao"].fence()


async def ask_for_everything(device):
    """Every question that a curious client can ask. Fixed request ids: the transcripts are compared."""
    for stream in ("STREAM_CLINICAL", "STREAM_SUPPORT", "STREAM_AUDIT", "STREAM_ORGANIZATION", "STREAM_UNSPECIFIED"):
        await device.post("pat", stream, "may I write here")
        await device.acknowledge("pat", stream, 1)
        await device.command("pat", {"openThread": {"stream": stream, "title": "may I open one"}})
        await device.fetch("pat", stream, 1, 5, request_id=f"everything-{stream}")
        await device.cursor("pat", stream, read=1)
    await device.post("pat", "shared", "answering the hidden", replyToSeq="4000")
    await device.post("pat", "shared", "in a hidden thread", threadSeq="4000")
    await device.post("pat", "shared", "forwarding", forwardedFrom={"patientId": "pat", "stream": "STREAM_CLINICAL", "seq": "4"})
    await device.post("pat", "shared", "to a role", mentions=["ONCOLOGY_NURSE"])
    await device.roster("pat")


async def patients_day(server, form, hidden):
    """The same day of a patient, with `hidden` entries in the other streams before and between: the patient's connections."""
    staff = {person: await Client.connect(server, person, "proto") for person in STAFF}
    await hide(staff, hidden // 2)
    device = await Client.connect(server, "pat", form, device="tablet")
    for number in range(3):
        said = await device.post("pat", "shared", f"from the patient {number}")
        await device.has("pat", "shared", said.seq)
        seq = (await staff["nina"].post("pat", "shared", f"to the patient {number}", mentions=["pat"])).seq
        await device.has("pat", "shared", seq)
        await device.cursor("pat", "shared", received=seq, displayed=seq, read=seq)
        await device.until(lambda: len(device.cursors) == number + 1)  # noqa: B023 - awaited in the same turn
        await staff["rao"].has("pat", "shared", seq)
        await staff["rao"].cursor("pat", "shared", received=seq, displayed=seq, read=seq)
        await staff["rao"].fence()
        await hide(staff, hidden // 6)
    await ask_for_everything(device)
    await device.close()
    # The device comes back with its positions, and another one comes without any.
    back = await Client.connect(server, "pat", form, device="tablet", resume=device)
    await back.close()
    anew = await Client.connect(server, "pat", form, device="telephone")
    await anew.close()
    for one in staff.values():
        await one.close()
    return device, back, anew


def hospital(caregivers=(), more=()):
    server = Server(settings={"limits.stat_per_hour": 1000, "limits.wrong_patient_window_ms": 0})
    resources = room_resources("pat", list(STAFF.items()))
    for person in caregivers:
        resources.insert(1, {"resourceType": "RelatedPerson", "id": person, "patient": {"reference": "Patient/pat"}, "name": [{"text": f"Relative {person}"}],
                             "identifier": [{"system": "urn:careteam:person-id", "value": person}]})
    server.import_resources(resources)
    for patient, members in more:
        server.import_resources(room_resources(patient, members))
    return server


@pytest.mark.parametrize("form", ["json", "proto"])
async def test_the_patients_transcript_is_the_same_with_and_without_hidden_entries(form):
    """The bytes, the sizes and the number of messages. What differs by nature (times, ids, chains) is replaced by values of one length."""
    seen = []
    for hidden in (0, HIDDEN):
        with hospital() as server:
            server.start()
            seen.append(await patients_day(server, form, hidden))
            server.stop()
            assert server.verify().stdout.startswith("sound")
    empty, full = seen
    for clients in seen:
        names = {}
        for client in clients:
            client.normal = normal_transcript(client, names)
    for one, other in zip(empty, full):
        assert [readable(message, form) for message in one.normal] == [readable(message, form) for message in other.normal]
        assert [len(message) for message in one.normal] == [len(message) for message in other.normal]
        assert one.normal == other.normal
        assert [len(message) for message in one.transcript] == pytest.approx([len(message) for message in other.transcript], abs=80)
    for client in full:
        assert not client.presence and not client.receipts
        assert not any(b"hidden from the patient" in message for message in client.transcript)


def readable(message, form):
    return json.loads(message) if form == "json" else json_format.MessageToDict(wire_pb2.ServerFrame.FromString(message))


def without_id(answer):
    return answer.kind, {key: value for key, value in answer.raw.items() if key not in ("commandId", "requestId")}


async def test_attack_19_hidden_and_absent_are_refused_alike(form):
    """A stream that is hidden, a record of somebody else, a person who is elsewhere: refused as what does not exist at all."""
    with hospital(more=[("mei", [("tom", "oncology-nurse")])]) as server:
        server.import_resources([practitioner_resource("stranger")])
        server.start()
        async with await Client.connect(server, "nina", form) as nina, await Client.connect(server, "tom", form) as tom, \
                await Client.connect(server, "pat", form) as pat:
            hidden = (await nina.post("pat", "clinical", "a message that is hidden")).seq
            assert (await tom.post("mei", "shared", "a message in another record")).ok

            async def same(cases):
                """The last case is absent, the others are hidden: one answer for all of them."""
                answers = [without_id(await pat.command(patient, action)) for patient, action in cases]
                assert answers[-1][0] == "refused" and answers[-1][1]["code"] == NOT_FOUND, answers[-1]
                assert all(one == answers[-1] for one in answers), list(zip(cases, answers))

            # Streams of one's own record that one may not read, against one that no record has.
            streams = ["STREAM_CLINICAL", "STREAM_SUPPORT", "STREAM_AUDIT", "STREAM_ORGANIZATION"]
            await same([("pat", {"postMessage": {"stream": one, "content": {"text": "may I write here"}}}) for one in streams])
            await same([("pat", {"acknowledgeMessage": {"stream": one, "seq": str(hidden)}}) for one in streams])
            await same([("pat", {"editMessage": {"stream": one, "seq": str(hidden), "content": {"text": "not my own words"}}}) for one in streams])
            await same([("pat", {"retractMessage": {"stream": one, "seq": str(hidden), "reason": "not my own words"}}) for one in streams])
            await same([("pat", {"openThread": {"stream": one, "title": "may I open one"}}) for one in streams])
            await same([("pat", {"resolveThread": {"stream": one, "seq": str(hidden)}}) for one in streams])
            # Another patient's record against no record.
            for action in ({"postMessage": {"stream": "STREAM_SHARED", "content": {"text": "may I write here"}}}, {"viewRoster": {}},
                           {"acknowledgeMessage": {"stream": "STREAM_SHARED", "seq": "1"}},
                           {"openThread": {"stream": "STREAM_SHARED", "title": "may I open one"}},
                           {"addMember": {"expectedRosterVersion": "1", "personId": "tom", "role": "ROLE_CAREGIVER"}},
                           {"endMember": {"expectedRosterVersion": "1", "personId": "tom", "role": "ROLE_ONCOLOGY_NURSE", "reason": "because of it"}},
                           {"assignAttending": {"expectedRosterVersion": "1", "personId": "tom"}}, {"openRecord": {}}):
                await same([("mei", action), ("nobody-at-all", action)])
            # People who are elsewhere, people who are not there.
            for person_field in (lambda person: {"postMessage": {"stream": "STREAM_SHARED", "content": {"text": "do you hear me"},
                                                                 "mentions": [{"personId": person}]}},
                                 lambda person: {"openThread": {"stream": "STREAM_SHARED", "title": "who owns this", "ownerPersonId": person}}):
                await same([("pat", person_field(person)) for person in ("tom", "mei", "stranger", "nobody-at-all")])
            # Fetching, and positions.
            places = (("pat", "clinical"), ("pat", "support"), ("pat", "audit"), ("mei", "shared"), ("", "organization"), ("nobody-at-all", "shared"))
            fetched = [without_id(await pat.fetch(*place, 1, 2)) for place in places]
            assert fetched[0][1]["code"] == NOT_FOUND and all(one == fetched[0] for one in fetched)
            before = len(pat.refused)
            for place in places:
                await pat.cursor(*place, read=1)
            await pat.fence()
            moved = pat.refused[before:]
            assert len(moved) == len(places) and all(one == moved[0] for one in moved) and moved[0]["code"] == NOT_FOUND
            # The administrator's commands answer alike, whomever they name.
            answers = [without_id(await pat.command("", {"suspendPerson": {"personId": one, "reason": "no reason at all"}})) for one in ("rao", "nobody")]
            assert answers[0] == answers[1]


async def test_a_caregiver_without_a_grant_has_no_record(form):
    with hospital(caregivers=["luis"]) as server:
        server.start()
        async with await Client.connect(server, "pat", form) as pat:
            roster = await pat.roster("pat")
            added = await pat.command("pat", {"addMember": {"expectedRosterVersion": roster["rosterVersion"], "personId": "luis", "role": "ROLE_CAREGIVER"}})
            assert added.ok
            async with await Client.connect(server, "luis", form) as luis:
                assert not luis.streams()
                for action in ({"viewRoster": {}}, {"postMessage": {"stream": "STREAM_SHARED", "content": {"text": "am I let in"}}}):
                    assert (await luis.command("pat", action)).code == NOT_FOUND
                # With the patient's grant: the stream, from its first entry, at once.
                roster = await pat.roster("pat")
                assert (await pat.command("pat", {"endMember": {"expectedRosterVersion": roster["rosterVersion"], "personId": "luis", "role": "ROLE_CAREGIVER",
                                                                "reason": "to be added with a grant"}})).ok
                assert (await pat.command("pat", {"addMember": {"expectedRosterVersion": str(int(roster["rosterVersion"]) + 1), "personId": "luis",
                                                                "role": "ROLE_CAREGIVER", "scopes": ["SCOPE_READ_SHARED"]}})).ok
                await luis.until(lambda: luis.streams() == {("pat", "shared")})
                await luis.until(lambda: luis.positions() == pat.positions())
                assert (await luis.post("pat", "shared", "I may only read this")).code == 7


async def test_refusals_are_written_down_for_the_privacy_officer(form):
    with Server() as server:
        server.import_resources(room_resources("pat", [*STAFF.items(), ("irene", "privacy-officer")]))
        server.start()
        async with await Client.connect(server, "irene", form) as irene:
            pat = await Client.connect(server, "pat", form)
            assert irene.streams() == {("pat", "audit")}
            session = pat.welcome["sessionId"]
            assert (await pat.post("pat", "clinical", "may I write here")).code == NOT_FOUND

            def about(fact):
                return next((one for one in irene.entries("pat", "audit") if one.get(fact, {}).get("sessionId") == session), None)

            await irene.until(lambda: about("sessionOpened") and about("accessRefused"))
            refused = about("accessRefused")
            assert refused["author"]["personId"] == "pat" and refused["accessRefused"]["stream"] == "STREAM_CLINICAL"
            assert about("sessionOpened")["sessionOpened"]["deviceId"] == pat.device
            head = pat.head("pat", "shared")
            await pat.close()
            await irene.until(lambda: about("sessionClosed"))
            assert about("sessionClosed")["sessionClosed"]["delivered"] == [{"stream": "STREAM_SHARED", "seq": str(head)}]
            assert not any(b"may I write here" in message for message in irene.transcript)
