// Reads {host, clientKey, decryptionKey?, features, units: [attributes]} and writes, for each
// feature, what each unit gets: [value, id of the rule, variation key], the last null where it is
// not in.
import { GrowthBookClient } from "@growthbook/growthbook";
import { json } from "node:stream/consumers";

const { host, clientKey, decryptionKey, features, units } = await json(process.stdin);
const client = new GrowthBookClient({ apiHost: host, clientKey, decryptionKey });
const ready = await client.init({ timeout: 10000 });
if (!ready.success) throw ready.error;
const answer = {};
for (const feature of features) {
  answer[feature] = units.map((attributes) => {
    const { value, ruleId, experimentResult } = client.evalFeature(feature, { attributes });
    return [value, ruleId, experimentResult?.inExperiment ? experimentResult.key : null];
  });
}
process.stdout.write(JSON.stringify(answer));
client.destroy();
