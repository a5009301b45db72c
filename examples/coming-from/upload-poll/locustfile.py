import os
import time

import gevent
from locust import HttpUser, constant_throughput, events, task

SAMPLE = open("sample.pdf", "rb").read()
HEADERS = {"x-api-key": os.environ.get("API_KEY", "")}


class Converter(HttpUser):  # FastHttpUser knows no multipart
    host = os.environ.get("CONVERTER_URL", "http://127.0.0.1:8080")
    wait_time = constant_throughput(0.01)  # 200 users make 2 a second, while they are quick enough

    @task
    def convert(self):
        began = time.perf_counter()
        error = self.run_job()
        events.request.fire(request_type="flow", name="convert", response_time=1000 * (time.perf_counter() - began), response_length=0, exception=error)

    def run_job(self):
        with self.client.post("/files", data={"kind": "invoice"}, files={"file": ("sample.pdf", SAMPLE, "application/pdf")}, headers=HEADERS, timeout=60, catch_response=True) as upload:
            if upload.status_code != 202:
                upload.failure("not accepted")
                return Exception("upload")
            job = upload.json()["job"]
        for _ in range(60):
            gevent.sleep(2)
            state = self.client.get(f"/jobs/{job}", headers=HEADERS, name="/jobs/{id}").json()["state"]
            if state == "done":
                self.client.get(f"/jobs/{job}/result", headers=HEADERS, name="/jobs/{id}/result")
                return None
            if state not in ("queued", "running"):
                return Exception(f"job {state}")
        return Exception("not done within two minutes")


@events.quitting.add_listener
def thresholds(environment, **_):
    stats = environment.stats
    if stats.get("convert", "flow").get_response_time_percentile(0.95) > 60000 or stats.get("/files", "POST").fail_ratio > 0.01:
        environment.process_exit_code = 1
