"""The pool, and transactions bound to a tenant and to a deadline."""

from types import TracebackType

from enforcement.store.settings import Safety, StoreSettings


class Database:
    """A pool of connections; every operation of the store takes one as its first argument.

    Use as ``async with Database(settings, safety) as db`` or call :meth:`open` and :meth:`close`.
    ``open`` does not wait for the server: the service must start, and answer fail-safes, with
    PostgreSQL dead.
    """

    def __init__(self, settings: StoreSettings, safety: Safety | None = None) -> None:
        self.settings = settings
        self.safety = safety or Safety()

    async def open(self) -> None:
        """Start the pool; connections are made in the background."""
        raise NotImplementedError

    async def close(self) -> None:
        """Close the pool and every connection."""
        raise NotImplementedError

    async def __aenter__(self) -> "Database":
        await self.open()
        return self

    async def __aexit__(
        self,
        exc_type: type[BaseException] | None,
        exc: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        await self.close()

    def statistics(self) -> dict[str, int]:
        """Return the pool's counters (``pool_size``, ``requests_waiting``, ...) for metrics."""
        raise NotImplementedError
