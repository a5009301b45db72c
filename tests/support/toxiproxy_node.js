// Drives a proxy with toxiproxy-node-client, as its README does; prints what came of it as JSON.
const { Toxiproxy } = require("./toxiproxy_node_client");

async function main(api, upstream) {
  const toxiproxy = new Toxiproxy(api);
  const seen = { version: JSON.parse(await toxiproxy.getVersion()).version };
  const proxy = await toxiproxy.createProxy({ listen: "localhost:0", name: "node", upstream });
  seen.listen = proxy.listen;
  seen.enabled = proxy.enabled;
  const toxic = await proxy.addToxic({ attributes: { latency: 300, jitter: 0 }, type: "latency" });
  seen.toxic = toxic.toJson();
  seen.updated = (await toxic.update({ attributes: { latency: 400 } })).attributes;
  seen.fetched = (await proxy.getToxic(toxic.name)).attributes;
  seen.duplicate = await proxy
    .addToxic({ attributes: { latency: 1 }, type: "latency" })
    .catch((error) => error.message);
  await toxic.remove();
  const cut = await proxy.addToxic({
    attributes: { count: 2, statement: "INSERT" }, name: "cut", type: "cut_after_commit",
  });
  seen.cut = cut.attributes;
  seen.disabled = (await proxy.update({ enabled: false })).enabled;
  await toxiproxy.reset();
  const again = await toxiproxy.get("node");
  seen.reset = again.toJson();
  const made = await toxiproxy.populate([
    { listen: proxy.listen, name: "node", upstream },
    { listen: "localhost:0", name: "other", upstream },
  ]);
  seen.populated = Object.keys(made).sort();
  seen.all = Object.keys(await toxiproxy.getAll()).sort();
  await made.other.remove();
  seen.left = Object.keys(await toxiproxy.getAll());
  seen.gone = await toxiproxy.get("other").catch((error) => error.message);
  console.log(JSON.stringify(seen));
}

main(process.argv[2], process.argv[3]);
