"""The same flow for Locust, with its fastest client and no waiting."""

from itertools import count

from locust import FastHttpUser, constant, task

NUMBERS = count()


class Buyer(FastHttpUser):
    """Makes something, and asks for it with the token that came back."""

    wait_time = constant(0)

    @task
    def two_requests(self) -> None:
        """Send both requests."""
        made = self.client.post("/carts", json={"sku": next(NUMBERS)}).json()
        headers = {"x-token": made["id"]}
        self.client.get(f"/carts/{made['id']}", headers=headers, name="/carts/{id}")
