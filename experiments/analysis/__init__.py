"""From the event log to the report: cohort, values per unit, moments, statistics, decision."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from experiments.analysis.service import Pending, Report, Reports

__all__ = ["Pending", "Report", "Reports"]


def __getattr__(name: str) -> Any:
    # The worker is a module of this package and starts for every report: it must not load the
    # store and the statistics that only the service needs.
    if name in __all__:
        from experiments.analysis import service  # noqa: PLC0415

        return getattr(service, name)
    raise AttributeError(name)
