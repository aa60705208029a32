"""/api/v1/segments: units by a condition or a list, under a name."""

from __future__ import annotations

from api.definition_resource import Shapes, definition_blueprint
from api.schemas.segments import SegmentAnswer, SegmentChange, SegmentCreation, SegmentList
from api.services import services

blueprint = definition_blueprint(
    "segment",
    Shapes(SegmentCreation, SegmentChange, SegmentAnswer, SegmentList),
    lambda: services().segments,
    description="Name units that audiences choose",
    revising="Change a segment; while an experiment that has started goes by it, only its name.",
    deleting="Delete a segment that nobody names.",
)
