#!/usr/bin/env bash
# Checks the models of the queues that threads share: the outbox of a split connection and the
# command queue of the handler server. loom runs each model in every order of its steps, within a
# bound on the switches between threads. Arguments select models by their names:
#
#   ci/models.sh                all models
#   ci/models.sh command_queue  those of one module
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")/.."

# Only this crate is built with `--cfg loom`: the dependencies are those of ci/test.sh.
build=(cargo rustc -p sockeye --lib --all-features --profile test)
echo "models: ${build[*]} -- --cfg loom"
tests=$("${build[@]}" --message-format json-render-diagnostics -- --cfg loom |
  sed -n 's/.*"executable":"\([^"]*\)".*/\1/p')
echo "models: $tests model_"
if ! timeout 180 "$tests" "${@:-model_}"; then
  echo "models: failed, or not done within 180 s" >&2
  exit 1
fi
