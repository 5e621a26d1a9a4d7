"""How deliveries go wrong on purpose: which of them, and in what way. Chance follows from the task's id."""

from __future__ import annotations

from random import Random
from typing import Final, Literal, TypeAlias

__all__ = ["MODES", "Misbehaviour", "Mode"]

Mode: TypeAlias = Literal["late", "never", "twice", "early", "wrong-path", "wrong-body"]
MODES: Final[tuple[Mode, ...]] = ("late", "never", "twice", "early", "wrong-path", "wrong-body")
_BY_NAME: Final[dict[str, Mode]] = {mode: mode for mode in MODES}


class Misbehaviour:
    """Read from a text such as "late", "never:0.2" (a fifth of them) or "never:0.2,twice:0.1". Raises ValueError.

    `delay` is for how many seconds a late delivery is held back.
    """

    def __init__(self, text: str | None = None, delay: float = 3.0) -> None:
        self.delay = delay
        if not 0 <= delay < 86_400:
            raise ValueError(f"feedback_delay is a number of seconds, not {delay}")
        self._shares: list[tuple[Mode, float]] = []
        for part in (text or "").split(",") if text else ():
            name, _, share = part.partition(":")
            mode = _BY_NAME.get(name.strip())
            if mode is None:
                raise ValueError(f"feedback goes wrong in these ways: {', '.join(MODES)}; not {name.strip()!r}")
            self._shares.append((mode, _share(share)))
        if sum(share for _, share in self._shares) > 1 + 1e-9:
            raise ValueError(f"the shares in feedback={text} are more than 1 together")

    def of(self, task_id: str) -> Mode | None:
        """What is to happen to this task's delivery; None: all is well."""
        chance = Random(f"feedback {task_id}").random()
        for mode, share in self._shares:
            if chance < share:
                return mode
            chance -= share
        return None


def _share(text: str) -> float:
    try:
        share = float(text) if text else 1.0
    except ValueError:
        share = -1.0
    if not 0 <= share <= 1:
        raise ValueError(f"the share of feedback that goes wrong is from 0 to 1, not {text!r}")
    return share
