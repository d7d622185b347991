"""Progress of a long call, told by a callback or by a bar, and what ends the call before its time."""

from __future__ import annotations

import math
import sys
from types import TracebackType
from typing import Any, Callable, Optional, Union

from ._ffi import ffi
from ._library import check

#: Told the stage (``"coupling"``, ``"training"``, ``"simulation"``, …), steps done, steps in all, and the latest loss, if there
#: is one; ends the call by returning something true.
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


class Watch:
    """A long call of the library, as a context: ``callback`` goes to it, and ``failure`` is what ended it.

    The callback is needed even if nobody asked to be told: when it is called, about twenty times a second, Python looks for
    signals, so that an interrupt ends the call. Whatever leaves the user's function, or is raised before its first line,
    cancels the call and is kept.
    """

    def __init__(self, progress: Progress) -> None:
        function, self._close = reporter(progress)
        self.failure: Optional[BaseException] = None

        def tell(now: Any, _: Any) -> int:
            if function is None:
                return 0
            loss = None if math.isnan(now.loss) else now.loss
            return 1 if function(ffi.string(now.stage).decode(), now.done, now.total, loss) else 0

        def keep(kind: Any, error: BaseException, trace: Any) -> None:
            self.failure = self.failure or error.with_traceback(trace)

        self.callback: Any = ffi.callback("chreode_progress_fn", tell, error=1, onerror=keep)

    def __enter__(self) -> Watch:
        return self

    def __exit__(
        self, kind: Optional[type[BaseException]], error: Optional[BaseException], trace: Optional[TracebackType]
    ) -> None:
        self._close()

    def check(self, status: int) -> None:
        """Raises what ended the call, if anything did."""
        if self.failure is not None:
            raise self.failure
        check(status)
