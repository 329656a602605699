"""Who is in the audience is decided entry by entry, also where much is committed at once."""
import pytest
from careteam_client import Client
from server import Server, room_resources

STAFF = [("nina", "oncology-nurse"), ("rao", "medical-oncologist"), ("lee", "medical-oncologist"), ("phil", "pharmacist")]
BEFORE, AFTER = 40, 20


@pytest.fixture
def ward():
    with Server(settings={"limits.wrong_patient_window_ms": 0}, redis=False) as server:
        server.import_resources(room_resources("pat", STAFF))
        yield server.start()


async def pipelined(client, actions):
    """Sends commands in one piece, so that many are decided together, and waits for the answers."""
    frames = [client.command_frame("pat", action) for action in actions]
    waiting = [client.expect(command_id) for _, command_id in frames]
    for frame, _ in frames:
        await client.send(frame)
    return [await client.answer(one) for one in waiting]


def say(text):
    return {"postMessage": {"stream": "STREAM_CLINICAL", "content": {"text": text}}}


async def test_attack_18_what_is_committed_together_with_the_end_of_a_membership(ward, form):
    rao = await Client.connect(ward, "rao", form)
    phil, nina = await Client.connect(ward, "phil", form), await Client.connect(ward, "nina", form)
    version = (await rao.roster("pat"))["rosterVersion"]
    end = {"endMember": {"expectedRosterVersion": version, "personId": "phil", "role": "ROLE_PHARMACIST", "reason": "has left the team"}}
    answers = await pipelined(rao, [*(say(f"While Phil is here {n}") for n in range(BEFORE)), end, *(say(f"Without Phil {n}") for n in range(AFTER))])
    assert all(one.ok for one in answers), answers
    await nina.until(lambda: len(nina.texts("pat", "clinical")) == BEFORE + AFTER)
    await phil.until(lambda: len(phil.revoked) == 2 + 1)
    await phil.fence()
    assert not any(b"Without Phil" in message for message in phil.transcript)
    for one in (rao, phil, nina):
        await one.close()


async def test_attack_18_receipts_of_staff_who_left_do_not_reach_the_patient(ward, form):
    rao, phil, pat = [await Client.connect(ward, person, form) for person in ("rao", "phil", "pat")]
    said = await rao.post("pat", "shared", "Something to read")
    await phil.has("pat", "shared", said.seq)
    await phil.cursor("pat", "shared", received=said.seq, displayed=said.seq, read=said.seq)
    await phil.until(lambda: phil.cursors)
    await rao.until(lambda: any(one["personId"] == "phil" for one in rao.receipts))
    version = (await rao.roster("pat"))["rosterVersion"]
    assert (await rao.command("pat", {"endMember": {"expectedRosterVersion": version, "personId": "phil", "role": "ROLE_PHARMACIST", "reason": "has left the team"}})).ok
    await phil.until(lambda: phil.revoked)
    # Somebody else moves, so that receipts go out; and the patient comes once more.
    await rao.cursor("pat", "shared", received=said.seq, displayed=said.seq, read=said.seq)
    await rao.until(lambda: rao.cursors)
    async with await Client.connect(ward, "pat", form, device="again") as again:
        await again.fence()
        await pat.fence()
        assert not pat.receipts and not again.receipts
    for one in (rao, phil, pat):
        await one.close()


async def test_whoever_comes_back_to_a_team_finds_what_they_have_read(ward, form):
    rao, phil = await Client.connect(ward, "rao", form), await Client.connect(ward, "phil", form)
    for number in range(3):
        said = await rao.post("pat", "clinical", f"Before the leave {number}")
    await phil.has("pat", "clinical", said.seq)
    await phil.cursor("pat", "clinical", received=said.seq, displayed=said.seq, read=said.seq)
    await phil.until(lambda: phil.cursors)
    version = int((await rao.roster("pat"))["rosterVersion"])
    assert (await rao.command("pat", {"endMember": {"expectedRosterVersion": str(version), "personId": "phil", "role": "ROLE_PHARMACIST", "reason": "on leave"}})).ok
    await phil.until(lambda: len(phil.revoked) == 3)
    assert (await rao.post("pat", "clinical", "During the leave")).ok
    assert (await rao.command("pat", {"addMember": {"expectedRosterVersion": str(version + 1), "personId": "phil", "role": "ROLE_PHARMACIST"}})).ok
    await phil.until(lambda: len(phil.gained) == 3)
    clinical = next(one for one in phil.gained if one["stream"] == "STREAM_CLINICAL")
    assert (int(clinical["read"]), int(clinical["unread"]), int(clinical["head"])) == (said.seq, 1, said.seq + 1)
    await phil.until(lambda: len(phil.texts("pat", "clinical")) == 4)
    for one in (rao, phil):
        await one.close()
