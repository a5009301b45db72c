"""How every help page ends: commands that can be copied."""


def examples(*lines: str, then: str = "") -> str:
    r"""Return the end of a help page.

    Args:
        lines: Whole commands, as they are typed; none is broken (click's ``\b``).
        then: A paragraph after them.
    """
    shown = "\n".join(f"  {line}" for line in lines)
    return f"\b\nExamples:\n{shown}" + (f"\n\n{then}" if then else "")
