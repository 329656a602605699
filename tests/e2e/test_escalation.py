"""Silence escalates (G5, T15 to T17): a deadline that passes leads to one entry, by the server itself, whoever is connected; what fell due
while no server ran is caught up in the order of the deadlines, from deadline to deadline; what was done in time does nothing.
"""
import asyncio
import datetime
import json
import sqlite3
import subprocess

import pytest
from careteam_client import PERMISSION_DENIED, Client
from server import Server, binary, room_resources, sanitized
from server_clock import Clock

STAFF = [("rao", "medical-oncologist"), ("nina", "oncology-nurse"), ("noah", "oncology-nurse")]
MINUTE, HOUR = 60, 3600


def order(title="Call her back", **more):
    return {"kind": "TASK_KIND_CARE", "title": title, "target": {"role": "ROLE_ONCOLOGY_NURSE"}, **more}


def in_seconds(seconds):
    return (datetime.datetime.now(datetime.timezone.utc) + datetime.timedelta(seconds=seconds)).isoformat().replace("+00:00", "Z")


def instant(text):
    return datetime.datetime.fromisoformat(text.replace("Z", "+00:00")).timestamp()


def escalations(client, seq):
    return [one for one in client.entries("pat", "clinical") if one.get("taskEscalated", {}).get("seq") == str(seq)]


async def ask(client, wanted):
    answer = await client.command("pat", {"requestTask": {"stream": "STREAM_CLINICAL", "order": wanted}})
    assert answer.ok, answer
    return answer.seq


async def tell(client, action, seq):
    return await client.command("pat", {action: {"task": {"stream": "STREAM_CLINICAL", "seq": str(seq)}}})


def timers_in(server):
    with sqlite3.connect(f"file:{server.store_path}?mode=ro", uri=True) as store:
        return store.execute("SELECT count(*) FROM timers").fetchone()[0]


@pytest.fixture
def clock(tmp_path):
    if sanitized():
        pytest.skip("the sanitizer's library must come first, and so must libfaketime")
    return Clock(tmp_path)


async def connect(server, person):
    """With a token that outlives a night."""
    return await Client.connect(server, person, token=server.token(person, expires=100 * HOUR))


def ward(**more):
    server = Server(redis=False, **more)
    server.import_resources(room_resources("pat", STAFF))
    return server


async def test_a_deadline_that_passes_is_seen_by_everybody_and_once(form):
    with ward() as server:
        server.start()
        rao, nina = await Client.connect(server, "rao", form), await Client.connect(server, "nina", form)
        late = await ask(rao, order(due=in_seconds(3)))
        done = await ask(rao, order("Write to her", due=in_seconds(3)))
        for action in ("claimTask", "acceptTask", "startTask", "completeTask"):
            assert (await tell(nina, action, done)).ok, action
        for action in ("claimTask", "acceptTask"):
            last = await tell(nina, action, late)
            assert last.ok, last
        told = await nina.has("pat", "clinical", last.seq + 1)
        assert told["taskEscalated"]["seq"] == str(late) and told["taskEscalated"]["level"] == 1
        assert told["taskEscalated"]["timer"] == "TASK_TIMER_DUE" and not told["author"].get("personId")
        due = instant(rao.entry("pat", "clinical", late)["taskRequested"]["order"]["due"])
        assert 0 <= instant(told["time"]) - due < 5  # Usually within 50 ms.
        for one in (rao, nina):
            await one.fence()
            assert len(escalations(one, late)) == 1 and not escalations(one, done)
            await one.close()
        server.kill9()
        assert server.verify().returncode == 0 and server.rebuild().returncode == 0


async def test_an_outage_of_a_night_is_caught_up_from_deadline_to_deadline(clock):
    with ward(environment=clock.environment) as server:
        server.start()
        rao = await connect(server, "rao")
        stat = await ask(rao, order("Fever", priority="PRIORITY_STAT"))
        asap = await ask(rao, order("Nausea", priority="PRIORITY_ASAP"))
        taken = await ask(rao, order("Weight", priority="PRIORITY_ASAP"))
        nina = await connect(server, "nina")
        for action in ("claimTask", "acceptTask", "startTask"):
            assert (await tell(nina, action, taken)).ok, action
        asked_at = {seq: instant(rao.entry("pat", "clinical", seq)["time"]) for seq in (stat, asap)}
        server.kill9()
        clock.set(8 * HOUR)
        server.start()
        rao = await connect(server, "rao")
        while not any(one["taskEscalated"].get("noResponse") for one in escalations(rao, asap)):
            await asyncio.sleep(0.02)  # The test has a deadline of its own.
            await rao.fence()
        for seq, minutes in ((stat, 5), (asap, 15)):
            steps = [one["taskEscalated"] for one in escalations(rao, seq) if one["taskEscalated"]["timer"] == "TASK_TIMER_ACCEPT"]
            assert [one["level"] for one in steps] == [1, 2, 2] and [bool(one.get("noResponse")) for one in steps] == [False, False, True]
            nexts = [round(instant(one["nextBy"]) - asked_at[seq]) for one in steps if "nextBy" in one]
            assert nexts == [2 * minutes * MINUTE, 3 * minutes * MINUTE], "from deadline to deadline, not from when it was noticed"
        order_of_first = [one["taskEscalated"]["seq"] for one in rao.entries("pat", "clinical") if "taskEscalated" in one]
        assert order_of_first.index(str(stat)) < order_of_first.index(str(asap)), "in the order of the deadlines"
        # The clock goes back: nothing fires a second time.
        before = len([one for one in rao.entries("pat", "clinical") if "taskEscalated" in one])
        clock.set(0)
        await ask(rao, order("Something else"))
        server.kill9()
        clock.set(8 * HOUR)
        server.start()
        rao = await connect(server, "rao")
        await rao.fence()
        assert len([one for one in rao.entries("pat", "clinical") if "taskEscalated" in one]) == before
        assert timers_in(server) > 0
        server.kill9()
        assert server.verify().returncode == 0 and server.rebuild().returncode == 0


async def test_a_task_is_explained_in_plain_words():
    with ward() as server:
        server.start()
        rao, nina, noah = [await Client.connect(server, person) for person in ("rao", "nina", "noah")]
        seq = await ask(rao, order("Her ankle swells", priority="PRIORITY_ASAP", target={"personId": "nina"}))
        explain = ["explain", "--config", server.config, "pat", f"clinical/{seq}"]

        def steps(*more, run=server.tool):
            done = run(*explain, "--json", *more)
            assert done.returncode == 0, done.stderr
            return [json.loads(line) for line in done.stdout.splitlines()]

        def unkept(*words):
            """What is asked for with people's words is not among what must not hold them."""
            return subprocess.run([binary(), *words], capture_output=True, text=True, timeout=60)

        assert (await tell(nina, "acceptTask", seq)).ok
        for client, action in ((nina, "offerTransfer"), (noah, "acceptTransfer")):
            body = {"task": {"stream": "STREAM_CLINICAL", "seq": str(seq)}}
            if action == "offerTransfer":
                body |= {"personId": "noah", "reason": "My shift ends"}
            assert (await client.command("pat", {action: body})).ok, action
        assert (await tell(noah, "startTask", seq)).ok
        failed = await noah.command("pat", {"failTask": {"task": {"stream": "STREAM_CLINICAL", "seq": str(seq)}, "reason": "No answer by phone"}})
        assert failed.ok
        told = steps()
        assert [one["accountable"] for one in told] == ["nina", "nina", "nina", "noah", "noah", "", ""], told
        words = [one["what"] for one in told]
        assert words[0].startswith("asked for by rao (medical-oncologist): asap care task for nina, due 20") and "asked: nina" in words[0]
        assert words[1].startswith("accepted by nina (oncology-nurse), to be started by 20")
        assert words[2] == "offered to noah by nina (oncology-nurse)" and words[3] == "taken over from nina by noah (oncology-nurse)"
        assert words[4] == "started by noah (oncology-nurse)" and words[5] == "failed, says noah (oncology-nurse)"
        assert words[6].startswith(f"task {failed.seq + 1} of this stream follows, because it failed: stat follow-up task for rao, due 20")
        assert "ankle" not in str(told) and "shift" not in str(told), "what people wrote is told only where it is asked for"
        with_texts = steps("--texts", run=unkept)
        assert '"Her ankle swells"' in with_texts[0]["what"] and '"My shift ends"' in with_texts[2]["what"]
        plain = server.tool(*explain).stdout
        assert "nina answers for it\n" in plain and plain.rstrip().endswith("nobody has to do anything")
        # That somebody looked is in the audit, with the place.
        audited = server.tool("audit", "--config", server.config, "--patient", "pat").stdout
        assert f"stream=clinical seq={seq}" in audited
        for obligation, wrong in (("clinical/99999", "no task or message"), (f"clinical/{seq + 1}", "no task or message"), ("clinical/x", "is no task"), ("nowhere/1", "is no task")):
            got = server.tool("explain", "--config", server.config, "pat", obligation)
            assert got.returncode != 0 and wrong in got.stderr, got
        assert "no such record" in server.tool("explain", "--config", server.config, "nobody", "clinical/1").stderr
        for one in (rao, nina, noah):
            await one.close()


async def test_an_account_that_is_suspended_moves_its_tasks_and_the_explanation_says_why():
    with ward() as server:
        server.start()
        rao = await Client.connect(server, "rao")
        seq = await ask(rao, order(target={"personId": "nina"}))
        done = server.tool("enroll", "--config", server.config, "--person", "nina", "--suspend", "Has left")
        assert done.returncode == 0, done.stderr
        await rao.fence()
        told = [json.loads(line) for line in server.tool("explain", "--config", server.config, "--json", "pat", f"clinical/{seq}").stdout.splitlines()]
        assert [one["accountable"] for one in told] == ["nina", "rao"] and told[1]["what"] == "an account changed", told
        await rao.close()


async def stat(client, stream, text, *people):
    sent = await client.command("pat", {"postMessage": {"stream": f"STREAM_{stream.upper()}", "priority": "PRIORITY_STAT", "content": {"text": text},
                                                        "mentions": [{"personId": person} for person in people]}})
    assert sent.ok, sent
    return sent.seq


async def acknowledge(client, stream, seq):
    return await client.command("pat", {"acknowledgeMessage": {"stream": f"STREAM_{stream.upper()}", "seq": str(seq)}})


def asked_too(client, stream, seq):
    return [one["messageEscalated"] for one in client.entries("pat", stream) if one.get("messageEscalated", {}).get("seq") == str(seq)]


async def make_attending(client, person):
    roster = await client.command("pat", {"viewRoster": {}})
    assert roster.ok
    await client.until(lambda: client.rosters)
    version = client.rosters[-1]["rosterVersion"]
    assert (await client.command("pat", {"assignAttending": {"expectedRosterVersion": version, "personId": person}})).ok


async def test_a_message_that_nobody_acknowledges_climbs_over_restarts(clock, form):
    with ward(environment=clock.environment) as server:
        server.start()
        rao, nina, noah = [await Client.connect(server, person, form, token=server.token(person, expires=100 * HOUR)) for person in ("rao", "nina", "noah")]
        await make_attending(rao, "rao")
        silent = await stat(noah, "clinical", "ANC 0.72, who takes it", "nina")
        taken = await stat(rao, "clinical", "Fever 38.9, please call her", "nina")
        assert (await acknowledge(nina, "clinical", taken)).ok
        clock.set(5 * MINUTE + 1)
        await rao.until(lambda: asked_too(rao, "clinical", silent))
        assert asked_too(rao, "clinical", silent)[0].get("personId") == ["rao"], "the only other nurse wrote it"
        server.kill9()
        clock.set(20 * MINUTE)
        server.start()
        rao, nina = await connect(server, "rao"), await connect(server, "nina")
        await rao.until(lambda: len(asked_too(rao, "clinical", silent)) == 3)
        steps = [one["step"] for one in asked_too(rao, "clinical", silent)]
        assert [one["level"] for one in steps] == [1, 2, 2] and [bool(one.get("noResponse")) for one in steps] == [False, False, True]
        posted = instant(rao.entry("pat", "clinical", silent)["time"])
        assert [round(instant(one["nextBy"]) - posted) for one in steps[:2]] == [10 * MINUTE, 15 * MINUTE], "from deadline to deadline"
        assert not asked_too(rao, "clinical", taken)
        await rao.fence()
        followed = [one["taskRequested"] for one in rao.entries("pat", "clinical") if one.get("taskRequested", {}).get("origin", {}).get("rule") == "TASK_RULE_UNACKNOWLEDGED"]
        assert len(followed) == 1 and followed[0]["order"]["target"]["personId"] == "rao" and followed[0]["order"]["priority"] == "PRIORITY_STAT"
        assert followed[0]["order"]["message"]["seq"] == str(silent) and followed[0]["origin"]["seq"] == str(silent)
        assert (await acknowledge(rao, "clinical", silent)).ok, "whoever was asked too may take it on"
        await rao.send({"watchWorklist": {"requestId": "owed", "what": "WHAT_OWED", "limit": 50}})
        await rao.until(lambda: any("worklists" in frame for frame in rao.messages))
        kinds = [item["kind"] for frame in rao.messages for one in frame.get("worklists", []) for item in one.get("items", [])]
        assert kinds == ["KIND_TASK"], kinds
        server.kill9()
        assert server.verify().returncode == 0 and server.rebuild().returncode == 0


async def test_a_patient_reads_who_is_asked_too_and_no_levels(clock, form):
    with ward(environment=clock.environment) as server:
        server.start()
        pat, rao, noah = [await Client.connect(server, person, form, token=server.token(person, expires=100 * HOUR)) for person in ("pat", "rao", "noah")]
        await make_attending(rao, "rao")
        seq = await stat(pat, "shared", "My port hurts and is red", "nina")
        await noah.send({"watchWorklist": {"requestId": "owed", "what": "WHAT_OWED", "limit": 50}})
        for minutes in (5, 10, 15):
            clock.set(minutes * MINUTE + 1)
            await asyncio.sleep(0)
            await rao.until(lambda wanted=minutes: minutes_of(rao, seq) >= wanted)
        await pat.fence()
        told = asked_too(pat, "shared", seq)
        assert [one["personId"] for one in told] == [["noah"], ["rao"]] and not any("step" in one for one in told)
        assert pat.streams() == {("pat", "shared")}
        assert not any("taskRequested" in one for one in pat.entries("pat", "shared"))
        for word in (b"UNACKNOWLEDGED", b"noResponse", b"Nobody acknowledged"):
            assert not any(word in frame for frame in pat.transcript)
        assert any(change.get("item", {}).get("entry", {}).get("seq") == str(seq) for frame in noah.messages for change in frame.get("worklistChanges", []))
        assert (await acknowledge(noah, "shared", seq)).ok
        for one in (pat, rao, noah):
            await one.close()
        server.kill9()
        assert server.verify().returncode == 0 and server.rebuild().returncode == 0


def minutes_of(client, seq):
    """How far the ladder of a message in `shared` has come, by what the staff sees of it."""
    if any("Nobody acknowledged" in one.get("taskRequested", {}).get("order", {}).get("title", "") for one in client.entries("pat", "clinical")):
        return 15
    return 5 * len(asked_too(client, "shared", seq))


async def test_a_client_cannot_fire_the_timer_of_a_message():
    with ward() as server:
        server.start()
        rao = await Client.connect(server, "rao")
        seq = await stat(rao, "clinical", "Fever 38.9, please call her", "nina")
        for who in ("rao", "pat"):
            client = await Client.connect(server, who)
            fired = await client.command("pat", {"fireMessageTimer": {"stream": "STREAM_CLINICAL", "seq": str(seq), "askedSeq": str(seq)}})
            assert fired.code == PERMISSION_DENIED and fired.field == "action"
            await client.close()
        await rao.close()
