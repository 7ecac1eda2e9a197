// Clients of the conversation on the transports of Connect.
import { Code, ConnectError, createClient } from '@connectrpc/connect';
import { BIDI, CLIENT, SERVER, UNARY, isClientStream, isServerStream } from './schema.mjs';
import { CallError } from './conversation.mjs';

export const ALL_KINDS = [UNARY, SERVER, CLIENT, BIDI];

// Connect's codes have the numbers of gRPC.
const toCallError = (error) => {
  const { code, rawMessage } = ConnectError.from(error);
  return new CallError(code ?? Code.Unknown, rawMessage);
};

export function connectClient(name, transport, kinds = ALL_KINDS) {
  return { name, kinds, call: (method, requests, options) => call(transport, method, requests, options) };
}

async function* call(transport, method, requests, { headers, timeout, signal, onHeaders, onTrailers }) {
  const reader = (notify) => notify && ((fields) => notify((name) => fields.get(name)));
  const options = {
    headers,
    timeoutMs: timeout,
    signal,
    onHeader: reader(onHeaders),
    onTrailer: reader(onTrailers),
  };
  const invoke = createClient(method.parent, transport)[method.localName];
  const input = isClientStream(method) ? requests : (await requests.next()).value;
  try {
    if (isServerStream(method)) yield* invoke(input, options);
    else yield await invoke(input, options);
  } catch (error) {
    throw toCallError(error);
  }
}
