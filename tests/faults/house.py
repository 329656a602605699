"""The server under test with its rooms, on ports that stay the same over restarts: clients must find it again by themselves."""
import os
import pathlib
import socket
import subprocess
import sys
import time

from contract import ROOT

sys.path.insert(0, str(ROOT / "tests/e2e"))
import server as product  # noqa: E402


def free_ports(count):
    sockets = [socket.socket() for _ in range(count)]
    for one in sockets:
        one.bind(("127.0.0.1", 0))
    ports = [one.getsockname()[1] for one in sockets]
    for one in sockets:
        one.close()
    return ports


class House(product.Server):
    """`rooms`: {patient: {person: role code}}; each patient is on their own team. `store_folder` puts the store elsewhere."""

    def __init__(self, rooms, settings=None, redis=True, store_folder=None):
        super().__init__(settings, redis)
        self.rooms = rooms
        self.client_port, admin_port = free_ports(2)
        self.configure({"server": {"listen": f"127.0.0.1:{self.client_port}", "admin_listen": f"127.0.0.1:{admin_port}"}})
        if store_folder:
            self.store_file = pathlib.Path(store_folder) / "store.db"
            self.configure({"store": {"path": self.store_file}})
        for patient, team in rooms.items():
            self.import_room(patient, team)
        # Made before anything fails: tokens do not need the server.
        self.tokens = {person: self.token(person, expires=86400) for person in {*rooms, *(p for team in rooms.values() for p in team)}}

    def launch(self):
        """Starts the server and does not wait for it; the moment of the start."""
        started = time.monotonic()
        self._log_start = self.log_file.stat().st_size if self.log_file.exists() else 0
        with self.log_file.open("ab") as log:
            self.process = subprocess.Popen([str(product.BINARY), "serve", "--config", str(self.config_file)], stdout=log, stderr=log)
        return started

    def kill9(self):
        """Also after it has ended by itself, which is an error of its own."""
        ended = self.process.poll()
        super().kill9()
        assert ended is None, f"the server ended by itself with {ended}: {self.logs[-2000:]}"

    def orderly_stop(self):
        ended = self.process.poll()
        assert ended is None, f"the server ended by itself with {ended}: {self.logs[-2000:]}"
        code, seconds = self.stop()
        assert code == 0, f"the server ended with {code}: {self.logs[-2000:]}"
        assert seconds < 10, f"the server took {seconds:.1f} s to end"

    def check_store(self):
        """`verify` and `rebuild` find nothing. The server must be stopped."""
        self.verify()
        rebuilt = self.rebuild()
        assert "differences=0" in rebuilt.stdout, rebuilt.stdout
