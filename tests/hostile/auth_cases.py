"""Messages in the place of a password, and what an outsider can learn."""

import base64
import struct

from expectations import sqlstates
from registry import case, refused
from wire import Closed, Client, Reply, Scram, bind, error_fields, frame, parse, query, startup
from world import PASSWORD

KINDS = (("plain", "plain_user"), ("md5", "md5_user"), ("scram-sha-256", "scram_user"))


def challenged(world, auth_type, user, database="hostile"):
    """A connection that was asked for the password; with the question's body."""
    client = Client(world.guard(auth_type).port)
    client.send(startup([("user", user), ("database", database)]))
    kind, body = client.message()
    assert kind == "R", f"not asked for a password: {kind} {body[:100]}"
    return client, body


def sends_refused(world, make, codes, kinds=KINDS):
    """`make(user)` gives the bytes in the password's place, at each kind of authentication."""
    for auth_type, user in kinds:
        client, _ = challenged(world, auth_type, user)
        with client:
            client.try_send(make(user))
            refused(client.rest(), codes, may_be_silent=False)


def register_answers(name, make, kinds=KINDS):
    @case(name)
    def run(world):
        sends_refused(world, make, sqlstates(name), kinds)


SCRAM_ONLY = KINDS[2:]
for case_name, answer in {
        "auth-query-instead-of-password": lambda user: query("create table pwned(a int)"),
        "auth-parse-bind-early": lambda user: parse("", "create table pwned(a int)") + bind(),
        "auth-len0": lambda user: frame("p", b"", 0) + b"x" * 20,
        "auth-len3": lambda user: frame("p", b"", 3) + b"x" * 20,
        "auth-len-2^31-1": lambda user: frame("p", b"secret\0", (1 << 31) - 1),
        "auth-len-2^32-1": lambda user: frame("p", b"secret\0", (1 << 32) - 1),
        "auth-70KB-password": lambda user: frame("p", b"x" * 70_000 + b"\0"),
        "auth-empty": lambda user: frame("p", b"\0"),
        "auth-no-nul": lambda user: frame("p", PASSWORD.encode()),
}.items():
    register_answers(case_name, answer)


def initial(data, mechanism=b"SCRAM-SHA-256", length=None):
    size = len(data) if length is None else length
    return frame("p", mechanism + b"\0" + struct.pack("!I", size & 0xFFFFFFFF) + data)


FIRST = b"n,,n=,r=rOprNGfwEbeRWgbNEkqO"
for case_name, answer in {
        "auth-sasl-garbage": lambda user: frame("p", bytes(range(256))),
        "auth-sasl-unknown-mech": lambda user: initial(FIRST, b"SCRAM-MD5"),
        "auth-sasl-len-mismatch": lambda user: initial(FIRST, length=len(FIRST) + 9),
        "auth-sasl-len-neg": lambda user: initial(FIRST, length=-2),
        # "y": the client believes that we cannot bind channels; without TLS we cannot.
        "auth-sasl-cbind-y-downgrade": lambda user: initial(
            FIRST.replace(b"n,,", b"y,,"), b"SCRAM-SHA-256-PLUS"),
        "auth-sasl-nul-in-nonce": lambda user: initial(b"n,,n=,r=abc\0def"),
        "auth-sasl-authzid": lambda user: initial(b"n,a=postgres,n=,r=rOprNGfwEbeRWgbNEkqO"),
        "auth-sasl-m-ext": lambda user: initial(b"n,,m=must,n=,r=rOprNGfwEbeRWgbNEkqO"),
}.items():
    register_answers(case_name, answer, SCRAM_ONLY)


@case("auth-terminate")
def terminate(world):
    for auth_type, user in KINDS:
        client, _ = challenged(world, auth_type, user)
        with client:
            client.send(frame("X"))
            refused(client.rest(), sqlstates("auth-terminate"))


def scram_with(world, user="scram_user", password=PASSWORD, codes=("08P01",), **spoilt):
    """A SCRAM login whose last message is spoilt; all that came back."""
    client, body = challenged(world, "scram-sha-256", user)
    with client:
        assert body[4:].startswith(b"SCRAM-SHA-256"), body
        scram = Scram(password)
        client.send(scram.initial_response())
        kind, body = client.message()
        if kind == "E":
            return [error_fields(body)], None
        challenge = body[4:]
        client.try_send(scram.response(challenge, **spoilt))
        return refused(client.rest(), codes, may_be_silent=False), challenge


@case("auth-scram-nonce-tamper")
def nonce_tamper(world):
    for nonce in (b"", b"rOprNGfwEbeRWgbNEkqO", b"rOprNGfwEbeRWgbNEkqO" + b"A" * 24):
        scram_with(world, nonce=nonce)


@case("auth-scram-proof-short")
def proof_short(world):
    for change in (lambda proof: b"", lambda proof: proof[:31], lambda proof: proof[:1]):
        scram_with(world, change=change)


@case("auth-scram-proof-huge")
def proof_huge(world):
    for change in (lambda proof: proof + b"\0", lambda proof: proof * 20,
                   lambda proof: proof * 1500):
        scram_with(world, change=change)


def failed_login(world, auth_type, user, password):
    with Client(world.guard(auth_type).port) as client:
        try:
            reply = client.login(user, "hostile", password)
        except Closed:
            reply = Reply([], True)
        assert reply.closed and "Z" not in reply.kinds, f"{user} was let in: {reply}"
        return reply


@case("auth-wrong-password")
def wrong_password(world):
    for auth_type, user in KINDS:
        reply = failed_login(world, auth_type, user, "wrong")
        assert reply.sqlstate == "28P01", f"{auth_type}: {reply}"
        assert not set(reply.errors[0]) & set("DHWFLRpq"), f"too much is told: {reply.errors[0]}"
    # The right one is let in: the refusals above are about the password.
    for auth_type, user in KINDS:
        with world.guard(auth_type).connect(user, "hostile", PASSWORD) as client:
            assert client.query("select current_user").value == user


@case("auth-user-enum")
def user_enumeration(world):
    for auth_type, user in KINDS:
        seen = []
        for name in (user, "nobody_here"):
            client, body = challenged(world, auth_type, name)
            client.close()
            question = body[:4] if auth_type == "md5" else body
            reply = failed_login(world, auth_type, name, "wrong")
            told = {key: value.replace(name, "USER") for key, value in reply.errors[0].items()}
            seen.append((question, reply.kinds, told))
        if auth_type == "md5":
            # Which of two questions depends on the users there are; the answer does not.
            seen = [entry[2] for entry in seen]
        assert seen[0] == seen[1], f"{auth_type}: {seen}"
    shapes = []
    for name in ("scram_user", "nobody_here"):
        _, challenge = scram_with(world, name, "wrong", ("28P01",))
        assert challenge is not None, f"{name}: no challenge"
        fields = dict(part.split(b"=", 1) for part in challenge.split(b","))
        shapes.append((sorted(fields), len(fields[b"r"]), len(base64.b64decode(fields[b"s"])),
                       fields[b"i"]))
    assert shapes[0] == shapes[1], shapes


@case("auth-user-mock-salt-stable")
def mock_salt(world):
    def salt(name):
        _, challenge = scram_with(world, name, "wrong", ("28P01",))
        return dict(part.split(b"=", 1) for part in challenge.split(b","))[b"s"]

    assert salt("nobody_here") == salt("nobody_here"), "the salt tells that the user is unknown"
    assert salt("nobody_here") != salt("nobody_else"), "one salt for all unknown users"
