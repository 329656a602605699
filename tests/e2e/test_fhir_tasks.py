"""Tasks leave as FHIR R4 and come back: `careteam export` beside a running server, `careteam import` of what it wrote into another store."""
import json
import stat
import subprocess

from careteam_client import Client
from server import Server, binary, room_resources
from test_escalation import STAFF, ask, in_seconds, order, tell, timers_in

NOT_KEPT = ("id", "identifier", "authoredOn", "lastModified", "executionPeriod")


def unkept(*words):
    """What is asked for with people's words is not among what must not hold them."""
    return subprocess.run([binary(), *map(str, words)], capture_output=True, text=True, timeout=60)


def exported(server, *more, run=unkept):
    done = run("export", "--config", server.config, *more)
    assert done.returncode == 0, done.stderr
    return json.loads(done.stdout)


def tasks_of(bundle):
    return [one["resource"] for one in bundle["entry"] if one["resource"]["resourceType"] == "Task"]


def kept(bundle):
    return [{name: value for name, value in task.items() if name not in NOT_KEPT} for task in tasks_of(bundle)]


def ward(patient="pat"):
    server = Server(redis=False)
    server.import_resources(room_resources(patient, STAFF))
    return server


async def test_an_export_beside_a_server_comes_back_in_another_store():
    with ward() as server, Server(redis=False) as other:
        server.start()
        rao, nina = [await Client.connect(server, person) for person in ("rao", "nina")]
        asked = [await ask(rao, order(f"Call her back {i}", target={"personId": "nina"}, due=in_seconds(7200 + i))) for i in range(3)]
        assert (await tell(nina, "acceptTask", asked[1])).ok
        for action in ("acceptTask", "startTask", "completeTask"):
            assert (await tell(nina, action, asked[2])).ok, action
        plain = exported(server, run=server.tool)
        assert [task["status"] for task in tasks_of(plain)] == ["requested", "accepted", "completed"]
        assert "Call" not in json.dumps(plain) and "display" not in json.dumps(plain), "words and names only where they are asked for"
        # That somebody looked is in the audit.
        assert "audited" in server.tool("audit", "--config", server.config, "--patient", "pat").stdout

        file = server.folder / "tasks.json"
        done = unkept("export", "--config", server.config, "--texts", "--patient", "pat", "--out", file)
        assert done.returncode == 0 and done.stdout == "exported: records=1 tasks=3 handoffs=0\n", done
        assert stat.S_IMODE(file.stat().st_mode) == 0o600
        before = json.loads(file.read_text())
        assert [task["code"]["text"] for task in tasks_of(before)] == [f"Call her back {i}" for i in range(3)]
        again = unkept("export", "--config", server.config, "--texts", "--out", file)
        assert again.returncode == 1 and "File exists" in again.stderr and json.loads(file.read_text()) == before

        # Into an empty store; a second time nothing changes; nor does it in the store that it came from.
        done = unkept("import", "--config", other.config, file)
        assert done.returncode == 0 and "left out" not in done.stderr, done
        assert kept(exported(other, "--texts")) == kept(before)
        assert "steps=0 " in unkept("import", "--config", other.config, file).stdout
        assert "steps=0 " in unkept("import", "--config", server.config, file).stdout
        assert len(tasks_of(exported(server))) == 3
        await rao.close()
        await nina.close()
        server.stop()
        for one in (server, other):
            assert one.verify().returncode == 0 and one.rebuild().returncode == 0


async def test_a_task_that_is_imported_beside_a_server_is_seen_and_its_deadline_runs():
    with ward() as server:
        server.start()
        nina = await Client.connect(server, "nina")
        def person(kind, name):
            return {"type": kind, "identifier": {"system": "urn:careteam:person-id", "value": name}}

        task = {"resourceType": "Task", "id": "t", "status": "accepted", "intent": "order", "priority": "stat", "code": {"text": "Call her back"},
                "for": person("Patient", "pat"), "requester": person("Practitioner", "rao"), "owner": person("Practitioner", "nina"),
                "restriction": {"period": {"end": in_seconds(4)}}}
        file = server.folder / "task.json"
        file.write_text(json.dumps(task))
        done = unkept("import", "--config", server.config, file)
        assert done.returncode == 0 and "steps=2 " in done.stdout and not done.stderr, done
        asked, accepted = await nina.has("pat", "clinical", 1), await nina.has("pat", "clinical", 2)
        assert asked["taskRequested"]["order"]["title"] == "Call her back" and asked["author"]["personId"] == "rao"
        assert accepted["taskAccepted"]["seq"] == "1" and accepted["author"] == {"personId": "nina", "role": "ROLE_ONCOLOGY_NURSE"}
        assert timers_in(server) > 0
        # Nobody begins: the deadline that came with it passes, without anybody having woken the server.
        assert (await nina.has("pat", "clinical", 3))["taskEscalated"]["seq"] == "1"
        await nina.close()


def test_what_is_not_there_is_said():
    with ward() as server:
        done = unkept("export", "--config", server.config, "--patient", "nobody")
        assert done.returncode == 1 and done.stderr == "careteam export: there is no such record\n" and not done.stdout
