import http from "k6/http";
import { check, fail } from "k6";
import exec from "k6/execution";

const URL = __ENV.API_URL || "https://api.example.com";
const ID = __ENV.ID_URL || "https://id.example.com";
export const options = {
  scenarios: { api: { executor: "constant-arrival-rate", rate: 500, timeUnit: "1s", duration: "2h", preAllocatedVUs: 500 } },
  thresholds: {
    "http_req_failed{name:GET /v1/orders}": ["rate<0.001"],
    "http_req_duration{name:GET /v1/orders}": ["p(99)<500"],
    checks: ["rate>0.999"],
  },
};

let token, expires = 0; // of this VU alone: 500 VUs ask for 500 tokens, inside measured iterations
function bearer() {
  if (Date.now() > expires) {
    const answer = http.post(`${ID}/oauth/token`,
      { grant_type: "client_credentials", client_id: "load", client_secret: __ENV.CLIENT_SECRET, scope: "orders.read" },
      { tags: { name: "token" } });
    if (answer.status !== 200) fail("no token");
    token = answer.json("access_token");
    expires = Date.now() + answer.json("expires_in") * 800;
  }
  return { authorization: `Bearer ${token}` };
}
export default function () {
  const answer = http.get(`${URL}/v1/orders?page=${exec.scenario.iterationInTest}`, { headers: bearer(), tags: { name: "GET /v1/orders" } });
  check(answer, { "200": (r) => r.status === 200, "has items": (r) => r.json("items") !== undefined });
}
