"""Assertions outside test modules tell what they saw, too."""

import pytest

pytest.register_assert_rewrite(
    *(f"{__package__}.{module}" for module in ("course", "misbehaving", "neighbourhood", "world"))
)
