"""Backups of a store that is being served, and what becomes of clients when one is put back."""
import asyncio
import os
import pty
import re
import resource
import signal
import sqlite3
import stat
import subprocess

import pytest
from careteam_client import Client
from server import Server, binary, room_resources

STAFF = [("nina", "oncology-nurse"), ("rao", "medical-oncologist")]


@pytest.fixture
def ward():
    with Server(redis=False, settings={"limits.wrong_patient_window_ms": 0}) as server:
        server.import_resources(room_resources("pat", STAFF))
        yield server.start()


def backup(server, to):
    return server.tool("backup", "--config", server.config, to)


def restore(server, copy):
    return server.tool("restore", "--config", server.config, copy)


async def test_a_backup_beside_a_server_holds_everything_that_was_acknowledged_before(ward):
    nina = await Client.connect(ward, "nina")
    before = [(await nina.post("pat", "clinical", f"Before {number}")).seq for number in range(50)]
    stop = asyncio.Event()

    async def talk():
        number = 0
        while not stop.is_set():
            assert (await nina.post("pat", "clinical", f"Meanwhile {number}")).ok
            number += 1
        return number

    talking = asyncio.create_task(talk())
    copy = ward.folder / "copy.db"
    done = await asyncio.to_thread(backup, ward, copy)
    stop.set()
    assert await talking > 0
    assert done.returncode == 0 and "sound: " in done.stdout and f"epoch={ward.epoch}" in done.stdout, done.stderr
    assert stat.S_IMODE(copy.stat().st_mode) == 0o600
    assert not list(ward.folder.glob("copy.db?*"))
    with sqlite3.connect(f"file:{copy}?mode=ro", uri=True) as taken:
        assert taken.execute("SELECT count(*) FROM entries").fetchone()[0] >= len(before)
    await nina.close()
    assert "sound" in ward.verify().stdout


async def test_a_restored_store_is_another_incarnation(ward, form):
    nina = await Client.connect(ward, "nina", form)
    kept = await nina.post("pat", "clinical", "This is in the backup")
    copy = ward.folder / "copy.db"
    assert (await asyncio.to_thread(backup, ward, copy)).returncode == 0
    lost = await nina.post("pat", "clinical", "This is not")
    assert kept.ok and lost.ok
    await nina.close()
    assert restore(ward, copy).returncode == 1  # The server holds the store, and there is one.
    ward.stop()
    refused = restore(ward, copy)
    assert refused.returncode == 1 and "is not overwritten" in refused.stderr
    old_epoch = ward.epoch
    ward.store_path.rename(ward.folder / "old.db")
    done = restore(ward, copy)
    assert done.returncode == 0 and "restored: " in done.stdout, done.stderr
    ward.start()
    assert ward.epoch != old_epoch and f"epoch={ward.epoch}" in done.stdout
    # A client that was ahead of the backup is told to start over, and ends with exactly what there is.
    again = await Client.connect(ward, "nina", form, resume={("pat", "clinical"): lost.seq}, epoch=old_epoch)
    assert any(reset["reason"] == "REASON_EPOCH" for reset in again.resets)
    fresh = await Client.connect(ward, "nina", form, device="another")
    assert fresh.texts("pat", "clinical") == ["This is in the backup"]
    # The new incarnation goes on from there.
    assert (await fresh.post("pat", "clinical", "Written afterwards")).seq == lost.seq
    for one in (again, fresh):
        await one.close()
    assert "sound" in ward.verify().stdout
    ward.stop()
    assert ward.rebuild().returncode == 0


def test_a_backup_never_overwrites(ward):
    there = ward.folder / "there.db"
    there.write_text("something else")
    done = backup(ward, there)
    assert done.returncode == 1 and "is not overwritten" in done.stderr
    assert there.read_text() == "something else"
    done = backup(ward, ward.folder / "no-folder" / "copy.db")
    assert done.returncode == 1 and "no-folder" in done.stderr


def test_a_backup_that_is_not_sound_is_not_restored(ward):
    copy = ward.folder / "copy.db"
    assert backup(ward, copy).returncode == 0
    ward.stop()
    with sqlite3.connect(copy) as tampered:
        tampered.execute("UPDATE entries SET bytes = zeroblob(length(bytes)) WHERE row = 1")
    ward.store_path.rename(ward.folder / "old.db")
    done = restore(ward, copy)
    assert done.returncode == 1 and "NOT SOUND" in done.stdout and "nothing was restored" in done.stderr
    assert not ward.store_path.exists()
    (ward.folder / "text.db").write_text("no store at all " * 1000)
    assert restore(ward, ward.folder / "text.db").returncode == 1
    assert not ward.store_path.exists()


def test_a_disk_that_is_full_leaves_nothing_behind(ward):
    limit = 64 * 1024
    copy = ward.folder / "copy.db"
    done = ward.tool("backup", "--config", ward.config, copy, preexec_fn=lambda: limit_files(limit))
    assert done.returncode == 1 and "copy.db" in done.stderr
    assert not list(ward.folder.glob("copy.db*"))
    assert backup(ward, copy).returncode == 0


def limit_files(size):
    """Files of this process cannot grow beyond `size`: writing fails as on a full disk."""
    signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
    resource.setrlimit(resource.RLIMIT_FSIZE, (size, size))
    os.umask(0o077)


def on_a_terminal(*words):
    """(exit code, standard output, what the terminal showed)."""
    ours, theirs = pty.openpty()
    try:
        done = subprocess.run([binary(), *map(str, words)], stdout=subprocess.PIPE, stderr=theirs, text=True, timeout=60)
    finally:
        os.close(theirs)
    shown = b""
    try:
        while piece := os.read(ours, 65536):
            shown += piece
    except OSError:  # The end: nobody holds the other side any more.
        pass
    os.close(ours)
    return done.returncode, done.stdout, shown.decode()


def test_progress_is_for_terminals_and_the_last_line_tells_size_and_time(ward):
    copy, other = ward.folder / "copy.db", ward.folder / "other.db"
    code, said, shown = on_a_terminal("backup", "--config", ward.config, copy)
    assert code == 0 and re.search(r"\r1 of 1 MiB copied", shown) and "entries verified" in shown
    last = said.splitlines()[-1]
    assert re.fullmatch(rf"copied: bytes={copy.stat().st_size} seconds=[\d.]+ epoch={ward.epoch}", last)
    done = backup(ward, other)
    assert done.returncode == 0 and not done.stderr and done.stdout.splitlines()[-1].startswith("copied: bytes=")
    # Quiet: nothing, unless it fails.
    assert on_a_terminal("backup", "--quiet", "--config", ward.config, ward.folder / "third.db") == (0, "", "")
    code, said, shown = on_a_terminal("backup", "-q", "--config", ward.config, copy)
    assert code == 1 and not said and "exists already" in shown
    ward.stop()
    ward.store_path.unlink()
    code, said, shown = on_a_terminal("restore", "--config", ward.config, copy)
    assert code == 0 and "entries verified" in shown and "MiB copied" in shown
    assert re.fullmatch(r"restored: bytes=\d+ seconds=[\d.]+ epoch=[0-9a-f]{32}", said.splitlines()[-1])
    ward.store_path.unlink()
    assert on_a_terminal("restore", "-q", "--config", ward.config, other) == (0, "", "")
    assert "sound" in ward.verify().stdout
