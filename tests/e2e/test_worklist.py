"""Worklists (C5, C10): what a person owes and what they asked for, across all patients, by the time at which it is breached; live; and only
of what they may read at that moment."""
import asyncio
import datetime
import sqlite3

import pytest
from careteam_client import INVALID_ARGUMENT, Client
from server import Server, room_resources
from worklist_client import Watched, moment

STAFF = [("rao", "medical-oncologist"), ("nina", "oncology-nurse"), ("noah", "oncology-nurse"), ("omar", "pharmacist")]
NOBODY_ELSE = [("rao", "medical-oncologist"), ("noah", "oncology-nurse")]


@pytest.fixture
def ward():
    """Two patients with the same team; on a third one's team nina is not."""
    with Server(redis=False, settings={"limits.wrong_patient_window_ms": 0}) as server:
        server.import_resources([*room_resources("pat", STAFF), *room_resources("ben", STAFF), *room_resources("zoe", NOBODY_ELSE)])
        assert server.tool("enroll", "--config", server.config, "--person", "adam", "--name", "Adam Admin", "--kind", "staff",
                           "--administrator").returncode == 0
        yield server.start()


def in_seconds(seconds):
    return (datetime.datetime.now(datetime.timezone.utc) + datetime.timedelta(seconds=seconds)).isoformat().replace("+00:00", "Z")


async def ask(client, patient, target, **more):
    wanted = {"kind": "TASK_KIND_CARE", "title": "SECRET title", "target": target, **more}
    answer = await client.command(patient, {"requestTask": {"stream": "STREAM_CLINICAL", "order": wanted}})
    assert answer.ok, answer
    return patient, answer.seq


async def tell(client, task, action, **more):
    answer = await client.command(task[0], {action: {"task": {"stream": "STREAM_CLINICAL", "seq": str(task[1])}, **more}})
    assert answer.ok, answer
    return answer


async def test_what_is_owed_and_asked_across_patients_in_the_order_of_breach(ward, form):
    rao, nina = await Client.connect(ward, "rao", form), await Client.connect(ward, "nina", form)
    routine = await ask(rao, "pat", {"personId": "nina"})
    before = await Watched.open(nina)
    assert before.keys == [routine]
    asked = await Watched.open(rao, "ASKED")
    stat = await ask(rao, "ben", {"personId": "nina"}, priority="PRIORITY_STAT")
    await before.becomes(stat, routine)
    await asked.becomes(stat, routine)
    assert before.items[stat]["standing"] == "STANDING_ANSWERS" and before.items[stat]["priority"] == "PRIORITY_STAT"
    assert asked.items[stat]["standing"] == "STANDING_REQUESTED"
    await tell(nina, stat, "claimTask")
    await tell(nina, stat, "acceptTask")
    await before.shows(stat, taskStatus="TASK_STATUS_ACCEPTED")
    await asked.shows(stat, taskStatus="TASK_STATUS_ACCEPTED")
    await tell(nina, stat, "startTask")
    await tell(nina, stat, "completeTask")
    await before.becomes(routine)
    await asked.becomes(routine)
    assert not any("SECRET" in str(frame.get(field)) for frame in nina.messages for field in ("worklists", "worklistChanges"))
    for one in (rao, nina):
        await one.close()


async def test_a_pool_is_asked_until_one_takes_it_and_a_transfer_moves_it(ward, form):
    rao, nina, noah = [await Client.connect(ward, one, form) for one in ("rao", "nina", "noah")]
    ninas, noahs = await Watched.open(nina), await Watched.open(noah)
    task = await ask(rao, "pat", {"role": "ROLE_ONCOLOGY_NURSE"})
    await ninas.becomes(task)
    await noahs.becomes(task)
    assert {one.items[task]["standing"] for one in (ninas, noahs)} == {"STANDING_ANSWERS", "STANDING_ASKED"}, "one answers, the other is asked"
    await tell(noah, task, "claimTask")
    await tell(noah, task, "acceptTask")
    await ninas.becomes()
    await noahs.shows(task, standing="STANDING_ANSWERS")
    await tell(noah, task, "offerTransfer", personId="nina", reason="going home")
    await ninas.shows(task, standing="STANDING_ASKED")
    await tell(nina, task, "acceptTransfer")
    await ninas.shows(task, standing="STANDING_ANSWERS")
    await noahs.becomes()
    for one in (rao, nina, noah):
        await one.close()


async def test_an_acknowledgement_is_owed_until_it_is_given(ward):
    rao, nina = await Client.connect(ward, "rao"), await Client.connect(ward, "nina")
    owed, asked = await Watched.open(rao), await Watched.open(nina, "ASKED")
    sent = await nina.command("pat", {"postMessage": {"stream": "STREAM_CLINICAL", "priority": "PRIORITY_ASAP", "mentions": [{"personId": "rao"}],
                                                      "content": {"text": "ANC 0.72"}}})
    assert sent.ok, sent
    await owed.becomes(("pat", sent.seq))
    await asked.becomes(("pat", sent.seq))
    assert owed.items[("pat", sent.seq)]["kind"] == "KIND_ACKNOWLEDGEMENT"
    posted = (await rao.has("pat", "clinical", sent.seq))
    assert owed.items[("pat", sent.seq)]["breach"] == posted["messagePosted"]["acknowledgeBy"]
    assert (await rao.command("pat", {"acknowledgeMessage": {"stream": "STREAM_CLINICAL", "seq": str(sent.seq)}})).ok
    await owed.becomes()
    await asked.becomes()
    for one in (rao, nina):
        await one.close()


async def test_silence_escalates_on_the_list_too(ward):
    rao, nina = await Client.connect(ward, "rao"), await Client.connect(ward, "nina")
    task = await ask(rao, "pat", {"personId": "nina"}, due=in_seconds(2))
    await tell(nina, task, "claimTask")
    await tell(nina, task, "acceptTask")
    owed = await Watched.open(nina)
    version = int(owed.items[task]["version"])
    await nina.until(lambda: int(owed.items[task]["version"]) > version, 10)
    assert any("taskEscalated" in one for one in nina.entries("pat", "clinical"))
    for one in (rao, nina):
        await one.close()


async def test_a_right_that_ends_takes_its_items_and_others_answer(ward, form):
    rao, nina, adam = [await Client.connect(ward, one, form) for one in ("rao", "nina", "adam")]
    pats, bens = await ask(rao, "pat", {"personId": "nina"}), await ask(rao, "ben", {"personId": "nina"})
    mine, attending = await Watched.open(nina), await Watched.open(rao)
    assert set(mine.keys) == {pats, bens}
    version = (await adam.roster("pat"))["rosterVersion"]
    ended = await adam.command("pat", {"endMember": {"expectedRosterVersion": version, "personId": "nina", "role": "ROLE_ONCOLOGY_NURSE",
                                                     "reason": "the end of the rotation"}})
    assert ended.ok, ended
    await mine.becomes(bens)
    # Nothing of that patient comes any more, whatever happens there.
    count = len([one for frame in nina.messages for one in frame.get("worklistChanges", [])])
    assert (await rao.command("pat", {"cancelTask": {"task": {"stream": "STREAM_CLINICAL", "seq": str(pats[1])}, "reason": "plan changed"}})).ok
    other = await ask(rao, "ben", {"personId": "nina"}, priority="PRIORITY_STAT")
    await mine.becomes(other, bens)
    changes = [one for frame in nina.messages for one in frame.get("worklistChanges", [])][count:]
    assert {one["item"]["entry"]["patientId"] for one in changes} == {"ben"}
    assert attending.lists
    for one in (rao, nina, adam):
        await one.close()


async def test_whoever_lost_their_account_owes_nothing_and_the_attending_answers(ward):
    version_of, rao = await Client.connect(ward, "adam"), await Client.connect(ward, "rao")
    version = (await version_of.roster("pat"))["rosterVersion"]
    assert (await version_of.command("pat", {"assignAttending": {"expectedRosterVersion": version, "personId": "rao"}})).ok
    task = await ask(rao, "pat", {"personId": "nina"})
    owed = await Watched.open(rao)
    assert owed.keys == []
    assert (await version_of.command("", {"suspendPerson": {"personId": "nina", "reason": "the phone is lost"}})).ok
    await owed.becomes(task)
    assert owed.items[task]["standing"] == "STANDING_ANSWERS"
    assert (await version_of.command("", {"reinstatePerson": {"personId": "nina", "reason": "it was found"}})).ok
    await owed.becomes()
    for one in (version_of, rao):
        await one.close()


async def test_after_a_kill_the_list_is_what_it_was_and_the_rows_are_what_the_entries_say(ward):
    rao, nina = await Client.connect(ward, "rao"), await Client.connect(ward, "nina")
    tasks = [await ask(rao, patient, {"personId": "nina"}, due=in_seconds(3600 + 60 * n)) for n, patient in enumerate(("pat", "ben", "pat", "ben"))]
    await tell(nina, tasks[1], "claimTask")
    await tell(nina, tasks[1], "acceptTask")
    before = (await Watched.open(nina)).items
    assert set(before) == set(tasks)
    ward.kill9()
    ward.start()
    nina = await Client.connect(ward, "nina")
    assert (await Watched.open(nina)).items == before
    await nina.close()
    ward.stop()
    done = ward.rebuild()
    assert done.returncode == 0 and "differences=0" in done.stdout, done.stdout + done.stderr
    with sqlite3.connect(ward.store_path) as db:
        db.execute("UPDATE obligations SET priority = priority + 1 WHERE seq = ? AND parts & 1", (tasks[0][1],))
    db.close()
    done = ward.rebuild()
    assert done.returncode == 1 and f"patient/pat: the obligation of entry {tasks[0][1]} of stream 2 is not what the entries say" in done.stderr, done.stderr


async def test_a_kill_in_the_middle_of_many_commits_leaves_rows_and_entries_in_step(ward):
    rao, nina = await Client.connect(ward, "rao"), await Client.connect(ward, "nina")
    owed = await Watched.open(nina, limit=500)
    first = await ask(rao, "pat", {"personId": "nina"})

    async def keep_asking(client, patient):
        for _ in range(400):
            await ask(client, patient, {"role": "ROLE_ONCOLOGY_NURSE"}, priority="PRIORITY_ASAP")

    work = [asyncio.ensure_future(keep_asking(rao, patient)) for patient in ("pat", "ben")]
    await nina.until(lambda: len(owed.items) > 20, 20)
    ward.kill9()
    await asyncio.gather(*work, return_exceptions=True)
    ward.start()
    nina = await Client.connect(ward, "nina")
    again = await Watched.open(nina, limit=500)
    assert first in again.items and len(again.items) > 20
    requested = {(patient, int(one["seq"])) for patient in ("pat", "ben") for one in nina.entries(patient, "clinical") if "taskRequested" in one}
    assert set(again.items) == requested, "each is on the list that is in the log, and nothing else"
    await nina.close()
    ward.stop()
    done = ward.rebuild()
    assert done.returncode == 0 and "differences=0" in done.stdout, done.stdout + done.stderr


async def test_a_store_of_an_older_program_gets_its_worklists_from_its_entries(ward):
    rao, nina = await Client.connect(ward, "rao"), await Client.connect(ward, "nina")
    tasks = [await ask(rao, patient, {"personId": "nina"}) for patient in ("pat", "ben")]
    await tell(nina, tasks[0], "claimTask")
    before = (await Watched.open(nina)).items
    for one in (rao, nina):
        await one.close()
    ward.stop()
    with sqlite3.connect(ward.store_path) as db:
        db.executescript("DROP TABLE obligations; PRAGMA user_version = 3")
    db.close()
    done = ward.tool("migrate", "--config", ward.config)
    assert done.returncode == 0 and "migrated: schema 3 to 5" in done.stdout, done.stdout + done.stderr
    done = ward.rebuild()
    assert done.returncode == 0 and " obligations=4 differences=0" in done.stdout, done.stdout + done.stderr
    ward.start()
    nina = await Client.connect(ward, "nina")
    assert (await Watched.open(nina)).items == before
    await nina.close()


async def test_a_change_goes_out_with_the_entry_that_it_follows_from(ward, form):
    rao, nina = await Client.connect(ward, "rao", form), await Client.connect(ward, "nina", form)
    owed = await Watched.open(nina)
    for _ in range(20):
        task = await ask(rao, "pat", {"personId": "nina"})
        await nina.until(lambda: task in owed.items)
        with_entry = [frame for frame in nina.messages if any(int(one["seq"]) == task[1] and "taskRequested" in one for one in frame.get("entries", []))]
        told = [frame for frame in nina.messages if any(Watched.key(one.get("item", {}).get("entry", {"patientId": "", "seq": 0})) == task
                                                        for one in frame.get("worklistChanges", []))]
        assert with_entry == told[:1], "one message: no time lies between the two"
    for one in (rao, nina):
        await one.close()


async def test_a_member_who_joins_finds_what_waits_for_the_role(ward):
    rao, adam, nina = [await Client.connect(ward, one) for one in ("rao", "adam", "nina")]
    task = await ask(rao, "zoe", {"role": "ROLE_ONCOLOGY_NURSE"})
    owed = await Watched.open(nina)
    assert owed.keys == []
    version = (await adam.roster("zoe"))["rosterVersion"]
    assert (await adam.command("zoe", {"addMember": {"expectedRosterVersion": version, "personId": "nina", "role": "ROLE_ONCOLOGY_NURSE"}})).ok
    await owed.becomes(task)
    assert owed.items[task]["standing"] == "STANDING_ASKED"
    for one in (rao, adam, nina):
        await one.close()


async def test_an_import_beside_the_server_keeps_the_rows_too(ward):
    rao, nina = await Client.connect(ward, "rao"), await Client.connect(ward, "nina")
    task = await ask(rao, "zoe", {"role": "ROLE_ONCOLOGY_NURSE"})
    owed = await Watched.open(nina)
    assert owed.keys == []
    ward.import_resources(room_resources("zoe", [*NOBODY_ELSE, ("nina", "oncology-nurse")]))
    await owed.becomes(task)
    for one in (rao, nina):
        await one.close()
    ward.stop()
    done = ward.rebuild()
    assert done.returncode == 0 and " obligations=3 differences=0" in done.stdout, done.stdout + done.stderr


async def test_a_list_is_bounded_and_says_that_there_is_more(ward, form):
    rao, nina = await Client.connect(ward, "rao", form), await Client.connect(ward, "nina", form)
    tasks = [await ask(rao, "pat", {"personId": "nina"}, priority="PRIORITY_ASAP") for _ in range(4)]
    await asyncio.sleep(0)
    owed = await Watched.open(nina, limit=2)
    assert owed.keys == tasks[:2] and owed.more
    first = await ask(rao, "ben", {"personId": "nina"}, priority="PRIORITY_STAT")
    await owed.becomes(first, tasks[0])
    assert owed.more
    for task in (first, tasks[0], tasks[1]):
        assert (await rao.command(task[0], {"cancelTask": {"task": {"stream": "STREAM_CLINICAL", "seq": str(task[1])}, "reason": "plan changed"}})).ok
    # Cancelling asked-for tasks that nobody has accepted ends them: the list goes on with what was behind.
    await owed.becomes(tasks[2], tasks[3])
    assert not owed.more
    for one in (rao, nina):
        await one.close()


@pytest.mark.parametrize("wrong, field", [({"what": "WHAT_OWED", "limit": 501}, "watchWorklist.limit"), ({"limit": 5}, "watchWorklist.what"),
                                          ({"what": "WHAT_OWED", "limit": 1, "requestId": "x" * 65}, "watchWorklist.requestId")])
async def test_what_cannot_be_watched_is_refused(ward, form, wrong, field):
    nina = await Client.connect(ward, "nina", form)
    await nina.send({"watchWorklist": wrong})
    await nina.until(lambda: nina.refused)
    assert nina.refused[-1]["code"] == INVALID_ARGUMENT and nina.refused[-1]["field"] == field
    await nina.close()


async def test_a_list_is_given_up_with_limit_0(ward):
    rao, nina = await Client.connect(ward, "rao"), await Client.connect(ward, "nina")
    owed = await Watched.open(nina)
    await nina.send({"watchWorklist": {"what": "WHAT_OWED", "limit": 0}})
    patient, seq = await ask(rao, "pat", {"personId": "nina"})
    await nina.has(patient, "clinical", seq)
    assert owed.keys == [] and not any("worklistChanges" in frame for frame in nina.messages)
    for one in (rao, nina):
        await one.close()


async def test_the_metrics_count_what_is_open_and_late_by_priority(ward):
    rao, nina = await Client.connect(ward, "rao"), await Client.connect(ward, "nina")
    await ask(rao, "pat", {"personId": "nina"}, priority="PRIORITY_STAT")
    await ask(rao, "ben", {"personId": "nina"})
    late = 'careteam_obligations_open{priority="stat"}', 'careteam_obligations_open{priority="routine"}', 'careteam_obligations_overdue{priority="stat"}'
    for _ in range(150):
        page = ward.admin("/metrics")[1]
        if f"{late[0]} 1" in page and f"{late[1]} 1" in page:
            break
        await asyncio.sleep(0.1)
    assert f"{late[0]} 1" in page and f"{late[1]} 1" in page and f"{late[2]} 0" in page
    assert "nina" not in page
    for one in (rao, nina):
        await one.close()
