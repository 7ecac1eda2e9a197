/** Any JSON value. */
export type Json = null | boolean | number | string | Json[] | { [key: string]: Json };

/** Metadata to send: names in any case; values of names that end with `-bin` are base64. */
export type MetadataInit = { [name: string]: string | string[] };

/** Metadata that were received: names in lower case. */
export type Metadata = { [name: string]: string[] };

/** A request or a response: JSON, or bytes for the codec `proto`. */
export type Message = Json | Uint8Array;

export interface ClientOptions {
  /** Metadata with which every call begins, such as `authorization`. */
  metadata?: MetadataInit;
  /** The WebSocket class. Default: the global one. */
  WebSocket?: typeof WebSocket;
}

export interface CallOptions {
  /** Metadata of the call, in place of those of the client with the same names. */
  metadata?: MetadataInit;
  /** `'proto'` for messages that are bytes. Default: `'json'`. */
  codec?: 'json' | 'proto';
  /** The time until the call ends as `deadline_exceeded`, in ms. Default: that of the gateway. */
  timeout?: number;
  /** Cancels the call. */
  signal?: AbortSignal;
  /**
   * The bytes of responses that may wait to be taken. Default: 65,536. The server sends no more until
   * the program has taken responses.
   */
  credit?: number;
}

/** The end of a call. */
export interface CallEnd {
  /** The number of the gRPC status: 0 for success. */
  code: number;
  /** Its name, such as `'not_found'`. */
  status: string;
  message: string;
  /** The details of the status, with `@type`. */
  details: Json[];
  trailers: Metadata;
}

/** A response of a method that returns one. */
export interface Response {
  message: Message;
  headers: Metadata;
  trailers: Metadata;
}

/** A call has failed. */
export class GrpcError extends Error {
  code: number;
  status: string;
  details: Json[];
  trailers: Metadata;
}

/**
 * A client of a gateway: any number of calls over one WebSocket. The WebSocket is opened by the first
 * call, and again by the next call after it was closed; calls in progress then end as `unavailable`.
 */
export class GrpcClient {
  /** The URL of the gateway: `wss://`, `https://` or relative to the page. */
  constructor(url: string | URL, options?: ClientOptions);

  /** Opens the WebSocket. Resolves when it is open, and also when it could not be opened. */
  connect(): Promise<void>;

  /** Sets the metadata with which later calls begin. */
  setMetadata(metadata: MetadataInit): void;

  /** Calls a method, `package.Service/Method`, with one request and one response. */
  unary(method: string, message: Message, options?: CallOptions): Promise<Response>;

  /** Calls a method with one request. The responses are those of the call's iteration. */
  serverStream(method: string, message: Message, options?: CallOptions): Call;

  /** Calls a method with one response. A failure of the iteration cancels the call. */
  clientStream(
    method: string,
    messages: Iterable<Message> | AsyncIterable<Message>,
    options?: CallOptions,
  ): Promise<Response>;

  /** Calls a method whose requests come from an iteration. */
  bidiStream(
    method: string,
    messages: Iterable<Message> | AsyncIterable<Message>,
    options?: CallOptions,
  ): Call;

  /** Begins a call whose requests are sent one by one: see `Call.send`. */
  call(method: string, options?: CallOptions): Call;

  /** Closes the WebSocket. Calls in progress end as `unavailable`, and there are no others. */
  close(): void;
}

/**
 * A call: its responses are those of its iteration, which throws a `GrpcError` if the call fails.
 * Leaving the iteration early cancels the call.
 */
export class Call implements AsyncIterableIterator<Message> {
  /** The headers of the response. Empty if the call ends without any. */
  readonly headers: Promise<Metadata>;
  /** The end of the call. Never rejects. */
  readonly end: Promise<CallEnd>;

  /**
   * Sends a request. Resolves with `true` once it was sent, which may wait until the server takes
   * requests, and with `false` if the call has ended.
   */
  send(message: Message): Promise<boolean>;

  /** Sends all requests of an iteration, and ends the requests. Never rejects. */
  sendAll(messages: Iterable<Message> | AsyncIterable<Message>): Promise<void>;

  /** Ends the requests, after those that were sent. */
  halfClose(): Promise<void>;

  /** Cancels the call. */
  cancel(): void;

  /** Returns the only response, of a method that returns one. */
  response(): Promise<Response>;

  next(): Promise<IteratorResult<Message, undefined>>;
  return(value?: undefined): Promise<IteratorResult<Message, undefined>>;
  [Symbol.asyncIterator](): this;
}
