"""What can go wrong, told apart: the user's input, a kernel over its contract, our own bug."""

from __future__ import annotations


class ActgenError(Exception):
    """Whatever actgen raises on purpose."""


class FormulaError(ActgenError, ValueError):
    """A formula, name or parameter that cannot be taken; nothing was written.

    `text` and `column` (0-based) place the mistake; `cure` says what to write instead.
    """

    def __init__(
        self, message: str, *, text: str = "", column: int | None = None, cure: str = ""
    ) -> None:
        self.message, self.text, self.column, self.cure = message, text, column, cure
        super().__init__(self._render())

    def _render(self) -> str:
        lines = [self.message]
        if self.text and self.column is not None:
            # A long formula is cut to the part that holds the mistake.
            start = max(0, self.column - 40)
            lines += [
                f"  {self.text[start : start + 80]}",
                "  " + " " * (self.column - start) + "^",
            ]
        if self.cure:
            lines.append(f"  {self.cure}")
        return "\n".join(lines)


class FormulaWarning(UserWarning):
    """A formula that is taken with a doubt: a pole, a jump, complex on part of the line, …"""


class ContractError(ActgenError):
    """A kernel whose measured error is over its contract."""


class BuildError(ActgenError):
    """The project on disk is not what the build expects (stale, edited or unwritable files)."""


class BackendUnavailable(ActgenError, RuntimeError):
    """The package or device that a backend needs is not here; the message says how to get it."""


class InternalError(AssertionError):
    """A bug of actgen, not of its user: an invariant between two stages does not hold."""
