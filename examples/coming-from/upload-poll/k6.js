import http from "k6/http";
import { check, fail, sleep } from "k6";

const URL = __ENV.CONVERTER_URL || "http://127.0.0.1:8080";
const sample = open("./sample.pdf", "b");
export const options = {
  scenarios: {
    convert: { executor: "constant-arrival-rate", rate: 2, timeUnit: "1s", duration: "10m", preAllocatedVUs: 200, gracefulStop: "2m" },
  },
  thresholds: {
    iteration_duration: ["p(95)<60000"],
    "http_req_failed{name:POST /files}": ["rate<0.01"],
    checks: ["rate>0.99"],
  },
};
const headers = { "x-api-key": __ENV.API_KEY };
export default function () {
  const upload = http.post(`${URL}/files`, { kind: "invoice", file: http.file(sample, "sample.pdf", "application/pdf") },
    { headers, timeout: "60s", tags: { name: "POST /files" } });
  if (!check(upload, { "accepted": (r) => r.status === 202 })) fail("upload");
  const job = upload.json("job");
  for (let n = 0; n < 60; n++) {
    sleep(2);
    const poll = http.get(`${URL}/jobs/${job}`, { headers, tags: { name: "GET /jobs/{id}" } });
    if (poll.status !== 200) fail("poll");
    const state = poll.json("state");
    if (state === "done") {
      const result = http.get(`${URL}/jobs/${job}/result`, { headers, tags: { name: "GET /jobs/{id}/result" } });
      check(result, { "result 200": (r) => r.status === 200 });
      return;
    }
    if (!check(state, { "job is alive": (s) => s === "queued" || s === "running" })) return;
  }
  check(null, { "done within two minutes": () => false });
}
