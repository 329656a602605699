"""`careteam audit` against what clients really held: never less, and no more than it says."""
import asyncio
import json
import os
import time

import pytest
from careteam_client import NOT_FOUND, Client, said
from server import Server, room_resources


def audit(server, *words, also_audited=False):
    """What the command tells, as dictionaries; the same beside a running server as on its file, but for the audit's own readings."""
    done = server.tool("audit", "--config", server.config, "--json", *words)
    assert done.returncode == 0 and ("no server wrote down" in done.stderr) != server.running(), done.stderr
    assert not any(text in done.stdout for text in said)
    told = [json.loads(line) for line in done.stdout.splitlines()]
    return told if also_audited else [one for one in told if one["kind"] != "audited"]


def until(what, seconds=10):
    """Asks again and again: nothing tells when."""
    end = time.monotonic() + seconds
    while not what():
        assert time.monotonic() < end, "not in time"


def of(findings, **wanted):
    return [one for one in findings if all(one.get(name) == value for name, value in wanted.items())]


def seqs(findings):
    return {(one["stream"], seq) for one in findings for seq in range(one["from_seq"], one["to_seq"] + 1)}


def held(client, patient):
    """What the client holds of a record, and what it was given again."""
    return {(stream.removeprefix("STREAM_").lower(), int(one["seq"])) for (whose, stream), entries in client.log.items() if whose == patient for one in entries}


async def test_a_day_with_a_caregiver_a_refusal_a_suspension_and_a_crash(fresh, form):
    nina = await Client.connect(fresh, "nina", form, device="nina-phone")
    luis = await Client.connect(fresh, "luis", form, device="luis-phone")
    rosa = await Client.connect(fresh, "rosa", form)
    tom = await Client.connect(fresh, "tom", form, device="tom-desk")
    asked = await nina.post("rosa", "shared", "Please confirm the time tomorrow", priority="asap", mentions=["luis"])
    for client in (luis, rosa, tom):
        await client.has("rosa", "shared", asked.seq)
    assert (await luis.acknowledge("rosa", "shared", asked.seq)).ok
    await luis.cursor("rosa", "shared", received=asked.seq, displayed=asked.seq, read=asked.seq)
    await luis.until(lambda: luis.cursors)
    # What is refused, as a command and as a request.
    for _ in range(3):
        assert (await rosa.post("rosa", "clinical", "May I say this to the clinicians")).code == NOT_FOUND
    assert (await luis.fetch("rosa", "clinical", 1, 2)).code == NOT_FOUND
    assert (await nina.fetch("rosa", "shared", 2, 500)).ok
    await nina.roster("rosa")
    clean = {one: one.welcome["sessionId"] for one in (luis, rosa)}
    for one in clean:
        await one.close()
    assert fresh.tool("enroll", "--config", fresh.config, "--person", "tom", "--suspend", "left the hospital today").returncode == 0
    assert await tom.closed() == 4403
    # When the server has noticed all three ends, their notes wait before the next message of the record.
    await asyncio.to_thread(until, lambda: fresh.metrics()["careteam_sessions"] == 1)
    last = await nina.post("rosa", "clinical", "The last word before the crash")
    await nina.has("rosa", "clinical", last.seq)

    found = audit(fresh, "--patient", "rosa")
    for client, session in clean.items():
        given = of(found, kind="given", session=session)
        assert {one["extent"] for one in given} == {"closed"} and seqs(given) == held(client, "rosa")
    assert of(found, kind="given", device="luis-phone", role="caregiver")
    assert held(tom, "rosa") <= seqs(of(found, kind="given", person="tom", extent="closed", device="tom-desk"))
    assert {one["extent"] for one in of(found, kind="given", person="nina")} == {"at-most-open"}
    again, = of(found, kind="read-again", person="nina", device="nina-phone")
    assert (again["stream"], again["from_seq"], again["extent"]) == ("shared", 2, "at-most") and again["to_seq"] >= asked.seq
    assert of(found, kind="roster", person="nina")
    refused = audit(fresh, "--patient", "rosa", "--refusals")
    assert {one["kind"] for one in refused} == {"refused"} and refused == of(found, kind="refused")
    assert sum(one["times"] for one in of(refused, person="rosa", action="postMessage", stream="clinical", code=5)) == 3
    assert of(refused, person="luis", action="fetch", stream="clinical", times=1)

    fresh.kill9()
    at_the_end = held(nina, "rosa")
    until_the_crash = audit(fresh, "--patient", "rosa")  # Without a server, too.
    assert at_the_end <= seqs(of(until_the_crash, kind="given", person="nina", extent="at-most-open"))
    fresh.restart()
    rao = await Client.connect(fresh, "rao", form)
    after = await rao.post("rosa", "shared", "Nina's phone cannot have seen this")
    await rao.close()
    found = audit(fresh, "--patient", "rosa")
    lost = of(found, kind="given", person="nina", session=nina.welcome["sessionId"])
    assert {one["extent"] for one in lost} == {"at-most-lost"} and all(one["closed"] >= one["opened"] for one in lost)
    assert at_the_end <= seqs(lost) and ("shared", after.seq) not in seqs(lost)
    # As tight as it can be: what was committed before the crash and not yet handed over is all that is too much.
    assert {one for one in seqs(lost) if one[0] != "audit"} == {one for one in at_the_end if one[0] != "audit"}

    # One entry: who was given it, since when, who acknowledged it, and where it was shown.
    one_entry = audit(fresh, "--patient", "rosa", "--stream", "shared", "--seq", asked.seq)
    entry, = of(one_entry, kind="entry")
    assert (entry["author"], entry["seq"], entry["role"]) == ("nina", asked.seq, "oncology-nurse")
    given = of(one_entry, kind="given")
    assert {one["person"] for one in given} == {"nina", "luis", "rosa", "tom", "rao"}
    assert all(one["earliest"] >= entry["time"] and one["earliest"] >= one["opened"] for one in given)
    assert [one["person"] for one in of(one_entry, kind="acknowledged")] == ["luis"]
    shown = of(one_entry, kind="position", person="luis", device="luis-phone")
    assert len(shown) == 1 and (shown[0]["received"], shown[0]["displayed"], shown[0]["read"]) == ("yes", "yes", "yes")
    assert {one["person"] for one in audit(fresh, "--patient", "rosa", "--stream", "shared", "--seq", after.seq) if one["kind"] == "given"} == {"rao"}

    # Narrower questions.
    assert {one["person"] for one in audit(fresh, "--patient", "rosa", "--person", "luis")} == {"luis"}
    assert {one["stream"] for one in audit(fresh, "--patient", "rosa", "--stream", "clinical") if one["kind"] == "given"} == {"clinical"}
    assert audit(fresh, "--patient", "rosa", "--to", "2020-01-01") == [] == audit(fresh, "--patient", "rosa", "--from", "2100-01-01T00:00:00Z")
    assert audit(fresh, "--patient", "rosa", "--from", "2020-01-01", "--to", "2100-01-01") == audit(fresh, "--patient", "rosa")
    plain = fresh.tool("audit", "--config", fresh.config, "--patient", "rosa", "--person", "luis").stdout
    assert "given person=luis role=caregiver device=luis-phone session=" in plain and "extent=closed" in plain
    await nina.close()


async def test_who_changes_roles_is_followed_from_stream_to_stream(form):
    """A stream is lost, one is gained and one stays, and then the server crashes: nothing of what was handed over is missing."""
    with Server(redis=False, settings={"limits.wrong_patient_window_ms": 0}) as server:
        server.import_resources(room_resources("pat", [("rao", "medical-oncologist"), ("sam", "social-worker")]))
        server.start()
        rao = await Client.connect(server, "rao", form)
        sam = await Client.connect(server, "sam", form, device="sam-phone")
        session = sam.welcome["sessionId"]
        seen = set()

        async def talk(streams):
            for stream in streams:
                said_now = await rao.post("pat", stream, f"Something about {stream}")
                await sam.has("pat", stream, said_now.seq)
                seen.add((stream, said_now.seq))

        await talk(["shared", "support"])
        version = (await rao.roster("pat"))["rosterVersion"]
        assert (await rao.command("pat", {"changeRole": {"expectedRosterVersion": version, "personId": "sam", "fromRole": "ROLE_SOCIAL_WORKER",
                                                         "toRole": "ROLE_SURGEON", "reason": "another profession"}})).ok
        await sam.until(lambda: ("pat", "clinical") in sam.streams() and ("pat", "support") not in sam.streams())
        await talk(["shared", "clinical", "shared"])
        assert (await rao.post("pat", "support", "Not for sam any more")).ok
        server.kill9()
        given = seqs(of(audit(server, "--patient", "pat"), kind="given", session=session))
        assert seen | held(sam, "pat") <= given
        assert max(seq for stream, seq in given if stream == "support") == max(seq for stream, seq in seen if stream == "support")
        await asyncio.gather(rao.close(), sam.close())


async def test_who_reads_the_audit_is_in_the_audit(fresh, form):
    irene = await Client.connect(fresh, "irene", form)  # The privacy officer.
    before = irene.head("rosa", "audit")
    assert not of(audit(fresh, "--patient", "rosa", also_audited=True), kind="audited")
    audit(fresh, "--patient", "rosa", "--person", "nina", "--stream", "shared", "--seq", 1)
    entry = await irene.has("rosa", "audit", before + 2)
    assert not entry.get("author", {}).get("personId")
    assert entry["auditRead"] == {"operatorUid": os.getuid(), "personId": "nina", "stream": "STREAM_SHARED", "seq": "1"} or os.getuid() == 0 and \
        entry["auditRead"] == {"personId": "nina", "stream": "STREAM_SHARED", "seq": "1"}
    first, second = of(audit(fresh, "--patient", "rosa", also_audited=True), kind="audited")
    assert first["operator_uid"] == os.getuid() and "person" not in first
    assert (second["person"], second["stream"], second["seq"]) == ("nina", "shared", 1)
    await irene.close()


@pytest.mark.parametrize("words,code,told", [
    (["--patient", "nobody"], 1, "no such record"), (["--patient", "rosa", "--stream", "shared", "--seq", "100000"], 1, "no such entry"), ([], 2, "--patient"),
    (["--patient", "rosa", "--organization"], 2, "excludes"), (["--patient", "rosa", "--seq", "3"], 2, "--stream"), (["--patient", "rosa", "--stream", "secret"], 2, "stream"),
    (["--patient", "rosa", "--from", "yesterday"], 2, "--from"), (["--patient", "rosa", "--seq", "0", "--stream", "shared"], 2, "seq")])
def test_wrong_questions(demo, words, code, told):
    done = demo.tool("audit", "--config", demo.config, *words)
    assert done.returncode == code and told in done.stderr and not done.stdout, done.stderr


def test_the_organisations_record_has_an_audit_too(demo):
    assert demo.tool("audit", "--config", demo.config, "--organization").returncode == 0
