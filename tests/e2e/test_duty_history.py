"""What the operator's tools know of duties: explain, export and metrics name whoever holds a duty, then and now."""
import asyncio
import datetime
import json
import subprocess
import time

from careteam_client import Client
from server import Server, binary, room_resources
from test_duties import DUTY, HOUR, STAFF, ask, change, clinic, define, good, handed_to_confirmation, holder, period  # noqa: F401 (a fixture)


def explained(server, obligation, *more, run=None):
    done = (run or server.tool)("explain", "--config", server.config, "--json", "pat", obligation, *more)
    assert done.returncode == 0, done.stderr
    return [json.loads(line) for line in done.stdout.splitlines()]


def unkept(*words):
    """What is asked for with people's words is not among what must not hold them."""
    return subprocess.run([binary(), *words], capture_output=True, text=True, timeout=60)


def moment():
    """Now, as the tools take it; whatever is done next is later."""
    now = datetime.datetime.now(datetime.timezone.utc).isoformat().replace("+00:00", "Z")
    time.sleep(0.01)
    return now


def owners(server):
    done = server.tool("export", "--config", server.config, "--patient", "pat")
    assert done.returncode == 0, done.stderr
    tasks = [one["resource"] for one in json.loads(done.stdout)["entry"] if one["resource"]["resourceType"] == "Task"]
    return [one.get("owner", {}).get("reference") for one in tasks]


async def stat_to_the_duty(client):
    said = await client.command("pat", {"postMessage": {"stream": "STREAM_CLINICAL", "priority": "PRIORITY_STAT", "content": {"text": "ANC 0.72, who takes it"},
                                                        "mentions": [{"dutyId": "onc-rn"}]}})
    assert said.ok, said
    return said.seq


async def test_a_handoff_is_told_of_everything_that_it_moved(clinic):  # noqa: F811
    await define(clinic)
    rao, nina, tom = [await Client.connect(clinic, person) for person in ("rao", "nina", "tom")]
    first = await ask(rao, "pat", "Call the lab", priority="PRIORITY_ASAP")
    for action in ("claimTask", "acceptTask"):
        assert (await nina.command("pat", {action: {"task": {"stream": "STREAM_CLINICAL", "seq": str(first)}}})).ok
    said = await stat_to_the_duty(rao)
    await ask(rao, "mei", "Weigh her")
    handoff = await handed_to_confirmation(nina, tom, said)  # What is due first.
    before = moment()
    assert owners(clinic)[0].endswith("nina")
    await good(nina, "confirmHandoff", handoff)
    await tom.until(lambda: holder(tom) == "tom")
    after = moment()
    assert (await tom.command("pat", {"acknowledgeMessage": {"stream": "STREAM_CLINICAL", "seq": str(said)}})).ok

    of_task = explained(clinic, f"clinical/{first}")
    assert [one["accountable"] for one in of_task] == ["nina", "nina", "nina", "tom"], of_task
    assert of_task[0]["what"].startswith("asked for by rao (medical-oncologist): asap care task for the duty onc-rn")
    assert of_task[-1]["what"] == "nina handed the duty onc-rn over to tom"
    of_message = explained(clinic, f"clinical/{said}")
    assert [one["accountable"] for one in of_message] == ["nina", "tom", ""], of_message
    assert of_message[0]["what"].startswith("said by rao (medical-oncologist): stat message to the duty onc-rn (nina); to be acknowledged by 20")
    assert of_message[1]["what"] == of_task[-1]["what"] and of_message[1]["time"] == of_task[-1]["time"], "one entry moved both"
    assert of_message[2]["what"] == "acknowledged by tom (oncology-nurse) for the duty onc-rn"
    assert "ANC" not in str(of_message)
    assert '"ANC 0.72, who takes it"' in explained(clinic, f"clinical/{said}", "--texts", run=unkept)[0]["what"]
    assert owners(clinic)[0].endswith("tom"), "whoever holds the duty now"

    # Who answered at a moment: one line.
    for obligation in (f"clinical/{first}", f"clinical/{said}"):
        (then,) = explained(clinic, obligation, "--at", before)
        assert then["accountable"] == "nina" and then["since"] < then["time"], then
        (then,) = explained(clinic, obligation, "--at", after)
        assert then["accountable"] == "tom" and then["what"] == "nina handed the duty onc-rn over to tom" and then["since"] == of_task[-1]["time"]
    plain = clinic.tool("explain", "--config", clinic.config, "pat", f"clinical/{first}", "--at", after).stdout
    assert plain.count("\n") == 1 and f"tom answers for it, since {of_task[-1]['time']}: nina handed the duty onc-rn over to tom" in plain
    done = clinic.tool("explain", "--config", clinic.config, "pat", f"clinical/{first}", "--at", "2026-01-01T00:00:00Z")
    assert done.returncode == 1 and "by 2026-01-01T00:00:00" in done.stderr and not done.stdout
    for wrong in ("2026-01-01", "yesterday"):
        done = clinic.tool("explain", "--config", clinic.config, "pat", f"clinical/{first}", "--at", wrong)
        assert done.returncode == 2 and "--at" in done.stderr, done
    # What a program that does not run is asked is the same.
    clinic.kill9()
    assert explained(clinic, f"clinical/{first}") == of_task and explained(clinic, f"clinical/{said}") == of_message


async def test_leaves_and_a_lead_who_takes_over_are_told_with_their_reasons(clinic):  # noqa: F811
    alex = await define(clinic)
    rao, nina, grace = [await Client.connect(clinic, person) for person in ("rao", "nina", "grace")]
    seq = await ask(rao, "pat", "Call the lab", priority="PRIORITY_ASAP")
    away = period(1, HOUR / 2)
    answer = await change(alex, "enterLeave", leaveId="away", personId="nina", period=away, covers=[{"personId": "grace", "period": away}])
    assert answer.ok, answer
    await grace.until(lambda: holder(grace) == "grace")
    await alex.fence()
    assert (await change(nina, "endLeave", leaveId="away", reason="I am back")).ok
    await grace.until(lambda: holder(grace) == "nina")
    assert (await grace.command(DUTY, {"forceTakeDuty": {"reason": "Nina was called away"}})).ok
    await grace.until(lambda: holder(grace) == "grace")
    told = explained(clinic, f"clinical/{seq}")
    assert [one["accountable"] for one in told] == ["nina", "grace", "nina", "grace"], told
    words = [one["what"] for one in told]
    assert words[1:] == ["nina is on leave: grace covers the duty onc-rn", "grace gave the duty onc-rn back to nina, whose leave is over",
                         "grace took the duty onc-rn as its lead: nina held it"]
    with_texts = explained(clinic, f"clinical/{seq}", "--texts", run=unkept)
    assert with_texts[-1]["what"].endswith(': "Nina was called away"')


async def test_who_was_given_what_of_a_duty_is_audited(clinic):  # noqa: F811
    """Also who asks."""
    alex = await define(clinic)
    nina, tom = [await Client.connect(clinic, person) for person in ("nina", "tom")]
    await tom.has(DUTY, "duty", 1)
    await asyncio.gather(alex.close(), nina.close(), tom.close())

    def of_the_duty(*words):
        done = clinic.tool("audit", "--config", clinic.config, "--json", "--duty", "onc-rn", *words)
        assert done.returncode == 0, done.stderr
        return [json.loads(line) for line in done.stdout.splitlines()]

    given = of_the_duty("--stream", "duty")
    assert {one["person"] for one in given} == {"alex", "nina", "tom"} and {one["stream"] for one in given} == {"duty"}
    assert "alex" not in {one.get("person") for one in of_the_duty("--stream", "clinical")}
    assert len([one for one in of_the_duty() if one["kind"] == "audited"]) == 2
    everything = clinic.tool("audit", "--config", clinic.config, "--json", "--person", "nina")
    assert everything.returncode == 0, everything.stderr
    told = [json.loads(line) for line in everything.stdout.splitlines()]
    assert {one["person"] for one in told} == {"nina"} and {one["record"] for one in told} == {"duty/onc-rn", "patient/pat", "patient/mei"}
    assert [one for one in of_the_duty() if one["kind"] == "audited"][-1]["person"] == "nina", "looked into where something was found"
    earlier = clinic.tool("audit", "--config", clinic.config, "--json", "--person", "nina", "--to", "2026-01-01")
    assert earlier.returncode == 0 and not earlier.stdout
    for wrong in (["--duty", "no-such"], ["--duty", "../onc-rn"]):
        done = clinic.tool("audit", "--config", clinic.config, *wrong)
        assert done.returncode == 1 and "no such record" in done.stderr and not done.stdout
    assert clinic.tool("audit", "--config", clinic.config, "--duty", "onc-rn", "--patient", "pat").returncode == 2


async def test_what_a_duty_owes_is_a_metric(clinic):  # noqa: F811
    await define(clinic)
    rao = await Client.connect(clinic, "rao")
    await ask(rao, "pat", "Call the lab", priority="PRIORITY_ASAP")
    await stat_to_the_duty(rao)

    def told(what, label):
        return clinic.metrics().get(f'careteam_duty_obligations_{what}{{duty="{label}"}}')

    end = time.monotonic() + 25  # Counted every 10 s.
    while told("open", "onc-rn") != 2:
        assert time.monotonic() < end, clinic.metrics()
        await asyncio.sleep(0.2)
    assert told("overdue", "onc-rn") == 0 and told("open", "(others)") == 0
    await rao.close()


async def test_the_configured_safety_person_is_named_where_nobody_else_can_answer():
    with Server(redis=False, settings={"organization.safety_person": "grace"}) as server:
        server.import_resources(room_resources("pat", STAFF))
        server.start()
        rao = await Client.connect(server, "rao")
        asked = await rao.command("pat", {"requestTask": {"stream": "STREAM_CLINICAL", "order": {"kind": "TASK_KIND_CARE", "title": "Call the lab",
                                                                                              "target": {"personId": "nina"}}}})
        assert asked.ok, asked
        assert server.tool("enroll", "--config", server.config, "--person", "nina", "--suspend", "Has left").returncode == 0
        told = explained(server, f"clinical/{asked.seq}")
        assert [one["accountable"] for one in told] == ["nina", "grace"] and told[1]["what"] == "an account changed", told
        await rao.close()
