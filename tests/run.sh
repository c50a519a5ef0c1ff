#!/usr/bin/env bash
# Installs what the tests need (Debian 12, as root), builds Nightjar with gcc and sanitizers and with clang, and runs every
# test. Exits non-zero when anything failed.
#
#   ./tests/run.sh [--fast] [--no-install] [NAME...]
#
#   --fast         without clang-tidy and the tests that take long
#   --no-install   uses what is there
#   NAME           only these stages: format shell layers build release tidy unit simulators integration manifests;
#                  any other NAME runs the unit and integration tests whose name contains it
#
# Environment: SEED (of what is random; printed by each test that uses it), NIGHTJAR_LONG=1 (the long versions of
# integration tests, hours), NIGHTJAR_KEEP=1 (keeps the folders of failed tests).
# shellcheck disable=SC2317  # stages are called by their names
set -uo pipefail
export LC_ALL=C.UTF-8
cd "$(dirname "$0")/.." || exit 1

fast=0
install=1
names=()
while [ $# -gt 0 ]; do
    case $1 in
        --fast) fast=1 ;;
        --no-install) install=0 ;;
        -h | --help) sed -n '2,14s/^# \{0,1\}//p' "$0"; exit 0 ;;
        -*) echo "run.sh: unknown option '$1' (try --help)" >&2; exit 64 ;;
        *) names+=("$1") ;;
    esac
    shift
done

all_stages=(format shell layers build release tidy unit simulators integration manifests)
logs=build/logs
jobs=$(nproc)
mkdir -p "$logs" build/tools

# Which stages, and which tests of `unit` and `integration`.
wanted=()
patterns=()
for name in "${names[@]}"; do
    case " ${all_stages[*]} " in
        *" $name "*) wanted+=("$name") ;;
        *) patterns+=("$name") ;;
    esac
done
if [ ${#patterns[@]} -gt 0 ]; then
    wanted+=(build release unit integration)
elif [ ${#names[@]} -eq 0 ]; then
    wanted=("${all_stages[@]}")
fi
# What a stage needs to have been built.
case " ${wanted[*]} " in *" unit "* | *" integration "*) wanted+=(build) ;; esac
case " ${wanted[*]} " in *" integration "* | *" tidy "*) wanted+=(release) ;; esac
is_wanted() {
    [ "$1" != tidy ] || [ "$fast" = 0 ] || return 1
    case " ${wanted[*]} " in *" $1 "*) return 0 ;; esac
    return 1
}

# ---- packages

install_packages() {
    local packages missing=() package
    mapfile -t packages < deploy/image/build-packages.txt
    packages+=(clang clang-format clang-tidy libclang-rt-14-dev libcmocka-dev dnsmasq-base make openssl procps nginx-light nodejs shellcheck git)
    for package in "${packages[@]}"; do
        # Node.js and the like may have come another way.
        case $package in nodejs) command -v node >/dev/null && continue ;; esac
        dpkg-query -W -f='${Status}' "$package" 2>/dev/null | grep -q 'ok installed' || missing+=("$package")
    done
    if [ ${#missing[@]} -gt 0 ]; then
        echo "installing ${missing[*]}"
        apt-get update -qq &&
            DEBIAN_FRONTEND=noninteractive apt-get install -y -qq --no-install-recommends "${missing[@]}" || return 1
    fi
    # The programs alone: the packages would start a Prometheus and an Alertmanager.
    for package in prometheus prometheus-alertmanager; do
        if ! command -v "$package" >/dev/null && [ ! -x "build/tools/usr/bin/$package" ]; then
            echo "fetching $package"
            (cd build/tools && apt-get download -qq "$package" && dpkg-deb -x "$package"_*.deb . && rm -f "$package"_*.deb)
        fi
    done
}

# ---- stages

c_files() {
    git ls-files -co --exclude-standard '*.c' '*.h' 2>/dev/null || find agent collector common tests -name '*.[ch]'
}

stage_format() {
    c_files | xargs -r clang-format --dry-run -Werror && echo "formatted: $(c_files | wc -l) files"
}

stage_shell() {
    local scripts
    mapfile -t scripts < <(git ls-files -co --exclude-standard '*.sh' .ci/run 2>/dev/null || find . -name '*.sh' -not -path './build/*')
    shellcheck "${scripts[@]}" && echo "checked: ${#scripts[@]} scripts"
}

stage_layers() {
    node --test tests/style/*.test.js
}

configure_and_build() {
    local folder=$1
    shift
    local launcher=()
    command -v ccache >/dev/null && launcher=(-DCMAKE_C_COMPILER_LAUNCHER=ccache)
    cmake -S . -B "$folder" -G Ninja "${launcher[@]}" "$@" >"$logs/cmake.log" 2>&1 || { cat "$logs/cmake.log"; return 1; }
    cmake --build "$folder" -j "$jobs"
}

stage_build() {
    configure_and_build build/test -DCMAKE_C_COMPILER=gcc -DNJ_SANITIZE=ON
}

stage_release() {
    configure_and_build build/release -DCMAKE_C_COMPILER=clang
}

# In the processors' idle time, beside the tests, which wait most of theirs.
begin_tidy() {
    local files idle=(nice -n 19)
    is_wanted tidy || return 0
    ! chrt --idle 0 true 2>/dev/null || idle=(chrt --idle 0)
    mapfile -t files < <(sed -n 's/^ *"file": "\(.*\)",\{0,1\}$/\1/p' build/release/compile_commands.json |
        sed "s|^$PWD/||" | grep -E '^(agent|collector|common|tests)/' | sort -u)
    rm -f "$logs/tidy.status"
    set -m
    {
        printf '%s\0' "${files[@]}" | "${idle[@]}" xargs -0 -n 1 -P "$jobs" tests/style/tidy.sh build/release &&
            echo "clean: ${#files[@]} files"
        echo "$?" >"$logs/tidy.status"
    } >"$logs/tidy.found" 2>&1 &
    tidy=$!
    set +m
    trap 'kill -- "-$tidy" 2>/dev/null' EXIT
}

stage_tidy() {
    tail --pid="$tidy" -f /dev/null
    cat "$logs/tidy.found"
    [ "$(cat "$logs/tidy.status")" = 0 ]
}

stage_unit() {
    local filter=()
    [ ${#patterns[@]} -eq 0 ] || filter=(-R "$(IFS='|'; echo "${patterns[*]}")" --no-tests=ignore)
    ctest --test-dir build/test -j "$jobs" --output-on-failure "${filter[@]}"
}

stage_simulators() {
    node --test tests/kubesim/*.test.js tests/wecomsim/*.test.js tests/web/*.test.js
}

stage_integration() {
    local file pattern status=0
    local alone=() together=()
    for file in tests/integration/*.test.js; do
        [ "$fast" = 0 ] || ! grep -q '^// long$' "$file" || continue
        for pattern in "${patterns[@]-}"; do
            case $file in *"$pattern"*) ;; *) continue ;; esac
            # What measures times, or lets time run faster than it does, wants the machine for itself.
            if grep -q '^// alone$' "$file"; then alone+=("$file"); else together+=("$file"); fi
            break
        done
    done
    [ $((${#alone[@]} + ${#together[@]})) -gt 0 ] || { echo "no integration test has such a name"; return 0; }
    export NIGHTJAR_BUILD=$PWD/build/test NIGHTJAR_RELEASE=$PWD/build/release
    [ ${#alone[@]} -eq 0 ] || node --test --test-concurrency=1 "${alone[@]}" || status=1
    [ ${#together[@]} -eq 0 ] || node --test --test-concurrency="$jobs" "${together[@]}" || status=1
    return "$status"
}

stage_manifests() {
    # kustomize 2, in Debian's own kubectl, does not know what is wanted here.
    if ! kubectl version --client 2>/dev/null | grep -qE 'Kustomize Version: v([4-9]|[1-9][0-9])'; then
        echo "skipped: there is no kubectl of 1.21 or later"
        return 0
    fi
    local folder count
    for folder in deploy/manifests deploy/manifests/persistent deploy/manifests/host-network; do
        kubectl kustomize "$folder" >"$logs/kustomize.yaml" || return 1
        count=$(grep -c '^kind:' "$logs/kustomize.yaml")
        grep -q '^kind: DaemonSet' "$logs/kustomize.yaml" || { echo "$folder: no DaemonSet"; return 1; }
        echo "$folder: $count objects"
    done
    # The field in place of the annotation that older clusters need.
    mkdir -p "$logs/apparmor"
    printf 'resources: [%s]\ncomponents: [%s]\n' "$(realpath --relative-to="$logs/apparmor" deploy/manifests/base)" \
        "$(realpath --relative-to="$logs/apparmor" deploy/manifests/apparmor-field)" >"$logs/apparmor/kustomization.yaml"
    kubectl kustomize "$logs/apparmor" >"$logs/kustomize.yaml" || return 1
    grep -q 'appArmorProfile' "$logs/kustomize.yaml" || { echo "apparmor-field: no such field"; return 1; }
    ! grep -q 'apparmor.security' "$logs/kustomize.yaml" || { echo "apparmor-field: the annotation is still there"; return 1; }
    kubectl kustomize deploy/manifests/rollback >"$logs/kustomize.yaml" # rights alone, beside one of the others
}

# ---- running them

started=$(date +%s)
summary=()
failed=()

# What a stage's own closing lines say.
numbers_of() {
    sed -nE -e 's/^[0-9]+% tests passed, ([0-9]+) tests failed out of ([0-9]+)$/\2 tests, \1 failed/p' \
        -e 's/^(# |ℹ )tests ([0-9]+)$/\2 tests/p' -e 's/^(# |ℹ )(fail|skipped) ([1-9][0-9]*)$/\3 \2/p' \
        -e 's/^(formatted|checked|clean|skipped): (.*)$/\1: \2/p' -e 's/^(deploy.*objects)$/\1/p' "$1" | paste -sd, - |
        sed 's/,/, /g'
}

run_stage() {
    local stage=$1 from status took
    is_wanted "$stage" || return 0
    printf '\n==== %s\n' "$stage"
    from=$(date +%s)
    "stage_$stage" 2>&1 | tee "$logs/$stage.log"
    status=${PIPESTATUS[0]}
    took=$(($(date +%s) - from))
    if [ "$status" = 0 ]; then
        summary+=("$(printf 'ok      %-12s %4d s  %s' "$stage" "$took" "$(numbers_of "$logs/$stage.log")")")
    else
        summary+=("$(printf 'FAILED  %-12s %4d s  %s' "$stage" "$took" "$(numbers_of "$logs/$stage.log")")")
        failed+=("$stage")
    fi
    return "$status"
}

finish() {
    printf '\n==== summary\n'
    printf '%s\n' "${summary[@]}"
    printf 'total %d s; logs in %s/\n' "$(($(date +%s) - started))" "$logs"
    if [ ${#failed[@]} -gt 0 ]; then
        printf 'FAILED: %s\n' "${failed[*]}"
        exit 1
    fi
    echo "all passed"
    exit 0
}

if [ $install = 1 ]; then
    if [ "$(id -u)" = 0 ]; then
        install_packages || { echo "run.sh: the packages could not be installed" >&2; exit 1; }
    else
        echo "run.sh: not root, so what is missing is not installed"
    fi
fi
export PATH="$PATH:$PWD/build/tools/usr/bin"

run_stage format
run_stage shell
run_stage layers
run_stage build || finish
run_stage release || finish
begin_tidy
run_stage unit
run_stage simulators
run_stage integration
run_stage manifests
run_stage tidy
finish
