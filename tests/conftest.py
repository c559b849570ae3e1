"""How long the property tests look: ``make test`` briefly, ``make test-long`` at length."""

from hypothesis import settings

settings.register_profile("long", max_examples=5_000, deadline=None)
