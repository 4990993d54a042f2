"""Sources of Debian's packages. The system's apt configuration is not touched: a private one asks the
same archives for sources."""

import os
import pathlib
import shutil
import subprocess
import tempfile


class NotServed(RuntimeError):
    """The archives list the package's source and do not give it out."""


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

    def source_versions(self, package: str) -> list[str]:
        """The newest first."""
        self.run("apt-get", "-qq", "update")
        shown = self.run("apt-cache", "showsrc", package)
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


def fetch_source(cache: pathlib.Path, package: str, name: str,
                 wanted: list[str]) -> tuple[str, pathlib.Path]:
    """The newest version that is served, unpacked in cache/NAME-VERSION: the archive can list one that
    it does not give out. Debian's patches are left alone (they concern paths and other machines, and
    the direct run would show if a test hung on them), so only the tarball is asked for."""
    cache.mkdir(parents=True, exist_ok=True)
    for kept in sorted(cache.glob(f"{name}-*/complete")):
        return kept.read_text().strip(), kept.parent
    apt = Apt(cache / "apt")
    refused = []
    for version in apt.source_versions(package):
        with tempfile.TemporaryDirectory(dir=cache) as download:
            directory = pathlib.Path(download)
            try:
                apt.run("apt-get", "-qq", "source", "--download-only", "--tar-only",
                        f"{package}={version}", cwd=directory)
            except RuntimeError as error:
                refused.append(f"{version}: {' '.join(str(error).splitlines()[1:])}")
                continue
            return version, unpack(directory, cache / f"{name}-{version}", version, wanted)
    raise NotServed(f"no source of {package} is to be had:\n" + "\n".join(refused))


def unpack(download: pathlib.Path, target: pathlib.Path, version: str,
           wanted: list[str]) -> pathlib.Path:
    tarball, = download.glob("*.orig.tar.*")
    shutil.rmtree(target, ignore_errors=True)
    target.mkdir()
    run(["tar", "-xf", str(tarball), "-C", str(target), "--strip-components=1", "--wildcards", *wanted])
    (target / "complete").write_text(version + "\n")
    return target
