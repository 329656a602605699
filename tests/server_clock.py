"""Another time of day for one server, by libfaketime; nothing else on the machine sees it."""
import os

LIBRARY = "/usr/lib/x86_64-linux-gnu/faketime/libfaketimeMT.so.1"


class Clock:
    """The server's time of day: the machine's and so many seconds."""

    def __init__(self, folder):
        assert os.path.exists(LIBRARY), "libfaketime is missing: deploy/install-packages"
        self._file = folder / "offset"
        self.set(0)
        self.environment = {"LD_PRELOAD": LIBRARY, "FAKETIME_TIMESTAMP_FILE": str(self._file), "FAKETIME_NO_CACHE": "1",
                            "FAKETIME_DONT_FAKE_MONOTONIC": "1", "DONT_FAKE_MONOTONIC": "1"}

    def set(self, seconds):
        new = self._file.with_suffix(".new")
        new.write_text(f"{seconds:+d}\n")
        new.rename(self._file)
