"""What of an environment goes into a file, so that the file may be applied later or elsewhere."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from experiments.definitions.lifecycle import ARCHIVED, DRAFT
from experiments.registry import Outcome, Wanted


def exported(present: Sequence[Outcome]) -> Iterator[Wanted]:
    """All but archived experiments, unless a feature's rule names one.

    Where a ramp moves the traffic it is left out: it would not be the same any more.
    """
    ruled = {
        rule.get("experiment")
        for one in present
        if one.wanted.subject == "feature"
        for rule in one.wanted.document["rules"]
    }
    for one in present:
        wanted = one.wanted
        if one.status == ARCHIVED and wanted.key not in ruled:
            continue
        if one.status not in {"", DRAFT} and wanted.document["schedule"]["ramp"]:
            kept = {name: value for name, value in wanted.document.items() if name != "traffic"}
            yield Wanted(wanted.subject, kept)
        else:
            yield wanted
