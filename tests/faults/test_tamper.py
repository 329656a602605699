"""Whoever changes a stored byte, row or order behind the server's back is found out by `careteam verify`, which names the place."""
import contextlib
import os
import re
import shutil
import sqlite3

import pytest

from contract import AUDIT, SHARED

BIT_FLIPS = int(os.environ.get("CARETEAM_FLIPS", "40"))
ROOMS = {
    "rosa": {"onc": "medical-oncologist", "nora": "oncology-nurse", "sam": "social-worker", "phil": "pharmacist"},
    "ivan": {"onc": "medical-oncologist", "nora": "oncology-nurse", "nutri": "nutritionist", "gene": "genetic-counselor"},
}


class StoppedStore:
    """A store that nobody serves, and a copy of it to put back after each change."""

    def __init__(self, house):
        self.house = house
        self.file = house.store
        with self.database() as db:
            assert db.execute("PRAGMA wal_checkpoint(TRUNCATE)").fetchone()[0] == 0
        self.untouched = self.file.with_suffix(".untouched")
        shutil.copyfile(self.file, self.untouched)
        with self.database() as db:
            self.entries = [
                (key, kind, position & 0xFFFFFFFF, row, head)
                for key, kind, head, position, row in db.execute(
                    "SELECT r.key, s.kind, s.head, p.position, p.row FROM positions p JOIN streams s ON s.id = p.position >> 32 "
                    "JOIN records r ON r.id = s.record ORDER BY p.position")
            ]

    @contextlib.contextmanager
    def database(self):
        db = sqlite3.connect(self.file)
        try:
            with db:
                yield db
        finally:
            db.close()

    def change(self, *statements):
        """Executes (sql, values) in the store as it was at first; each must change exactly one row."""
        for end in ("-wal", "-shm"):
            self.file.with_name(self.file.name + end).unlink(missing_ok=True)
        shutil.copyfile(self.untouched, self.file)
        with self.database() as db:
            for sql, values in statements:
                assert db.execute(sql, values).rowcount == 1, sql

    def bytes_of(self, row):
        with self.database() as db:
            return db.execute("SELECT bytes FROM entries WHERE row = ?", (row,)).fetchone()[0]

    def findings(self):
        """What `verify` says about the changed store: {(record, stream, seq)}; parts that it does not name are None or 0."""
        done = self.house.verify(expect=1)
        assert "NOT SOUND" in done.stdout, done.stdout
        places = set()
        for line in done.stderr.splitlines():
            if line.startswith("finding:"):
                named = dict(re.findall(r"\b(record|stream|seq)=(\S+)", line))
                places.add((named.get("record"), int(named.get("stream", 0)), int(named.get("seq", 0))))
        assert places, done.stderr
        return places


@pytest.fixture
def stopped(houses):
    return StoppedStore(houses(ROOMS, redis=False))


def test_an_untouched_store_is_sound(stopped):
    assert len(stopped.entries) > 20
    assert "sound" in stopped.house.verify(expect=0).stdout
    stopped.change()
    assert "findings=0" in stopped.house.verify(expect=0).stdout


def test_one_flipped_bit_of_an_entry_is_found_where_it_is(stopped, rng):
    for _ in range(BIT_FLIPS):
        key, kind, seq, row, _ = rng.choice(stopped.entries)
        stopped.change()
        octets = bytearray(stopped.bytes_of(row))
        bit = rng.randrange(len(octets) * 8)
        octets[bit // 8] ^= 1 << bit % 8
        stopped.change(("UPDATE entries SET bytes = ? WHERE row = ?", (bytes(octets), row)))
        # Nothing else is accused: whoever repairs must know where to look.
        assert stopped.findings() == {(key, kind, seq)}, f"bit {bit} of {key}/{kind}/{seq}"


def test_a_flipped_bit_of_a_chain_value_is_found_where_it_is(stopped, rng):
    for _ in range(BIT_FLIPS // 4):
        key, kind, seq, row, _ = rng.choice(stopped.entries)
        stopped.change()
        with stopped.database() as db:
            chain = bytearray(db.execute("SELECT chain FROM entries WHERE row = ?", (row,)).fetchone()[0])
        bit = rng.randrange(256)
        chain[bit // 8] ^= 1 << bit % 8
        stopped.change(("UPDATE entries SET chain = ? WHERE row = ?", (bytes(chain), row)))
        assert (key, kind, seq) in stopped.findings(), f"bit {bit} of the chain value of {key}/{kind}/{seq}"


@pytest.mark.parametrize("where", ["first", "middle", "last"])
@pytest.mark.parametrize("table, column", [("entries", "row"), ("positions", "row")])
def test_a_deleted_row_is_found(stopped, rng, table, column, where):
    places = {"first": lambda seq, head: seq == 1, "middle": lambda seq, head: 1 < seq < head, "last": lambda seq, head: seq == head}
    for wanted in (SHARED, AUDIT):
        key, kind, seq, row, _ = rng.choice([one for one in stopped.entries if one[1] == wanted and places[where](one[2], one[4])])
        stopped.change((f"DELETE FROM {table} WHERE {column} = ?", (row,)))
        assert (key, kind, seq) in stopped.findings(), f"{where} row of {table}: {key}/{kind}/{seq}"


def test_a_tail_that_is_cut_off_from_both_tables_is_found(stopped, rng):
    key, kind, seq, row, _ = rng.choice([one for one in stopped.entries if one[2] == one[4]])
    stopped.change(("DELETE FROM entries WHERE row = ?", (row,)), ("DELETE FROM positions WHERE row = ?", (row,)))
    assert (key, kind, seq) in stopped.findings()


def test_swapped_entries_are_found_at_both_places(stopped, rng):
    for _ in range(10):
        one, other = rng.sample(stopped.entries, 2)
        stopped.change()
        first, second = stopped.bytes_of(one[3]), stopped.bytes_of(other[3])
        assert first != second
        stopped.change(("UPDATE entries SET bytes = ? WHERE row = ?", (second, one[3])),
                       ("UPDATE entries SET bytes = ? WHERE row = ?", (first, other[3])))
        assert stopped.findings() == {one[:3], other[:3]}


def test_swapped_positions_are_found_at_both_places(stopped, rng):
    for _ in range(5):
        one, other = rng.sample(stopped.entries, 2)
        stopped.change(("UPDATE positions SET row = -1 WHERE row = ?", (one[3],)), ("UPDATE positions SET row = ? WHERE row = ?", (one[3], other[3])),
                       ("UPDATE positions SET row = ? WHERE row = -1", (other[3],)))
        assert {one[:3], other[:3]} <= stopped.findings()
