"""Throw-away database servers for tests."""

from __future__ import annotations

import os
import shutil
import socket
import subprocess
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from urllib.parse import quote

import pytest

PASSWORD = "let me in"


@contextmanager
def postgres_server() -> Iterator[str]:
    """Run a PostgreSQL server on loopback, with passwords required, and yield its address.

    Skips where PostgreSQL is absent.
    """
    programs = sorted(Path("/usr/lib/postgresql").glob("*/bin/postgres"))
    if not programs and not shutil.which("postgres"):
        pytest.skip("no PostgreSQL server is installed")
    programs_folder = programs[-1].parent if programs else Path(shutil.which("postgres") or "").parent
    folder = Path(tempfile.mkdtemp(prefix="clvml-postgres-"))
    # PostgreSQL refuses to run as root.
    user = ["runuser", "-u", "postgres", "--"] if os.geteuid() == 0 else []
    if user:
        shutil.chown(folder, "postgres", "postgres")
    folder.chmod(0o755)
    (folder / "password").write_text(PASSWORD)
    (folder / "password").chmod(0o644)
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = probe.getsockname()[1]

    def run(program: str, *arguments: str) -> None:
        command = [*user, str(programs_folder / program), "-D", f"{folder}/data", *arguments]
        done = subprocess.run(command, cwd=folder, capture_output=True, text=True, check=False)
        if done.returncode:
            raise RuntimeError(f"{program}: {done.stdout}{done.stderr}")

    try:
        run(
            *("initdb", "--username=clvml", f"--pwfile={folder}/password", "--auth=scram-sha-256"),
            *("--encoding=UTF8", "--no-sync", "--locale=C"),
        )
        options = f"-c listen_addresses=127.0.0.1 -c fsync=off -p {port} -k {folder}"
        run("pg_ctl", "start", "-w", "-l", f"{folder}/data/log", "-o", options)
        try:
            yield f"postgresql://clvml:{quote(PASSWORD)}@127.0.0.1:{port}/postgres"
        finally:
            run("pg_ctl", "stop", "-m", "immediate")
    finally:
        shutil.rmtree(folder, ignore_errors=True)
