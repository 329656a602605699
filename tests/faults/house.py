"""The processes under test: one careteam server, one Redis, their files, and ports that stay the same over restarts.

Ends only what it started, by process id.
"""
import http.client
import json
import os
import pathlib
import re
import secrets
import shutil
import signal
import socket
import subprocess
import tempfile
import threading
import time

from contract import ROOT

START_SECONDS = 30
END_SECONDS = 10  # SIGTERM must be obeyed within it.
ISSUER, AUDIENCE = "https://faults.invalid", "careteam"

captured = []       # What every process and tool of every house has said.
issued_tokens = []  # None of them may be in it.


def program():
    return os.environ.get("CARETEAM_BINARY") or str(ROOT / "build/release/services/careteam/careteam")


def free_ports(count):
    sockets = [socket.socket() for _ in range(count)]
    for one in sockets:
        one.bind(("127.0.0.1", 0))
    ports = [one.getsockname()[1] for one in sockets]
    for one in sockets:
        one.close()
    return ports


class Process:
    """A child whose lines are kept, so that one can wait for one of them instead of asking again and again."""

    def __init__(self, *arguments, environment=None):
        self._news = threading.Condition()
        self._lines, self._ended = [], False
        self.started = time.monotonic()
        self._child = subprocess.Popen(arguments, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.STDOUT,
                                       env={**os.environ, **(environment or {})})
        self._reader = threading.Thread(target=self._read, daemon=True)
        self._reader.start()

    def _read(self):
        for line in self._child.stdout:
            with self._news:
                self._lines.append(line.decode(errors="replace"))
                captured.append(self._lines[-1])
                self._news.notify_all()
        with self._news:
            self._ended = True
            self._news.notify_all()

    def lines(self, text):
        """All lines until now that hold this text."""
        with self._news:
            return [line for line in self._lines if text in line]

    def last_lines(self):
        with self._news:
            return "".join(self._lines[-20:])

    def wait_for_line(self, pattern, seconds):
        wanted, seen, deadline = re.compile(pattern), 0, time.monotonic() + seconds
        with self._news:
            while True:
                if any(wanted.search(line) for line in self._lines[seen:]):
                    return
                seen = len(self._lines)
                if self._ended or time.monotonic() > deadline:
                    raise AssertionError(f"the process did not say {pattern!r} within {seconds} s: {''.join(self._lines[-20:])}")
                self._news.wait(deadline - time.monotonic())

    @property
    def pid(self):
        return self._child.pid

    def count(self, text):
        """How many lines have this in them."""
        with self._news:
            return sum(text in line for line in self._lines)

    def wait_for_count(self, text, count, seconds):
        """Waits until so many lines have this in them."""
        with self._news:
            enough = self._news.wait_for(lambda: self._ended or sum(text in line for line in self._lines) >= count, seconds)
            assert enough and sum(text in line for line in self._lines) >= count, f"not {count} times {text}: {self._lines[-20:]}"

    def wait_for_end(self, seconds):
        """The exit code of a process that ends by itself."""
        code = self._child.wait(seconds)
        self._reader.join(5)
        return code

    def exit_code(self):
        """None: it runs."""
        return self._child.poll()

    def send(self, number):
        self._child.send_signal(number)

    def end(self, number, seconds=END_SECONDS):
        """Sends a signal and waits for the end; the exit code."""
        if self.exit_code() is None:
            self.send(number)
        try:
            code = self._child.wait(seconds)
        except subprocess.TimeoutExpired:
            self._child.kill()
            self._child.wait()
            raise AssertionError(f"the process did not end within {seconds} s after signal {number}: {self.last_lines()}") from None
        self._reader.join(5)
        return code


def resource_lines(rooms):
    """FHIR resources for `careteam import`, from {patient: {person: role code}}; each patient is on their own team."""
    def named(kind, person):
        return {"resourceType": kind, "id": person, "identifier": [{"system": "urn:careteam:person-id", "value": person}],
                "name": [{"text": f"{kind} {person}"}]}

    def member(kind, person, role):
        return {"role": [{"coding": [{"system": "urn:careteam:role", "code": role}]}], "member": {"reference": f"{kind}/{person}"}}

    yield from (named("Patient", patient) for patient in rooms)
    yield from (named("Practitioner", person) for person in sorted({person for team in rooms.values() for person in team}))
    for patient, team in rooms.items():
        participants = [member("Patient", patient, "patient"), *(member("Practitioner", person, role) for person, role in sorted(team.items()))]
        yield {"resourceType": "CareTeam", "id": f"team-{patient}", "status": "active", "subject": {"reference": f"Patient/{patient}"},
               "participant": participants}


class House:
    """A server with these rooms, not started, and its Redis, which is. `store_folder` puts the store elsewhere; settings as in
    {"server.drain_ms": 100} come on top; `environment` is the server's, beside the usual one; `disk`: a BadDisk that the server gets, and its
    tools do not."""

    def __init__(self, rooms, settings=None, redis=True, store_folder=None, environment=None, disk=None):
        self.disk = disk
        store_folder = disk.folder if disk else store_folder
        self.folder = pathlib.Path(tempfile.mkdtemp(prefix="careteam-faults-"))
        self.store = pathlib.Path(store_folder or self.folder) / "store.db"
        self.server = self.redis = None
        self.environment = environment
        self.client_port, self.admin_port, self.redis_port = free_ports(3)
        self.password = secrets.token_hex(16)
        (self.folder / "redis-password").write_text(self.password)
        self.config = self.folder / "careteam.toml"
        # Nobody here looks at what they type: the guard against the wrong patient is off unless a test asks for it.
        self.settings = {
            "server.listen": f"127.0.0.1:{self.client_port}", "server.admin_listen": f"127.0.0.1:{self.admin_port}", "store.path": str(self.store),
            "redis.endpoint": f"127.0.0.1:{self.redis_port}", "redis.username": "careteam", "redis.password_file": "redis-password",
            "identity.jwks_file": "jwks.json", "identity.issuer": ISSUER, "identity.audience": AUDIENCE, "limits.wrong_patient_window_ms": 0, "limits.commands_per_minute": 10**9,
            "limits.commands_at_once": 10**6, "limits.device_commands_per_minute": 10**9, "limits.device_commands_at_once": 10**6}
        self.settings |= settings or {}
        self._write_config()
        self._issue_tokens({*rooms, *(person for team in rooms.values() for person in team)})
        lines = self.folder / "rooms.ndjson"
        lines.write_text("".join(json.dumps(one) + "\n" for one in resource_lines(rooms)))
        self.run("import", "--config", self.config, lines)
        if redis:
            self.start_redis()

    def _write_config(self):
        sections = {}
        for name, value in self.settings.items():
            section, key = name.split(".")
            sections.setdefault(section, []).append(f"{key} = {json.dumps(value)}\n")
        self.config.write_text("".join(f"[{section}]\n{''.join(lines)}" for section, lines in sections.items()))

    def _issue_tokens(self, people):
        key, subjects = self.folder / "key.jwk", self.folder / "people"
        self.run("token", "--new-key", key, "--kid", "faults", "--jwks", self.folder / "jwks.json")
        subjects.write_text("".join(f"{person}\n" for person in sorted(people)))
        issued = self.run("token", "--key", key, "--kid", "faults", "--issuer", ISSUER, "--audience", AUDIENCE, "--expires", 86400,
                          "--subjects-file", subjects)
        self.tokens = dict(line.split() for line in issued.stdout.splitlines())
        issued_tokens.extend(self.tokens.values())

    def run(self, *arguments, expect=0):
        """A command of the product; any exit code but `expect` is an error."""
        done = subprocess.run([program(), *map(str, arguments)], capture_output=True, text=True, timeout=600)
        captured.append(done.stderr if arguments[0] == "token" else done.stdout + done.stderr)
        assert done.returncode == expect, f"careteam {arguments[0]}: exit code {done.returncode}, not {expect}\n{done.stdout[-3000:]}{done.stderr[-3000:]}"
        return done

    # --- the server ---

    def launch(self):
        """Starts the server and does not wait for it; the moment of the start."""
        self.server = Process(program(), "serve", "--config", str(self.config), environment={**(self.environment or {}), **(self.disk.environment if self.disk else {})})
        return self.server.started

    def start(self):
        self.launch()
        self.server.wait_for_line('"serving"', START_SECONDS)

    def check_running(self):
        code = self.server.exit_code()
        assert code is None, f"the server ended by itself with {code}: {self.server.last_lines()}"

    def kill9(self):
        self.check_running()
        self.server.end(signal.SIGKILL)

    def stop(self):
        """The orderly end: in time, and without a complaint."""
        self.check_running()
        code = self.server.end(signal.SIGTERM)
        assert code == 0, f"the server ended with {code}: {self.server.last_lines()}"

    def verify(self, expect=0):
        return self.run("verify", "--config", self.config, expect=expect)

    def check_store(self):
        """`verify` and `rebuild` find nothing. The server must be stopped."""
        self.verify()
        rebuilt = self.run("rebuild", "--config", self.config)
        assert "differences=0" in rebuilt.stdout, rebuilt.stdout

    def readiness(self, target="/readyz"):
        """(status, text) of /readyz, or of another page of the admin port."""
        connection = http.client.HTTPConnection("127.0.0.1", self.admin_port, timeout=5)
        try:
            connection.request("GET", target)
            answer = connection.getresponse()
            return answer.status, answer.read().decode()
        finally:
            connection.close()

    # --- Redis ---

    def start_redis(self, password=None):
        configuration = self.folder / "redis.conf"
        configuration.write_text(f'bind 127.0.0.1\nport {self.redis_port}\nsave ""\nappendonly no\ndir {self.folder}\n'
                                 f"user default off\nuser careteam on >{password or self.password} ~* &* +@all\n")
        self.redis = Process("redis-server", str(configuration))
        self.redis.wait_for_line("eady to accept connections", START_SECONDS)

    def kill_redis(self):
        self.redis.send(signal.SIGCONT)
        self.redis.end(signal.SIGKILL)

    def ask_redis(self, *words, password=None):
        """The first line of Redis' answer to one command."""
        def encoded(*words):
            return b"*%d\r\n" % len(words) + b"".join(b"$%d\r\n%s\r\n" % (len(word.encode()), word.encode()) for word in words)

        with socket.create_connection(("127.0.0.1", self.redis_port), 5) as to, to.makefile("rb") as answers:
            to.sendall(encoded("AUTH", "careteam", password or self.password) + encoded(*words))
            assert answers.readline() == b"+OK\r\n"
            return answers.readline().decode().rstrip()

    def flush_redis(self):
        assert self.ask_redis("FLUSHALL") == "+OK"

    def close(self):
        for process in (self.server, self.redis):
            if process and process.exit_code() is None:
                process.send(signal.SIGCONT)
                process.end(signal.SIGKILL)
        shutil.rmtree(self.folder, ignore_errors=True)
