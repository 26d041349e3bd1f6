#!/usr/bin/env bash
# Gates a release of an autograd engine, on any CI server. The exit code is the decision:
# 0 conforms, 1 does not, 2 unknown or incomplete, 3 the suite broke, 4 wrong usage or input.
#
#   pip install gradlaws my-engine
#   GRADLAWS_BACKEND=my_package.my_adapter:MyBackend bash gate.sh
#
# Settings, all but the first optional:
#   GRADLAWS_BACKEND         the engine: a name, or module:attribute
#   GRADLAWS_LEVEL           the claim to check: core, full (the default) or torch
#   GRADLAWS_PROFILE         smoke, ci (the default) or nightly: 10, 100 or 2000 programs a law
#   GRADLAWS_REQUIRE_LEVEL   the claim that has to hold: core, full or torch
#   GRADLAWS_KNOWN_FAILURES  a list of what is known to fail (TOML)
#   GRADLAWS_BASELINE        the record of the last release; ignored where the file is not there (a first release)
#   GRADLAWS_FAIL_ON         failed (the default), or regressed: only what is worse than in the baseline
#   GRADLAWS_SEED            chooses the programs
#   GRADLAWS_OUT             where record and reports go (default: gradlaws-report)
set -euo pipefail

out=${GRADLAWS_OUT:-gradlaws-report}
mkdir -p "$out"
options=(
  --backend "${GRADLAWS_BACKEND:?set GRADLAWS_BACKEND to the name of an engine, or to module:attribute}"
  --record "$out/gradlaws.jsonl" # keep this: reports, differences and replays are made from it
  --report "$out"                # report.html, report.md, report.txt, junit.xml, badge.json
)
if [ -n "${GRADLAWS_LEVEL:-}" ]; then options+=(--level "$GRADLAWS_LEVEL"); fi
if [ -n "${GRADLAWS_PROFILE:-}" ]; then options+=(--profile "$GRADLAWS_PROFILE"); fi
if [ -n "${GRADLAWS_SEED:-}" ]; then options+=(--seed "$GRADLAWS_SEED"); fi
if [ -n "${GRADLAWS_REQUIRE_LEVEL:-}" ]; then options+=(--require-level "$GRADLAWS_REQUIRE_LEVEL"); fi
if [ -n "${GRADLAWS_KNOWN_FAILURES:-}" ]; then options+=(--known-failures "$GRADLAWS_KNOWN_FAILURES"); fi
if [ -n "${GRADLAWS_BASELINE:-}" ] && [ -e "$GRADLAWS_BASELINE" ]; then
  options+=(--baseline "$GRADLAWS_BASELINE" --fail-on "${GRADLAWS_FAIL_ON:-failed}")
fi
if [ -n "${GITHUB_STEP_SUMMARY:-}" ]; then options+=(--github); fi # annotations, and the summary of the step

exec gradlaws run "${options[@]}"
