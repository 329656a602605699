"""What stands outside in the tests: a gateway that takes webhooks, and a mail server. Both keep every byte that comes.

    with Gateway() as gateway:
        ... "notifier.webhook_url": gateway.url, "notifier.webhook_secret_file": gateway.secret_file ...
        calls = gateway.wait(2)
        gateway.answer(429, retry_after=2)      # the next one; what is not planned is answered with 202

Both serve on a thread of their own; connections are kept, as a provider would.
"""
import hashlib
import hmac
import json
import pathlib
import socket
import ssl
import tempfile
import threading
import time

SECRET = "a-secret-of-the-tests-0123456789"
FIXED_TEXT = "New message from your care team"


def sign(secret, timestamp, body):
    return "v1=" + hmac.new(secret.encode(), str(timestamp).encode() + b"." + body, hashlib.sha256).hexdigest()


class Call:
    """One webhook as it came."""

    def __init__(self, head, body, at):
        self.head, self.raw_body, self.at = head, body, at
        line, *fields = head.decode("latin-1").split("\r\n")
        self.line = line
        self.headers = {name.lower(): value for name, value in (one.split(": ", 1) for one in fields if ": " in one)}
        self.body = json.loads(body)

    @property
    def id(self):
        return self.body["id"]

    @property
    def effect(self):
        return self.id.split("-")[0]

    def is_signed(self, secret=SECRET):
        return hmac.compare_digest(self.headers["careteam-signature"], sign(secret, self.headers["careteam-timestamp"], self.raw_body))


class _Listener:
    """Accepts connections and serves each on a thread."""

    def __init__(self):
        self.folder = pathlib.Path(tempfile.mkdtemp(prefix="ct-gateway-"))
        self.received = b""  # Every byte of every connection.
        self.changed = threading.Condition()
        self._socket = socket.create_server(("127.0.0.1", 0))
        self.port = self._socket.getsockname()[1]
        self._open = set()
        self._closing = False
        threading.Thread(target=self._accept, daemon=True).start()

    def _accept(self):
        while True:
            try:
                one, _ = self._socket.accept()
            except OSError:
                return
            one.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
            with self.changed:
                if self._closing:
                    one.close()
                    return
                self._open.add(one)
            threading.Thread(target=self._serve_and_close, args=(one,), daemon=True).start()

    def _serve_and_close(self, one):
        try:
            self.serve(one)
        except (OSError, ValueError):
            pass  # The other side has gone, or this one was closed.
        finally:
            with self.changed:
                self._open.discard(one)
            one.close()

    def keep(self, octets):
        with self.changed:
            self.received += octets
        return octets

    def close(self):
        with self.changed:
            self._closing = True
            for one in self._open:
                try:
                    one.shutdown(socket.SHUT_RDWR)
                except OSError:
                    pass
        self._socket.close()

    def __enter__(self):
        return self

    def __exit__(self, *failure):
        self.close()

    def secret(self, name, text):
        file = self.folder / name
        file.write_text(text + "\n")
        file.chmod(0o600)
        return str(file)


class Gateway(_Listener):
    """A webhook receiver. Planned answers: (status, headers), "silence" (accepts and says nothing), "garbage", "drop"."""

    def __init__(self):
        self.calls = []
        self._plans = []
        self.usual = (202, {})
        super().__init__()
        self.secret_file = self.secret("webhook-secret", SECRET)

    @property
    def url(self):
        return f"http://127.0.0.1:{self.port}/careteam"

    @property
    def settings(self):
        return {"notifier.webhook_url": self.url, "notifier.webhook_secret_file": self.secret_file}

    def answer(self, plan, retry_after=None):
        """Plans the answer to one more call."""
        if isinstance(plan, int):
            plan = (plan, {} if retry_after is None else {"Retry-After": str(retry_after)})
        with self.changed:
            self._plans.append(plan)

    def serve(self, one):
        stream = one.makefile("rb")
        while True:
            head = b""
            while not head.endswith(b"\r\n\r\n"):
                line = self.keep(stream.readline())
                if not line:
                    return
                head += line
            length = next(int(field.split(b":")[1]) for field in head.lower().split(b"\r\n") if field.startswith(b"content-length:"))
            call = Call(head, self.keep(stream.read(length)), time.monotonic())
            with self.changed:
                self.calls.append(call)
                plan = self._plans.pop(0) if self._plans else self.usual
                self.changed.notify_all()
            if plan == "silence":
                stream.read(1)  # Until the other side gives up.
                return
            if plan == "garbage":
                one.sendall(b"\x00\xff\x17 this is no HTTP \x01" * 100)
                return
            if plan == "drop":
                return
            status, fields = plan
            lines = [f"HTTP/1.1 {status} X", "Content-Length: 0", *(f"{name}: {value}" for name, value in fields.items())]
            one.sendall("\r\n".join(lines).encode() + b"\r\n\r\n")

    def wait(self, count, seconds=10):
        """The calls, as soon as there are so many."""
        with self.changed:
            assert self.changed.wait_for(lambda: len(self.calls) >= count, seconds), f"{len(self.calls)} calls came: {[one.body for one in self.calls]}"
            return list(self.calls)


class MailServer(_Listener):
    """SMTP with STARTTLS and AUTH PLAIN. Plans: "drop" (in the middle of the mail), or a reply to RCPT such as "550 no such user"."""

    def __init__(self, certificate=None, login=None):
        """certificate: (chain file, key file); without one STARTTLS is not offered. login: (user, password) that is demanded."""
        self.mails = []  # (sender, recipients, text)
        self.logins = []
        self._plans = []
        self.login = login
        self._tls = None
        if certificate:
            self._tls = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
            self._tls.load_cert_chain(*certificate)
        super().__init__()

    @property
    def url(self):
        return f"smtp://127.0.0.1:{self.port}"

    def plan(self, what):
        with self.changed:
            self._plans.append(what)

    def _next(self, wanted):
        with self.changed:
            return self._plans.pop(0) if self._plans and wanted(self._plans[0]) else None

    def serve(self, one):
        stream = one.makefile("rb")
        say = lambda text: one.sendall(text.encode() + b"\r\n")  # noqa: E731
        secure, known, sender, recipients = False, self.login is None, "", []
        say("220 mail.test ESMTP")
        while line := self.keep(stream.readline()):
            words = line.decode("latin-1").strip()
            verb = words.split(" ")[0].upper()
            if verb == "EHLO":
                offers = (["STARTTLS"] if self._tls and not secure else []) + (["AUTH PLAIN"] if self.login else [])
                lines = ["mail.test", *offers]
                for i, offer in enumerate(lines):
                    say(f"250{' ' if i + 1 == len(lines) else '-'}{offer}")
            elif verb == "STARTTLS" and self._tls:
                say("220 go ahead")
                one = self._tls.wrap_socket(one, server_side=True)
                stream, secure = one.makefile("rb"), True
            elif verb == "AUTH":
                import base64
                coded = words.split(" ")[2] if len(words.split(" ")) > 2 else None
                if coded is None:
                    say("334 ")
                    coded = self.keep(stream.readline()).decode().strip()
                _, user, password = base64.b64decode(coded).decode().split("\0")
                known = (user, password) == self.login
                self.logins.append((user, secure, known))
                say("235 welcome" if known else "535 wrong")
            elif verb == "MAIL":
                sender = words
                say("250 ok" if known else "530 login first")
            elif verb == "RCPT":
                refusal = self._next(lambda plan: plan[0].isdigit())
                recipients = recipients + [words] if not refusal else recipients
                say(refusal or "250 ok")
            elif verb == "DATA":
                say("354 go on")
                text = b""
                drop = self._next(lambda plan: plan == "drop")
                while not text.endswith(b"\r\n.\r\n"):
                    more = self.keep(stream.readline())
                    if not more:
                        return
                    text += more
                    if drop:
                        one.shutdown(socket.SHUT_RDWR)
                        return
                with self.changed:
                    self.mails.append((sender, recipients, text.decode()))
                    recipients = []
                    self.changed.notify_all()
                say("250 taken")
            elif verb == "QUIT":
                say("221 bye")
                return
            else:
                say("250 ok" if verb in ("RSET", "NOOP") else "502 no")

    def wait(self, count, seconds=10):
        with self.changed:
            assert self.changed.wait_for(lambda: len(self.mails) >= count, seconds), f"{len(self.mails)} mails came"
            return list(self.mails)
