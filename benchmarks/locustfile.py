"""The same three requests for Locust, with its fastest client and no waiting."""

from itertools import cycle

from locust import FastHttpUser, constant, task

PATHS = cycle(("/api/0", "/api/1", "/api/2"))


class Reader(FastHttpUser):
    """Reads one endpoint after the other."""

    wait_time = constant(0)

    @task
    def read(self) -> None:
        """Ask and check as stressproof does."""
        with self.client.get(next(PATHS), catch_response=True) as answer:
            if answer.status_code != 200 or b'"parity_ok": true' not in answer.content:  # noqa: PLR2004
                answer.failure("unexpected")
