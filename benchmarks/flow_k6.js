import http from "k6/http";

let turn = 0;

export default function () {
  const body = JSON.stringify({ sku: turn++ });
  const headers = { "content-type": "application/json" };
  const id = http.post(`${__ENV.URL}/carts`, body, { headers }).json("id");
  http.get(`${__ENV.URL}/carts/${id}`, {
    headers: { "x-token": id },
    tags: { name: "GET /carts/{id}" },
  });
}
