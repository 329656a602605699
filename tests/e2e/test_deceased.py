"""A patient who has died has no access, is asked for nothing and called for nothing; their protocols stop at once, and the team goes on."""
import datetime
import json

from careteam_client import FAILED_PRECONDITION, Client, Closed
from server import Server, patient_resource, room_resources

import pytest

STAFF = [("rao", "medical-oncologist"), ("nina", "oncology-nurse")]


def died(patient, **how):
    return {**patient_resource(patient), **(how or {"deceasedDateTime": "2026-11-02T04:10:00Z"})}


def protocol(name):
    day1 = datetime.date.today() + datetime.timedelta(days=1)
    item = {"itemId": "call", "order": {"kind": "TASK_KIND_CALL", "title": "Call her about the tablets", "target": {"personId": "nina"}},
            "days": [1, 8], "at": 480, "leadDays": 2}
    return {"startProtocol": {"stream": "STREAM_CLINICAL", "plan": {
        "protocolId": name, "name": "Capecitabine", "timeZone": "Europe/Berlin", "day1": day1.isoformat(), "cycleDays": 21, "cycles": 2, "items": [item]}}}


def report_task(target):
    return {"requestTask": {"stream": "STREAM_SHARED", "order": {"kind": "TASK_KIND_REPORT", "title": "How was the week?", "target": {"personId": target}}}}


def of_kind(client, kind):
    return [one for one in client.entries("pat", "clinical") if kind in one]


async def test_from_the_import_on_nothing_is_asked_of_the_patient_and_a_mistake_is_taken_back():
    with Server(redis=False, settings={"limits.wrong_patient_window_ms": 0}) as server:
        server.import_resources(room_resources("pat", STAFF))
        server.start()
        rao, nina, pat = [await Client.connect(server, person) for person in ("rao", "nina", "pat")]
        assert (await rao.command("pat", protocol("capecitabine"))).ok
        await nina.until(lambda: of_kind(nina, "taskRequested"))
        task = int(of_kind(nina, "taskRequested")[0]["seq"])
        assert (await nina.command("pat", {"acceptTask": {"task": {"stream": "STREAM_CLINICAL", "seq": str(task)}}})).ok

        server.import_resources([died("pat")])
        assert await pat.closed() == 4403
        with pytest.raises(Closed) as refused:
            await Client.connect(server, "pat")
        assert refused.value.code == 4403
        # The protocol does not wait for its next timer, which is days away.
        await nina.until(lambda: of_kind(nina, "protocolStopped") and of_kind(nina, "taskCancelled"))
        assert of_kind(nina, "protocolStopped")[0]["protocolStopped"]["reason"] == "the patient is deceased"
        assert "personId" not in of_kind(nina, "protocolStopped")[0].get("author", {}), "the server stopped it"
        assert int(of_kind(nina, "taskCancelled")[0]["taskCancelled"]["seq"]) == task

        for action, field in ((report_task("pat"), "requestTask.order.target"), (protocol("another"), "patientId"),
                              ({"postMessage": {"stream": "STREAM_SHARED", "content": {"text": "words"}, "mentions": [{"personId": "pat"}]}}, "postMessage.mentions")):
            answer = await rao.command("pat", action)
            assert (answer.code, answer.field, answer.message) == (FAILED_PRECONDITION, field, "is deceased"), action
        assert (await rao.roster("pat"))["deceased"]
        assert (await rao.command("pat", {"requestTask": {"stream": "STREAM_CLINICAL", "order": {"kind": "TASK_KIND_CALL", "title": "Call the family", "target": {"personId": "nina"}}}})).ok

        # An import that says nothing of it changes nothing.
        server.import_resources([{**patient_resource("pat"), "name": [{"text": "Pat Renamed"}]}])
        with pytest.raises(Closed):
            await Client.connect(server, "pat")
        exported = json.loads(server.tool("export", "--config", server.config, "--patient", "pat").stdout)
        patient = next(one["resource"] for one in exported["entry"] if one["resource"]["resourceType"] == "Patient")
        assert patient["deceasedBoolean"] is True

        server.import_resources([died("pat", deceasedBoolean=False)])
        async with await Client.connect(server, "pat") as again:
            assert (await again.command("pat", {"postMessage": {"stream": "STREAM_SHARED", "content": {"text": "I am here"}}})).ok
        assert (await rao.command("pat", report_task("pat"))).ok
        assert not (await rao.roster("pat")).get("deceased")
        for one in (rao, nina):
            await one.close()
        server.stop()
        assert server.verify().stdout.startswith("sound") and "differences=0" in server.rebuild().stdout


def test_the_operator_says_so_by_hand():
    with Server(redis=False) as server:
        server.import_resources(room_resources("pat", STAFF))

        def enroll(person, kind, *more):
            return server.tool("enroll", "--config", server.config, "--person", person, "--name", person, "--kind", kind, *more)

        done = enroll("pat", "patient", "--deceased", "true")
        assert (done.returncode, done.stdout) == (0, "done\n"), done
        assert enroll("pat", "patient", "--deceased", "true").stdout == "nothing to change\n"
        refused = enroll("nina", "staff", "--deceased", "true")
        assert refused.returncode == 1 and "only of patients" in refused.stderr
        assert enroll("pat", "patient", "--deceased", "false").stdout == "done\n"
