"""PostgreSQL's own tests: the source of Debian's package, the psql that belongs to it, and the
libraries the tests load, built against the installed server. All kept in a cache directory.

The system's apt configuration is not touched: a private one asks the same archives for sources."""

import os
import pathlib
import shutil
import subprocess
import tempfile
from dataclasses import dataclass

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


def run(command: list[str], **options) -> str:
    done = subprocess.run(command, capture_output=True, text=True, check=False, **options)
    if done.returncode != 0:
        raise RuntimeError(f"{' '.join(command)} failed:\n{done.stdout[-1000:]}{done.stderr[-2000:]}")
    return done.stdout


def installed_version(package: str) -> str:
    return run(["dpkg-query", "-W", "-f", "${Version}", package])


class Apt:
    """apt with a configuration of its own: the sources of the archives that this system has."""

    def __init__(self, directory: pathlib.Path):
        self.directory = directory
        for name in ("lists/partial", "cache/archives/partial"):
            (directory / name).mkdir(parents=True, exist_ok=True)
        (directory / "sources.list").write_text("\n".join(self.archives()) + "\n")
        (directory / "apt.conf").write_text(
            f'Dir::Etc::sourcelist "{directory}/sources.list";\nDir::Etc::sourceparts "-";\n'
            f'Dir::State::lists "{directory}/lists";\nDir::Cache "{directory}/cache";\n'
            f'APT::Sandbox::User "root";\n')
        self.environment = dict(os.environ, APT_CONFIG=str(directory / "apt.conf"))

    @staticmethod
    def archives() -> list[str]:
        shown = run(["apt-get", "indextargets", "--format",
                     "$(REPO_URI) $(CODENAME) $(COMPONENT) $(ORIGIN)", "Created-By: Packages"])
        debian = {tuple(line.split()[:3]) for line in shown.splitlines() if line.endswith(" Debian")}
        if not debian:
            raise RuntimeError("apt knows no archive of Debian's; run apt-get update first")
        return [f"deb-src {uri} {suite} {component}" for uri, suite, component in sorted(debian)]

    def run(self, *arguments: str, cwd: pathlib.Path | None = None) -> str:
        return run(list(arguments), env=self.environment, cwd=cwd)

    def source_versions(self) -> list[str]:
        """The newest first."""
        self.run("apt-get", "-qq", "update")
        shown = self.run("apt-cache", "showsrc", PACKAGE)
        versions: list[str] = []
        for line in shown.splitlines():
            if line.startswith("Version: "):
                versions.append(line.removeprefix("Version: "))
        return sort_versions(versions)


def older(one: str, other: str) -> bool:
    return subprocess.run(["dpkg", "--compare-versions", one, "lt", other], check=False).returncode == 0


def sort_versions(versions: list[str]) -> list[str]:
    ordered: list[str] = []
    for version in versions:
        place = 0
        while place < len(ordered) and older(version, ordered[place]):
            place += 1
        ordered.insert(place, version)
    return ordered


def fetch_source(cache: pathlib.Path) -> tuple[str, pathlib.Path]:
    """The newest version that is served: the archive can list one that it does not give out."""
    for kept in sorted(cache.glob("source-*/complete")):
        return kept.read_text().strip(), kept.parent
    apt = Apt(cache / "apt")
    refused = []
    for version in apt.source_versions():
        with tempfile.TemporaryDirectory(dir=cache) as download:
            directory = pathlib.Path(download)
            try:
                apt.run("apt-get", "-qq", "source", "--download-only", f"{PACKAGE}={version}",
                        cwd=directory)
            except RuntimeError as error:
                refused.append(f"{version}: {str(error).splitlines()[-1]}")
                continue
            return version, unpack(directory, cache / f"source-{version}", version)
    raise RuntimeError(f"no source of {PACKAGE} is to be had:\n" + "\n".join(refused))


def unpack(download: pathlib.Path, target: pathlib.Path, version: str) -> pathlib.Path:
    """Without Debian's patches: they concern paths and other machines, and the direct run would show
    if a test hung on them."""
    tarball, = download.glob("*.orig.tar.*")
    shutil.rmtree(target, ignore_errors=True)
    target.mkdir()
    run(["tar", "-xf", str(tarball), "-C", str(target), "--strip-components=1", "--wildcards", *NEEDED])
    (target / "complete").write_text(version + "\n")
    return target


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
    version, source = fetch_source(cache)
    server = installed_version(PACKAGE)
    binaries, fits = fetch_psql(cache, version)
    return Suite(version, server, source, build_libraries(cache, source, version, server), binaries,
                 fits)
