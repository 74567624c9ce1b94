"""Interrupts that compiled code disguises."""


def interrupt_within(error: BaseException) -> BaseException | None:
    """The interrupt that is the cause of a SystemError, as which it comes out of compiled code; else None."""
    cause = error.__cause__
    return cause if isinstance(error, SystemError) and not isinstance(cause, Exception | None) else None
