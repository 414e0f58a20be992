/** What the clients of providers say for themselves, of their callers, and of answers that they cannot read. */
import { type Row } from "./row.ts"

export const clients = {
  /** Mistakes before anything is sent. Their texts quote the request: the names decide. */
  ownCode: {
    id: "client/own-code",
    match: {
      code: [
        "AiError/UnsupportedSchemaError",
        "AiError/ToolConfigurationError",
        "AiError/ToolkitRequiredError",
        "AiError/InvalidUserInputError",
        "AiError/InvalidToolResultError",
        "AiError/ToolResultEncodingError",
        "ExceededCapacityError",
        "IllegalArgumentError",
        "NoSuchElementError",
        "ConfigError",
        "FailoverError/UnknownRoute",
        "FailoverError/NoTargetAllowed",
        // `@mistralai/mistralai`, `cohere-ai`; that of an answer has another name.
        "SDKValidationError",
        "issue/request",
        // The `ai` package.
        /^AI_(?:Invalid(?:Argument|DataContent|MessageRole|Prompt)|MessageConversion|LoadSetting)Error$/,
        /^AI_(?:NoSuch(?:Model|Provider)|Unsupported\w{1,24}|MissingToolResults)Error$/,
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
  // Before the rows of the network: the network is not to blame.
  request: {
    id: "client/request",
    match: {
      code: [
        /^ERR_INVALID_(?:URL|CHAR|HTTP_TOKEN|PROTOCOL|ARG_TYPE|ARG_VALUE)$/,
        "UND_ERR_INVALID_ARG",
        "HttpClientError/EncodeError",
        "HttpClientError/InvalidUrlError",
        "NetworkError/EncodeError",
        "NetworkError/InvalidUrlError"
      ]
    },
    kind: "caller_error",
    outcome: "Ignored"
  },
  /** The request is not whole, or cannot be written as JSON, or its headers cannot be sent. */
  mistake: {
    id: "client/mistake",
    match: {
      origin: ["error"],
      status: ["none"],
      message: [
        /^[\w.]{1,64} (?:is required(?:$| and )|(?:cannot|can't) be (?:empty|null|undefined)\b)/i,
        /^[\w.]{1,64} must (?:not )?be (?:set|provided|specified|defined|empty)\b/i,
        /^[\w.]{1,64} must be an? (?:string|number|array|object|function|boolean|url)\b/i,
        /^(?:no|empty) value provided for input HTTP label\b|^region is missing\b|^streaming is required\b/i,
        /^(?:converting circular structure to|JSON\.stringify cannot serialize|do not know how to serialize)\b/i,
        /^headers\.(?:append|set|delete|constructor): |^failed to parse URL\b/i
      ]
    },
    kind: "caller_error",
    outcome: "Ignored"
  },
  // After the timeouts: a client that times out aborts its own request.
  cancelled: {
    id: "client/cancelled",
    match: {
      code: [
        /^(?:\w{0,32}(?:User|Request|Model|AI))?Abort(?:ed)?Error$/,
        /^Cancel(?:l?ed)?Error$/,
        "ABORT_ERR",
        "ERR_CANCELED",
        "UND_ERR_ABORTED",
        "CANCELLED",
        "Answer/cancelled"
      ]
    },
    kind: "cancelled",
    outcome: "Ignored"
  },
  cancelledMessage: {
    id: "client/cancelled-message",
    match: { message: [/^Request was aborted\.$/] },
    kind: "cancelled",
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
