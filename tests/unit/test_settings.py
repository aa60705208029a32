"""Settings are read once, and a wrong one is named."""

from __future__ import annotations

import pytest

from experiments.definitions.errors import Invalid
from experiments.settings import Settings


def test_the_scheduler_is_on_unless_it_is_switched_off():
    assert Settings.from_env({}).scheduler
    assert Settings.from_env({"EVENHAND_SCHEDULER": "on"}).scheduler
    assert not Settings.from_env({"EVENHAND_SCHEDULER": "off"}).scheduler


@pytest.mark.parametrize(
    ("name", "text"),
    [
        ("EVENHAND_SCHEDULER", "no"),
        ("EVENHAND_SCHEDULER", ""),
        ("EVENHAND_SCHEDULER_INTERVAL", "0"),
        ("EVENHAND_SCHEDULER_INTERVAL", "soon"),
        ("EVENHAND_QUEUE_ITEMS", "-1"),
    ],
)
def test_a_wrong_setting_is_named(name: str, text: str):
    with pytest.raises(Invalid) as refused:
        Settings.from_env({name: text})
    assert refused.value.code == "SETTING_INVALID"
    assert name in refused.value.detail
