"""SCRAM-SHA-256 with keys computed once: PBKDF2 would drown what is measured."""

import base64
import hashlib
import hmac
import os


def _hmac(key, data):
    return hmac.digest(key, data, "sha256")


def _base64(data):
    return base64.b64encode(data).decode()


class Secret:
    """The secret of one user, and the client's side of an exchange."""

    def __init__(self, password, iterations=4096):
        self.salt = os.urandom(16)
        self.iterations = iterations
        salted = hashlib.pbkdf2_hmac("sha256", password.encode(), self.salt, iterations)
        self.client_key = _hmac(salted, b"Client Key")
        self.stored_key = hashlib.sha256(self.client_key).digest()
        self.server_key = _hmac(salted, b"Server Key")

    def text(self):
        """As in pg_authid and userlist.txt."""
        return (f"SCRAM-SHA-256${self.iterations}:{_base64(self.salt)}"
                f"${_base64(self.stored_key)}:{_base64(self.server_key)}")

    @staticmethod
    def client_first():
        """(nonce, client-first-message)"""
        nonce = _base64(os.urandom(18))
        return nonce, f"n,,n=,r={nonce}".encode()

    def client_final(self, nonce, server_first):
        """(client-final-message, the server signature to expect)"""
        fields = dict(part.split("=", 1) for part in server_first.decode().split(","))
        if not fields["r"].startswith(nonce):
            raise RuntimeError("the proxy's nonce does not begin with ours")
        if base64.b64decode(fields["s"]) != self.salt or int(fields["i"]) != self.iterations:
            raise RuntimeError("the proxy sent another salt: it would make the client run PBKDF2")
        without_proof = f"c=biws,r={fields['r']}"
        message = f"n=,r={nonce},{server_first.decode()},{without_proof}".encode()
        signature = _hmac(self.stored_key, message)
        proof = bytes(a ^ b for a, b in zip(self.client_key, signature))
        return (f"{without_proof},p={_base64(proof)}".encode(),
                _base64(_hmac(self.server_key, message)))
