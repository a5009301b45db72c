import csv
import os
import random
from itertools import cycle
from uuid import uuid4

import gevent
from locust import FastHttpUser, constant_throughput, events, task
from locust.exception import StopUser

USERS = cycle(list(csv.DictReader(open("users.csv"))))
SKUS = [row["sku"] for row in csv.DictReader(open("skus.csv"))]


class Shopper(FastHttpUser):
    host = os.environ.get("SHOP_URL", "http://127.0.0.1:8080")
    wait_time = constant_throughput(0.5)  # 40 users make 20 a second, while they are quick enough

    def on_start(self):
        row = next(USERS)  # every worker process starts at the first row again
        self.token = ""
        with self.client.post("/login", json=row, headers=self.headers(), catch_response=True) as answer:
            if answer.status_code != 200:
                answer.failure("login failed")
                raise StopUser
            self.token = answer.json()["token"]

    def headers(self, **extra):
        return {"x-api-key": os.environ["SHOP_KEY"], "x-correlation-id": str(uuid4()), "authorization": f"Bearer {self.token}", **extra}

    @task(4)
    def browse(self):
        with self.client.get(f"/products/{random.choice(SKUS)}", headers=self.headers(), name="/products/{sku}", catch_response=True) as product:
            if product.status_code != 200 or "price" not in product.json():
                product.failure("no price")

    @task(1)
    def checkout(self):
        with self.client.post("/carts", headers=self.headers(), catch_response=True) as created:
            if created.status_code != 201:
                return created.failure("no cart")
            cart = created.json()["id"]
        with self.client.post(f"/carts/{cart}/items", json={"sku": random.choice(SKUS), "quantity": 1}, headers=self.headers(), name="/carts/{cart}/items", catch_response=True) as item:
            if item.status_code != 201:
                return item.failure("no item")
        gevent.sleep(random.uniform(0.5, 1.5))
        with self.client.post("/orders", json={"cart": cart}, headers=self.headers(**{"idempotency-key": str(uuid4())}), catch_response=True) as order:
            if order.status_code != 201 or order.json()["state"] != "open":
                order.failure("order is not open")


@events.quitting.add_listener
def thresholds(environment, **_):
    stats = environment.stats
    if stats.total.fail_ratio > 0.01 or stats.get("/orders", "POST").get_response_time_percentile(0.95) > 500:
        environment.process_exit_code = 1
