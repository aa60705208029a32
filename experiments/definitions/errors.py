"""Every error that the domain raises.

EvenhandError
├── Unknown       who asks is not known: no key, a wrong one, an expired or revoked one
├── Forbidden     who asks is known and may not
├── Invalid       what was sent breaks a rule of the domain
├── NotFound      there is no such thing in this environment
├── Conflict      it cannot be done in the present state
├── Stale         somebody else changed it first
├── Overloaded    too much is waiting; try again after `retry_after` seconds
└── Unavailable   the store does not answer; try again after `retry_after` seconds

Each carries a stable `code` in capitals, for programs, and a `detail` that tells a person what
to do next.
"""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Problem:
    """One thing that is wrong at one place of a document; `path` is dotted, "" for the whole."""

    path: str
    code: str
    message: str


class EvenhandError(Exception):
    def __init__(self, code: str, detail: str) -> None:
        super().__init__(detail)
        self.code = code
        self.detail = detail


class Unknown(EvenhandError):
    pass


class Forbidden(EvenhandError):
    pass


class Invalid(EvenhandError):
    def __init__(self, code: str, detail: str, problems: tuple[Problem, ...] = ()) -> None:
        super().__init__(code, detail)
        self.problems = problems

    @classmethod
    def of(cls, problems: list[Problem]) -> Invalid:
        first = problems[0]
        where = f"{first.path}: " if first.path else ""
        more = f" (and {len(problems) - 1} more)" if len(problems) > 1 else ""
        return cls(first.code, f"{where}{first.message}{more}", tuple(problems))


class NotFound(EvenhandError):
    pass


class Conflict(EvenhandError):
    def __init__(self, code: str, detail: str, problems: tuple[Problem, ...] = ()) -> None:
        super().__init__(code, detail)
        self.problems = problems


class Stale(EvenhandError):
    pass


class Overloaded(EvenhandError):
    retry_after = 1


class Unavailable(EvenhandError):
    retry_after = 2
