import http from "k6/http";
import { check, fail, sleep } from "k6";
import { SharedArray } from "k6/data";
import exec from "k6/execution";

const URL = __ENV.SHOP_URL || "http://127.0.0.1:8080";
const read = (file) => open(file).trim().split("\n").slice(1).map((line) => line.split(","));
const users = new SharedArray("users", () => read("./users.csv"));
const skus = new SharedArray("skus", () => read("./skus.csv"));

export const options = {
  scenarios: {
    browse: {
      executor: "ramping-arrival-rate", exec: "browse", startRate: 0, preAllocatedVUs: 40, maxVUs: 40,
      stages: [{ target: 16, duration: "2s" }, { target: 16, duration: "15s" }],
    },
    checkout: {
      executor: "ramping-arrival-rate", exec: "checkout", startRate: 0, preAllocatedVUs: 40, maxVUs: 40,
      stages: [{ target: 4, duration: "2s" }, { target: 4, duration: "15s" }],
    },
  },
  thresholds: {
    http_req_failed: ["rate<0.01"],
    checks: ["rate>0.99"],
    "http_req_duration{name:POST /orders}": ["p(95)<500"],
    "iteration_duration{scenario:checkout}": ["p(95)<3000"],
  },
};

let token;
function headers(extra) {
  return {
    "content-type": "application/json", "x-api-key": __ENV.SHOP_KEY, "x-correlation-id": crypto.randomUUID(),
    authorization: `Bearer ${token}`, ...extra,
  };
}
function login() {
  if (token) return;
  const [name, password] = users[(exec.vu.idInTest - 1) % users.length];
  const answer = http.post(`${URL}/login`, JSON.stringify({ name, password }), { headers: headers(), tags: { name: "POST /login" } });
  if (answer.status !== 200) fail("login failed");
  token = answer.json("token");
}
export function browse() {
  login();
  const sku = skus[Math.floor(Math.random() * skus.length)][0];
  const answer = http.get(`${URL}/products/${sku}`, { headers: headers(), tags: { name: "GET /products/{sku}" } });
  check(answer, { "product 200": (r) => r.status === 200, "has a price": (r) => r.json("price") !== undefined });
}
export function checkout() {
  login();
  const sku = skus[Math.floor(Math.random() * skus.length)][0];
  const created = http.post(`${URL}/carts`, null, { headers: headers(), tags: { name: "POST /carts" } });
  if (!check(created, { "cart 201": (r) => r.status === 201 })) fail("no cart");
  const cart = created.json("id");
  const item = http.post(`${URL}/carts/${cart}/items`, JSON.stringify({ sku, quantity: 1 }), { headers: headers(), tags: { name: "POST /carts/{cart}/items" } });
  if (!check(item, { "item 201": (r) => r.status === 201 })) fail("no item");
  sleep(0.5 + Math.random());
  const order = http.post(`${URL}/orders`, JSON.stringify({ cart }), { headers: headers({ "idempotency-key": crypto.randomUUID() }), tags: { name: "POST /orders" } });
  check(order, { "order 201": (r) => r.status === 201, "order is open": (r) => r.json("state") === "open" });
}
