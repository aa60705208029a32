// Streams: writes the feature's value for one unit at the start and at each change, until its
// input ends. The last argument, the key of an encrypted payload, may be left out.
import { GrowthBook } from "@growthbook/growthbook";

const [host, clientKey, feature, id, decryptionKey] = process.argv.slice(2);
const page = new GrowthBook({ apiHost: host, clientKey, decryptionKey, attributes: { id } });
let last;
function tell() {
  const value = page.getFeatureValue(feature, "fallback");
  if (value !== last) process.stdout.write(`${value}\n`);
  last = value;
}
const ready = await page.init({ timeout: 10000, streaming: true });
if (!ready.success) throw ready.error;
page.setRenderer(tell);
tell();
// The SDK keeps its stream open after `destroy`, so that the process would not end by itself.
process.stdin.on("end", () => process.exit()).resume();
