// The messages and services of interop.proto, from its encoded set of descriptors: no code is
// generated.
import { create, createFileRegistry, fromBinary, toBinary } from '@bufbuild/protobuf';
import { FileDescriptorSetSchema } from '@bufbuild/protobuf/wkt';

export function readSchema(descriptorSet) {
  const registry = createFileRegistry(fromBinary(FileDescriptorSetSchema, descriptorSet));
  const service = (name) => registry.getService(`grpc.testing.${name}`);
  return {
    test: service('TestService'),
    unimplemented: service('UnimplementedService'),
    observer: service('Observer'),
  };
}

export const methodOf = (service, name) => service.methods.find((method) => method.name === name);
export const pathOf = (method) => `/${method.parent.typeName}/${method.name}`;
export const requestOf = (method, fields) => create(method.input, fields);
export const encodeRequest = (method) => (message) => toBinary(method.input, message);
export const decodeRequest = (method) => (bytes) => fromBinary(method.input, bytes);
export const encodeResponse = (method) => (message) => toBinary(method.output, message);
export const decodeResponse = (method) => (bytes) => fromBinary(method.output, bytes);

// The kinds of methods, in the spelling of protobuf-es.
export const UNARY = 'unary';
export const SERVER = 'server_streaming';
export const CLIENT = 'client_streaming';
export const BIDI = 'bidi_streaming';
export const isServerStream = (method) => method.methodKind === SERVER || method.methodKind === BIDI;
export const isClientStream = (method) => method.methodKind === CLIENT || method.methodKind === BIDI;
