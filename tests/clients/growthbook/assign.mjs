// Reads {host, clientKey, decryptionKey?, feature, units: [attributes]} and writes each unit's
// variation key, null where it is not in the experiment.
import { GrowthBookClient } from "@growthbook/growthbook";
import { json } from "node:stream/consumers";

const { host, clientKey, decryptionKey, feature, units } = await json(process.stdin);
const client = new GrowthBookClient({ apiHost: host, clientKey, decryptionKey });
const ready = await client.init({ timeout: 10000 });
if (!ready.success) throw ready.error;
const variants = units.map((attributes) => {
  const { experimentResult } = client.evalFeature(feature, { attributes });
  return experimentResult?.inExperiment ? experimentResult.key : null;
});
process.stdout.write(JSON.stringify(variants));
client.destroy();
