from __future__ import annotations

import pytest

from altcraft_plugins.feedback import FeedbackReceiver
from plugins.feedback.world import BASE, Heard


@pytest.fixture
def heard() -> Heard:
    return Heard()


@pytest.fixture
def receiver(heard: Heard) -> FeedbackReceiver:
    return FeedbackReceiver(BASE, plugins=[heard], spacing=0.0)
