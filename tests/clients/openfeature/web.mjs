// The web SDK with its OFREP provider. Requests are counted on their way, not changed.
import { OpenFeature, ProviderEvents } from "@openfeature/web-sdk";
import { OFREPWebProvider } from "@openfeature/ofrep-web-provider";
import { METHODS, serve } from "./commands.mjs";

const client = OpenFeature.getClient();
const requests = [];
const events = [];
for (const event of Object.values(ProviderEvents)) {
  client.addHandler(event, (about) => events.push({ event, flags: about?.flagsChanged }));
}

async function counted(request, options) {
  const response = await fetch(request, options);
  requests.push({
    status: response.status,
    sent: request.headers.get("if-none-match"),
    etag: response.headers.get("etag"),
  });
  return response;
}

async function until(found, what) {
  for (let waited = 0; !found(); waited += 20) {
    if (waited > 20_000) throw new Error(`${what} did not come`);
    await new Promise((resolve) => setTimeout(resolve, 20));
  }
}

await serve({
  start: async ({ url, key, context, pollInterval }) => {
    const provider = new OFREPWebProvider({
      baseUrl: url,
      headers: [["X-API-Key", key]],
      pollInterval,
      cacheMode: "disabled", // Node has no localStorage
      fetchImplementation: counted,
    });
    await OpenFeature.setContext(context);
    await OpenFeature.setProviderAndWait(provider);
  },
  context: ({ context }) => OpenFeature.setContext(context),
  status: () => client.providerStatus,
  details: ({ type, flag, fallback }) => client[METHODS[type]](flag, fallback),
  requests: () => requests.splice(0),
  event: async ({ event }) => {
    await until(() => events.some((one) => one.event === event), event);
    return events.splice(0).find((one) => one.event === event);
  },
  answered: async ({ status }) => {
    requests.length = 0;
    await until(() => requests.some((one) => one.status === status), `an answer ${status}`);
    return requests.find((one) => one.status === status);
  },
});
