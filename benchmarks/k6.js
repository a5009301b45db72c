import http from "k6/http";
import { check } from "k6";

const paths = ["/api/0", "/api/1", "/api/2"];
let turn = 0;

export default function () {
  const answer = http.get(__ENV.URL + paths[turn++ % paths.length]);
  check(answer, { ok: (r) => r.status === 200 && r.body.includes('"parity_ok": true') });
}
