"""How far a person has come, over several devices; and from where a device goes on."""
import pytest
from careteam_client import NOT_FOUND, OUT_OF_RANGE, Client, number
from server import Server, room_resources

STAFF = [("nina", "oncology-nurse"), ("rao", "medical-oncologist"), ("sam", "social-worker")]


@pytest.fixture
def ward():
    with Server(settings={"limits.wrong_patient_window_ms": 0, "server.max_connections_per_person": 64}) as server:
        server.import_resources(room_resources("pat", STAFF))
        server.import_resources(room_resources("mei", [("tom", "oncology-nurse")]))
        yield server.start()


def access(client, stream):
    """(head, read, displayed, unread) as Welcome told them."""
    one = client.access["pat", "STREAM_" + stream.upper()]
    return tuple(number(one.get(name)) for name in ("head", "read", "displayed", "unread"))


async def moved(client, **expected):
    """Waits until the last position that was told has these values."""
    await client.until(lambda: client.cursors and all(number(client.cursors[-1].get(key)) == value for key, value in expected.items()))


async def test_positions_are_shared_by_all_devices_of_a_person(ward, form):
    telephone = await Client.connect(ward, "nina", form, device="telephone")
    tablet = await Client.connect(ward, "nina", "proto", device="tablet")
    rao = await Client.connect(ward, "rao", form)
    for part in range(10):
        assert (await rao.post("pat", "clinical", f"Something to read {part}")).ok
    for device in (telephone, tablet):
        await device.has("pat", "clinical", 10)
    await telephone.cursor("pat", "clinical", received=10, displayed=8, read=6)
    for device in (telephone, tablet):
        await moved(device, read=6, displayed=8, unread=4)
    # Positions only move forward.
    await tablet.cursor("pat", "clinical", displayed=3, read=2)
    await tablet.cursor("pat", "clinical", received=10, displayed=9, read=7)
    for device in (telephone, tablet):
        await moved(device, read=7, displayed=9, unread=3)
    reads = [number(one["read"]) for one in telephone.cursors]
    assert reads == sorted(reads)
    # A new device, also after a restart.
    async with await Client.connect(ward, "nina", form, device="third") as third:
        assert access(third, "clinical") == (10, 7, 9, 3)
    for one in (telephone, tablet, rao):
        await one.close()
    ward.restart()
    async with await Client.connect(ward, "nina", form, device="third") as third:
        assert access(third, "clinical") == (10, 7, 9, 3)
    async with await Client.connect(ward, "rao", form) as rao:
        assert access(rao, "clinical") == (10, 0, 0, 0)  # All of them are rao's own.


async def test_ones_own_entries_are_never_unread(ward, form):
    async with await Client.connect(ward, "nina", form) as nina, await Client.connect(ward, "rao", form) as rao:
        for part in range(3):
            assert (await nina.post("pat", "clinical", f"From Nina {part}")).ok
            assert (await rao.post("pat", "clinical", f"From Rao {part}")).ok
        await nina.has("pat", "clinical", 6)
        async with await Client.connect(ward, "nina", form, device="other") as other:
            assert access(other, "clinical") == (6, 0, 0, 3)
        # n1 r2 n3 r4 n5 r6: what is read includes one's own; behind 3 are r4, n5, r6.
        for read, unread in ((1, 3), (2, 2), (3, 2), (4, 1), (5, 1), (6, 0)):
            await nina.cursor("pat", "clinical", read=read)
            await moved(nina, read=read, unread=unread)
            async with await Client.connect(ward, "nina", form, device="other") as other:
                assert access(other, "clinical")[3] == unread
        assert (await nina.post("pat", "clinical", "One more of my own")).ok
        async with await Client.connect(ward, "nina", form, device="other") as other:
            assert access(other, "clinical") == (7, 6, 0, 0)


async def test_receipts_go_to_those_who_may_have_them(ward, form):
    async with await Client.connect(ward, "pat", form) as pat, await Client.connect(ward, "nina", form) as nina, \
            await Client.connect(ward, "rao", form) as rao, await Client.connect(ward, "sam", form) as sam:
        seq = (await rao.post("pat", "shared", "Please read this soon")).seq
        hidden = (await rao.post("pat", "clinical", "Not for the patient")).seq
        for one in (pat, nina, sam):
            await one.has("pat", "shared", seq)
        await nina.has("pat", "clinical", hidden)
        await pat.cursor("pat", "shared", received=seq, displayed=seq)
        await nina.cursor("pat", "shared", received=seq)
        await nina.cursor("pat", "clinical", received=hidden, displayed=hidden, read=hidden)

        def receipt(client, person, stream):
            told = [one for one in client.receipts if (one["personId"], one["stream"]) == (person, f"STREAM_{stream}")]
            return (number(told[-1].get("received")), number(told[-1].get("displayed"))) if told else None

        await rao.until(lambda: receipt(rao, "pat", "SHARED") == (seq, seq))
        await rao.until(lambda: receipt(rao, "nina", "SHARED") == (seq, 0))
        await rao.until(lambda: receipt(rao, "nina", "CLINICAL") == (hidden, hidden))
        await sam.until(lambda: receipt(sam, "nina", "SHARED") == (seq, 0))
        for one in (pat, sam, nina):
            await one.fence()
        assert not pat.receipts
        assert receipt(sam, "nina", "CLINICAL") is None
        assert not any(one["personId"] == "nina" for one in nina.receipts)
        # Who comes later learns what was told, and the patient still nothing.
        async with await Client.connect(ward, "rao", form, device="later") as later, await Client.connect(ward, "pat", form, device="later") as patient:
            await later.fence()
            await patient.fence()
            assert receipt(later, "pat", "SHARED") == (seq, seq) and receipt(later, "nina", "CLINICAL") == (hidden, hidden)
            assert not patient.receipts


async def test_positions_that_cannot_be(ward, form):
    async with await Client.connect(ward, "nina", form) as nina:
        head = nina.head("pat", "shared")
        for field in ("received", "displayed", "read"):
            before = len(nina.refused)
            await nina.cursor("pat", "shared", **{field: head + 1})
            await nina.fence()
            assert [(one["code"], one["field"]) for one in nina.refused[before:]] == [(OUT_OF_RANGE, f"cursor.{field}")]
        before = len(nina.refused)
        await nina.cursor("pat", "shared", read=2**64 - 1)
        await nina.cursor("pat", "shared")
        await nina.cursor("mei", "shared", read=1)
        await nina.cursor("pat", "audit", read=1)
        await nina.fence()
        assert [one["code"] for one in nina.refused[before:]] == [OUT_OF_RANGE, NOT_FOUND, NOT_FOUND]
        assert not nina.cursors
        refused = await nina.fetch("pat", "shared", head + 1, head + 2)
        assert (refused.code, refused.field) == (OUT_OF_RANGE, "fetch.fromSeq")
        for first, last in ((0, 1), (2, 1), (1, 2**40)):
            assert (await nina.fetch("pat", "shared", first, last)).field == "fetch.toSeq"
        fetched = await nina.fetch("pat", "shared", 1, head + 5)
        assert fetched.raw["entries"] == nina.entries("pat", "shared")


async def test_attack_21_positions_that_the_server_cannot_serve_are_reset(ward, form):
    async with await Client.connect(ward, "nina", form) as nina:
        for part in range(3):
            assert (await nina.post("pat", "clinical", f"Before the resume {part}")).ok
        await nina.fence()
        epoch, held = nina.welcome["epoch"], nina.head("pat", "shared")

        async def resumed(positions, at_epoch):
            """A device that says that it holds these positions of that epoch; where they can be served it counts from there."""
            client = await Client.open(ward, "nina", form, device="resuming")
            for key, seq in positions.items():
                if at_epoch == epoch and seq <= nina.head(*key):
                    client.base[key] = seq
            await client.send({"hello": {"token": ward.token("nina"), "deviceId": "resuming", "epoch": at_epoch, "resume": [
                {"patientId": patient, "stream": stream, "seq": str(seq)} for (patient, stream), seq in positions.items()]}})
            await client.until(lambda: client.welcome)
            await client.synced()
            await client.close()
            return client

        good = {("pat", "STREAM_SHARED"): held, ("pat", "STREAM_CLINICAL"): 2}
        client = await resumed(good, epoch)
        assert not client.resets and client.texts("pat", "clinical") == ["Before the resume 2"] and not client.entries("pat", "shared")
        # Beyond the head: this stream from 1, the others as asked.
        client = await resumed({**good, ("pat", "STREAM_CLINICAL"): 4}, epoch)
        assert [(one["stream"], one["reason"]) for one in client.resets] == [("STREAM_CLINICAL", "REASON_POSITION")]
        assert len(client.texts("pat", "clinical")) == 3 and not client.entries("pat", "shared")
        # Another incarnation of the store: everything from 1.
        for other in ("0" * 32, "", "not an epoch"):
            client = await resumed(good, other)
            assert {(one["stream"], one["reason"]) for one in client.resets} == {("STREAM_SHARED", "REASON_EPOCH"), ("STREAM_CLINICAL", "REASON_EPOCH")}
            assert client.entries("pat", "shared") == nina.entries("pat", "shared") and len(client.texts("pat", "clinical")) == 3
        # What is not this person's is ignored: hidden, foreign and absent alike.
        client = await resumed({**good, ("pat", "STREAM_AUDIT"): 1, ("mei", "STREAM_SHARED"): 1, ("nobody", "STREAM_SHARED"): 7,
                                ("", "STREAM_ORGANIZATION"): 1}, epoch)
        assert not client.resets and client.streams() == nina.streams()
        assert client.texts("pat", "clinical") == ["Before the resume 2"]
