import http from "k6/http";
import { check, fail, sleep } from "k6";
import { SharedArray } from "k6/data";
import exec from "k6/execution";

const URL = __ENV.SITE_URL || "https://www.example.com";
const users = new SharedArray("users", () => open("./users.csv").trim().split("\n").slice(1).map((line) => line.split(",")));
export const options = {
  maxRedirects: 5,
  scenarios: {
    home: { executor: "constant-arrival-rate", exec: "home", rate: 15, duration: "5m", preAllocatedVUs: 100 },
    sign_in: { executor: "constant-arrival-rate", exec: "signIn", rate: 5, duration: "5m", preAllocatedVUs: 300 },
  },
  thresholds: {
    http_req_failed: ["rate<0.01"],
    checks: ["rate>0.99"],
    "iteration_duration{scenario:sign_in}": ["p(95)<8000"],
  },
};
export function home() {
  check(http.get(`${URL}/`), { "200": (r) => r.status === 200, whole: (r) => r.body.includes("</html>") });
}
export function signIn() {
  const row = users[exec.scenario.iterationInTest % users.length];
  const page = http.get(`${URL}/login`);
  const csrf = page.html().find("input[name=csrf]").attr("value");
  if (page.status !== 200 || !csrf) fail("no token");
  sleep(2 + 3 * Math.random());
  const home = http.post(`${URL}/login`, { csrf, name: row[0], password: row[1] });
  if (!check(home, { greeted: (r) => r.status === 200 && r.body.includes(`Hello ${row[0]}`) })) fail("login");
  check(http.get(`${URL}/account`), { "account 200": (r) => r.status === 200 });
}
