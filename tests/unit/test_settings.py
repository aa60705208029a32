"""Settings are read once, and a wrong one is named."""

from __future__ import annotations

import pytest

from experiments.definitions.errors import Invalid
from experiments.settings import Settings


def test_the_scheduler_is_on_unless_it_is_switched_off():
    assert Settings.from_env({}).scheduler
    assert Settings.from_env({"EVENHAND_SCHEDULER": "on"}).scheduler
    assert not Settings.from_env({"EVENHAND_SCHEDULER": "off"}).scheduler


def test_days_are_archived_where_all_services_surely_see_the_files():
    server = {"EVENHAND_DATABASE_URL": "postgresql://host/name"}
    assert not Settings.from_env({}).compaction
    assert Settings.from_env({"EVENHAND_COMPACTION": "on"}).compaction
    assert not Settings.from_env(server).compaction
    assert Settings.from_env({**server, "EVENHAND_ARCHIVE_DIR": "/shared"}).compaction
    assert not Settings.from_env({"EVENHAND_COMPACTION": "off"}).compaction


def test_events_are_kept_for_ever_unless_days_are_said():
    assert Settings.from_env({}).retention_days is None
    assert Settings.from_env({"EVENHAND_RETENTION_DAYS": "400"}).retention_days == 400


@pytest.mark.parametrize(
    ("name", "text"),
    [
        ("EVENHAND_SCHEDULER", "no"),
        ("EVENHAND_SCHEDULER", ""),
        ("EVENHAND_SCHEDULER_INTERVAL", "0"),
        ("EVENHAND_SCHEDULER_INTERVAL", "soon"),
        ("EVENHAND_QUEUE_ITEMS", "-1"),
        ("EVENHAND_COMPACTION", "yes"),
        ("EVENHAND_HOT_DAYS", "0"),
        ("EVENHAND_HOT_DAYS", "1.5"),
        ("EVENHAND_RETENTION_DAYS", "6"),
        ("EVENHAND_RETENTION_DAYS", "for ever"),
    ],
)
def test_a_wrong_setting_is_named(name: str, text: str):
    with pytest.raises(Invalid) as refused:
        Settings.from_env({name: text})
    assert refused.value.code == "SETTING_INVALID"
    assert name in refused.value.detail
