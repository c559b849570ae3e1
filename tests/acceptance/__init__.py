"""Acceptance: phones that we did not write call one another through ``ccbs serve``."""
