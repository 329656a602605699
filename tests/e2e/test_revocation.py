"""Access ends within a second of the reason: suspension, the end of a membership, a period that runs out, a token that expires."""
import asyncio
import datetime
import time

import pytest
from careteam_client import FAILED_PRECONDITION, NOT_FOUND, UNAUTHENTICATED, Client, Closed
from server import Server, practitioner_resource, room_resources

SUSPENDED, BAD_TOKEN = 4403, 4401
STAFF = [("nina", "oncology-nurse"), ("rao", "medical-oncologist"), ("sam", "social-worker")]
WITHIN = 1.0  # What the product promises, in seconds.


@pytest.fixture
def ward():
    """One room and the administrator adam; tess is enrolled and on no team."""
    with Server(settings={"limits.wrong_patient_window_ms": 0, "server.max_connections_per_person": 64}) as server:
        server.import_resources([*room_resources("pat", STAFF), practitioner_resource("tess")])
        assert server.tool("enroll", "--config", server.config, "--person", "adam", "--name", "Adam Admin", "--kind", "staff",
                           "--administrator").returncode == 0
        yield server.start()


async def roster_version(client):
    return int((await client.roster("pat"))["rosterVersion"])


async def add_member(client, person, role, **more):
    return await client.command("pat", {"addMember": {"expectedRosterVersion": str(await roster_version(client)), "personId": person, "role": role, **more}})


async def end_member(client, person, role, **more):
    return await client.command("pat", {"endMember": {"expectedRosterVersion": str(await roster_version(client)), "personId": person, "role": role,
                                                      "reason": "the end of the rotation", **more}})


def in_seconds(seconds):
    moment = datetime.datetime.now(datetime.timezone.utc) + datetime.timedelta(seconds=seconds)
    return moment.strftime("%Y-%m-%dT%H:%M:%S.%fZ")


def seconds_until(text):
    """From now to an instant as the server writes it."""
    form = "%Y-%m-%dT%H:%M:%S.%f%z" if "." in text else "%Y-%m-%dT%H:%M:%S%z"
    return (datetime.datetime.strptime(text.replace("Z", "+0000"), form) - datetime.datetime.now(datetime.timezone.utc)).total_seconds()


async def test_attack_18_a_suspension_closes_every_socket_of_the_person(ward, form):
    adam = await Client.connect(ward, "adam", form)
    assert adam.streams() == {("", "organization")}
    devices = [await Client.connect(ward, "nina", one, device=f"d-{one}-{number}") for one in ("json", "proto") for number in range(3)]
    rao = await Client.connect(ward, "rao", form)
    began = time.monotonic()
    assert (await adam.command("", {"suspendPerson": {"personId": "nina", "reason": "left the hospital today"}})).ok
    for one in devices:
        assert await one.closed() == SUSPENDED
    assert time.monotonic() - began < WITHIN
    # Nobody else is touched, and nina stays out until she is reinstated.
    with pytest.raises(Closed) as refused:
        await Client.connect(ward, "nina", form)
    assert refused.value.code == SUSPENDED
    assert (await rao.post("pat", "clinical", "We go on without Nina")).ok
    assert (await rao.post("pat", "clinical", "Are you there, Nina", mentions=["nina"])).code == NOT_FOUND
    assert (await adam.command("", {"suspendPerson": {"personId": "nina", "reason": "left the hospital today"}})).code == FAILED_PRECONDITION
    assert (await adam.command("", {"reinstatePerson": {"personId": "nina", "reason": "came back after all"}})).ok
    async with await Client.connect(ward, "nina", form) as nina:
        assert nina.texts("pat", "clinical")[-1] == "We go on without Nina"
    await adam.close()
    await rao.close()


async def test_a_suspension_in_the_middle_of_work(ward, form):
    """Commands are on their way when the account is suspended: each is committed or was never there, and none comes after."""
    adam = await Client.connect(ward, "adam", form)
    rao = await Client.connect(ward, "rao", form)
    nina = await Client.connect(ward, "nina", form)
    waiting = []
    for number in range(200):
        frame, command_id = nina.command_frame("pat", {"postMessage": {"stream": "STREAM_CLINICAL", "content": {"text": f"on its way {number}"}}})
        waiting.append(nina.expect(command_id))
        await nina.send(frame)
        if number == 50:
            suspending = asyncio.create_task(adam.command("", {"suspendPerson": {"personId": "nina", "reason": "in the middle of it"}}))
            await asyncio.wait([suspending, asyncio.create_task(nina.closed())], return_when=asyncio.FIRST_COMPLETED)
            break
    assert (await suspending).ok
    assert await nina.closed() == SUSPENDED
    await rao.fence()
    said = len([text for text in rao.texts("pat", "clinical") if text.startswith("on its way")])
    answered = sum(1 for one in waiting if one.done() and not one.exception() and one.result().ok)
    assert answered <= said <= len(waiting)
    assert (await rao.post("pat", "clinical", "Now it is quiet here")).ok
    await rao.fence()
    assert rao.texts("pat", "clinical")[-1] == "Now it is quiet here"
    await adam.close()
    await rao.close()


async def test_the_end_of_a_membership_revokes_its_streams_and_nothing_follows(ward, form):
    rao = await Client.connect(ward, "rao", form)
    sockets = [await Client.connect(ward, "nina", one, device=one) for one in ("json", "proto")]
    pat = await Client.connect(ward, "pat", form)
    began = time.monotonic()
    assert (await end_member(rao, "nina", "ROLE_ONCOLOGY_NURSE")).ok
    for nina in sockets:
        await nina.until(lambda: not nina.access)  # noqa: B023 - awaited in the same turn
    assert time.monotonic() - began < WITHIN
    marks = [len(nina.messages) for nina in sockets]
    for stream in ("shared", "clinical", "support"):
        assert (await rao.post("pat", stream, "Not for Nina any more")).ok
    assert (await pat.post("pat", "shared", "Is Nina still there")).ok
    for nina, mark in zip(sockets, marks):
        assert {(one["patientId"], one["stream"]) for one in nina.revoked} == {("pat", f"STREAM_{name}") for name in ("SHARED", "CLINICAL", "SUPPORT")}
        await nina.fence()
        for message in nina.messages[mark:]:
            assert set(message) == {"refused"}, message  # Only the fence's own answer.
        assert (await nina.post("pat", "clinical", "May I still write this")).code == NOT_FOUND
        assert (await nina.fetch("pat", "shared", 1, 2)).code == NOT_FOUND
        await nina.close()
    # After a new connection the record is not there either, whatever the device says it holds.
    async with await Client.connect(ward, "nina", form, resume={("pat", "shared"): 2}, epoch=rao.welcome["epoch"]) as again:
        assert not again.access and not again.log
    await rao.close()
    await pat.close()


async def test_a_new_member_gains_the_streams_on_the_open_connection(ward, form):
    rao = await Client.connect(ward, "rao", form)
    tess = await Client.connect(ward, "tess", form)
    assert not tess.access
    assert (await rao.post("pat", "clinical", "Said before Tess came")).ok
    assert (await add_member(rao, "tess", "ROLE_PHARMACIST")).ok
    began = time.monotonic()
    await tess.until(lambda: tess.streams() == {("pat", "shared"), ("pat", "clinical"), ("pat", "support")})
    await tess.synced()
    assert time.monotonic() - began < WITHIN
    assert len(tess.gained) == 3 and tess.texts("pat", "clinical") == ["Said before Tess came"]
    assert tess.entries("pat", "shared") == rao.entries("pat", "shared")
    assert (await tess.post("pat", "clinical", "Good to be here")).ok
    # Gained, revoked and gained again on one connection: everything from the first entry each time.
    assert (await end_member(rao, "tess", "ROLE_PHARMACIST")).ok
    await tess.until(lambda: not tess.access)
    assert (await rao.post("pat", "clinical", "While Tess was away")).ok
    assert (await add_member(rao, "tess", "ROLE_PHARMACIST")).ok
    await tess.until(lambda: len(tess.access) == 3)
    await tess.synced()
    await rao.fence()
    await tess.until(lambda: tess.positions() == rao.positions())
    assert tess.entries("pat", "clinical") == rao.entries("pat", "clinical")
    await rao.close()
    await tess.close()


async def test_a_changed_role_changes_what_is_read(ward, form):
    """From nurse to financial adviser: clinical goes, support stays or comes again, without a reconnect."""
    rao = await Client.connect(ward, "rao", form)
    assert (await add_member(rao, "tess", "ROLE_SURGEON")).ok
    tess = await Client.connect(ward, "tess", form)
    assert tess.streams() == {("pat", "shared"), ("pat", "clinical")}
    version = await roster_version(rao)
    assert (await rao.command("pat", {"changeRole": {"expectedRosterVersion": str(version), "personId": "tess", "fromRole": "ROLE_SURGEON",
                                                     "toRole": "ROLE_SOCIAL_WORKER", "reason": "another task here"}})).ok
    await tess.until(lambda: tess.streams() == {("pat", "shared"), ("pat", "support")})
    assert {one["stream"] for one in tess.revoked} == {"STREAM_CLINICAL"} and {one["stream"] for one in tess.gained} == {"STREAM_SUPPORT"}
    assert (await rao.post("pat", "clinical", "Not for social workers")).ok
    await tess.fence()
    assert not tess.entries("pat", "clinical")
    assert (await tess.post("pat", "support", "I can help with transport")).ok
    await rao.close()
    await tess.close()


async def test_a_membership_ends_by_itself_at_the_end_of_its_period(ward, form):
    rao = await Client.connect(ward, "rao", form)
    tess = await Client.connect(ward, "tess", form)
    end = in_seconds(1)
    assert (await add_member(rao, "tess", "ROLE_PHARMACIST", period={"end": end})).ok
    await tess.until(lambda: len(tess.access) == 3)
    await tess.until(lambda: not tess.access)
    assert -WITHIN < seconds_until(end) <= 0.05
    assert (await rao.post("pat", "clinical", "After the end of the period")).ok
    await tess.fence()
    assert not tess.log
    assert (await tess.post("pat", "clinical", "After the end of the period")).code == NOT_FOUND
    # The roster tells the same.
    assert all(one["personId"] != "tess" for one in (await rao.roster("pat"))["members"])
    await rao.close()
    await tess.close()


async def test_a_membership_begins_by_itself_at_the_start_of_its_period(ward, form):
    rao = await Client.connect(ward, "rao", form)
    tess = await Client.connect(ward, "tess", form)
    start = in_seconds(1)
    assert (await add_member(rao, "tess", "ROLE_PHARMACIST", period={"start": start})).ok
    assert (await rao.post("pat", "clinical", "Said before the period begins")).ok
    await tess.fence()
    assert not tess.access and seconds_until(start) > 0
    await tess.until(lambda: len(tess.access) == 3)
    assert -WITHIN < seconds_until(start) <= 0.05
    await tess.synced()
    assert tess.texts("pat", "clinical") == ["Said before the period begins"]
    await rao.close()
    await tess.close()


async def test_attack_17_a_token_that_expires_ends_the_connection(ward, form):
    nina = await Client.connect(ward, "nina", form, token=ward.token("nina", expires=2))
    assert (await nina.post("pat", "clinical", "While the token is good")).ok
    expires = nina.welcome["tokenExpires"]
    assert seconds_until(expires) > 0
    assert await nina.closed() == BAD_TOKEN
    assert -WITHIN < seconds_until(expires) <= 0.05


async def test_a_renewal_on_the_connection_keeps_it_open(ward, form):
    nina = await Client.connect(ward, "nina", form, token=ward.token("nina", expires=2))
    first = nina.welcome
    await nina.hello(ward.token("nina"))
    await nina.until(lambda: len(nina.welcomes) == 2)
    renewed = nina.welcome
    assert renewed["sessionId"] == first["sessionId"] and not renewed.get("streams")
    assert seconds_until(renewed["tokenExpires"]) > 600
    # Longer than the first token lives: another connection with such a token ends first.
    witness = await Client.connect(ward, "nina", form, device="witness", token=ward.token("nina", expires=2))
    assert await witness.closed() == BAD_TOKEN
    assert seconds_until(first["tokenExpires"]) < 0
    assert (await nina.post("pat", "clinical", "Still here with a new token")).ok
    await nina.close()


async def test_a_renewal_with_a_bad_or_foreign_token_ends_the_connection(ward, form):
    for token in (ward.token("rao"), "no.token.atall", ward.token("nina") + "x", ""):
        nina = await Client.connect(ward, "nina", form)
        await nina.hello(token)
        assert await nina.closed() == BAD_TOKEN
        assert nina.refused[-1]["code"] == UNAUTHENTICATED and nina.refused[-1]["field"] == "hello.token"


async def fill(client, count, bytes_each):
    """A long history: texts of this length, all of them committed."""
    waiting = []
    for number in range(count):
        frame, command_id = client.command_frame(
            "pat", {"postMessage": {"stream": "STREAM_CLINICAL", "content": {"text": f"long history {number} ".ljust(bytes_each, ".")}}})
        waiting.append(client.expect(command_id))
        await client.send_payload(client.encode(frame))
        if len(waiting) >= 20:
            assert (await client.answer(waiting.pop(0))).ok
    for one in waiting:
        assert (await client.answer(one)).ok


async def slow_reader(ward, person, form):
    """Says Hello and reads nothing: what it is owed waits in the server and in the kernel."""
    reader = await Client.open(ward, person, form, device="slow", receive_buffer=4096, limit=4096, read=False)
    before = seen = ward.metrics()["careteam_deliveries_total"]
    await reader.hello(ward.token(person))
    still = 0
    while seen == before or still < 20:  # Until the server waits, too: it hands over nothing more however often it is asked.
        told = (await asyncio.to_thread(ward.metrics))["careteam_deliveries_total"]
        still = still + 1 if told == seen else 0
        seen = told
    assert seen - before < 900
    return reader


async def test_a_slow_reader_loses_a_stream_in_the_middle_of_its_history(ward, form):
    """12 MB are owed to somebody who does not read when the membership ends: what follows the revocation holds nothing of the stream."""
    rao = await Client.connect(ward, "rao", "proto")
    await fill(rao, 900, 14_000)
    nina = await slow_reader(ward, "nina", form)
    assert (await end_member(rao, "nina", "ROLE_ONCOLOGY_NURSE")).ok
    nina.start_reading()
    await nina.until(lambda: len(nina.revoked) == 3, 20)
    await nina.fence()  # The client fails on any entry of a stream that was revoked.
    told = sum(1 for message in nina.messages for _ in message.get("entries", ()))
    assert told < 900
    await nina.close()
    await rao.close()


async def test_a_suspended_slow_reader_is_written_nothing_more(ward, form):
    """What waits in the server for a suspended person is not handed over when they read on: access ends now, not when the queue is empty."""
    adam = await Client.connect(ward, "adam", form)
    rao = await Client.connect(ward, "rao", "proto")
    await fill(rao, 900, 14_000)
    await rao.close()
    nina = await slow_reader(ward, "nina", form)
    assert (await adam.command("", {"suspendPerson": {"personId": "nina", "reason": "left the hospital today"}})).ok
    await adam.fence()
    before = ward.metrics()["careteam_messages_sent_total"]
    nina.start_reading()
    await nina.closed(20)
    after = ward.metrics()["careteam_messages_sent_total"]
    assert after == before  # The message that was being written is counted already, and nobody else is connected but adam.
    await adam.close()
