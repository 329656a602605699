"""What a patient's device receives does not depend on what is hidden from it: not in a byte, not in a size, not in a refusal."""
import asyncio
import base64
import json
import re

import pytest

from careteam_client import (CLINICAL, NOT_FOUND, SHARED, SUPPORT, connect, json_format, open_client, reconnect, wire_pb2)

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
        if client.subprotocol == "json":
            result.append(json.dumps(normal(json.loads(message), names), ensure_ascii=False, separators=(",", ":")).encode())
        else:
            frame = json_format.MessageToDict(wire_pb2.ServerFrame.FromString(message))
            result.append(json_format.ParseDict(normal(frame, names), wire_pb2.ServerFrame()).SerializeToString(deterministic=True))
    return result


async def hide(clients, count):
    """Staff write what the patient may not see, some of it loud: stat messages, threads, acknowledgements."""
    async def write(client, stream, numbers):
        waiting = []
        for number in numbers:
            waiting.append(client.send_command("pat", "postMessage", client.post_body(stream, f"hidden from the patient, number {number}")))
            if len(waiting) >= 100:
                assert "committed" in await client.answer(waiting.pop(0))
        for one in waiting:
            assert "committed" in await client.answer(one)

    half = count // 2
    await asyncio.gather(write(clients["nina"], CLINICAL, range(half)), write(clients["sam"], SUPPORT, range(half, count)))
    if count:
        seq = await clients["nina"].post("pat", CLINICAL, "a hidden stat message", priority="STAT", mentions=["rao"])
        await clients["rao"].do("pat", "acknowledgeMessage", {"stream": CLINICAL, "seq": str(seq)})
        clients["rao"].send_cursor("pat", CLINICAL, read=seq, displayed=seq)
        await clients["rao"].barrier()


async def patients_day(server, subprotocol, hidden):
    """The same day of a patient, with `hidden` entries in the other streams before and between. The patient's normalised transcripts."""
    names = {}
    staff = {person: await connect(server, person, "proto") for person in STAFF}
    await hide(staff, hidden // 2)
    head = None
    device = await open_client(server, "pat", subprotocol, device="tablet")
    head = device.http_head
    device.send_hello()
    await device.wait_for(lambda: device.welcome)
    await device.wait_caught_up()
    for number in range(3):
        await device.post("pat", SHARED, f"from the patient {number}")
        await device.barrier()
        seq = await staff["nina"].post("pat", SHARED, f"to the patient {number}", mentions=["pat"])
        await device.wait_position("pat", SHARED, seq)
        await device.barrier()
        device.send_cursor("pat", SHARED, received=seq, displayed=seq, read=seq)
        await device.wait_for(lambda: len(device.cursors) == number + 1, what="for the cursor")
        staff["rao"].send_cursor("pat", SHARED, received=seq, displayed=seq, read=seq)
        await staff["rao"].barrier()
        await hide(staff, hidden // 6)
    # Every question that a curious client can ask.
    for stream in (CLINICAL, SUPPORT, "STREAM_AUDIT", "STREAM_ORGANIZATION", "STREAM_UNSPECIFIED"):
        await device.command("pat", "postMessage", device.post_body(stream, "may I write here"))
        await device.command("pat", "acknowledgeMessage", {"stream": stream, "seq": "1"})
        await device.command("pat", "openThread", {"stream": stream, "title": "may I open one"})
        await device.fetch("pat", stream, 1, 5)
        device.send_cursor("pat", stream, read=1)
        await device.barrier()
    for body in (device.post_body(SHARED, "answering the hidden", replyToSeq="4000"), device.post_body(SHARED, "in a hidden thread", threadSeq="4000"),
                 device.post_body(SHARED, "forwarding", forwardedFrom={"patientId": "pat", "stream": CLINICAL, "seq": "4"}),
                 device.post_body(SHARED, "to a role", mentions=["ROLE_ONCOLOGY_NURSE"])):
        await device.command("pat", "postMessage", body)
    await device.roster("pat")
    await device.close()
    # The device comes back, with and without its positions, and is told the same.
    back = await reconnect(device)
    await back.barrier()
    await back.close()
    anew = await connect(server, "pat", subprotocol, device="telephone")
    await anew.barrier()
    await anew.close()
    for one in staff.values():
        await one.close()
    assert device.presence == back.presence == anew.presence == []
    assert device.receipts == back.receipts == anew.receipts == []
    return head, [normal_transcript(one, names) for one in (device, back, anew)], [one.frames for one in (device, back, anew)]


@pytest.mark.parametrize("subprotocol", ["json", "proto"])
async def test_the_patients_transcript_is_the_same_with_and_without_hidden_entries(make_server, subprotocol):
    seen = []
    for hidden in (0, HIDDEN):
        server = make_server()
        server.import_room("pat", STAFF, attending="rao")
        server.start()
        seen.append(await patients_day(server, subprotocol, hidden))
        assert server.verify().stdout.startswith("sound")
        server.close()
    (empty_head, empty, _), (full_head, full, frames) = seen
    no_key = re.compile(rb"Sec-WebSocket-Accept: [^\r]*", re.IGNORECASE)
    assert no_key.sub(b"", empty_head) == no_key.sub(b"", full_head)
    for one, other in zip(empty, full):
        assert [json_or_text(message, subprotocol) for message in one] == [json_or_text(message, subprotocol) for message in other]
        assert [len(message) for message in one] == [len(message) for message in other]
        assert one == other
    assert not any("hidden from the patient" in json.dumps(frame) for connection in frames for frame in connection)


def json_or_text(message, subprotocol):
    """For a readable difference."""
    return json.loads(message) if subprotocol == "json" else json_format.MessageToDict(wire_pb2.ServerFrame.FromString(message))


def without_id(answer):
    (kind, body), = answer.items()
    return kind, {key: value for key, value in body.items() if key not in ("commandId", "requestId")}


async def test_hidden_and_absent_are_refused_alike(make_server, subprotocol):
    """A stream that is hidden, a record of somebody else, a person who is elsewhere: refused as what does not exist at all."""
    server = make_server()
    server.import_room("pat", STAFF, caregivers={"luis": []}, attending="rao")
    server.import_room("mei", {"tom": "oncology-nurse"})
    server.start()
    nina = await connect(server, "nina", subprotocol)
    tom = await connect(server, "tom", subprotocol)
    pat = await connect(server, "pat", subprotocol)
    hidden = await nina.post("pat", CLINICAL, "a message that is hidden")
    await tom.post("mei", SHARED, "a message in another record")

    async def same(action, body_for, hidden_cases, absent, patient=None):
        expected = without_id(await pat.command(absent[0], action, body_for(*absent[1:])))
        assert expected[0] == "refused" and expected[1]["code"] == NOT_FOUND, expected
        for case in hidden_cases:
            assert without_id(await pat.command(case[0], action, body_for(*case[1:]))) == expected, (action, case)

    # Streams of one's own record that one may not read, against one that no record has for a client.
    streams = [("pat", CLINICAL), ("pat", SUPPORT), ("pat", "STREAM_AUDIT")]
    absent = ("pat", "STREAM_ORGANIZATION")
    await same("postMessage", lambda stream: pat.post_body(stream, "may I write here"), streams, absent)
    await same("acknowledgeMessage", lambda stream: {"stream": stream, "seq": str(hidden)}, streams, absent)
    await same("editMessage", lambda stream: {"stream": stream, "seq": str(hidden), "content": {"text": "not my own words"}}, streams, absent)
    await same("openThread", lambda stream: {"stream": stream, "title": "may I open one"}, streams, absent)
    await same("resolveThread", lambda stream: {"stream": stream, "seq": str(hidden)}, streams, absent)
    # Another patient's record against no record.
    for action, body in (("postMessage", pat.post_body(SHARED, "may I write here")), ("viewRoster", {}),
                         ("acknowledgeMessage", {"stream": SHARED, "seq": "1"}), ("openThread", {"stream": SHARED, "title": "may I open one"}),
                         ("addMember", {"expectedRosterVersion": "1", "personId": "luis", "role": "ROLE_CAREGIVER"}),
                         ("endMember", {"expectedRosterVersion": "1", "personId": "tom", "role": "ROLE_ONCOLOGY_NURSE", "reason": "because"}),
                         ("assignAttending", {"expectedRosterVersion": "1", "personId": "tom"})):
        await same(action, lambda body=body: body, [("mei",)], ("nobody-at-all",))
    # People: elsewhere, hidden, absent.
    await same("postMessage", lambda person: pat.post_body(SHARED, "do you hear me now", mentions=[person]),
               [("pat", "tom"), ("pat", "mei"), ("pat", "luis")], ("pat", "nobody-at-all"))
    await same("openThread", lambda person: {"stream": SHARED, "title": "who owns this", "ownerPersonId": person},
               [("pat", "tom"), ("pat", "mei")], ("pat", "nobody-at-all"))
    # Fetching and cursors.
    expected = without_id(await pat.fetch("nobody-at-all", SHARED, 1, 2))
    for patient, stream in (("pat", CLINICAL), ("pat", SUPPORT), ("mei", SHARED), ("", "STREAM_ORGANIZATION")):
        assert without_id(await pat.fetch(patient, stream, 1, 2)) == expected
    for patient, stream in (("nobody-at-all", SHARED), ("pat", CLINICAL), ("pat", SUPPORT), ("mei", SHARED), ("", "STREAM_ORGANIZATION")):
        pat.send_cursor(patient, stream, read=1)
    await pat.barrier()
    assert len(pat.refusals_without_id) == 5 and all(one == pat.refusals_without_id[0] for one in pat.refusals_without_id)
    # The administrator's commands are not there for a patient, whomever they name.
    for person in ("rao", "nobody-at-all"):
        answer = await pat.command("", "suspendPerson", {"personId": person, "reason": "no reason at all"})
        assert answer["refused"]["code"] in (5, 7)
    answers = [without_id(await pat.command("", "suspendPerson", {"personId": one, "reason": "no reason at all"})) for one in ("rao", "nobody")]
    assert answers[0] == answers[1]
    # A caregiver without any grant has no record at all.
    luis = await connect(server, "luis", subprotocol, caught_up=False)
    assert not luis.streams
    assert without_id(await luis.command("pat", "viewRoster", {})) == without_id(await luis.command("nobody-at-all", "viewRoster", {}))
    for one in (nina, tom, pat, luis):
        await one.close()


async def test_refusals_are_written_down_for_the_privacy_officer(make_server, subprotocol):
    """Refusals are written down for the privacy officer, who alone reads them."""
    server = make_server()
    server.import_room("pat", {**STAFF, "irene": "privacy-officer"})
    server.start()
    irene = await connect(server, "irene", subprotocol)
    pat = await connect(server, "pat", subprotocol)
    assert set(irene.streams) == {("pat", "STREAM_AUDIT")}
    await pat.refused("pat", "postMessage", pat.post_body(CLINICAL, "may I write here"))
    entry = await irene.wait_entry(lambda one: "accessRefused" in one)
    assert entry["author"]["personId"] == "pat"
    assert entry["accessRefused"]["action"] in ("post_message", "postMessage") and entry["accessRefused"]["stream"] == CLINICAL
    assert entry["accessRefused"]["sessionId"] == pat.welcome["sessionId"]
    session = await irene.wait_entry(lambda one: one.get("sessionOpened", {}).get("sessionId") == pat.welcome["sessionId"])
    assert session["sessionOpened"]["deviceId"] == pat.device
    head = int(pat.streams["pat", SHARED]["head"])
    await pat.close()
    closed = await irene.wait_entry(lambda one: one.get("sessionClosed", {}).get("sessionId") == pat.welcome["sessionId"])
    assert closed["sessionClosed"]["delivered"] == [{"stream": SHARED, "seq": str(head)}]
    assert "may I write here" not in json.dumps(irene.frames)
    await irene.close()
