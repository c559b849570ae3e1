"""The service in plain, slow, obvious Python, and its comparison with the engine."""
