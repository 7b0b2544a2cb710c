# replay.sh BUILD TARGET: the committed corpus of a fuzzer, then five seconds from a fixed seed. New inputs stay in BUILD.
set -e
if ! [ -x "$1/fuzz_$2" ]; then
  echo "fuzz.$2: $1/fuzz_$2 is not there (Debian: clang-22, libclang-rt-22-dev; ./run test builds it)"
  exit 77
fi
tree=$(cd "$(dirname "$0")" && pwd)
new=$1/replay/$2
rm -rf "$new"
mkdir -p "$new"
dictionary=
[ ! -e "$tree/$2.dict" ] || dictionary=-dict=$tree/$2.dict
export ASAN_OPTIONS=allocator_may_return_null=1
failed=-error_exitcode=1  # its own is 77, which says skipped here
"$1/fuzz_$2" $failed -runs=0 "$tree/corpus/$2" 2>&1
exec "$1/fuzz_$2" $failed -timeout_exitcode=1 -seed=1 -max_total_time=5 -max_len=600 -print_final_stats=1 \
  -artifact_prefix="$1/$2-" $dictionary "$new" "$tree/corpus/$2" 2>&1
