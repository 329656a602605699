"""A real server on a store of its own, with a Redis of its own: what the end-to-end tests talk to.

    with Server(settings={"server.hello_timeout_ms": 300}) as server:
        server.import_demo()
        server.start()

Everything lives in one temporary folder and ends with the object. Only processes that were started here are signalled, by their pid.
"""
import atexit
import json
import os
import pathlib
import secrets
import shutil
import signal
import socket
import subprocess
import tempfile
import threading
import time
import urllib.error
import urllib.request

ROOT = pathlib.Path(__file__).resolve().parents[2]
DEMO_BUNDLE = ROOT / "deploy" / "demo-team.bundle.json"
ISSUER = "https://login.example.org"
AUDIENCE = "careteam"
KEY_ID = "key-1"
START_SECONDS = 20
STOP_SECONDS = 15

issued_tokens = set()  # Every token that was made; none of them may be in a log.
captured_logs = []  # The standard error of every process of every server that has ended.
captured_metrics = []  # The metrics page of every server just before it ended.
captured_pages = []  # Its readiness, with details.
captured_redis = []  # Everything that its Redis held, and what Redis itself wrote down.

_session = None


def session_folder():
    """The folder of this test run: a copy of the binary (the original may be built anew meanwhile) and the signing keys."""
    global _session
    if _session is None:
        _session = pathlib.Path(tempfile.mkdtemp(prefix="ct-session-"))
        atexit.register(shutil.rmtree, _session, ignore_errors=True)
        source = os.environ.get("CARETEAM_BINARY", ROOT / "build/release/services/careteam/careteam")
        shutil.copy2(source, _session / "careteam")
        make_key(_session / "key.jwk", _session / "jwks.json")
    return _session


def binary():
    return session_folder() / "careteam"


def sanitized():
    """Whether the binary runs under AddressSanitizer, which keeps freed memory: its size says nothing then."""
    return b"__asan_init" in binary().read_bytes()


def make_key(key, jwks, kid=KEY_ID):
    """Writes a new private key and the public key set that goes with it."""
    tool = _session / "careteam"
    subprocess.run([tool, "token", "--new-key", key, "--kid", kid, "--jwks", jwks], check=True, capture_output=True)


_tokens = {}


def token(person, expires=3600, issuer=ISSUER, audience=AUDIENCE, key=None, kid=KEY_ID):
    """A token for the person. Long-lived ones are made once."""
    wanted = (person, expires, issuer, audience, str(key), kid)
    if wanted not in _tokens or expires < 600:
        made = subprocess.run(
            [binary(), "token", "--key", key or session_folder() / "key.jwk", "--kid", kid, "--issuer", issuer, "--audience", audience,
             "--subject", person, "--expires", str(expires)], check=True, capture_output=True, text=True)
        _tokens[wanted] = made.stdout.strip()
        issued_tokens.add(_tokens[wanted])
    return _tokens[wanted]


def prepare_tokens(people):
    """Makes the ordinary tokens of many people with one process."""
    with tempfile.NamedTemporaryFile("w", suffix=".txt") as ids:
        ids.write("".join(f"{person}\n" for person in people))
        ids.flush()
        made = subprocess.run(
            [binary(), "token", "--key", session_folder() / "key.jwk", "--kid", KEY_ID, "--issuer", ISSUER, "--audience", AUDIENCE,
             "--subjects-file", ids.name, "--expires", "3600"], check=True, capture_output=True, text=True)
    for line in made.stdout.splitlines():
        person, text = line.split()
        _tokens[(person, 3600, ISSUER, AUDIENCE, "None", KEY_ID)] = text
        issued_tokens.add(text)


def _identifier(value):
    return [{"system": "urn:careteam:person-id", "value": value}]


def patient_resource(person):
    return {"resourceType": "Patient", "id": person, "identifier": _identifier(person), "name": [{"text": f"Patient {person}"}]}


def practitioner_resource(person):
    return {"resourceType": "Practitioner", "id": person, "identifier": _identifier(person), "name": [{"text": f"Staff {person}"}]}


def team_resource(patient, members):
    """members: (person, role code) pairs; the patient belongs to the team without being named."""
    return {"resourceType": "CareTeam", "id": f"team-{patient}", "status": "active", "subject": {"reference": f"Patient/{patient}"},
            "participant": [{"role": [{"coding": [{"system": "urn:careteam:role", "code": role}]}],
                             "member": {"reference": f"Practitioner/{person}"}} for person, role in members]}


def room_resources(patient, members):
    """A patient, their staff and their team."""
    return [patient_resource(patient), *(practitioner_resource(person) for person in dict(members)), team_resource(patient, members)]


class Redis:
    """One redis-server on a unix socket, with a user and a password."""

    user = "careteam"

    def __init__(self, folder):
        self.folder = pathlib.Path(folder)
        self.socket = self.folder / "redis.sock"
        self.password = secrets.token_hex(16)
        self.password_file = self.folder / "redis-password"
        self.password_file.write_text(self.password + "\n")
        self.password_file.chmod(0o600)
        (self.folder / "redis.acl").write_text(f"user default off\nuser {self.user} on >{self.password} ~* &* +@all\n")
        (self.folder / "redis.conf").write_text(
            f"port 0\nunixsocket {self.socket}\nsave \"\"\nappendonly no\ndir {self.folder}\naclfile {self.folder}/redis.acl\n")
        self.process = None
        self.said = []  # Its log, in bytes.

    @property
    def endpoint(self):
        return f"unix:{self.socket}"

    def start(self):
        self.socket.unlink(missing_ok=True)
        self.process = subprocess.Popen(["redis-server", self.folder / "redis.conf"], stdout=subprocess.PIPE, stderr=subprocess.STDOUT)
        for line in self.process.stdout:
            self.said.append(line)
            if b"ready to accept connections" in line.lower():
                break
        else:
            raise RuntimeError("redis-server ended at once")
        threading.Thread(target=self.said.extend, args=(self.process.stdout,), daemon=True).start()

    def kill9(self):
        self._signal_and_wait(signal.SIGKILL)

    def end(self):
        self._signal_and_wait(signal.SIGTERM)

    def _signal_and_wait(self, number):
        if self.process and self.process.poll() is None:
            self.process.send_signal(signal.SIGCONT)
            self.process.send_signal(number)
            self.process.wait(STOP_SECONDS)

    def stop(self):
        """Freezes it: connections stay, nothing is answered."""
        self.process.send_signal(signal.SIGSTOP)

    def cont(self):
        self.process.send_signal(signal.SIGCONT)

    def connect(self):
        """A connection that has logged in: a file of RESP, both ways."""
        one = socket.socket(socket.AF_UNIX)
        one.settimeout(10)
        one.connect(str(self.socket))
        both = one.makefile("rwb")
        one.close()  # The file keeps it.
        assert self.ask(both, "AUTH", self.user, self.password) == b"OK"
        return both

    @staticmethod
    def ask(connection, *words):
        """The answer to one command, in bytes, numbers and lists. Words are texts or bytes: any of them."""
        octets = [word if isinstance(word, bytes) else str(word).encode() for word in words]
        connection.write(b"*%d\r\n" % len(octets) + b"".join(b"$%d\r\n%s\r\n" % (len(one), one) for one in octets))
        connection.flush()
        return Redis.answer(connection)

    @staticmethod
    def answer(connection):
        kind, rest = (line := connection.readline())[:1], line[1:-2]
        if kind == b"*":
            return [Redis.answer(connection) for _ in range(int(rest))]
        if kind == b"$":
            return None if rest == b"-1" else connection.read(int(rest) + 2)[:-2]
        return int(rest) if kind == b":" else rest

    def contents(self):
        """All keys and values that it holds now, as one piece of bytes."""
        reading = {b"string": ("GET",), b"set": ("SMEMBERS",), b"hash": ("HGETALL",), b"zset": ("ZRANGE", 0, -1), b"list": ("LRANGE", 0, -1),
                   b"stream": ("XRANGE", "-", "+")}
        flat = lambda value: [inner for one in value for inner in flat(one)] if isinstance(value, list) else [value or b""]  # noqa: E731
        found = []
        with self.connect() as connection:
            for key in self.ask(connection, "KEYS", "*"):
                verb, *range_of = reading[self.ask(connection, "TYPE", key)]
                value = self.ask(connection, verb, key, *range_of)
                found += [key, *flat(value)]
            found += self.ask(connection, "PUBSUB", "CHANNELS")
        return b"\n".join(found)

    def cli(self, *words):
        """The answer of one command, as redis-cli prints it."""
        done = subprocess.run(["redis-cli", "-s", self.socket, "--user", self.user, *map(str, words)], capture_output=True, text=True,
                              env={**os.environ, "REDISCLI_AUTH": self.password}, check=True, timeout=10)
        return done.stdout.strip()


class Server:
    """`careteam serve` and the tools beside it, on one temporary store."""

    tls = None  # An ssl.SSLContext where clients are to speak TLS.

    def __init__(self, settings=None, redis=True, demo=False, environment=None):
        """settings: {"section.key": value} beyond the usual ones; None as a value leaves a setting out. demo: import the demo team.
        environment: variables of the served process beyond those of the tests."""
        self.environment = environment or {}
        self.folder = pathlib.Path(tempfile.mkdtemp(prefix="ct-"))
        self.redis = Redis(self.folder) if redis else None
        self.config = self.folder / "careteam.toml"
        self.settings = {
            "server.listen": "127.0.0.1:0", "server.admin_listen": "127.0.0.1:0", "store.path": str(self.folder / "store.db"),
            "identity.jwks_file": str(session_folder() / "jwks.json"), "identity.issuer": ISSUER, "identity.audience": AUDIENCE,
            "identity.clock_skew_ms": 0, "limits.commands_per_minute": 10**9, "limits.commands_at_once": 10**6,
            "limits.device_commands_per_minute": 10**9, "limits.device_commands_at_once": 10**6}
        if self.redis:
            self.settings |= {"redis.endpoint": self.redis.endpoint, "redis.username": Redis.user,
                              "redis.password_file": str(self.redis.password_file)}
            self.redis.start()
        self.settings |= settings or {}
        self.write_config()
        self.process = None
        self.port = self.admin_port = self.epoch = None
        self._lines = []
        self._said = threading.Condition()
        try:
            if demo:
                self.import_demo()
        except BaseException:
            self.close()
            raise

    @property
    def store_path(self):
        return pathlib.Path(self.settings["store.path"])

    def write_config(self):
        """Writes `settings` (again): they count at the next start."""
        sections = {}
        for name, value in self.settings.items():
            section, key = name.split(".")
            if value is not None:
                sections.setdefault(section, []).append(f"{key} = {json.dumps(value if not isinstance(value, pathlib.Path) else str(value))}")
        self.config.write_text("".join(f"[{section}]\n" + "\n".join(lines) + "\n" for section, lines in sections.items()))

    # --- the process ---

    def launch(self):
        """Starts the process and does not wait for it to serve."""
        self.process = subprocess.Popen([binary(), "serve", "--config", self.config], stdout=subprocess.DEVNULL, stderr=subprocess.PIPE,
                                        env={**os.environ, **self.environment})
        self._ready = threading.Event()
        self._reader = threading.Thread(target=self._collect, args=(self.process, self._ready), daemon=True)
        self._reader.start()

    def start(self):
        self.launch()
        self._ready.wait(START_SECONDS)
        if not self.serving:
            raise RuntimeError("careteam does not serve: " + self.log_text()[-2000:])
        return self

    def _collect(self, process, ready):
        self.serving = False
        for raw in process.stderr:
            line = raw.decode("utf-8", "replace")
            with self._said:
                self._lines.append(line)
                self._said.notify_all()
            if '"event":"serving"' in line:
                told = json.loads(line)
                self.port, self.admin_port, self.epoch, self.serving = told["port"], told["admin_port"], told["epoch"], True
                ready.set()
        ready.set()

    def memory(self, field):
        """VmRSS or VmHWM (the most until now) of the process, in bytes."""
        with open(f"/proc/{self.pid}/status") as status:
            return next(int(line.split()[1]) * 1024 for line in status if line.startswith(field + ":"))

    @property
    def pid(self):
        return self.process.pid

    def running(self):
        return self.process is not None and self.process.poll() is None

    def term(self):
        """SIGTERM, without waiting."""
        self._keep_metrics()
        self.process.send_signal(signal.SIGTERM)

    def stop(self):
        """SIGTERM; returns (exit code, seconds that it took)."""
        self._keep_metrics()
        started = time.monotonic()
        self.process.send_signal(signal.SIGTERM)
        code = self.process.wait(STOP_SECONDS)
        took = time.monotonic() - started
        self._reader.join(STOP_SECONDS)
        return code, took

    def wait(self, seconds=STOP_SECONDS):
        """Waits for the process to end by itself; returns its exit code."""
        code = self.process.wait(seconds)
        self._reader.join(STOP_SECONDS)
        return code

    def kill9(self):
        self.process.kill()
        self.process.wait(STOP_SECONDS)
        self._reader.join(STOP_SECONDS)

    def pause(self):
        self.process.send_signal(signal.SIGSTOP)

    def cont(self):
        self.process.send_signal(signal.SIGCONT)

    def restart(self):
        """Stops it in order where it still runs, and starts it again on the same store; the ports change."""
        if self.running():
            self.stop()
        return self.start()

    def close(self):
        """Ends everything and removes the folder."""
        if self.running():
            self.cont()
            try:
                self.stop()
            except subprocess.TimeoutExpired:
                self.kill9()
        captured_logs.append(self.log_text())
        if self.redis:
            self._keep_redis()
            self.redis.end()
            captured_redis.append(b"".join(self.redis.said))
        shutil.rmtree(self.folder, ignore_errors=True)

    def __enter__(self):
        return self

    def __exit__(self, *failure):
        self.close()

    def _keep_metrics(self):
        try:
            captured_metrics.append(self.admin("/metrics")[1])
            captured_pages.append(self.admin("/readyz?verbose")[1])
        except OSError:
            pass

    def _keep_redis(self):
        if self.redis.process and self.redis.process.poll() is None:
            self.redis.cont()
            captured_redis.append(self.redis.contents())

    # --- what it says ---

    def log_text(self):
        """Everything on standard error until now, of all starts and of the tools."""
        return "".join(self._lines)

    def log_lines(self):
        """The log's JSON lines as dictionaries."""
        return [json.loads(line) for line in self._lines if line.startswith("{")]

    def logged(self, event, times=1, seconds=10):
        """Waits until the log has this event so many times."""
        with self._said:
            count = lambda: sum(f'"event":"{event}"' in line for line in self._lines)  # noqa: E731
            assert self._said.wait_for(lambda: count() >= times, seconds), f"{event} was logged {count()} times"

    def admin(self, path):
        """(status, text) of the admin port: /livez, /readyz, /metrics."""
        try:
            with urllib.request.urlopen(f"http://127.0.0.1:{self.admin_port}{path}", timeout=5) as answer:
                return answer.status, answer.read().decode()
        except urllib.error.HTTPError as refused:
            return refused.code, refused.read().decode()

    def metrics(self):
        """{name with labels: value} of /metrics."""
        lines = (line.rsplit(" ", 1) for line in self.admin("/metrics")[1].splitlines() if line and not line.startswith("#"))
        return {name: float(value) for name, value in lines}

    # --- the tools ---

    def tool(self, *words, timeout=60, **options):
        """Runs `careteam WORDS`; returns the finished process (text output). Does not check the exit code. The options are subprocess's."""
        done = subprocess.run([binary(), *map(str, words)], capture_output=True, text=True, timeout=timeout, **options)
        captured_logs.append(done.stdout if words[0] != "token" else "")
        self._lines.append(done.stderr if done.stderr.endswith("\n") or not done.stderr else done.stderr + "\n")
        return done

    def verify(self):
        return self.tool("verify", "--config", self.config)

    def rebuild(self):
        return self.tool("rebuild", "--config", self.config)

    def import_file(self, path):
        done = self.tool("import", "--config", self.config, path)
        if done.returncode != 0:
            raise RuntimeError("import: " + done.stdout[-1000:] + done.stderr[-2000:])
        return done

    def import_demo(self):
        return self.import_file(DEMO_BUNDLE)

    def import_resources(self, resources):
        """Imports FHIR resources, one a line."""
        path = self.folder / f"import-{secrets.token_hex(4)}.ndjson"
        with path.open("w") as out:
            for resource in resources:
                out.write(json.dumps(resource, separators=(",", ":")) + "\n")
        return self.import_file(path)

    def token(self, person, **claims):
        return token(person, **claims)
