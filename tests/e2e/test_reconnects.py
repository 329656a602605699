"""Connections break all the time. Between what was read back and what comes live there is no window, and nothing has two effects."""
import asyncio
import time

import pytest
from careteam_client import NOT_FOUND, Client
from server import Server, practitioner_resource, room_resources

OTHER = {"json": "proto", "proto": "json"}
STAFF = [("nina", "oncology-nurse"), ("rao", "medical-oncologist"), ("sam", "social-worker")]


@pytest.fixture
def ward():
    with Server(settings={"limits.wrong_patient_window_ms": 0, "server.max_connections_per_person": 64}) as server:
        server.import_resources([*room_resources("pat", STAFF), practitioner_resource("tess")])
        yield server.start()


async def write(client, stream, text, count, at_once=8):
    """Posts `text` 0 … count-1, a few at a time; all of them are committed."""
    waiting = []
    for number in range(count):
        frame, command_id = client.command_frame("pat", {"postMessage": {"stream": f"STREAM_{stream.upper()}", "content": {"text": f"{text} {number}"}}})
        waiting.append(client.expect(command_id))
        await client.send(frame)
        if len(waiting) >= at_once:
            assert (await client.answer(waiting.pop(0))).ok
    for one in waiting:
        assert (await client.answer(one)).ok


async def test_cut_again_and_again_while_somebody_writes(ward, form):
    total = 300
    rao = await Client.connect(ward, "rao", OTHER[form])
    nina = await Client.connect(ward, "nina", form)
    writing = asyncio.create_task(write(rao, "clinical", "steady stream", total, at_once=2))
    cuts = 0
    while not writing.done():
        wanted = nina.head("pat", "clinical") + 3
        await nina.until(lambda: nina.head("pat", "clinical") >= wanted or writing.done())  # noqa: B023 - awaited in the same turn
        nina.cut()
        cuts += 1
        nina = await Client.connect(ward, "nina", form, resume=nina, sync=False)
    await writing
    await rao.fence()
    await nina.has("pat", "clinical", total)
    assert nina.texts("pat", "clinical") == [f"steady stream {number}" for number in range(total)]
    assert nina.entries("pat", "clinical") == rao.entries("pat", "clinical")
    assert cuts > 3
    await nina.close()
    await rao.close()


async def test_devices_that_come_while_everybody_writes(ward, form):
    """Each starts from nothing while three streams grow; in the end all of them hold the same."""
    writers = [await Client.connect(ward, person, OTHER[form]) for person in ("rao", "nina", "nina")]
    writing = asyncio.gather(*(write(one, stream, f"{stream} grows", 150) for one, stream in zip(writers, ("clinical", "support", "shared"))))
    late = []
    while not writing.done() and len(late) < 20:
        late.append(await Client.connect(ward, "rao", ("json", "proto")[len(late) % 2], device=f"late-{len(late)}", sync=False))
    await writing
    head = {stream: 150 for stream in ("clinical", "support")}
    for one in late:
        await one.synced()
        for stream, seq in head.items():
            await one.has("pat", stream, seq)
        await one.fence()
    reference = await Client.connect(ward, "rao", form)
    for one in late:
        assert one.log == reference.log
        await one.close()
    for one in (*writers, reference):
        await one.close()


async def test_everything_unanswered_is_sent_again(ward, form):
    """After a cut nobody knows what arrived: all of it is sent again under the same ids, and is there once, in the order of the answers."""
    nina = await Client.connect(ward, "nina", form)
    frames = [nina.command_frame("pat", {"postMessage": {"stream": "STREAM_CLINICAL", "content": {"text": f"did this arrive {n}"}}}) for n in range(80)]
    first = nina.expect(frames[10][1])
    for frame, _ in frames:
        await nina.send(frame)
    await nina.answer(first)
    nina.cut()
    nina = await Client.connect(ward, "nina", OTHER[form], resume=nina)
    expected = [nina.expect(command_id) for _, command_id in frames]
    for frame, _ in frames:
        await nina.send(frame)
    answers = [await nina.answer(one) for one in expected]
    assert all(one.ok for one in answers)
    seqs = [one.seq for one in answers]
    await nina.has("pat", "clinical", max(seqs))
    assert seqs == sorted(set(seqs)) == list(range(1, 81))
    assert nina.texts("pat", "clinical") == [f"did this arrive {n}" for n in range(80)]
    await nina.close()


async def test_a_device_changes_the_subprotocol_between_connections(ward, form):
    rao = await Client.connect(ward, "rao", "proto")
    device = await Client.connect(ward, "nina", form)
    for turn in range(4):
        await write(rao, "clinical", f"turn {turn}", 5)
        device.cut()
        device = await Client.connect(ward, "nina", OTHER[device.form], resume=device)
        assert not device.resets
    await rao.fence()
    assert device.log == rao.log
    await device.close()
    await rao.close()


async def test_access_that_ended_while_the_device_was_away(ward, form):
    rao = await Client.connect(ward, "rao", form)
    nina = await Client.connect(ward, "nina", form)
    assert (await rao.post("pat", "clinical", "While Nina may read it")).ok
    await nina.has("pat", "clinical", 1)
    nina.cut()
    version = (await rao.roster("pat"))["rosterVersion"]
    assert (await rao.command("pat", {"endMember": {"expectedRosterVersion": version, "personId": "nina", "role": "ROLE_ONCOLOGY_NURSE",
                                                    "reason": "another ward from today"}})).ok
    assert (await rao.post("pat", "clinical", "After Nina has left")).ok
    again = await Client.open(ward, "nina", form, device=nina.device)
    await again.hello(ward.token("nina"), nina.positions(), nina.welcome["epoch"])
    await again.until(lambda: again.welcome)
    await again.fence()
    assert not again.access and not again.resets and not any(b"After Nina has left" in one for one in again.transcript)
    # What she sends again has its first answer still; what is new has no record.
    assert (await again.post("pat", "clinical", "Is anybody there at all")).code == NOT_FOUND
    await again.close()
    await rao.close()


async def test_who_joins_in_the_very_moment_of_the_connection_has_access(ward, form):
    """AddMember and EndMember against Hello, over and over: whichever is first, the device ends with what the team says."""
    rao = await Client.connect(ward, "rao", form)
    version = int((await rao.roster("pat"))["rosterVersion"])
    missed, kept = [], []
    for turn in range(40):
        add = {"addMember": {"expectedRosterVersion": str(version), "personId": "tess", "role": "ROLE_PHARMACIST"}}
        tess, added = await asyncio.gather(Client.connect(ward, "tess", form, device=f"d-{turn}", sync=False), rao.command("pat", add))
        assert added.ok
        began = time.monotonic()
        try:
            await tess.until(lambda: len(tess.access) == 3, 1)  # noqa: B023 - awaited in the same turn
        except TimeoutError:
            missed.append(turn)
        await tess.close()
        end = {"endMember": {"expectedRosterVersion": str(version + 1), "personId": "tess", "role": "ROLE_PHARMACIST", "reason": "for the next turn"}}
        tess, ended = await asyncio.gather(Client.connect(ward, "tess", form, device=f"e-{turn}", sync=False), rao.command("pat", end))
        assert ended.ok
        try:
            await tess.until(lambda: not tess.access, 1)  # noqa: B023 - awaited in the same turn
        except TimeoutError:
            kept.append(turn)
        await tess.close()
        version += 2
        assert time.monotonic() - began < 5
    assert not missed, f"added in the moment of Hello, and no access after a second: turns {missed}"
    assert not kept, f"ended in the moment of Hello, and access after a second: turns {kept}"
    await rao.close()
