"""Progress of a fit, told by a callback or by a bar."""

from __future__ import annotations

import sys
from typing import Any, Callable, Optional, Union

#: Told the stage (``"coupling"`` or ``"training"``), steps done, steps in all, and the latest loss, if there is one; ends the
#: fit by returning something true.
Callback = Callable[[str, int, int, Optional[float]], Any]
Progress = Union[bool, Callback, None]


class _Bar:
    """A bar for each stage: tqdm's where it is installed, else a line on stderr."""

    def __init__(self) -> None:
        try:
            from tqdm.auto import tqdm
        except ImportError:
            tqdm = None
        self._tqdm: Any = tqdm
        self._bar: Any = None
        self._stage = ""

    def __call__(self, stage: str, done: int, total: int, loss: Optional[float]) -> None:
        if self._tqdm is None:
            told = "" if loss is None else f", loss {loss:.4g}"
            sys.stderr.write(f"\r{stage} {done}/{total}{told}\x1b[K" + ("\n" if done == total else ""))
            sys.stderr.flush()
            return
        if stage != self._stage:
            self.close()
            self._bar, self._stage = self._tqdm(total=total, desc=stage), stage
        self._bar.update(done - self._bar.n)
        if loss is not None:
            self._bar.set_postfix(loss=f"{loss:.4g}", refresh=done == total)

    def close(self) -> None:
        if self._bar is not None:
            self._bar.close()


def reporter(progress: Progress) -> tuple[Optional[Callback], Callable[[], None]]:
    """What is called at each step, if anything, and what when all is over."""
    if progress is None or progress is False:
        return None, lambda: None
    if progress is True:
        bar = _Bar()
        return bar, bar.close
    if not callable(progress):
        raise TypeError(f"progress must be a function, True, False or None, got {type(progress).__name__}")
    return progress, lambda: None
