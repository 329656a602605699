"""The real nginx and HAProxy with the configurations that ship in deploy/, as this user, on ports and paths of their own."""
import getpass
import pathlib
import socket
import ssl
import subprocess
import time

import server as servers
from certificates import Certificate

DEPLOY = pathlib.Path(servers.ROOT) / "deploy"
START_SECONDS = 10
SHIPPED_TIMEOUT = "75s"


def free_port():
    """A port that nobody had a moment ago."""
    with socket.socket() as one:
        one.bind(("127.0.0.1", 0))
        return one.getsockname()[1]


def changed(text, changes):
    """The shipped text with this test's places; what is not there as often as expected fails."""
    for shipped, (ours, times) in changes.items():
        assert text.count(shipped) == times, f"{shipped!r} stands {text.count(shipped)} times in the shipped file"
        text = text.replace(shipped, ours)
    return text


class Proxy:
    """A proxy in front of a running server: clients take it for the server (`port`, `tls`, `token`)."""

    def __init__(self, server, timeout=SHIPPED_TIMEOUT):
        self.server, self.folder, self.timeout = server, server.folder / self.name, timeout
        self.folder.mkdir()
        self.log = self.folder / "log"
        self.certificate = Certificate(self.folder)
        self.tls = self.certificate.trusted()
        self.token = server.token
        self.port = free_port()
        self.config = self.folder / "config"
        self.write_config()
        self.process = None

    def __enter__(self):
        with self.log.open("ab") as log:
            self.process = subprocess.Popen(self.command(), stdin=subprocess.DEVNULL, stdout=log, stderr=log)
        end = time.monotonic() + START_SECONDS
        while not self.answers():
            if self.process.poll() is not None or time.monotonic() > end:
                self.__exit__()
                raise RuntimeError(f"{self.name} does not start: {self.log.read_text()}")
            time.sleep(0.02)  # It tells nobody when it listens.
        return self

    def answers(self):
        """Whether a request comes through to the server."""
        try:
            with socket.create_connection(("127.0.0.1", self.port), timeout=1) as plain, self.tls.wrap_socket(plain, server_hostname="127.0.0.1") as secure:
                secure.sendall(b"GET /v1/ws HTTP/1.1\r\nHost: care.example.org\r\n\r\n")
                return b" 426 " in secure.recv(1000)
        except (OSError, ssl.SSLError):
            return False

    def __exit__(self, *failure):
        if self.process.poll() is None:
            self.process.terminate()
            self.process.wait(10)
        servers.captured_logs.append(self.log.read_text())


class Nginx(Proxy):
    name = "nginx"

    def write_config(self):
        shipped = changed((DEPLOY / "nginx.conf").read_text(), {
            "server 127.0.0.1:8080;": (f"server 127.0.0.1:{self.server.port};", 1), "listen 443 ssl;": (f"listen 127.0.0.1:{self.port} ssl;", 1),
            "    listen [::]:443 ssl;\n": ("", 1), "/etc/careteam/tls/fullchain.pem": (str(self.certificate.chain), 1),
            "/etc/careteam/tls/privkey.pem": (str(self.certificate.key), 1), "/var/log/nginx/careteam.log": (str(self.log), 1), SHIPPED_TIMEOUT: (self.timeout, 2)})
        (self.folder / "careteam.conf").write_text(shipped)
        paths = "".join(f"{kind}_temp_path {self.folder}/{kind};\n" for kind in ("client_body", "proxy", "fastcgi", "uwsgi", "scgi"))
        # What Debian's nginx.conf has around the files of conf.d.
        self.config.write_text(f"user {getpass.getuser()};\ndaemon off;\nworker_processes 1;\npid {self.folder}/pid;\nerror_log {self.log} info;\n"
                               f"events {{ worker_connections 256; }}\nhttp {{\n{paths}include {self.folder}/careteam.conf;\n}}\n")

    def command(self):
        return ["nginx", "-p", self.folder, "-e", self.log, "-c", self.config]


class Haproxy(Proxy):
    name = "haproxy"

    def write_config(self):
        both = self.folder / "haproxy.pem"
        both.write_text(self.certificate.chain.read_text() + self.certificate.key.read_text())
        both.chmod(0o600)
        self.config.write_text(changed((DEPLOY / "haproxy.cfg").read_text(), {
            "    user haproxy\n    group haproxy\n": ("", 1), "log /dev/log local0": ("log stdout format raw local0", 1), "maxconn 20000": ("maxconn 200", 1), "bind :443": (f"bind 127.0.0.1:{self.port}", 1),
            "/etc/careteam/tls/haproxy.pem": (str(both), 1), "server careteam 127.0.0.1:8080": (f"server careteam 127.0.0.1:{self.server.port}", 1),
            "check port 9090": (f"check port {self.server.admin_port}", 1), SHIPPED_TIMEOUT: (self.timeout, 3)}))

    def command(self):
        return ["haproxy", "-f", self.config]
