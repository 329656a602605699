"""One damaged row or page in the store: that record is closed and reported, and nobody else notices, also those who are on its team and on others."""
import asyncio
import sqlite3

import pytest
from careteam_client import Client
from server import Server, room_resources

DATA_LOSS = 15  # google.rpc.Code
STAFF = [("nina", "oncology-nurse"), ("rao", "medical-oncologist")]
MESSAGES = 30
PAGE_BYTES = 4096


@pytest.fixture
def ward():
    """Two records, both teams with nina on them; each has some messages, and the server is stopped."""
    settings = {"limits.wrong_patient_window_ms": 0, "store.snapshot_every": 16}
    with Server(settings=settings) as server:
        server.import_resources([*room_resources("pat", STAFF), *room_resources("mei", [("nina", "oncology-nurse"), ("tess", "pharmacist")])])
        server.start()
        asyncio.run(asyncio.wait_for(talk(server), 30))
        server.stop()
        yield server


async def talk(server):
    nina = await Client.connect(server, "nina", "proto")
    for number in range(MESSAGES):
        assert (await nina.post("pat", "shared", f"About the first patient, {number}")).ok
        assert (await nina.post("mei", "shared", f"About the other patient, {number}")).ok
    await nina.close()


def damage(server, sql):
    """Alters one row of the record of `pat`, in SQL with :record and :stream (its shared stream)."""
    with sqlite3.connect(server.store_path) as db:
        stream, record = db.execute("SELECT s.id, r.id FROM streams s JOIN records r ON r.id = s.record WHERE r.key = 'patient/pat' AND s.kind = 1").fetchone()
        assert db.execute(sql, {"stream": stream, "record": record}).rowcount == 1
    db.close()


ALTERED_ENTRY = "UPDATE entries SET bytes = CAST(replace(bytes, 'first', 'worst') AS BLOB) WHERE position = (:stream << 32 | {})"
LAST = ALTERED_ENTRY.format("(SELECT head FROM streams WHERE id = :stream)")
OLD = ALTERED_ENTRY.format(10)  # One of the messages.

AT_LOADING = {
    "an entry": LAST,
    "a missing entry": "DELETE FROM entries WHERE position = (:stream << 32 | (SELECT head FROM streams WHERE id = :stream))",
    "a chain value": "UPDATE streams SET chain = zeroblob(32) WHERE id = :stream",
    "a chain value of the wrong size": "UPDATE streams SET chain = x'00' WHERE id = :stream",
    "a head": "UPDATE streams SET head = head + 1 WHERE id = :stream",
    "a version": "UPDATE records SET version = version + 1 WHERE id = :record",
}


@pytest.mark.parametrize("row", AT_LOADING)
async def test_attack_29_a_damaged_row_closes_its_record_and_no_other(ward, form, row):
    damage(ward, AT_LOADING[row])
    assert "patient/pat" in ward.verify().stderr
    ward.start()
    nina = await Client.connect(ward, "nina", form)
    tess = await Client.connect(ward, "tess", form)
    rao = await Client.connect(ward, "rao", form)
    assert {patient for patient, _ in nina.streams()} == {"mei"}, "left out, and only that"
    await nina.until(lambda: [one["code"] for one in nina.refused] == [DATA_LOSS])
    assert not tess.refused
    assert not rao.streams(), "the session is open all the same"
    said = await nina.post("mei", "shared", "The other patient is well")
    assert said.ok
    await tess.has("mei", "shared", said.seq)
    for one in (nina, rao):
        refused = await one.post("pat", "shared", "Is anybody there")
        assert not refused.ok and refused.raw["code"] == DATA_LOSS, refused.raw
    ward.logged("record_quarantined")
    assert sum('"record_quarantined"' in line for line in ward.log_text().splitlines()) == 1, "once, not for every attempt"
    assert '"record":"patient/pat"' in next(line for line in ward.log_text().splitlines() if '"record_quarantined"' in line)
    assert ward.metrics()["careteam_records_quarantined"] == 1
    assert "records quarantined 1" in ward.admin("/readyz?verbose")[1]
    assert ward.admin("/readyz")[0] == 200
    for one in (nina, tess, rao):
        await one.close()


async def test_attack_29_damage_that_is_found_while_somebody_reads_ends_no_session(ward, form):
    """Behind the newest snapshot: the record loads, and whoever reads from the start comes to it."""
    damage(ward, OLD)
    ward.start()
    tess = await Client.connect(ward, "tess", form)
    nina = await Client.connect(ward, "nina", form, sync=False)
    assert {patient for patient, _ in nina.streams()} == {"mei", "pat"}
    await nina.until(lambda: [one["code"] for one in nina.refused] == [DATA_LOSS])
    ward.logged("record_quarantined")
    await nina.until(lambda: nina.head("mei", "shared") >= MESSAGES)
    assert nina.head("pat", "shared") < 10, "nothing altered was handed out"
    said = await nina.post("mei", "shared", "We go on with the other patient")
    assert said.ok
    await tess.has("mei", "shared", said.seq)
    refused = await nina.post("pat", "shared", "Is anybody there")
    assert not refused.ok and refused.raw["code"] == DATA_LOSS
    again = await Client.connect(ward, "nina", form)
    assert {patient for patient, _ in again.streams()} == {"mei"}
    for one in (nina, tess, again):
        await one.close()


async def test_attack_29_a_damaged_snapshot_costs_time_and_nothing_else(ward, form):
    damage(ward, "UPDATE snapshots SET bytes = CAST(replace(bytes, 'nina', 'nema') AS BLOB) WHERE record = :record")
    assert "snapshot" in ward.verify().stderr
    ward.start()
    nina = await Client.connect(ward, "nina", form)
    assert {patient for patient, _ in nina.streams()} == {"mei", "pat"}
    for number in range(20):  # Past the next snapshot, which takes the damaged one's place.
        assert (await nina.post("pat", "shared", f"The patient is well, {number}")).ok
    ward.logged("snapshot_damaged")
    await nina.close()
    ward.stop()
    assert ward.verify().returncode == 0
    assert ward.rebuild().returncode == 0


def destroy_a_page(server, marker):
    """Overwrites the head of a page of the file that holds only texts of one record."""
    octets = bytearray(server.store_path.read_bytes())
    pages = [at for at in range(0, len(octets), PAGE_BYTES) if octets.count(marker, at, at + PAGE_BYTES) >= 2]
    at = pages[len(pages) // 2]
    octets[at : at + 100] = b"\xff" * 100
    server.store_path.write_bytes(octets)


async def say_much(server, marker):
    nina = await Client.connect(server, "nina", "proto")
    for number in range(40):
        assert (await nina.post("pat", "shared", f"{marker} {number} " + "y" * 1500)).ok
    await nina.close()


async def test_attack_29_a_corrupt_page_closes_the_records_on_it(ward, form):
    marker = "All of this page"
    ward.start()
    await say_much(ward, marker)
    copy = ward.folder / "copy.db"
    assert ward.tool("backup", "--config", ward.config, copy).returncode == 0
    ward.stop()
    destroy_a_page(ward, marker.encode())
    assert ward.verify().returncode == 1
    ward.start()
    nina = await Client.connect(ward, "nina", form, sync=False)
    await nina.until(lambda: DATA_LOSS in [one["code"] for one in nina.refused])
    said = await nina.post("mei", "shared", "The other patient is on other pages")
    assert said.ok
    assert not (await nina.post("pat", "shared", "Is anybody there")).ok
    await nina.close()
    ward.stop()
    # What the operator does: the damaged store is put away, and the backup takes its place.
    ward.store_path.rename(ward.folder / "damaged.db")
    assert ward.tool("restore", "--config", ward.config, copy).returncode == 0
    assert ward.verify().returncode == 0
    ward.start()
    nina = await Client.connect(ward, "nina", form)
    assert (await nina.post("pat", "shared", "Here we are again")).ok
    await nina.close()
