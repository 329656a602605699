"""What a client may try to claim, and texts that other systems trip over; the numbers are those of our list of attacks."""
import random

import pytest
from careteam_client import INVALID_ARGUMENT, Client, uuid7

HOSTILE = ["<script>alert('x')</script><img src=x onerror=alert(1)>", "'; DROP TABLE entries; --", "\u202eleft or right\u202c and \u2066isolated\u2069",
           "zero\u200bwidth\u200d\ufeff joiners", "{{7*7}} ${jndi:ldap://127.0.0.1/a} %s%n %00", "line\r\nSet-Cookie: a=b", "\u0000 in the middle", "e\u0301 and \u00e9",
           "\U0001f469\u200d\U0001f52c \U0001f3f4\U000e0067\U000e0062\U000e0065\U000e006e\U000e0067\U000e007f", "=HYPERLINK(\"http://x\",\"y\")", "\\u0041 \\n", "𝕋𝕒𝕜𝕖 𝟙"]


@pytest.mark.parametrize("text", HOSTILE)
async def test_attack_28_texts_are_kept_as_they_are(demo, text):
    nina = await Client.connect(demo, "nina", "json")
    readers = [await Client.connect(demo, "rao", one, device=f"d-{one}") for one in ("json", "proto")]
    said = await nina.post("rosa", "clinical", text)
    if "\u0000" in text:
        assert said.code == INVALID_ARGUMENT
    else:
        assert said.ok
        for one in readers:
            assert (await one.has("rosa", "clinical", said.seq))["messagePosted"]["content"]["text"] == text
    for one in (nina, *readers):
        await one.close()


@pytest.mark.parametrize("claim", [{"author": {"personId": "rao"}}, {"time": "2020-01-01T00:00:00Z"}, {"seq": "7"}, {"onBehalfOf": "rosa"}, {"role": "ROLE_PATIENT"},
                                   {"actingRole": "ROLE_MEDICAL_ONCOLOGIST"}])
async def test_attack_20_who_when_and_where_come_from_the_session(demo, claim):
    async with await Client.connect(demo, "nina", "json") as nina:
        frame, command_id = nina.command_frame("rosa", {"postMessage": {"stream": "STREAM_CLINICAL", "content": {"text": "In another's name"}}})
        before = len(nina.refused)
        for place in (frame["command"], frame["command"]["postMessage"]):
            place |= claim
            await nina.send(frame)
            before += 1
            await nina.until(lambda: len(nina.refused) >= before)
            assert nina.refused[-1]["code"] == INVALID_ARGUMENT
            for name in claim:
                del place[name]
        # The same without the claim is the sender's own.
        said = await nina.ask(frame, command_id)
        entry = await nina.has("rosa", "clinical", said.seq)
        assert entry["author"]["personId"] == "nina" and entry["author"]["role"] == "ROLE_ONCOLOGY_NURSE"


@pytest.mark.parametrize("start,end", [("1899-12-31T23:59:59Z", None), ("2200-01-01T00:00:01Z", None), (None, "1850-01-01T00:00:00Z"), ("0001-01-01T00:00:00Z", "9999-12-31T23:59:59Z")])
async def test_attack_29_times_that_cannot_be(demo, form, start, end):
    async with await Client.connect(demo, "rao", form) as rao:
        version = (await rao.roster("rosa"))["rosterVersion"]
        period = {name: value for name, value in (("start", start), ("end", end)) if value}
        asked = await rao.command("rosa", {"addMember": {"expectedRosterVersion": version, "personId": "weiss", "role": "ROLE_PHARMACIST", "period": period}})
        assert not asked.ok and asked.code == INVALID_ARGUMENT, asked.raw
        assert (await rao.roster("rosa"))["rosterVersion"] == version


def random_command(dice):
    """A command that is good, or wrong in one of many ways; always encodable in both forms."""
    stream = dice.choice(["STREAM_SHARED", "STREAM_CLINICAL", "STREAM_SUPPORT", "STREAM_AUDIT", "STREAM_ORGANIZATION", "STREAM_UNSPECIFIED"])
    seq = str(dice.choice([0, 1, 2, 3, 5, 10**6, 2**32, 2**63]))
    text = dice.choice(["", " ", "Good morning", "x" * 5_000, "x" * 17_000, "ü" * 100, "\u202e"])
    return dice.choice([
        {"postMessage": {"stream": stream, "content": {"text": text}, "threadSeq": seq}}, {"postMessage": {"stream": stream, "content": {"text": text}, "replyToSeq": seq}},
        {"postMessage": {"stream": stream, "content": {"text": text}, "priority": dice.choice(["PRIORITY_STAT", "PRIORITY_ASAP", "PRIORITY_URGENT"]),
                         "mentions": [{"personId": dice.choice(["rao", "nobody", "rosa", "nina", ""])}] * dice.choice([0, 1, 17])}},
        {"editMessage": {"stream": stream, "seq": seq, "content": {"text": text}}}, {"correctMessage": {"stream": stream, "seq": seq, "content": {"text": text}, "reason": text}},
        {"retractMessage": {"stream": stream, "seq": seq, "reason": text}}, {"acknowledgeMessage": {"stream": stream, "seq": seq}}, {"openThread": {"stream": stream, "title": text}},
        {"resolveThread": {"stream": stream, "seq": seq}}, {"addMember": {"personId": dice.choice(["rao", "nobody", "../x"]), "role": "ROLE_SURGEON", "expectedRosterVersion": seq}},
        {"suspendPerson": {"personId": "rao", "reason": text}}, {"revokeSessions": {"personId": "rao", "reason": text}}, {"viewRoster": {}}])


@pytest.mark.parametrize("seed", range(4))
async def test_attack_27_the_same_command_has_the_same_verdict_in_both_forms(demo, seed):
    """What JSON refuses, protobuf refuses with the same code, field and words; what one of them carries out, the other knows by its id."""
    dice = random.Random(seed)
    json_form = await Client.connect(demo, "maya", "json", device=f"json-{seed}")
    proto_form = await Client.connect(demo, "maya", "proto", device=f"proto-{seed}")
    for _ in range(60):
        action, patient, command_id = random_command(dice), dice.choice(["rosa", "rosa", "rosa", "mei", "nobody", ""]), uuid7()
        first = await json_form.command(patient, action, command_id)
        second = await proto_form.command(patient, action, command_id)
        told = [{key: value for key, value in one.raw.items() if key not in ("confirmToken", "retryAfterMs")} for one in (first, second)]
        assert told[0] == told[1], (patient, action)
    await json_form.close()
    await proto_form.close()
