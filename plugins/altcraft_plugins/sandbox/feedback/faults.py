"""Faults of deliveries, on request: which deliveries have one, and which. The choice follows from the task's id."""

from __future__ import annotations

from random import Random
from typing import Final, Literal, TypeAlias

__all__ = ["KINDS", "DeliveryFault", "DeliveryFaults"]

DeliveryFault: TypeAlias = Literal["late", "never", "twice", "early", "wrong-path", "wrong-body"]
KINDS: Final[tuple[DeliveryFault, ...]] = ("late", "never", "twice", "early", "wrong-path", "wrong-body")
_BY_NAME: Final[dict[str, DeliveryFault]] = {kind: kind for kind in KINDS}


class DeliveryFaults:
    """Read from a text such as "late", "never:0.2" (a fifth of the deliveries) or "never:0.2,twice:0.1".

    `delay` is the number of seconds by which a late delivery is late. Raises ValueError.
    """

    def __init__(self, text: str | None = None, delay: float = 3.0) -> None:
        self.delay = delay
        if not 0 <= delay < 86_400:
            raise ValueError(f"feedback_delay is a number of seconds from 0 to 86,400, not {delay}")
        self._rates: list[tuple[DeliveryFault, float]] = []
        for part in (text or "").split(",") if text else ():
            name, _, rate = part.partition(":")
            kind = _BY_NAME.get(name.strip())
            if kind is None:
                raise ValueError(f"feedback is one of {', '.join(KINDS)}, not {name.strip()!r}")
            self._rates.append((kind, _rate(rate)))
        if sum(rate for _, rate in self._rates) > 1 + 1e-9:
            raise ValueError(f"the rates in feedback={text} add up to more than 1")

    def of(self, task_id: str) -> DeliveryFault | None:
        """The fault of this task's delivery, or None."""
        chance = Random(f"feedback {task_id}").random()
        for kind, rate in self._rates:
            if chance < rate:
                return kind
            chance -= rate
        return None


def _rate(text: str) -> float:
    try:
        rate = float(text) if text else 1.0
    except ValueError:
        rate = -1.0
    if not 0 <= rate <= 1:
        raise ValueError(f"the rate of a feedback fault is a number from 0 to 1, not {text!r}")
    return rate
