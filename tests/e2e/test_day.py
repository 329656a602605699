"""The demo's day: who sees what, acknowledgement and correction, threads, reconnects, presence, retries."""
import asyncio

from careteam_client import (ALREADY_EXISTS, CLINICAL, FAILED_PRECONDITION, NOT_FOUND, PERMISSION_DENIED, SHARED, SUPPORT, connect, fact_of,
                             reconnect, uuid7)


def other(subprotocol):
    return "json" if subprotocol == "proto" else "proto"


async def test_the_day_of_the_demo(demo, subprotocol):
    """Rosa reports a symptom, the nurse escalates, the oncologist corrects a dose; each sees what is theirs, in both subprotocols."""
    rosa = await connect(demo, "rosa", subprotocol)
    nina = await connect(demo, "nina", other(subprotocol))
    rao = await connect(demo, "rao", subprotocol)
    sam = await connect(demo, "sam", subprotocol)
    luis = await connect(demo, "luis", subprotocol)
    dana = await connect(demo, "dana", other(subprotocol))

    assert set(rosa.streams) == {("rosa", SHARED)}
    assert {("rosa", SHARED), ("rosa", CLINICAL), ("rosa", SUPPORT), ("mei", CLINICAL)} <= set(nina.streams)
    assert ("rosa", CLINICAL) not in sam.streams and ("rosa", SUPPORT) in sam.streams
    assert ("rosa", CLINICAL) not in dana.streams and ("mei", SUPPORT) in dana.streams
    assert rosa.streams["rosa", SHARED]["mayPost"] and rosa.streams["rosa", SHARED]["patientName"] == "Rosa Delgado"

    report = await rosa.do("rosa", "postMessage", {"stream": SHARED, "content": {"symptomReport": {
        "items": [{"term": "hand-foot syndrome", "severity": 3}], "comment": "Walking hurts since yesterday."}}})
    heard = await nina.wait_entry(lambda one: one["seq"] == report["seq"] and one["stream"] == SHARED and one["patientId"] == "rosa")
    assert heard["messagePosted"]["content"]["symptomReport"]["items"][0] == {"term": "hand-foot syndrome", "severity": 3}
    assert heard["messagePosted"]["text"] and heard["author"] == {"personId": "rosa", "role": "ROLE_PATIENT"}

    thread = (await nina.do("rosa", "openThread", {"stream": CLINICAL, "title": "Capecitabine dose", "ownerPersonId": "rao"}))["seq"]
    stat = await nina.post("rosa", CLINICAL, "Grade 3 hand-foot syndrome, please decide on the dose", priority="STAT", mentions=["rao"],
                           threadSeq=str(thread))
    await rao.wait_position("rosa", CLINICAL, stat)
    refusal = await rao.refused("rosa", "resolveThread", {"stream": CLINICAL, "seq": str(thread)})
    assert refusal["code"] == FAILED_PRECONDITION and refusal["field"] == "resolveThread.seq"
    await rao.do("rosa", "acknowledgeMessage", {"stream": CLINICAL, "seq": str(stat)})
    again = await rao.refused("rosa", "acknowledgeMessage", {"stream": CLINICAL, "seq": str(stat)})
    assert again["code"] == ALREADY_EXISTS

    refusal = await nina.refused("rosa", "editMessage", {"stream": CLINICAL, "seq": str(stat), "content": {"text": "Grade 2, not 3"}})
    assert refusal["code"] == FAILED_PRECONDITION
    refusal = await nina.refused("rosa", "retractMessage", {"stream": CLINICAL, "seq": str(stat), "reason": "a mistake in the grade"})
    assert refusal["code"] == FAILED_PRECONDITION
    corrected = (await nina.do("rosa", "correctMessage", {"stream": CLINICAL, "seq": str(stat), "content": {"text": "Grade 2 hand-foot syndrome"},
                                                          "reason": "the grade was wrong"}))["seq"]
    entry = await rao.wait_entry(lambda one: fact_of(one) == "messageCorrected")
    assert [one["personId"] for one in entry["messageCorrected"]["mentions"]] == [["rao"]]
    refusal = await rao.refused("rosa", "resolveThread", {"stream": CLINICAL, "seq": str(thread)})
    assert refusal["code"] == FAILED_PRECONDITION
    refusal = await rao.refused("rosa", "acknowledgeMessage", {"stream": CLINICAL, "seq": str(stat)})
    assert refusal["code"] == FAILED_PRECONDITION and refusal["field"] == "acknowledgeMessage.revisionSeq"
    await rao.do("rosa", "acknowledgeMessage", {"stream": CLINICAL, "seq": str(stat), "revisionSeq": str(corrected)})
    await rao.do("rosa", "resolveThread", {"stream": CLINICAL, "seq": str(thread)})
    refusal = await nina.refused("rosa", "postMessage", nina.post_body(CLINICAL, "one more thing about the dose", threadSeq=str(thread)))
    assert refusal["code"] == FAILED_PRECONDITION
    await nina.do("rosa", "reopenThread", {"stream": CLINICAL, "seq": str(thread), "reason": "a new finding today"})
    await nina.post("rosa", CLINICAL, "one more thing about the dose", threadSeq=str(thread))

    answer = await rao.post("rosa", SHARED, "Please pause capecitabine until Friday", replyToSeq=str(report["seq"]))
    await rosa.wait_position("rosa", SHARED, answer)
    await luis.wait_position("rosa", SHARED, answer)
    await sam.post("rosa", SUPPORT, "Transport to Friday's visit is arranged")
    await nina.wait_text("Transport to Friday's visit is arranged")

    # Nobody may speak in another's name, and nobody sees what is not theirs.
    refusal = await nina.refused("rosa", "editMessage", {"stream": SHARED, "seq": str(answer), "content": {"text": "Please do not pause it"}})
    assert refusal["code"] == PERMISSION_DENIED
    for one in (rosa, nina, rao, sam, luis, dana):
        await one.barrier()
    assert set(rosa.holding.entries) == {("rosa", SHARED)} == {(e["patientId"], e["stream"]) for e in rosa.arrived}
    assert not any("hand-foot syndrome, please" in one.decode(errors="replace") for one in rosa.transcript + luis.transcript + sam.transcript)
    assert ("rosa", CLINICAL) not in sam.holding.entries
    assert rosa.entries("rosa", SHARED) == nina.entries("rosa", SHARED) == rao.entries("rosa", SHARED)
    assert nina.entries("rosa", CLINICAL) == rao.entries("rosa", CLINICAL)
    for one in (rosa, nina, rao, sam, luis, dana):
        await one.close()
    assert demo.verify().stdout.startswith("sound")
    assert demo.stop()[0] == 0
    assert "differences=0" in demo.rebuild().stdout


async def test_a_reconnect_loses_nothing_and_repeats_nothing(demo, subprotocol):
    nina = await connect(demo, "nina", subprotocol)
    rao = await connect(demo, "rao", subprotocol)
    for number in range(5):
        await rao.post("rosa", CLINICAL, f"before the cable is cut {number}")
    await nina.wait_text("before the cable is cut 4")
    await nina.cut()
    for number in range(40):
        await rao.post("rosa", (CLINICAL, SHARED, SUPPORT)[number % 3], f"while nobody listens {number}")
    held = dict(nina.holding.positions())
    back = await reconnect(nina)
    assert all(int(access.get("after", 0)) == held.get(key, 0) for key, access in back.streams.items())
    assert not back.resets
    assert sum(1 for one in back.arrived if one.get("messagePosted")) == 40
    for stream in (CLINICAL, SHARED, SUPPORT):
        assert back.entries("rosa", stream) == rao.entries("rosa", stream)
    # And the same with everything asked for anew.
    anew = await connect(demo, "nina", subprotocol)
    assert {key: value for key, value in anew.holding.entries.items()} == back.holding.entries
    for one in (rao, back, anew):
        await one.close()


async def test_reconnects_in_the_middle_of_a_stream_of_messages(demo, subprotocol):
    """The connection is cut again and again while somebody writes: between what was read and what is live there is no window."""
    rao = await connect(demo, "rao", subprotocol)
    nina = await connect(demo, "nina", subprotocol)
    total = 200

    async def write():
        for number in range(total):
            await rao.post("rosa", CLINICAL, f"steady stream {number}")

    writing = asyncio.create_task(write())
    cuts = 0
    while not writing.done():
        seen = nina.holding.position(("rosa", CLINICAL))
        await nina.wait_for(lambda: nina.holding.position(("rosa", CLINICAL)) >= seen + 3 or writing.done(), what="for more")
        await nina.cut()
        cuts += 1
        nina = await reconnect(nina, caught_up=False)
    await writing
    await nina.wait_text(f"steady stream {total - 1}") if not nina.texts("rosa", CLINICAL)[-1].endswith(f" {total - 1}") else None
    assert [text for text in nina.texts("rosa", CLINICAL) if text.startswith("steady")] == [f"steady stream {n}" for n in range(total)]
    assert cuts > 3
    await nina.close()
    await rao.close()


async def test_presence_is_told_to_staff_only(demo, subprotocol):
    rosa = await connect(demo, "rosa", subprotocol)
    luis = await connect(demo, "luis", subprotocol)
    nina = await connect(demo, "nina", subprotocol)
    await nina.wait_for(lambda: nina.presence_of("rosa") == "ONLINE", what="for rosa's presence")
    await nina.wait_for(lambda: nina.presence_of("rao") == "OFFLINE", what="for rao's absence")
    rao = await connect(demo, "rao", subprotocol)
    second = await connect(demo, "rao", subprotocol)
    await nina.wait_for(lambda: nina.presence_of("rao") == "ONLINE", what="for rao's presence")
    await rao.close()
    await nina.barrier()
    assert nina.presence_of("rao") == "ONLINE"
    await second.cut()
    await nina.wait_for(lambda: nina.presence_of("rao") == "OFFLINE", what="for rao's end")
    for one in (rosa, luis):
        await one.barrier()
        assert one.presence == []
        await one.close()
    await nina.close()


async def test_the_same_command_again_has_one_effect_and_one_answer(demo, subprotocol):
    nina = await connect(demo, "nina", subprotocol)
    command_id = uuid7()
    body = nina.post_body(CLINICAL, "said once and only once")
    first = await nina.do("rosa", "postMessage", body, command_id=command_id)
    assert await nina.do("rosa", "postMessage", body, command_id=command_id) == first
    refusal = await nina.refused("rosa", "postMessage", nina.post_body(CLINICAL, "something else"), command_id=command_id)
    assert (refusal["code"], refusal["field"]) == (ALREADY_EXISTS, "commandId")
    # Another person may use the same id; after a restart the answer is still the same.
    rao = await connect(demo, "rao", subprotocol)
    theirs = await rao.do("rosa", "postMessage", body, command_id=command_id)
    assert theirs["seq"] != first["seq"]
    # Twice in one breath, before the first is answered.
    twin = uuid7()
    for _ in range(2):
        nina.send_command("rosa", "postMessage", nina.post_body(CLINICAL, "two at a time"), twin)
    assert await nina.answer(twin) == await nina.answer(twin)
    await nina.cut()
    await rao.close()
    demo.restart()
    nina = await reconnect(nina)
    assert await nina.do("rosa", "postMessage", body, command_id=command_id) == first
    refusal = await nina.refused("rosa", "postMessage", nina.post_body(CLINICAL, "something else"), command_id=command_id)
    assert refusal["code"] == ALREADY_EXISTS
    await nina.barrier()
    assert nina.texts("rosa", CLINICAL).count("said once and only once") == 2  # nina's and rao's
    assert nina.texts("rosa", CLINICAL).count("two at a time") == 1
    await nina.close()


async def test_unanswered_commands_are_sent_again_after_a_cut(demo, subprotocol):
    """The client does not know whether its commands arrived: it sends all of them again, and each is there once, in order."""
    nina = await connect(demo, "nina", subprotocol)
    ids = [nina.send_command("rosa", "postMessage", nina.post_body(CLINICAL, f"did this arrive {n}")) for n in range(60)]
    await nina.answer(ids[10])
    await nina.cut()
    nina = await reconnect(nina)
    for number, command_id in enumerate(ids):
        nina.send_command("rosa", "postMessage", nina.post_body(CLINICAL, f"did this arrive {number}"), command_id)
    seqs = [(await nina.answer(one))["committed"]["seq"] for one in ids]
    await nina.wait_position("rosa", CLINICAL, max(seqs))
    said = [text for text in nina.texts("rosa", CLINICAL) if text.startswith("did this")]
    assert sorted(said) == sorted(f"did this arrive {n}" for n in range(60))
    assert seqs == sorted(seqs)
    await nina.close()


async def test_roles_are_mentioned_and_forwards_never_widen_the_audience(demo, subprotocol):
    nina = await connect(demo, "nina", subprotocol)
    rosa = await connect(demo, "rosa", subprotocol)
    seq = await nina.post("rosa", CLINICAL, "who of the pharmacists has time", priority="ASAP", mentions=["ROLE_PHARMACIST"])
    entry = await nina.wait_entry(lambda one: one["stream"] == CLINICAL and one["seq"] == seq)
    assert entry["messagePosted"]["mentions"] == [{"role": "ROLE_PHARMACIST", "personId": ["omar"]}]
    origin = {"patientId": "rosa", "stream": CLINICAL, "seq": str(seq)}
    refusal = await nina.refused("rosa", "postMessage", nina.post_body(SHARED, "passing this on to all", forwardedFrom=origin))
    assert (refusal["code"], refusal["field"]) == (FAILED_PRECONDITION, "postMessage.forwardedFrom")
    refusal = await rosa.refused("rosa", "postMessage", rosa.post_body(SHARED, "passing this on to all", forwardedFrom=origin))
    assert refusal["code"] == NOT_FOUND
    refusal = await nina.refused("mei", "postMessage", nina.post_body(CLINICAL, "passing to another record", forwardedFrom=origin))
    assert refusal["code"] == NOT_FOUND
    refusal = await nina.refused("rosa", "postMessage", nina.post_body(CLINICAL, "to nobody in particular", priority="STAT"))
    assert refusal["field"] == "postMessage.mentions"
    await nina.close()
    await rosa.close()
