"""Certificates for tests, made with the openssl command."""
import ssl
import subprocess

KEYS = {"ecdsa": ["-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256"], "rsa": ["-newkey", "rsa:2048"]}


class Certificate:
    """A certificate for 127.0.0.1 that signs itself, and its key: `chain` and `key` are the files. days=-1: it ended yesterday."""

    def __init__(self, folder, name="one", kind="ecdsa", days=30):
        self.chain, self.key = folder / f"{name}.pem", folder / f"{name}.key"
        subprocess.run(["openssl", "req", "-x509", *KEYS[kind], "-nodes", "-keyout", self.key, "-out", self.chain, "-days", str(max(1, days)), "-subj", f"/CN={name}",
                        "-addext", "subjectAltName=IP:127.0.0.1", "-addext", "keyUsage=digitalSignature,keyCertSign"], check=True, capture_output=True)
        if days <= 0:
            subprocess.run(["openssl", "x509", "-in", self.chain, "-signkey", self.key, "-days", str(days), "-out", self.chain], check=True, capture_output=True)
        self.key.chmod(0o600)

    def settings(self):
        return {"server.tls_certificate_file": str(self.chain), "server.tls_key_file": str(self.key)}

    def trusted(self):
        """What a client needs: trusts this certificate and no other."""
        return ssl.create_default_context(cafile=str(self.chain))
