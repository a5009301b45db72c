import csv
import os
import re
from itertools import cycle

import gevent
from random import uniform
from locust import FastHttpUser, constant_throughput, events, task

USERS = cycle(list(csv.DictReader(open("users.csv"))))


class Visitor(FastHttpUser):
    host = os.environ.get("SITE_URL", "https://www.example.com")
    wait_time = constant_throughput(0.05)  # 400 users make 20 a second

    @task(3)
    def home(self):
        self.client.cookiejar.clear()
        with self.client.get("/", catch_response=True) as page:
            if "</html>" not in page.text:
                page.failure("cut short")

    @task(1)
    def sign_in(self):
        self.client.cookiejar.clear()
        row = next(USERS)
        with self.client.get("/login", catch_response=True) as page:
            token = re.search(r'name="csrf" value="([^"]+)"', page.text or "")
            if page.status_code != 200 or token is None:
                return page.failure("no token")
        gevent.sleep(uniform(2, 5))
        form = {"csrf": token[1], "name": row["name"], "password": row["password"]}
        with self.client.post("/login", data=form, catch_response=True) as home:
            if f"Hello {row['name']}" not in home.text:
                return home.failure("not greeted")
        self.client.get("/account")


@events.quitting.add_listener
def thresholds(environment, **_):
    if environment.stats.total.fail_ratio > 0.01:
        environment.process_exit_code = 1
