"""The demo team's day, with both subprotocols in one room."""
import asyncio

from careteam_client import ALREADY_EXISTS, FAILED_PRECONDITION, NOT_FOUND, PERMISSION_DENIED, Client, uuid7

OTHER = {"json": "proto", "proto": "json"}


async def test_who_sees_what(demo, form):
    async with await Client.connect(demo, "rosa", form) as rosa, await Client.connect(demo, "luis", OTHER[form]) as luis, \
            await Client.connect(demo, "nina", OTHER[form]) as nina, await Client.connect(demo, "dana", form) as dana, \
            await Client.connect(demo, "irene", form) as irene, await Client.connect(demo, "alex", form) as alex:
        assert rosa.streams() == {("rosa", "shared")}
        assert luis.streams() == {("rosa", "shared")}
        assert {("rosa", "shared"), ("rosa", "clinical"), ("rosa", "support"), ("mei", "clinical")} <= nina.streams()
        assert ("rosa", "support") in dana.streams() and not {("rosa", "clinical"), ("rosa", "audit")} & dana.streams()
        assert {stream for patient, stream in irene.streams() if patient} == {"audit"}
        assert alex.streams() == {("", "organization")}
        shared = await nina.post("rosa", "shared", f"Good morning Rosa ({form})")
        clinical = await nina.post("rosa", "clinical", f"Her hands are worse today ({form})")
        support = await dana.post("rosa", "support", f"The copay is approved ({form})")
        assert shared.ok and clinical.ok and support.ok
        for patient_side in (rosa, luis):
            entry = await patient_side.has("rosa", "shared", shared.seq)
            assert entry["author"] == {"personId": "nina", "role": "ROLE_ONCOLOGY_NURSE"}
            await patient_side.fence()
            assert patient_side.texts("rosa", "shared")[-1] == f"Good morning Rosa ({form})"
            assert set(patient_side.log) == {("rosa", "STREAM_SHARED")}
        await nina.has("rosa", "support", support.seq)
        assert (await dana.has("rosa", "support", support.seq))["messagePosted"]["content"]["text"] == f"The copay is approved ({form})"
        await dana.fence()
        assert ("rosa", "STREAM_CLINICAL") not in dana.log
        refused = await rosa.post("rosa", "clinical", "I should not be able to say this here")
        assert (refused.code, refused.seq) == (NOT_FOUND, 0)


async def test_the_same_entries_in_both_subprotocols(demo):
    async with await Client.connect(demo, "rao", "json") as one, await Client.connect(demo, "rao", "proto", device="device-2") as other:
        await one.post("rosa", "clinical", "Text with \u202ebidi, <script>alert(1)</script>, emoji \U0001F9EC and a quote '")
        await one.fence()
        await other.until(lambda: other.positions() == one.positions())
        assert one.log == other.log and other.chains_checked > 0


async def test_a_reconnect_loses_nothing(demo, form):
    rosa = await Client.connect(demo, "rosa", form)
    async with await Client.connect(demo, "nina", OTHER[form]) as nina:
        held = rosa.head("rosa", "shared")
        rosa.cut()
        answers = [await nina.post("rosa", "shared", f"While you were away, part {part} ({form})") for part in range(5)]
        async with await Client.connect(demo, "rosa", form, resume=rosa) as again:
            assert int(again.access["rosa", "STREAM_SHARED"]["after"]) == held
            assert again.texts("rosa", "shared")[-5:] == [f"While you were away, part {part} ({form})" for part in range(5)]
            live = await nina.post("rosa", "shared", f"And now you are here ({form})")
            await again.has("rosa", "shared", live.seq)
            assert live.seq == answers[-1].seq + 1 and not again.resets
            async with await Client.connect(demo, "rosa", OTHER[form], device="tablet") as tablet:
                assert tablet.log == again.log


async def test_a_command_whose_answer_was_lost(demo, form):
    """The connection breaks at every part of the frame; the command is sent again and has one effect."""
    async with await Client.connect(demo, "rosa", OTHER[form]) as rosa:
        for part in (1, 7, 60, 10_000):
            nina = await Client.connect(demo, "nina", form)
            frame, command_id = nina.command_frame(
                "rosa", {"postMessage": {"stream": "STREAM_SHARED", "content": {"text": f"Sent before the cut at {part} ({form})"}}})
            await nina.send_cut(frame, part)
            async with await Client.connect(demo, "nina", form, resume=nina) as again:
                expected = again.expect(command_id)
                await again.send(frame)
                answer = await again.answer(expected)
                assert answer.ok
                await rosa.has("rosa", "shared", answer.seq)
                await again.has("rosa", "shared", answer.seq)
                assert again.texts("rosa", "shared").count(f"Sent before the cut at {part} ({form})") == 1


async def test_presence_is_for_staff(demo, form):
    async with await Client.connect(demo, "claire", form) as claire, await Client.connect(demo, "rosa", form) as rosa:
        await claire.until(lambda: claire.presence.get("rosa") == "STATE_ONLINE" and claire.presence.get("maya") == "STATE_OFFLINE")
        maya = await Client.connect(demo, "maya", form)
        await claire.until(lambda: claire.presence["maya"] == "STATE_ONLINE")
        await maya.close()
        await claire.until(lambda: claire.presence["maya"] == "STATE_OFFLINE")
        await rosa.fence()
        assert rosa.presence == {}


async def test_after_an_acknowledgement_only_a_correction(demo, form):
    async with await Client.connect(demo, "nina", form) as nina, await Client.connect(demo, "omar", OTHER[form]) as omar, \
            await Client.connect(demo, "tom", form) as tom:
        posted = await nina.post("rosa", "clinical", f"Please hold tonight's dose ({form})", priority="asap", mentions=["omar"])
        place = {"stream": "STREAM_CLINICAL", "seq": str(posted.seq)}
        early = await nina.command("rosa", {"correctMessage": {**place, "content": {"text": "Too early to correct"}, "reason": "a typing error"}})
        assert early.code == FAILED_PRECONDITION
        edited = await nina.command("rosa", {"editMessage": {**place, "content": {"text": f"Please hold the dose of tonight ({form})"}}})
        assert edited.ok
        foreign = await tom.command("rosa", {"editMessage": {**place, "content": {"text": "Somebody else edits this"}}})
        assert foreign.code == PERMISSION_DENIED
        stale = await omar.acknowledge("rosa", "clinical", posted.seq)
        assert (stale.code, stale.field) == (FAILED_PRECONDITION, "acknowledgeMessage.revisionSeq")
        assert (await omar.acknowledge("rosa", "clinical", posted.seq, edited.seq)).ok
        assert (await omar.acknowledge("rosa", "clinical", posted.seq, edited.seq)).code == ALREADY_EXISTS
        for action in ({"editMessage": {**place, "content": {"text": "Too late to edit this"}}}, {"retractMessage": {**place, "reason": "too late for this"}}):
            assert (await nina.command("rosa", action)).code == FAILED_PRECONDITION
        corrected = await nina.command(
            "rosa", {"correctMessage": {**place, "content": {"text": f"Please hold all doses ({form})"}, "reason": "wrong dose was named"}})
        assert corrected.ok
        asked = (await omar.has("rosa", "clinical", corrected.seq))["messageCorrected"]
        assert {person for mention in asked["mentions"] for person in mention["personId"]} == {"omar"}
        assert (await omar.acknowledge("rosa", "clinical", posted.seq, corrected.seq)).ok


async def test_a_thread_waits_for_its_acknowledgements(demo, form):
    async with await Client.connect(demo, "claire", form) as claire, await Client.connect(demo, "rao", OTHER[form]) as rao:
        opened = await claire.command("rosa", {"openThread": {"stream": "STREAM_CLINICAL", "title": f"Dose after the pause ({form})"}})
        resolve = {"resolveThread": {"stream": "STREAM_CLINICAL", "seq": str(opened.seq)}}
        stat = await claire.post("rosa", "clinical", f"ANC is 0.4, please decide now ({form})", priority="stat", mentions=["MEDICAL_ONCOLOGIST"],
                                 threadSeq=str(opened.seq))
        resolved_to = (await rao.has("rosa", "clinical", stat.seq))["messagePosted"]["mentions"]
        assert resolved_to == [{"role": "ROLE_MEDICAL_ONCOLOGIST", "personId": ["rao"]}]
        waiting = await claire.command("rosa", resolve)
        assert (waiting.code, waiting.field) == (FAILED_PRECONDITION, "resolveThread.seq")
        assert (await rao.acknowledge("rosa", "clinical", stat.seq)).ok
        assert (await claire.command("rosa", resolve)).ok
        late = await claire.post("rosa", "clinical", "One more thing here", threadSeq=str(opened.seq))
        assert (late.code, late.field) == (FAILED_PRECONDITION, "postMessage.threadSeq")


async def test_the_same_command_twice(demo, form):
    async with await Client.connect(demo, "sam", form) as sam:
        one = uuid7()
        first = await sam.post("rosa", "support", f"Transport is arranged ({form})", command_id=one)
        head = sam.head("rosa", "support")
        assert first.ok and await sam.post("rosa", "support", f"Transport is arranged ({form})", command_id=one) == first
        other = await sam.post("rosa", "support", f"Transport is cancelled ({form})", command_id=one)
        assert (other.code, other.field) == (ALREADY_EXISTS, "commandId")
        await sam.fence()
        assert sam.head("rosa", "support") == max(head, first.seq)


async def test_attack_22_one_command_a_hundred_times_at_once(demo, form):
    clients = [await Client.connect(demo, "nina", (form, OTHER[form])[index % 2], device=f"d-{index}", sync=False) for index in range(5)]
    frame, command_id = clients[0].command_frame(
        "rosa", {"postMessage": {"stream": "STREAM_SHARED", "content": {"text": f"Said a hundred times ({form})"}}})
    waiting = [(client, client.expect(command_id)) for client in clients for _ in range(20)]
    await asyncio.gather(*(client.send(frame) for client, _ in waiting))
    answers = [await client.answer(expected) for client, expected in waiting]
    assert all(answer == answers[0] for answer in answers) and answers[0].ok
    async with await Client.connect(demo, "rosa", form) as rosa:
        assert rosa.texts("rosa", "shared").count(f"Said a hundred times ({form})") == 1
    for client in clients:
        await client.close()


async def test_what_happened_survives_a_restart(fresh, form):
    async with await Client.connect(fresh, "nina", form) as nina:
        answer = await nina.post("rosa", "clinical", "Still here after the restart")
        await nina.has("rosa", "clinical", answer.seq)
    code, _ = fresh.stop()
    assert code == 0
    assert fresh.verify().returncode == 0 and fresh.rebuild().returncode == 0
    fresh.start()
    async with await Client.connect(fresh, "nina", form, resume=nina) as again:
        assert not again.resets and again.texts("rosa", "clinical")[-1] == "Still here after the restart"
        repeated = await again.post("rosa", "clinical", "Still here after the restart", command_id=answer.raw["commandId"])
        assert repeated == answer


async def test_receipts_survive_a_restart(fresh, form):
    """Who connects first after a restart learns how far the others had come, as everybody who connects later does."""
    async with await Client.connect(fresh, "rao", form) as rao, await Client.connect(fresh, "claire", form) as claire:
        await claire.cursor("rosa", "clinical", displayed=1, read=1)
        await rao.until(lambda: [one for one in rao.receipts if one["personId"] == "claire"])
        before = rao.receipts
    fresh.restart()
    for turn in ("first", "second"):
        async with await Client.connect(fresh, "rao", form) as rao:
            await rao.fence()
            assert rao.receipts == before, f"the {turn} connection after the restart"
