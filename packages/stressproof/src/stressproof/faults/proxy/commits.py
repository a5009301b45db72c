"""A conversation of PostgreSQL, and its cuts before and after a commit."""

from stressproof.faults.proxy.conversation import Channel, Conversation
from stressproof.faults.proxy.state import ProxyState
from stressproof.faults.proxy.toxics import CutAfterCommit, CutBeforeCommit
from stressproof.faults.proxy.wire import Commit, Session

# Between CommandComplete and ReadyForQuery nothing long comes; more than this is not held.
_TAIL_LIMIT = 64 * 1024
_NO_WRITE = ("SELECT", "BEGIN", "START", "SET", "SHOW", "RESET", "DISCARD", "FETCH", "ROLLBACK")


class PostgresConversation(Conversation):
    """PostgreSQL: what tells of a commit is held until it is known whether a cut wants it."""

    def __init__(self, channel: Channel, state: ProxyState) -> None:
        super().__init__(channel, state)
        self._session = Session()
        self._held = bytearray()
        self._forwarded = 0

    @property
    def opaque(self) -> bool:
        """Whether it is encrypted, or not PostgreSQL."""
        return self._session.opaque

    @property
    def encrypted(self) -> bool:
        """Whether the server agreed to encrypt it, or a client began with TLS at once."""
        return self._session.encrypted or super().encrypted

    def upstream(self, data: bytes) -> None:
        """Cut where the client asks to commit, or pass the bytes on."""
        self.look_for_tls(data)
        for _, statements in self._session.upstream(data):
            toxic = self._state.armed(CutBeforeCommit)
            if toxic is not None and _mentions(statements, toxic.statement_contains):
                self._channel.cut(toxic, statements=list(statements)[-4:])
                return
        self.ask(data)

    def downstream(self, data: bytes) -> None:
        """Cut where the server tells of a commit, or pass on what the client may know."""
        commits = self._session.downstream(data)
        self._state.counters.commits_seen += len(commits)
        for commit in commits:
            if commit.hold_from >= self._forwarded and self._cut_after(commit):
                return
        if self.answer_lost():
            return
        self._held += data
        self._pass_on()

    def finished(self, direction: str) -> None:
        """Pass the end on, behind what was held."""
        if direction == "downstream" and self._held:
            self._release(len(self._held))
        super().finished("downstream" if direction == "downstream" else "upstream")

    def may_lose(self) -> bool:
        """Return whether the session is ready: before, nobody asks for an effect."""
        return self._session.ready

    def switched(self) -> None:
        """Let go what is held for a cut that is not wanted any more."""
        self._pass_on()

    def _cut_after(self, commit: Commit) -> bool:
        toxic = self._state.armed(CutAfterCommit)
        if toxic is None or not _mentions(commit.statements, toxic.statement_contains):
            return False
        wrote = commit.explicit or not commit.tag.startswith(_NO_WRITE)
        if not wrote and not toxic.statement_contains:
            return False
        if not commit.explicit and not toxic.autocommit:
            return False
        self._channel.cut(
            toxic,
            tag=commit.tag,
            explicit=commit.explicit,
            statements=list(commit.statements)[-4:],
        )
        return True

    def _pass_on(self) -> None:
        """Forward what the client may know already; hold what could tell of a commit."""
        held = 0
        if self._state.armed(CutAfterCommit) is not None:
            start = self._session.holding_from
            held = 0 if start is None else self._forwarded + len(self._held) - start
            if held > _TAIL_LIMIT:
                self._state.log("cut_missed", link=self._channel.number, held=held)
                held = 0
        self._release(len(self._held) - max(0, held))

    def _release(self, size: int) -> None:
        if size <= 0:
            return
        data = bytes(self._held[:size])
        del self._held[:size]
        self._forwarded += size
        self._channel.pass_on("downstream", data)


def _mentions(statements: tuple[str, ...], text: str) -> bool:
    return not text or any(text in statement for statement in statements)
