#!/bin/bash
# Deploys to the machines that `vagrant up` has brought, loses one, deploys again, brings it back, rolls back.
# Needs fab with murder_fabric on the PATH, and the PEERS that the machines were brought up with.
set -euo pipefail
cd "$(dirname "$0")"
export PEERS=${PEERS:-5}
lost=web$PEERS

say() { printf '\n== %s\n' "$*"; }
run() { printf '$ %s\n' "$*"; "$@"; }
expect() { # CODE COMMAND...: the command must end with CODE
    local code=$1 got=0
    shift
    run "$@" || got=$?
    [ "$got" -eq "$code" ] || { say "exit code $got where $code was expected"; exit 1; }
}

rm -rf site && mkdir site
for number in $(seq 50); do head -c 1000000 /dev/urandom >"site/file$number"; done
echo one >site/version
vagrant ssh-config >ssh_config

say "the first deploy: 50 MB to $PEERS peers"
run fab murder.deploy --tag v1 --files-path site

say "$lost loses its power; a deploy switches nobody, until one host less is allowed"
echo two >site/version
run vagrant halt --force "$lost"
expect 3 fab murder.deploy --tag v2 --files-path site
expect 3 fab murder.deploy --tag v2 --files-path site --allow-failures 1 # 3: one host is not as the others

say "$lost is back, and gets from the others what it missed"
run vagrant up "$lost"
vagrant ssh-config >ssh_config
run fab murder.catch-up
run fab murder.verify

say "v2 was a mistake"
run fab murder.rollback
run fab murder.releases
say "all $PEERS peers have v1 again; vagrant destroy --force ends them"
