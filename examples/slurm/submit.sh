#!/usr/bin/env bash
# Fits many scans on a cluster that runs Slurm: an array of jobs over scans and parts of each, and a job for each scan that joins its
# parts as soon as all of them have ended. The files are those of fits made in one go, byte for byte.
#
# Usage: bash submit.sh LIST OUT PARTS [options of 'prism-dmri fit']
#
#   LIST   a text file with a scan in each line: an image or a folder that 'prism-dmri fit' takes, relative to the current folder
#   OUT    folder to write: OUT/NAME of each scan (NAME: its path with _ for /), its parts in OUT/parts, messages in OUT/log
#   PARTS  jobs a scan; about 20 minutes each is good for the queue ('prism-dmri fit … --shard 1/PARTS --dry-run' says how long)
#
# PRISM_SBATCH="--time=1:00:00 --mem=4G --cpus-per-task=4 --partition=…" are options of sbatch; PRISM_MERGE are options of 'merge', such
# as "--write fsl --keep structures". A part that was stopped goes on where it was when the same command is given again; a scan that is
# finished is left alone.
set -euo pipefail
here="$(cd "$(dirname "${BASH_SOURCE[0]}")" && pwd)"
[[ $# -ge 3 && -r "$1" && "$3" =~ ^[1-9][0-9]*$ ]] || { sed -n 's/^# Usage: /Usage: /p' "$0" >&2; exit 64; }
command -v sbatch >/dev/null || { echo "submit.sh: there is no sbatch here; run this on a login node of the cluster" >&2; exit 69; }
list="$(realpath "$1")" out="$(realpath -m "$2")" parts="$3"
shift 3
scans="$(grep -c . "$list")" || { echo "submit.sh: $list names no scan" >&2; exit 65; }
mkdir -p "$out/parts" "$out/log"
export PRISM_LIST="$list" PRISM_OUT="$out" PRISM_PARTS="$parts" PRISM_MERGE="${PRISM_MERGE:-}"
read -r -a options <<< "${PRISM_SBATCH:-}"

fits="$(sbatch --parsable "${options[@]}" --job-name=prism-fit --array="0-$((scans * parts - 1))" --output="$out/log/fit-%A_%a.txt" \
    "$here/fit.sbatch" "$@")"
# afterany: what is missing of a scan, its own merge says; other scans do not wait for it.
merges="$(sbatch --parsable "${options[@]}" --job-name=prism-merge --array="0-$((scans - 1))" --output="$out/log/merge-%A_%a.txt" \
    --dependency="afterany:$fits" "$here/merge.sbatch")"
echo "$scans scans in $parts parts: jobs $fits (fit) and $merges (merge); messages in $out/log"
