"""A disk that goes wrong at a chosen operation: the other end of tests/disk (plan.hpp), which is preloaded into the server."""
import errno
import mmap
import os
import pathlib
import shutil
import struct
import time

from contract import ROOT

WRITE, SYNC, TRUNCATE, OPEN, READ, NAME, SEND = (1 << bit for bit in range(7))
DATABASE, WAL, OTHER, NO_FILE = (1 << bit for bit in range(4))
NOTHING, FAIL, SHORTEN, DELAY, KILL, LOSE_POWER = range(6)
FIELDS = ("what", "operations", "files", "at", "times", "error", "after", "delay_us", "seed", "counted", "fired")
FOR_EVER = 1 << 30
EIO, ENOSPC, EROFS = errno.EIO, errno.ENOSPC, errno.EROFS


def library():
    return os.environ.get("CARETEAM_BAD_DISK") or str(ROOT / "build/release/tests/disk/libbad_disk_preload.so")


class BadDisk:
    """A folder for a store. `model`: keeps book of what is durable, for LOSE_POWER."""

    def __init__(self, tmp_path, model=False):
        self.folder = pathlib.Path(tmp_path).resolve() / "disk"
        self.folder.mkdir()
        self._control = self.folder.with_name("plan")
        self._control.write_bytes(bytes(8 * len(FIELDS)))
        with self._control.open("r+b") as file:
            self._plan = mmap.mmap(file.fileno(), 8 * len(FIELDS))
        self.environment = {"LD_PRELOAD": library(), "CARETEAM_DISK_FOLDER": str(self.folder), "CARETEAM_DISK_PLAN": str(self._control)}
        if model:
            self.environment["CARETEAM_DISK_MODEL"] = "1"

    def _put(self, field, value):
        struct.pack_into("<Q", self._plan, 8 * FIELDS.index(field), value)

    def get(self, field):
        return struct.unpack_from("<Q", self._plan, 8 * FIELDS.index(field))[0]

    def arm(self, what, operations, at=1, times=1, **others):
        """From now on: at the `at`-th of these operations, and `times` in a row."""
        self.disarm()
        fields = {"operations": operations, "files": 15, "at": at, "times": times, "error": 0, "after": 0, "delay_us": 0, "seed": 0, "counted": 0, "fired": 0}
        for field, value in (fields | others).items():
            self._put(field, value)
        self._put("what", what)  # Last: now it counts.

    def disarm(self):
        self._put("what", NOTHING)

    def wait_until_fired(self, times, seconds):
        deadline = time.monotonic() + seconds
        while self.get("fired") < times:
            assert time.monotonic() < deadline, {field: self.get(field) for field in FIELDS}
            time.sleep(0.005)  # A counter in shared memory: there is nothing to wait on.

    def become_what_power_loss_left(self):
        left = self.folder.with_name(self.folder.name + ".after-power-loss")
        assert left.is_dir(), "power was not lost"
        shutil.rmtree(self.folder)
        left.rename(self.folder)
