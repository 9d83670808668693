#!/bin/sh
# The working tree against a git ref: both engines of both, fresh processes, order reversed every second round.
#   bench/compare.sh REF [options of bench/run.ts]      e.g. bench/compare.sh main --scenario bulk --rounds 9
set -eu
ref=${1:?usage: bench/compare.sh REF [options of bench/run.ts]}
shift
root=$(git -C "$(dirname "$0")" rev-parse --show-toplevel)
commit=$(git -C "$root" rev-parse --short "$ref^{commit}")
folder=$(mktemp -d)
tree=$folder/portald
cleanup() {
  git -C "$root" worktree remove --force "$tree" 2>/dev/null || true
  rm -rf "$folder"
}
trap cleanup EXIT
trap 'exit 130' INT TERM

git -C "$root" worktree add --quiet --detach "$tree" "$commit"
if cmp -s "$root/package-lock.json" "$tree/package-lock.json"; then
  ln -s "$root/node_modules" "$tree/node_modules"
else
  (cd "$tree" && npm ci --ignore-scripts --no-audit --no-fund >&2)
fi
(cd "$tree" && npm run --silent build >&2)
(cd "$root" && npm run --silent build >&2)
"$root/node_modules/.bin/node" "$root/bench/run.ts" --baseline "$tree" --label "$commit" --reverse "$@"
