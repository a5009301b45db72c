"""What the proxy can do to traffic, as values; names as toxiproxy's users know them.

``upstream`` is from the client to the server, ``downstream`` from the server to the client.
"""

from typing import Annotated, Literal

from msgspec import Meta, Struct, convert, to_builtins

from stressproof.errors import UsageError
from stressproof.faults.proxy.http_toxics import (
    Duration,
    HttpFault,
    HttpToxic,
)

Direction = Literal["upstream", "downstream"]
Protocol = Literal["tcp", "postgres", "http"]
"""What is known of the conversations on a proxy: nothing, commits, or requests and answers."""
DIRECTIONS: tuple[Direction, Direction] = ("upstream", "downstream")

Limit = Annotated[int, Meta(ge=1, le=2**40)]


class Latency(Struct, frozen=True, forbid_unknown_fields=True, tag="latency", tag_field="type"):
    """Every chunk leaves ``latency_us`` ± ``jitter_us`` after it came; order is kept.

    Chunks are stamped when they come, so the delay of one never adds to that of the next.
    """

    stream: Direction
    latency_us: Duration
    jitter_us: Duration = 0


class Bandwidth(Struct, frozen=True, forbid_unknown_fields=True, tag="bandwidth", tag_field="type"):
    """At most ``bytes_per_second`` leave, for each connection."""

    stream: Direction
    bytes_per_second: Limit


class Slicer(Struct, frozen=True, forbid_unknown_fields=True, tag="slicer", tag_field="type"):
    """Chunks leave in pieces of ``average_bytes`` ± ``variation_bytes``, ``delay_us`` apart."""

    stream: Direction
    average_bytes: Limit
    variation_bytes: Annotated[int, Meta(ge=0)] = 0
    delay_us: Duration = 0


class Timeout(Struct, frozen=True, forbid_unknown_fields=True, tag="timeout", tag_field="type"):
    """A black hole: nothing leaves, nothing is lost; all of it leaves once the toxic is gone.

    Dropping bytes and going on afterwards would be corruption, which no network does to TCP.

    Attributes:
        stream: The direction that is held.
        close_after_us: Each link is closed after so long; 0 for never.
    """

    stream: Direction
    close_after_us: Duration = 0


class SlowClose(
    Struct, frozen=True, forbid_unknown_fields=True, tag="slow_close", tag_field="type"
):
    """The end of a stream is passed on ``delay_us`` late; its bytes are not."""

    stream: Direction
    delay_us: Duration


class LimitData(
    Struct, frozen=True, forbid_unknown_fields=True, tag="limit_data", tag_field="type"
):
    """Each link is closed once it has passed on so many ``bytes`` under the toxic."""

    stream: Direction
    bytes: Annotated[int, Meta(ge=0, le=2**40)]


class ResetPeer(
    Struct, frozen=True, forbid_unknown_fields=True, tag="reset_peer", tag_field="type"
):
    """RST to both ends of every live link, idle ones too.

    Attributes:
        every_us: All links at once, and again each time so long has passed; 0: at once, and each
            new link when it comes.
        after_us: Instead, each link by itself once it is so old under the toxic; 0 for no such age.
    """

    every_us: Duration = 0
    after_us: Duration = 0


class Down(Struct, frozen=True, forbid_unknown_fields=True, tag="down", tag_field="type"):
    """Nobody listens (connections are refused), and live links are reset."""


class LoseAnswer(
    Struct, frozen=True, forbid_unknown_fields=True, tag="lose_answer", tag_field="type"
):
    """RST when the server begins to answer what the client sent, before the client hears of it.

    Of the protocol nothing is known: the first bytes that come from the server once it was sent the
    question are its answer. Where answers to several questions are under way on one link, that may
    be the answer to one before.

    Attributes:
        count: How many links are cut before the toxic is spent.
        contains: Only questions with this text in their bytes, if given.
    """

    count: Annotated[int, Meta(ge=1, le=1_000_000)] = 1
    contains: Annotated[str, Meta(max_length=1000)] = ""


class CutAfterCommit(
    Struct, frozen=True, forbid_unknown_fields=True, tag="cut_after_commit", tag_field="type"
):
    """RST once the server has committed and before the client can learn of it.

    The server's own ``CommandComplete`` is the trigger, so the transaction *is* durable and the
    client's outcome *is* unknown. A statement outside of a transaction block commits with the
    ``ReadyForQuery`` that follows it; those count where ``autocommit`` is set and the statement
    wrote (its tag is no ``SELECT``) or matches ``statement_contains``.

    Attributes:
        count: How many links are cut before the toxic is spent.
        autocommit: Also cut implicit transactions.
        statement_contains: Only transactions with a statement containing this text, if given.
    """

    count: Annotated[int, Meta(ge=1, le=1_000_000)] = 1
    autocommit: bool = True
    statement_contains: Annotated[str, Meta(max_length=1000)] = ""


class CutBeforeCommit(
    Struct, frozen=True, forbid_unknown_fields=True, tag="cut_before_commit", tag_field="type"
):
    """RST when the client asks to commit, and the request never reaches the server.

    Attributes:
        count: How many links are cut before the toxic is spent.
        statement_contains: Only transactions with a statement containing this text, if given.
    """

    count: Annotated[int, Meta(ge=1, le=1_000_000)] = 1
    statement_contains: Annotated[str, Meta(max_length=1000)] = ""


Cut = LoseAnswer | CutAfterCommit | CutBeforeCommit
"""Spent after a number of links."""

Toxic = (
    Latency
    | Bandwidth
    | Slicer
    | Timeout
    | SlowClose
    | LimitData
    | ResetPeer
    | Down
    | LoseAnswer
    | CutAfterCommit
    | CutBeforeCommit
    | HttpToxic
)


def type_of(toxic: Toxic | type[Toxic]) -> str:
    """Return a toxic's name, as in JSON."""
    return str(toxic.__struct_config__.tag)


def protocol_of(toxic: Toxic) -> Protocol | None:
    """Return the protocol that a proxy has to follow for a toxic; None where any will do."""
    if isinstance(toxic, CutAfterCommit | CutBeforeCommit):
        return "postgres"
    return "http" if isinstance(toxic, HttpFault) else None


def parse(values: object) -> list[Toxic]:
    """Return toxics from plain JSON values.

    Raises:
        UsageError: They do not describe toxics, or one contradicts another.
    """
    try:
        toxics = convert(values, list[Toxic])
    except ValueError as error:
        raise UsageError(
            f"these are no toxics: {error}",
            hint="docs/fault-proxy.md names each with its attributes.",
        ) from error
    check(toxics)
    return toxics


def check(toxics: list[Toxic]) -> None:
    """Refuse a set in which one toxic would hide another.

    Raises:
        UsageError: The same kind is there twice for one direction.
    """
    seen: set[tuple[str, ...]] = set()
    for toxic in toxics:
        of = (toxic.method, toxic.path) if isinstance(toxic, HttpFault) else ()
        key = (type_of(toxic), getattr(toxic, "stream", ""), *of)
        if key in seen:
            raise UsageError(
                f"two toxics of kind {key[0]} for the same {'requests' if of else 'direction'}",
                hint="Merge them into one: which of the two should hold?",
            )
        seen.add(key)


def plain(toxics: list[Toxic]) -> list[dict[str, object]]:
    """Return toxics as plain JSON values, for logs and evidence."""
    return [to_builtins(toxic) for toxic in toxics]
