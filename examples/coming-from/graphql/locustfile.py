import json
import os
from itertools import cycle

from locust import FastHttpUser, between, events, task

ROWS = cycle([json.loads(line) for line in open("ids.jsonl")])
PRODUCT = "query Product($id: ID!) { product(id: $id) { name price stock } }"
REVIEW = "mutation AddReview($id: ID!, $stars: Int!) { addReview(product: $id, stars: $stars) { id } }"


class Client(FastHttpUser):
    host = os.environ.get("GRAPH_URL", "http://127.0.0.1:4000")
    wait_time = between(0.5, 1.5)

    def ask(self, operation, query, variables):
        body = {"operationName": operation, "query": query, "variables": variables}
        with self.client.post("/graphql", json=body, headers={"x-api-key": os.environ["API_KEY"]}, name=operation, catch_response=True) as answer:
            if answer.status_code != 200 or "errors" in answer.json() or "data" not in answer.json():
                answer.failure("errors")

    @task(5)
    def product(self):
        self.ask("Product", PRODUCT, {"id": next(ROWS)["id"]})

    @task(1)
    def review(self):
        row = next(ROWS)
        self.ask("AddReview", REVIEW, {"id": row["id"], "stars": row["stars"]})


@events.quitting.add_listener
def thresholds(environment, **_):
    stats = environment.stats
    if stats.get("Product", "POST").get_response_time_percentile(0.95) > 150 or stats.get("AddReview", "POST").fail_ratio > 0.005:
        environment.process_exit_code = 1
