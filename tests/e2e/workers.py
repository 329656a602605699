"""Processes of `careteam notifier`: they make the calls that a server hands over.

    with Worker(socket, gateway.settings) as worker:
        worker.logged("working")

A worker's configuration holds the gateways' secrets and no store. Only processes that were started here are signalled, by their pid.
"""
import json
import os
import pathlib
import shutil
import signal
import subprocess
import tempfile
import threading

import server

STOP_SECONDS = 15


class Worker:
    def __init__(self, socket, settings, user=None, environment=None):
        """socket: where the server listens. settings: {"notifier.key": value}. user: another one than the tests' own (uid). environment: variables
        beyond those of the tests."""
        self.folder = pathlib.Path(tempfile.mkdtemp(prefix="ct-worker-"))
        self.config = self.folder / "worker.toml"
        lines = [f"{name.split('.')[1]} = {json.dumps(value)}" for name, value in ({"notifier.worker_socket": str(socket)} | settings).items()]
        self.config.write_text("[notifier]\n" + "\n".join(lines) + "\n")
        self._binary, self._user = server.binary(), {}
        if user is not None:
            self._binary = shutil.copy2(self._binary, self.folder)  # The tests' own folder is closed to others.
            self._user = {"user": user, "group": user, "extra_groups": []}
            os.chown(self.folder, user, user)
        self._environment = environment or {}
        self._lines = []
        self._said = threading.Condition()
        self.process = None

    def start(self):
        self.process = subprocess.Popen([self._binary, "notifier", "--config", self.config], stdout=subprocess.DEVNULL, stderr=subprocess.PIPE,
                                        env={**os.environ, **self._environment}, **self._user)
        self._reader = threading.Thread(target=self._collect, args=(self.process,), daemon=True)
        self._reader.start()
        return self

    def _collect(self, process):
        for raw in process.stderr:
            with self._said:
                self._lines.append(raw.decode("utf-8", "replace"))
                self._said.notify_all()

    def log_text(self):
        return "".join(self._lines)

    def logged(self, event, times=1, seconds=10):
        """Waits until the log has this event so many times."""
        count = lambda: sum(f'"event":"{event}"' in line for line in self._lines)  # noqa: E731
        with self._said:
            assert self._said.wait_for(lambda: count() >= times, seconds), f"{event} was logged {count()} times: {self.log_text()}"
        return self

    @property
    def pid(self):
        return self.process.pid

    def running(self):
        return self.process is not None and self.process.poll() is None

    def term(self):
        self.process.send_signal(signal.SIGTERM)

    def wait(self, seconds=STOP_SECONDS):
        """Its exit code."""
        code = self.process.wait(seconds)
        self._reader.join(STOP_SECONDS)
        return code

    def stop(self):
        self.term()
        return self.wait()

    def kill9(self):
        self.process.kill()
        self.wait()

    def freeze(self):
        """It keeps its connections and says nothing more."""
        os.kill(self.pid, signal.SIGSTOP)

    def thaw(self):
        os.kill(self.pid, signal.SIGCONT)

    def __enter__(self):
        return self.start()

    def __exit__(self, *failure):
        if self.running():
            self.thaw()
            try:
                self.stop()
            except subprocess.TimeoutExpired:
                self.kill9()
        server.captured_logs.append(self.log_text())
        shutil.rmtree(self.folder, ignore_errors=True)
