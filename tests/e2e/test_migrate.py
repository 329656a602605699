"""`careteam migrate`: a store of an older program is refused with the command to run, and that command does what it says, once."""
import sqlite3

import pytest
from careteam_client import Client
from server import Server
from test_escalation import ask, escalations, in_seconds, order, tell, timers_in, ward


@pytest.fixture
def older():
    """A stopped server with the demo team, whose store has the schema of an older program."""
    with Server(demo=True) as server:
        with sqlite3.connect(server.store_path) as db:
            for table in ("timers", "deliveries", "obligations"):
                db.execute(f"DROP TABLE {table}")
            db.execute("ALTER TABLE snapshots DROP COLUMN digest")
            db.execute("PRAGMA user_version = 1")
        db.close()
        yield server


def backups_of(server):
    return list(server.store_path.parent.glob("store.db.before-schema-*"))


def test_every_command_refuses_an_older_store_with_the_command_to_run(older):
    wanted = f"run `careteam migrate --config {older.config}`"
    before = older.store_path.read_bytes()
    for words in (["serve"], ["verify"], ["rebuild"], ["backup", older.folder / "copy.db"], ["import", older.folder / "none.ndjson"],
                  ["enroll", "--person", "nina", "--name", "Nina Park", "--kind", "staff"],
                  ["sessions", "--revoke", "nina", "--reason", "the phone is lost"]):
        done = older.tool(words[0], "--config", older.config, *words[1:])
        assert done.returncode == 1 and wanted in done.stderr, (words, done.stderr)
    assert older.store_path.read_bytes() == before and not (older.folder / "copy.db").exists()


def test_migrate_backs_up_and_verifies_and_the_server_serves(older):
    done = older.tool("migrate", "--config", older.config)
    assert done.returncode == 0 and "migrated: schema 1 to 5" in done.stdout, done.stdout + done.stderr
    assert done.stdout.count("sound: ") == 2, "the backup and the store"
    assert len(backups_of(older)) == 1
    again = older.tool("migrate", "--config", older.config)
    assert again.returncode == 0 and "nothing to do" in again.stdout
    assert len(backups_of(older)) == 1
    older.start()
    beside = older.tool("migrate", "--config", older.config)
    assert beside.returncode == 1 and "in use by process" in beside.stderr
    older.stop()
    assert older.verify().returncode == 0 and older.rebuild().returncode == 0


async def test_deadlines_outlive_the_migration_of_their_rows():
    with ward() as server:
        server.start()
        rao, nina = [await Client.connect(server, person) for person in ("rao", "nina")]
        late = await ask(rao, order(due=in_seconds(3)))
        done = await ask(rao, order("Write to her", due=in_seconds(3)))
        for action in ("claimTask", "acceptTask", "startTask", "completeTask"):
            assert (await tell(nina, action, done)).ok, action
        for action in ("claimTask", "acceptTask"):
            assert (await tell(nina, action, late)).ok, action
        server.stop()
        timers = timers_in(server)
        assert timers > 0
        with sqlite3.connect(server.store_path) as db:
            db.executescript("""
                ALTER TABLE timers RENAME TO kept;
                CREATE TABLE timers(due INTEGER NOT NULL, id TEXT NOT NULL, record INTEGER NOT NULL, version INTEGER NOT NULL,
                  payload BLOB NOT NULL, PRIMARY KEY(due, id, record)) WITHOUT ROWID;
                INSERT INTO timers SELECT due, id, record, 1, 'a command' FROM kept;
                DROP TABLE kept;
                PRAGMA user_version = 4;
            """)
        db.close()
        migrated = server.tool("migrate", "--config", server.config)
        assert migrated.returncode == 0 and "migrated: schema 4 to 5" in migrated.stdout, migrated.stdout + migrated.stderr
        rebuilt = server.rebuild()
        assert rebuilt.returncode == 0 and f" timers={timers} " in rebuilt.stdout, rebuilt.stdout + rebuilt.stderr
        server.start()
        rao = await Client.connect(server, "rao")
        await rao.until(lambda: escalations(rao, late))
        assert not escalations(rao, done)


def test_a_newer_store_is_refused_by_migrate_too(older):
    with sqlite3.connect(older.store_path) as db:
        db.execute("PRAGMA user_version = 7")
    db.close()
    for command in ("serve", "verify", "migrate"):
        done = older.tool(command, "--config", older.config)
        assert done.returncode == 1 and "has schema 7, this program needs 5: use the newer program" in done.stderr


def test_an_older_backup_is_restored_as_it_is(older):
    backup = older.folder / "backup.db"
    older.store_path.rename(backup)
    done = older.tool("restore", "--config", older.config, backup)
    assert done.returncode == 0, done.stderr
    assert "careteam migrate --config" in older.tool("serve", "--config", older.config).stderr
    assert older.tool("migrate", "--config", older.config, "--backup", older.folder / "named.db").returncode == 0
    assert (older.folder / "named.db").exists() and not backups_of(older)
    older.start()
