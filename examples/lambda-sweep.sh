#!/usr/bin/env bash
# What λ does to the answer: a brain of known truth, fitted once, read at several λ, tracked at two of them.
#
#     bash examples/lambda-sweep.sh [FOLDER]        (a new folder; default: a temporary one)
#
# Needs prism-dmri (on the path, or built here) and Python with nibabel and numpy; the tracking part needs MRtrix3 and is left out without it.
set -euo pipefail
here=$(cd "$(dirname "$0")" && pwd)
work=${1:-$(mktemp -d)/lambda-sweep}
PATH=$PATH:$here/../.build/release
lambdas=0,0.25,0.5,1,2,3

mkdir -p "$work"
prism-dmri simulate --out "$work/brain" --size 32,40,24 --acquisition "$here/../protocols/acquisitions/abcd-103.yaml"
prism-dmri fit "$work/brain/dwi.nii.gz" --mask "$work/brain/mask.nii.gz" --family ball-sticks --out "$work/fit"
prism-dmri maps "$work/fit" --lambda $lambdas --out "$work/maps" --quiet

echo
python3 "$here/lambda_table.py" "$work/brain" "$work"/maps/lambda-*
echo
echo "At λ = 0.5, true number of fibres against called:"
python3 "$here/against_truth.py" "$work/maps/lambda-0.5" "$work/brain"

command -v tckgen > /dev/null || { echo "MRtrix3 is not here: no tracking."; exit 0; }
echo
echo "Deterministic tracking, one seed a voxel of the mask:"
printf '%8s %12s %14s %24s %28s\n' λ streamlines 'mean length' 'of fibre voxels visited' 'of visited voxels, no fibre'
for lambda in 0 3; do
    peaks=$work/maps/lambda-$lambda/mrtrix/peaks.nii.gz tracks=$work/tracks-$lambda.tck mask=$work/brain/mask.nii.gz
    tckgen -quiet -force -algorithm FACT "$peaks" "$tracks" -seed_grid_per_voxel "$mask" 1 -mask "$mask" -minlength 10 -select 0
    tckmap -quiet -force "$tracks" -template "$mask" "$work/density-$lambda.nii.gz"
    python3 "$here/lambda_table.py" --tracks "$lambda" "$(tckstats -quiet "$tracks" -output count)" "$(tckstats -quiet "$tracks" -output mean)" \
        "$work/density-$lambda.nii.gz" "$work/brain"
done
echo
echo "Kept: $work"
