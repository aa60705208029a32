"""What the intake may answer is in the documentation."""

from __future__ import annotations

import re
from pathlib import Path

ROOT = Path(__file__).parents[3]
CODE = re.compile(r'"([A-Z]+(?:_[A-Z0-9]+)+)"')


def test_every_code_and_mark_is_documented() -> None:
    documented = (ROOT / "docs" / "events.md").read_text(encoding="utf-8")
    sources = [*(ROOT / "experiments" / "events").glob("[a-z]*.py")]
    codes = {code for path in sources for code in CODE.findall(path.read_text(encoding="utf-8"))}
    assert {"FIELD_UNKNOWN", "NOT_RUNNING", "QUEUE_FULL"} <= codes
    assert {code for code in codes if f"`{code}`" not in documented} == set()
