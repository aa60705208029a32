// A page whose features are evaluated remotely. Reads {host, clientKey, feature, units:
// [attributes]} and writes the value that each unit sees.
import { GrowthBook } from "@growthbook/growthbook";
import { growthbookTrackingPlugin } from "@growthbook/growthbook/plugins";
import { json } from "node:stream/consumers";

const { host, clientKey, feature, units } = await json(process.stdin);
const values = [];
for (const attributes of units) {
  const page = new GrowthBook({
    apiHost: host,
    clientKey,
    attributes,
    remoteEval: true,
    plugins: [growthbookTrackingPlugin({ ingestorHost: host })],
  });
  const ready = await page.init({ timeout: 10000 });
  if (!ready.success) throw ready.error;
  values.push(page.getFeatureValue(feature, "fallback"));
  page.destroy();
}
process.stdout.write(JSON.stringify(values));
