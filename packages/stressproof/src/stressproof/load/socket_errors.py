"""What a socket's or TLS's error says to people."""

import os


def describe(error: OSError | ValueError) -> str:
    """Return an error in a few words, without numbers and addresses of code."""
    if verify_message := getattr(error, "verify_message", None):
        return f"certificate not accepted: {verify_message}"
    if not isinstance(error, OSError):
        return str(error)
    reason = getattr(error, "reason", None)  # of TLS: WRONG_VERSION_NUMBER
    if isinstance(reason, str):
        return reason.lower().replace("_", " ")
    if error.errno is not None and error.errno > 0:
        return os.strerror(error.errno).lower()
    return error.strerror or str(error) or type(error).__name__
