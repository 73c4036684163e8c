// Sends events with the real SDK. A JSON line in {sdk, baseUrl, key, events} is answered by one out: {ids} or {error}.
import { createInterface } from "node:readline";

const sdks = { inngest3: await import("inngest3"), inngest4: await import("inngest4") };
const quiet = { debug() {}, info() {}, warn() {}, error() {} };

for await (const line of createInterface({ input: process.stdin })) {
  const { sdk, baseUrl, key, events } = JSON.parse(line);
  const client = new sdks[sdk].Inngest({ id: "rowline", baseUrl, eventKey: key, isDev: false, logger: quiet });
  let told;
  try {
    told = { ids: (await client.send(events)).ids };
  } catch (error) {
    told = { error: String(error.message) };
  }
  process.stdout.write(JSON.stringify(told) + "\n");
}
