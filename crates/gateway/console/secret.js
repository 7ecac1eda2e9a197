// Metadata whose values are secrets: they are neither stored nor put into links and commands.

const NAMES = /^(authorization|cookie|set-cookie|proxy-authorization)$|token|secret|password|passwd|api-?key|credential|session/i;

export function looksSecret(name) {
  return NAMES.test(name);
}

// Returns metadata without the values of secrets.
export function withoutSecrets(metadata) {
  return metadata.map((entry) => (entry.secret ? { ...entry, value: "" } : entry));
}

// Returns the name of the environment variable that stands for a secret in a command.
export function variableOf(name) {
  return name.toUpperCase().replace(/[^A-Z0-9]+/g, "_").replace(/^(?=\d)/, "_");
}
