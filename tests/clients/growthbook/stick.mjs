// A server with a sticky bucket service of its own. Reads {host, clientKey, feature, documents,
// units: [attributes]} and writes {found: [[variation key, whether it was kept]], documents}.
import { GrowthBookClient, StickyBucketService } from "@growthbook/growthbook";
import { json } from "node:stream/consumers";

class Kept extends StickyBucketService {
  constructor(documents) {
    super();
    this.documents = documents;
  }
  async getAssignments(name, value) {
    return this.documents[this.getKey(name, value)] ?? null;
  }
  async saveAssignments(document) {
    this.documents[this.getKey(document.attributeName, document.attributeValue)] = document;
  }
}

const { host, clientKey, feature, documents, units } = await json(process.stdin);
const service = new Kept(documents);
const client = new GrowthBookClient({ apiHost: host, clientKey });
const ready = await client.init({ timeout: 10000 });
if (!ready.success) throw ready.error;
const found = [];
for (const attributes of units) {
  const context = await client.applyStickyBuckets({ attributes }, service);
  const { experimentResult } = client.evalFeature(feature, context);
  const key = experimentResult?.inExperiment ? experimentResult.key : null;
  found.push([key, experimentResult?.stickyBucketUsed ?? false]);
}
process.stdout.write(JSON.stringify({ found, documents }));
client.destroy();
