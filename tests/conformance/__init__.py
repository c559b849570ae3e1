"""Every switch that there is keeps to the protocol: the conformance kit, run against each."""

import pytest

pytest.register_assert_rewrite("ccbs.testing.switch_conformance")
