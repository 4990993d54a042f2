"""PostgreSQL's own tests: the source of Debian's package, the psql that belongs to it, and the
libraries the tests load, built against the installed server. All kept in a cache directory."""

import pathlib
import shutil
import tempfile
from dataclasses import dataclass

from debian import fetch_source, installed_version, run

PACKAGE = "postgresql-15"
CLIENT_PACKAGE = "postgresql-client-15"
PG_BIN = pathlib.Path("/usr/lib/postgresql/15/bin")
NEEDED = ["*/src/test/regress/*", "*/contrib/spi/*", "*/COPYRIGHT"]
LIBRARIES = {"regress": "src/test/regress", "autoinc": "contrib/spi", "refint": "contrib/spi"}


@dataclass(frozen=True)
class Suite:
    version: str  # of the source
    server_version: str  # of the installed server
    source: pathlib.Path
    libraries: pathlib.Path  # regress.so, autoinc.so, refint.so
    bin: pathlib.Path  # has the source's psql
    psql_fits: bool  # else the installed one stands in for it

    @property
    def regress(self) -> pathlib.Path:
        return self.source / "src/test/regress"


def fetch_psql(cache: pathlib.Path, version: str) -> tuple[pathlib.Path, bool]:
    """psql is part of what the expected files show: a newer one reads on differently after a COPY
    that failed, for one. The server's newest does if that version is not served any more."""
    if version == installed_version(CLIENT_PACKAGE):
        return PG_BIN, True
    target = cache / f"psql-{version}"
    inside = target / PG_BIN.relative_to("/")
    if not (inside / "psql").exists():
        with tempfile.TemporaryDirectory(dir=cache) as download:
            try:
                run(["apt-get", "-qq", "-o", "APT::Sandbox::User=root", "download",
                     f"{CLIENT_PACKAGE}={version}"], cwd=download)
            except RuntimeError as error:
                print(f"psql {version} is not to be had, the installed one is used: {error}")
                return PG_BIN, False
            package, = pathlib.Path(download).glob("*.deb")
            run(["dpkg-deb", "-x", str(package), str(target)])
    return inside, True


def build_libraries(cache: pathlib.Path, source: pathlib.Path, version: str,
                    server: str) -> pathlib.Path:
    target = cache / f"libraries-{version}-for-{server}"
    if all((target / f"{name}.so").exists() for name in LIBRARIES):
        return target
    shutil.rmtree(target, ignore_errors=True)
    target.mkdir()
    for name, directory in LIBRARIES.items():
        shutil.copy(source / directory / f"{name}.c", target)
    (target / "Makefile").write_text(
        f"MODULES = {' '.join(LIBRARIES)}\n"
        f"PG_CONFIG = {PG_BIN}/pg_config\n"
        # As the suite's own makefile has it: its expected files show what this says.
        "PG_CPPFLAGS = -DREFINT_VERBOSE\n"
        "PGXS := $(shell $(PG_CONFIG) --pgxs)\ninclude $(PGXS)\n")
    # Without the bitcode for the JIT, which needs a clang of the server's version.
    run(["make", "-s", "with_llvm=no"], cwd=target)
    return target


def prepare(cache: pathlib.Path) -> Suite:
    cache.mkdir(parents=True, exist_ok=True)
    version, source = fetch_source(cache, PACKAGE, "source", NEEDED)
    server = installed_version(PACKAGE)
    binaries, fits = fetch_psql(cache, version)
    return Suite(version, server, source, build_libraries(cache, source, version, server), binaries,
                 fits)
