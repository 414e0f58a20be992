import {
  BedrockRuntimeClient,
  type ContentBlock,
  ConverseCommand,
  ConverseStreamCommand
} from "@aws-sdk/client-bedrock-runtime"
import { type Client, readAll, type Target } from "./client.ts"
import { bedrock as dialect } from "./dialects.ts"

const credentials = { accessKeyId: "test", secretAccessKey: "test" }

const clientOf = ({ timeoutMillis, url }: Target) =>
  new BedrockRuntimeClient({
    region: "eu-central-1",
    endpoint: url,
    credentials,
    maxAttempts: 1,
    requestHandler: timeoutMillis === undefined
      ? {}
      : { requestTimeout: timeoutMillis, throwOnRequestTimeout: true }
  })

const request = {
  modelId: "m",
  messages: [{ role: "user" as const, content: [{ text: "Hi" }] as Array<ContentBlock> }]
}

const optionsOf = ({ signal }: Target) => signal === undefined ? {} : { abortSignal: signal }

export const bedrock: Client = {
  name: "@aws-sdk/client-bedrock-runtime",
  dialect,
  // Over HTTP/2 a cut looks like an end.
  except: { "a cut answer": "Failure malformed_response" },
  once: (target) => clientOf(target).send(new ConverseCommand(request), optionsOf(target)),
  drain: async (target) => {
    const { stream } = await clientOf(target).send(new ConverseStreamCommand(request), optionsOf(target))
    await readAll(stream!)
  },
  mistakes: {
    "no model": (url) => clientOf({ url }).send(new ConverseCommand({ ...request, modelId: undefined })),
    "no region": (url) =>
      new BedrockRuntimeClient({
        endpoint: url,
        credentials,
        region: async () => {
          throw new Error("Region is missing")
        }
      })
        .send(new ConverseCommand(request)),
    "no credentials": (url) =>
      new BedrockRuntimeClient({
        region: "eu-central-1",
        endpoint: url,
        credentials: async () => {
          throw Object.assign(new Error("Could not load credentials from any providers"), {
            name: "CredentialsProviderError",
            tryNextLink: false
          })
        }
      }).send(new ConverseCommand(request))
  }
}
