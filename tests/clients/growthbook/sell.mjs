// A server that meets units, shows each the feature and sells: the tracking plugin reports it.
// Reads {host, clientKey, feature, units: [{attributes, purchases: {variation: [value]}}]} and
// writes the variation key that each unit met, null where it was not in the experiment.
import { GrowthBookClient } from "@growthbook/growthbook";
import { growthbookTrackingPlugin } from "@growthbook/growthbook/plugins";
import { json } from "node:stream/consumers";
import { setTimeout } from "node:timers/promises";

const { host, clientKey, feature, units } = await json(process.stdin);
const client = new GrowthBookClient({
  apiHost: host,
  clientKey,
  plugins: [growthbookTrackingPlugin({ ingestorHost: host })],
});
const ready = await client.init({ timeout: 10000 });
if (!ready.success) throw ready.error;

const met = [];
for (const [number, { attributes, purchases }] of units.entries()) {
  const visitor = client.createScopedInstance({ attributes });
  const { experimentResult } = visitor.evalFeature(feature);
  const key = experimentResult?.inExperiment ? experimentResult.key : null;
  met.push(key);
  for (const value of purchases[key] ?? []) visitor.logEvent("buy", { value });
  // The plugin posts all that gathered in a tenth of a second as one batch.
  if (number % 100 === 99) await setTimeout(150);
}
process.stdout.write(JSON.stringify(met));
client.destroy();
