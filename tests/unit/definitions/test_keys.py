from __future__ import annotations

import pytest
from marshmallow import ValidationError

from api.schemas.strict import Key
from experiments.definitions.keys import is_key


@pytest.mark.parametrize("key", ["a", "7", "home-page_2.b", "x" * 100])
def test_what_is_a_key(key: str):
    assert is_key(key)
    assert Key().deserialize(key) == key


@pytest.mark.parametrize("key", ["", "-a", ".a", "a b", "a/b", "button\n", "é", "x" * 101, "a:b"])
def test_what_is_none(key: str):
    assert not is_key(key)
    with pytest.raises(ValidationError):
        Key().deserialize(key)
