import os
import time
from itertools import count

import gevent.lock
import requests
from locust import FastHttpUser, constant_throughput, events, task

ID = os.environ.get("ID_URL", "https://id.example.com")
LOCK, TOKEN, PAGES = gevent.lock.BoundedSemaphore(), {"value": "", "expires": 0.0}, count()


def bearer():
    with LOCK:  # one token for each worker process
        if time.time() > TOKEN["expires"]:
            form = {"grant_type": "client_credentials", "client_id": "load",
                    "client_secret": os.environ["CLIENT_SECRET"], "scope": "orders.read"}
            answer = requests.post(f"{ID}/oauth/token", data=form, timeout=10)
            answer.raise_for_status()
            TOKEN["value"] = answer.json()["access_token"]
            TOKEN["expires"] = time.time() + 0.8 * answer.json()["expires_in"]
    return {"authorization": f"Bearer {TOKEN['value']}"}


class Reader(FastHttpUser):
    host = os.environ.get("API_URL", "https://api.example.com")
    wait_time = constant_throughput(1)  # of each user; 500 users

    @task
    def orders(self):
        with self.client.get(f"/v1/orders?page={next(PAGES)}", headers=bearer(), name="/v1/orders", catch_response=True) as answer:
            if answer.status_code != 200 or "items" not in answer.json():
                answer.failure("no items")


@events.quitting.add_listener
def thresholds(environment, **_):
    total = environment.stats.total
    if total.fail_ratio > 0.001 or total.get_response_time_percentile(0.99) > 500:
        environment.process_exit_code = 1
