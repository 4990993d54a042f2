"""Installs Debian packages that are missing, without letting them start services."""

import contextlib
import os
import subprocess
import tempfile

POLICY = "/usr/sbin/policy-rc.d"
NEEDED = [
    "postgresql-15", "postgresql-client-15", "postgresql-contrib", "pgbouncer", "haproxy", "strace",
    "valgrind", "libbenchmark-dev", "openssl", "util-linux",
]


def missing():
    status = subprocess.run(
        ["dpkg-query", "-W", "-f", "${binary:Package} ${db:Status-Status}\n", *NEEDED],
        capture_output=True, text=True, check=False,
    ).stdout
    installed = {
        line.split()[0].split(":")[0] for line in status.splitlines() if line.endswith(" installed")
    }
    return [name for name in NEEDED if name not in installed]


@contextlib.contextmanager
def no_services():
    """A policy-rc.d that says no, if there is none yet: packages of servers start services."""
    if os.path.exists(POLICY):
        yield
        return
    with open(POLICY, "w", encoding="ascii") as policy:
        policy.write("#!/bin/sh\nexit 101\n")
    os.chmod(POLICY, 0o755)
    try:
        yield
    finally:
        os.unlink(POLICY)


def install_missing():
    """Raises RuntimeError with the command to run if it cannot."""
    names = missing()
    if not names:
        return
    command = ["apt-get", "-qq", "-o", "DPkg::Lock::Timeout=300", "install", "-y",
               "--no-install-recommends", *names]
    if os.geteuid() != 0:
        raise RuntimeError("packages are missing; run as root: " + " ".join(command))
    print("installing " + " ".join(names), flush=True)
    environment = dict(os.environ, DEBIAN_FRONTEND="noninteractive")
    with no_services(), tempfile.TemporaryFile() as log:
        subprocess.run(["apt-get", "-qq", "update"], env=environment, stdout=log, stderr=log,
                       check=False)
        done = subprocess.run(command, env=environment, stdin=subprocess.DEVNULL, stdout=log,
                              stderr=log, check=False)
        if done.returncode != 0:
            log.seek(0)
            raise RuntimeError(log.read().decode(errors="replace")[-2000:])
