// The server SDK with its OFREP provider, as a service in Node uses them.
import { OpenFeature } from "@openfeature/server-sdk";
import { OFREPProvider } from "@openfeature/ofrep-provider";
import { METHODS, serve } from "./commands.mjs";

const client = OpenFeature.getClient();

function details({ type, flag, fallback, context }) {
  return client[METHODS[type]](flag, fallback, context);
}

async function variants({ flag, units, together }) {
  const found = new Array(units.length);
  let next = 0;
  const worker = async () => {
    while (next < units.length) {
      const index = next++;
      const given = await client.getStringDetails(flag, "none", { targetingKey: units[index] });
      found[index] = [given.variant, given.value, given.flagMetadata.inExperiment];
    }
  };
  await Promise.all(Array.from({ length: together }, worker));
  return found;
}

await serve({
  start: async ({ url, key }) => {
    const headers = { Authorization: `Bearer ${key}` };
    await OpenFeature.setProviderAndWait(new OFREPProvider({ baseUrl: url, headers }));
  },
  details,
  variants,
});
