/** What the clients of providers say for themselves: about mistakes before a request, and answers they cannot read. */
import { type Row } from "./row.ts"

export const clients = {
  /** Before anything is sent. Their texts quote the request: the names decide. */
  mistake: {
    id: "client/mistake",
    match: {
      code: [
        // `@mistralai/mistralai`, `cohere-ai`; that of an answer has another name.
        "SDKValidationError",
        "issue/request",
        // The `ai` package.
        /^AI_(?:Invalid(?:Argument|DataContent|MessageRole|Prompt|ToolApproval\w{0,9})|MessageConversion|LoadSetting)Error$/,
        /^AI_(?:NoSuch(?:Model|Provider)|Unsupported\w{1,24}|MissingToolResults|TooManyEmbeddingValuesForCall)Error$/,
        // Of Hugging Face and of Google's old package.
        /(?:Request|Client)InputError$/,
        // LangChain's.
        "INVALID_PROMPT_INPUT",
        "MESSAGE_COERCION_FAILURE"
      ]
    },
    kind: "caller_error",
    outcome: "Ignored"
  },
  mistakeMessage: {
    id: "client/mistake-message",
    match: {
      origin: ["error"],
      status: ["none"],
      message: [
        /^[\w.]{1,64} (?:is required(?:$| and )|(?:cannot|can't) be (?:empty|null|undefined)\b)/i,
        /^[\w.]{1,64} must (?:not )?be (?:set|provided|specified|defined|empty)\b/i,
        /^[\w.]{1,64} must be an? (?:string|number|array|object|function|boolean|url)\b/i,
        /^(?:no|empty) value provided for input HTTP label\b/i,
        /^(?:region is missing|streaming is (?:strongly )?required for operations)\b/i
      ]
    },
    kind: "caller_error",
    outcome: "Ignored"
  },
  /** No key was found, and nothing was sent: another target has a key of its own. */
  credentials: {
    id: "client/credentials",
    match: { code: ["CredentialsProviderError", "TokenProviderError"] },
    kind: "auth",
    outcome: "Ignored"
  },
  credentialsMessage: {
    id: "client/credentials-message",
    match: {
      origin: ["error"],
      status: ["none"],
      message: [
        /^(?:missing credentials|could not (?:resolve authentication|load (?:the default )?credentials))\b/i,
        /^the \w{1,32}_API_KEY environment variable is missing\b/i
      ]
    },
    kind: "auth",
    outcome: "Ignored"
  },
  /** What the model wrote could not be used. Before what was wrong with it, which is the cause of these. */
  output: {
    id: "client/model-output",
    match: {
      code: [
        /^AI_(?:NoObjectGenerated|NoSuchTool|InvalidToolInput|ToolCallRepair|ToolChoiceViolation)Error$/,
        "LengthFinishReasonError",
        "OutputParserException",
        "OUTPUT_PARSING_FAILURE"
      ]
    },
    kind: "model_output",
    outcome: "Ignored"
  },
  /** The word of `node-fetch` for an answer is that of others for a request. */
  notJson: {
    id: "client/not-json",
    match: { status: ["none"], message: [/^invalid json response body at /i] },
    kind: "malformed_response",
    outcome: "Failure"
  },
  /** An error that comes with the status of a success: its client could not read the answer. */
  unreadable: {
    id: "client/unreadable",
    match: { origin: ["error"], status: [[200, 299]] },
    kind: "malformed_response",
    outcome: "Failure"
  }
} as const satisfies Readonly<Record<string, Row>>
