"""Clinical tasks over real connections: what is read back wrong is not accepted, and nobody sees a task who should not."""
from careteam_client import FAILED_PRECONDITION, NOT_FOUND, PERMISSION_DENIED, Client

FACTS = [{"name": "ANC", "value": "0.72", "unit": "10^9/L"}, {"name": "drug", "value": "palbociclib"}, {"name": "when", "value": "tonight 20:00"}]


def order(kind="CARE", title="Call the patient back", **more):
    return {"kind": f"TASK_KIND_{kind}", "title": title, **more}


async def ask(client, stream, wanted, patient="rosa"):
    return await client.command(patient, {"requestTask": {"stream": stream, "order": wanted}})


def ref(stream, seq):
    return {"stream": stream, "seq": str(seq)}


async def test_at_1_what_is_read_back_wrong_stays_received_and_the_sender_is_told(fresh, form):
    claire, nina = await Client.connect(fresh, "claire", form), await Client.connect(fresh, "nina", form)
    wanted = order("RESULT", "ANC 0.72, C2D1 due 20:00", priority="PRIORITY_ASAP", target={"role": "ROLE_ONCOLOGY_NURSE"}, facts=FACTS, readBack=True)
    asked = await ask(claire, "STREAM_CLINICAL", wanted)
    assert asked.ok, asked
    task = ref("STREAM_CLINICAL", asked.seq)
    assert (await nina.command("rosa", {"claimTask": {"task": task}})).ok
    wrong = [{**FACTS[0], "value": "0.92"}, *FACTS[1:]]
    tried = await nina.command("rosa", {"acceptTask": {"task": task, "readBack": wrong}})
    told = (await claire.has("rosa", "clinical", tried.seq))["taskReadBackMismatched"]
    assert told["differs"] == ["ANC"] and told["readBack"][0]["value"] == "0.92"
    assert (await nina.command("rosa", {"startTask": {"task": task}})).code == FAILED_PRECONDITION
    done = await nina.command("rosa", {"acceptTask": {"task": task, "readBack": FACTS}})
    assert "taskAccepted" in await claire.has("rosa", "clinical", done.seq)
    assert (await nina.command("rosa", {"startTask": {"task": task}})).ok
    for one in (claire, nina):
        await one.close()


async def test_a_task_survives_a_kill_with_its_owner_and_its_successors(fresh):
    rao, nina = await Client.connect(fresh, "rao"), await Client.connect(fresh, "nina")
    first = await ask(rao, "STREAM_CLINICAL", order(target={"personId": "nina"}))
    second = await ask(rao, "STREAM_CLINICAL", order(target={"personId": "nina"}))
    assert (await nina.command("rosa", {"acceptTask": {"task": ref("STREAM_CLINICAL", first.seq)}})).ok
    declined = await nina.command("rosa", {"declineTask": {"task": ref("STREAM_CLINICAL", second.seq), "reason": "In clinic until four"}})
    assert declined.ok
    fresh.kill9()
    fresh.start()
    rao, nina = await Client.connect(fresh, "rao"), await Client.connect(fresh, "nina")
    follow_up = rao.entry("rosa", "clinical", declined.seq + 1)["taskRequested"]
    assert follow_up["order"]["target"]["personId"] == "rao" and follow_up["origin"]["seq"] == str(second.seq)
    again = await nina.command("rosa", {"declineTask": {"task": ref("STREAM_CLINICAL", second.seq), "reason": "In clinic until four"}})
    assert again.code == FAILED_PRECONDITION
    assert (await rao.command("rosa", {"startTask": {"task": ref("STREAM_CLINICAL", first.seq)}})).code == PERMISSION_DENIED
    assert (await nina.command("rosa", {"startTask": {"task": ref("STREAM_CLINICAL", first.seq)}})).ok
    assert (await nina.command("rosa", {"completeTask": {"task": ref("STREAM_CLINICAL", first.seq)}})).ok
    reopened = await rao.command("rosa", {"reopenTask": {"task": ref("STREAM_CLINICAL", first.seq), "reason": "The number is missing"}})
    assert reopened.ok, "a task that has ended is read from the store"
    for one in (rao, nina):
        await one.close()


async def test_a_message_becomes_a_task_with_a_link(fresh):
    rosa, nina = await Client.connect(fresh, "rosa"), await Client.connect(fresh, "nina")
    said = await rosa.post("rosa", "shared", "I feel hot since this morning")
    message = {"patientId": "rosa", "stream": "STREAM_SHARED", "seq": str(said.seq)}
    made = await ask(nina, "STREAM_CLINICAL", order("CALL", "Take her temperature", target={"personId": "rao"}, message=message))
    assert made.ok, made
    assert (await nina.has("rosa", "clinical", made.seq))["taskRequested"]["order"]["message"]["seq"] == str(said.seq)
    await rosa.fence()
    assert not any("temperature" in str(one) for one in rosa.messages), "the message's wider audience learns nothing"
    missing = await ask(nina, "STREAM_CLINICAL", order(target={"personId": "rao"}, message={**message, "seq": "9999"}))
    assert missing.code == NOT_FOUND
    for one in (rosa, nina):
        await one.close()


async def test_hidden_tasks_do_not_exist_for_the_patient(fresh, form):
    rosa, nina, rao = [await Client.connect(fresh, person, form) for person in ("rosa", "nina", "rao")]
    asked = await ask(nina, "STREAM_CLINICAL", order(title="Discuss the scan without her", target={"personId": "rao"}))
    assert (await rao.command("rosa", {"acceptTask": {"task": ref("STREAM_CLINICAL", asked.seq)}})).ok
    refusals = set()
    for stream, seq in (("STREAM_CLINICAL", asked.seq), ("STREAM_CLINICAL", 9999), ("STREAM_SUPPORT", 1), ("STREAM_AUDIT", 1)):
        for action in ("claimTask", "acceptTask", "startTask", "markTaskInError"):
            got = await rosa.command("rosa", {action: {"task": ref(stream, seq)}})
            refusals.add((action, got.code, got.field, got.message))
    assert {one[1] for one in refusals} == {NOT_FOUND} and len(refusals) == 4, "one answer for each command, whatever is there"
    fired = await rosa.command("rosa", {"fireTaskTimer": {"task": ref("STREAM_CLINICAL", asked.seq), "timer": "TASK_TIMER_ACCEPT"}})
    assert fired.code == PERMISSION_DENIED
    await rosa.fence()
    assert not any(b"Discuss the scan" in message for message in rosa.transcript)
    read = await ask(nina, "STREAM_SHARED", order("READ", "Read the leaflet about palbociclib", target={"personId": "rosa"}))
    assert (await rosa.command("rosa", {"acceptTask": {"task": ref("STREAM_SHARED", read.seq)}})).ok, "what is hers she sees and takes on"
    for one in (rosa, nina, rao):
        await one.close()
