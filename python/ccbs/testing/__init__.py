"""For authors of switches: tests to run against one's own (needs pytest and pytest-asyncio)."""
