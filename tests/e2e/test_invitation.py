"""Consult invitations (B7, B8): somebody joins for a time and reads a part; what came before is not there for them, and when the time is
over they are out within a second, whatever they do.
"""
import asyncio
import datetime
import time

import pytest
from careteam_client import INVALID_ARGUMENT, NOT_FOUND, PERMISSION_DENIED, Client
from server import Server, practitioner_resource, room_resources

STAFF = [("rao", "medical-oncologist"), ("nina", "oncology-nurse")]


@pytest.fixture
def ward():
    with Server(redis=False) as server:
        server.import_resources([*room_resources("pat", STAFF), practitioner_resource("weiss"), practitioner_resource("kim")])
        server.start()
        yield server


async def roster_version(client):
    seen = len(client.rosters)
    assert (await client.command("pat", {"viewRoster": {}})).ok
    await client.until(lambda: len(client.rosters) > seen)
    return client.rosters[-1]["rosterVersion"]


def in_seconds(seconds):
    return (datetime.datetime.now(datetime.timezone.utc) + datetime.timedelta(seconds=seconds)).isoformat().replace("+00:00", "Z")


async def invite(client, person, role="ROLE_RADIOLOGIST", streams=("STREAM_CLINICAL",), **more):
    return await client.command("pat", {"inviteConsultant": {"expectedRosterVersion": await roster_version(client), "personId": person, "role": role,
                                                             "streams": list(streams), "reason": "A question about the scan", **more}})


async def fetch(client, from_seq, to_seq):
    return await client.fetch("pat", "clinical", from_seq, to_seq)


async def test_from_now_nothing_that_came_before_is_given_by_any_way(ward, form):
    rao, nina, weiss = [await Client.connect(ward, person, form) for person in ("rao", "nina", "weiss")]
    old = [(await nina.post("pat", "clinical", f"Old secret number {n}")).seq for n in range(5)]
    assert (await invite(rao, "weiss")).ok
    await weiss.until(lambda: ("pat", "clinical") in weiss.streams())
    access = weiss.access[("pat", "STREAM_CLINICAL")]
    assert access["first"] == str(old[-1] + 1) and access["after"] == str(old[-1]) and "headChain" not in access and "unread" not in access
    new = (await nina.post("pat", "clinical", "Please look at segment seven")).seq
    await weiss.has("pat", "clinical", new)
    assert weiss.texts("pat", "clinical") == ["Please look at segment seven"]
    for low, high in ((old[0], old[0]), (old[0], new), (old[-1], new)):
        answer = await fetch(weiss, low, high)
        assert answer.code == NOT_FOUND, answer
    absent = await weiss.command("pat", {"acknowledgeMessage": {"stream": "STREAM_CLINICAL", "seq": "100000"}})
    hidden = await weiss.command("pat", {"acknowledgeMessage": {"stream": "STREAM_CLINICAL", "seq": str(old[0])}})
    assert (hidden.code, hidden.field, hidden.message) == (absent.code, absent.field, absent.message)
    assert (await fetch(weiss, new, new)).ok
    assert (await weiss.post("pat", "clinical", "Two new lesions in segment seven")).ok
    await weiss.close()
    # A new device, one that resumes where it was, and one that names a place before the invitation.
    for number, held in enumerate((None, new, old[1])):
        resume = {("pat", "clinical"): held} if held else None
        back = await Client.connect(ward, "weiss", form, device=f"device-{number}", resume=resume, epoch=rao.welcome["epoch"])
        await back.synced()
        assert all("Old secret" not in text for text in back.texts("pat", "clinical"))
        assert back.access[("pat", "STREAM_CLINICAL")]["unread"] == "1"
        assert not any(b"Old secret" in frame for frame in back.transcript)
        assert len(back.resets) == (1 if held == old[1] else 0)
        await back.close()
    assert not any(b"Old secret" in frame for frame in weiss.transcript)
    for one in (rao, nina):
        await one.close()
    ward.kill9()
    assert ward.verify().returncode == 0 and ward.rebuild().returncode == 0


async def test_an_expired_radiologist_is_out_within_a_second(ward, form):
    rao, nina, weiss = [await Client.connect(ward, person, form) for person in ("rao", "nina", "weiss")]
    before = (await nina.post("pat", "clinical", "Her marker is forty one")).seq
    assert (await invite(rao, "weiss", history="HISTORY_FULL", until=in_seconds(3))).ok
    end = time.monotonic() + 3
    await weiss.has("pat", "clinical", before)
    await weiss.until(lambda: weiss.revoked, timeout=6)
    assert time.monotonic() - end < 1
    seen = len(weiss.transcript)
    secret = await nina.post("pat", "clinical", "Said after the radiologist left")
    assert (await fetch(weiss, secret.seq, secret.seq)).code == NOT_FOUND
    for action in ({"postMessage": {"stream": "STREAM_CLINICAL", "content": {"text": "Still here"}}},
                   {"acknowledgeMessage": {"stream": "STREAM_CLINICAL", "seq": str(before)}}, {"viewRoster": {}}):
        refused = await weiss.command("pat", action)
        assert refused.code == NOT_FOUND and refused.field == "patientId", refused
    assert not any(b"Said after" in frame for frame in weiss.transcript[seen:])
    again = await Client.connect(ward, "weiss", form, device="another")
    assert not again.streams()
    for one in (rao, nina, weiss, again):
        await one.close()


async def test_an_invitation_is_renewed_on_a_live_connection(ward):
    rao, nina, weiss = [await Client.connect(ward, person) for person in ("rao", "nina", "weiss")]
    assert (await invite(rao, "weiss", until=in_seconds(3))).ok
    await weiss.until(lambda: ("pat", "clinical") in weiss.streams())
    renewed = await rao.command("pat", {"renewInvitation": {"expectedRosterVersion": await roster_version(rao), "personId": "weiss", "role": "ROLE_RADIOLOGIST",
                                                            "until": in_seconds(600), "reason": "One more scan"}})
    assert renewed.ok, renewed
    await asyncio.sleep(3.2)  # Past the first end: nothing happens then, which only time can show.
    said = await nina.post("pat", "clinical", "Please look once more")
    await weiss.has("pat", "clinical", said.seq)
    assert not weiss.revoked
    assert rao.entry("pat", "shared", renewed.seq)["invitationRenewed"]["personId"] == "weiss"
    for one in (rao, nina, weiss):
        await one.close()


async def test_whoever_becomes_a_member_begins_the_stream_anew_with_all_of_it(ward):
    rao, nina, kim = [await Client.connect(ward, person) for person in ("rao", "nina", "kim")]
    old = await nina.post("pat", "clinical", "Her marker is forty one")
    assert (await invite(rao, "kim", role="ROLE_PHARMACIST")).ok
    await kim.until(lambda: ("pat", "clinical") in kim.streams())
    assert ("pat", "shared") not in kim.streams(), "only what the invitation names"
    added = await rao.command("pat", {"addMember": {"expectedRosterVersion": await roster_version(rao), "personId": "kim", "role": "ROLE_SURGEON"}})
    assert added.ok, added
    await kim.until(lambda: kim.revoked)
    await kim.has("pat", "clinical", old.seq)
    assert "Her marker is forty one" in kim.texts("pat", "clinical")
    for one in (rao, nina, kim):
        await one.close()


async def test_who_may_not_invite_and_what_cannot_be(ward):
    rao, nina, pat, weiss = [await Client.connect(ward, person) for person in ("rao", "nina", "pat", "weiss")]
    version = await roster_version(rao)
    body = {"inviteConsultant": {"expectedRosterVersion": version, "personId": "weiss", "role": "ROLE_RADIOLOGIST", "streams": ["STREAM_CLINICAL"], "reason": "A question"}}
    assert (await nina.command("pat", body)).code == PERMISSION_DENIED
    assert (await pat.command("pat", body)).code == PERMISSION_DENIED
    assert (await weiss.command("pat", body)).code == NOT_FOUND
    for wrong, field in (({"until": in_seconds(31 * 86400)}, "until"), ({"streams": ["STREAM_SHARED"]}, "streams"), ({"role": "ROLE_PATIENT"}, "role")):
        answer = await invite(rao, "weiss", **{**{"streams": ["STREAM_CLINICAL"]}, **wrong})
        assert answer.code == INVALID_ARGUMENT and answer.field == f"inviteConsultant.{field}", answer
    for one in (rao, nina, pat, weiss):
        await one.close()
